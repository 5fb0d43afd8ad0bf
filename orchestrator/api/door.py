"""The door: who calls is settled before anything of a body is read; how many at once, how much, and for how long.

Flows in: raw requests. Flows out: requests of callers, or 401, 408, 413, 429. So that no caller starves
another, an owner's tokens of equal roles have places of their own, callers without a token share theirs, and every body
has a size and a time.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...twin.sensing.events import MAX_BYTES
from ..identity import Caller
from ..node import Node
from .errors import answer

NO_TOKEN = "no token that counts; send Authorization: Bearer and your owner's token"
GUARDED, OPEN = "/v1/", frozenset({"/v1/health"})
MAX_AT_ONCE = 4  # requests of one owner's tokens of equal roles, or of all without a token; assumed
MAX_BODY = 256_000  # bytes of any body but events; a consent has about 2,000
BODY_S = 30.0  # for a whole body to come; assumed


class Door:
    """Lets in who has a token that counts, so many at a time; lives as long as its application."""

    def __init__(self, app: ASGIApp, node: Node) -> None:
        self._app = app
        self._node = node
        self._inside: Counter[object] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it here with its body unread."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        caller = self._caller(scope)
        if caller is None and scope["path"].startswith(GUARDED) and scope["path"] not in OPEN:
            headers = {"WWW-Authenticate": "Bearer", "Connection": "close"}
            await answer(401, "no_token", NO_TOKEN, headers)(scope, receive, send)
        elif self._inside[_place(caller)] >= MAX_AT_ONCE:
            headers = {"Retry-After": "1", "Connection": "close"}
            mend = f"{MAX_AT_ONCE} requests of yours are being answered; wait for one of them"
            await answer(429, "too_many_requests", mend, headers)(scope, receive, send)
        else:
            await self._let_in(caller, scope, receive, send)

    def _caller(self, scope: Scope) -> Caller | None:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, token = given[0].decode("latin-1").partition(" ") if len(given) == 1 else ("", "", "")
        return self._node.tokens.caller(token.strip()) if scheme.lower() == "bearer" else None

    async def _let_in(self, caller: Caller | None, scope: Scope, receive: Receive, send: Send) -> None:
        self._inside[_place(caller)] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._inside[_place(caller)] -= 1
            self._inside += Counter()  # forgets whom nobody is inside of


def _place(caller: Caller | None) -> object:
    """Whose places a caller takes: those of its owner's tokens of equal roles, or those of all without a token."""
    return None if caller is None else (caller.owner, caller.roles)


class BodyLimit:
    """Refuses a body that says it is too large, and cuts off one that grows too large or comes too slowly."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body counted and timed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = MAX_BYTES if scope["path"] == "/v1/events" else MAX_BODY
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > limit:
            await answer(413, "too_large", _smaller(limit), {"Connection": "close"})(scope, receive, send)
            return
        await self._app(scope, _counted(receive, limit, asyncio.get_running_loop().time() + BODY_S), send)


def _counted(receive: Receive, limit: int, deadline: float) -> Receive:
    read, is_whole = 0, False

    async def counted() -> Message:
        nonlocal read, is_whole
        if is_whole:
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            mend = f"the body took longer than {BODY_S:g} s; send it faster, or less at once"
            raise HTTPException(408, {"error": "too_slow", "mend": mend}, {"Connection": "close"}) from None
        read, is_whole = read + len(message.get("body", b"")), not message.get("more_body", False)
        if read > limit:
            raise HTTPException(413, {"error": "too_large", "mend": _smaller(limit)}, {"Connection": "close"})
        return message

    return counted


def _smaller(limit: int) -> str:
    return f"a body of at most {limit} bytes; send less at once"
