"""Who calls: what the door found, with the role a route asks for.

Flows in: `state.caller` of a request. Flows out: a `Caller`, or 401 without a token that counts, 403 without the role.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ..identity import Caller, Role
from ..node import Node

_bearer = HTTPBearer(auto_error=False, description="An owner's token, made by `tocsin keys new`.")


def node_of(request: Request) -> Node:
    """Give the node behind the application."""
    node: Node = request.app.state.node
    return node


TheNode = Annotated[Node, Depends(node_of)]


def caller_of(request: Request, _shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Caller:
    """Give who calls, as the door found it.

    Raises:
        HTTPException: 401, no token or one that counts for nobody.
    """
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None:
        reason = "no token that counts; send Authorization: Bearer and your owner's token"
        raise HTTPException(401, {"error": "no_token", "mend": reason}, headers={"WWW-Authenticate": "Bearer"})
    return caller


def with_role(role: Role) -> Callable[[Caller], Caller]:
    """Give a dependency that lets callers with `role` pass."""

    def check(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        if role not in caller.roles:
            mend = f"this needs the role {role}, your token has {', '.join(sorted(caller.roles))}; use another token"
            raise HTTPException(403, {"error": "wrong_role", "mend": mend})
        return caller

    return check


Sensor = Annotated[Caller, Depends(with_role(Role.SENSOR))]
Viewer = Annotated[Caller, Depends(with_role(Role.VIEWER))]
Approver = Annotated[Caller, Depends(with_role(Role.APPROVER))]
Operator = Annotated[Caller, Depends(with_role(Role.OPERATOR))]
