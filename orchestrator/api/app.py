"""The application: routes of one node behind its door, and its errors.

Flows in: a node. Flows out: an ASGI application. It starts nothing: serving is `serve.py`.
"""

from __future__ import annotations

from fastapi import FastAPI

from ... import __version__
from ..node import Node
from . import acting, errors, reading
from .bodies import Error
from .door import BodyLimit, Door

_ERRORS = {status: {"model": Error} for status in (401, 403, 404, 408, 409, 413, 422, 429)}


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
    app.add_middleware(BodyLimit)
    app.add_middleware(Door, node=node)  # the last one added is met first
    return app
