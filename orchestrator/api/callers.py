"""Who calls: the bearer token of a request, turned into a caller with the role a route asks for.

Flows in: the Authorization header of a request that the door let in. Flows out: a `Caller`, or 401 without a token that
counts, 403 without the role.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ..identity import Caller, Role
from ..node import Node
from .door import NO_TOKEN

_bearer = HTTPBearer(auto_error=False, description="An owner's token, made by `tocsin keys new`.")


def node_of(request: Request) -> Node:
    """Give the node behind the application."""
    node: Node = request.app.state.node
    return node


TheNode = Annotated[Node, Depends(node_of)]


def caller_of(node: TheNode, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Caller:
    """Give who calls; asked again behind the door, as a token may be taken back while its request's body comes in.

    Raises:
        HTTPException: 401, no token or one that counts for nobody.
    """
    caller = node.tokens.caller(credentials.credentials) if credentials else None
    if caller is None:
        raise HTTPException(401, {"error": "no_token", "mend": NO_TOKEN}, headers={"WWW-Authenticate": "Bearer"})
    return caller


async def body_of(request: Request) -> bytes:
    """Give the body; named before the caller in a route, it is there before the caller is asked for."""
    return await request.body()


def with_role(role: Role) -> Callable[[Caller], Caller]:
    """Give a dependency that lets callers with `role` pass."""

    def check(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        if role not in caller.roles:
            mend = f"this needs the role {role}, your token has {', '.join(sorted(caller.roles))}; use another token"
            raise HTTPException(403, {"error": "wrong_role", "mend": mend})
        return caller

    return check


WholeBody = Annotated[bytes, Depends(body_of)]
Sensor = Annotated[Caller, Depends(with_role(Role.SENSOR))]
Viewer = Annotated[Caller, Depends(with_role(Role.VIEWER))]
Approver = Annotated[Caller, Depends(with_role(Role.APPROVER))]
Operator = Annotated[Caller, Depends(with_role(Role.OPERATOR))]
