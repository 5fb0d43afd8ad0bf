"""The application: routes of one node, its errors, and a limit on every body.

Flows in: a node. Flows out: an ASGI application. It starts nothing: serving is `serve.py`.
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ... import __version__
from ...twin.sensing.events import MAX_BYTES
from ..node import Node
from . import acting, errors, reading
from .bodies import Error

_ERRORS = {status: {"model": Error} for status in (401, 403, 404, 409, 413, 422)}


def create_app(node: Node) -> FastAPI:
    """Give the application that serves `node`."""
    app = FastAPI(
        title="Tocsin node",
        version=__version__,
        summary="Findings, belief and responses of one node; the caller's view applies to every route.",
        responses={status: dict(answer) for status, answer in _ERRORS.items()},
    )
    app.state.node = node
    app.include_router(reading.router)
    app.include_router(acting.router)
    errors.install(app)
    app.add_middleware(BodyLimit, limit=MAX_BYTES)
    return app


class BodyLimit:
    """Refuses a body whose declared length is over the limit, and cuts off one that grows over it undeclared."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body counted."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self.limit:
            await errors.answer(413, "too_large", f"a body of at most {self.limit} bytes")(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.limit:
                raise errors.TooLarge(f"a body of at most {self.limit} bytes")
            return message

        await self.app(scope, counted, send)
