"""A small real OpenC2 consumer over HTTP: what an owner's enforcement point looks like from outside.

It takes OpenC2 request messages at /openc2, asks for a bearer token, removes duplicates by request_id, keeps what it
did, and can be told to fail. It lives as long as its `with` block, on a free loopback port.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

CONTENT_TYPE = "application/openc2+json;version=1.0"


@dataclass
class Consumer:
    """What the consumer did and how it shall behave."""

    token: str = "consumer-token"
    url: str = ""
    done: list[dict[str, Any]] = field(default_factory=list)  # commands carried out, once per request_id
    seen: list[str] = field(default_factory=list)  # request_ids as they came in, repetitions included
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)  # by request_id
    fail_next: int = 0  # so many requests answer 503, before doing anything
    lose_next: int = 0  # so many requests are carried out, but answered 503
    garble: bytes = b""  # answer this instead of an OpenC2 response
    status: int = 200  # HTTP status of such an answer
    drips: bool = False  # answer a byte every tenth of a second
    understood: frozenset[str] = frozenset({"deny", "allow", "set", "restore"})

    def take(self, message: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Carry out a request message once."""
        key = message["headers"]["request_id"]
        self.seen.append(key)
        if self.fail_next > 0:
            self.fail_next -= 1
            return 503, {}
        if key not in self.answers:
            self.answers[key] = self._carry_out(message["body"]["openc2"]["request"])
        if self.lose_next > 0:
            self.lose_next -= 1
            return 503, {}
        return self.answers[key]["status"], self.answers[key]

    def _carry_out(self, command: dict[str, Any]) -> dict[str, Any]:
        if command["action"] not in self.understood:
            return {"status": 501, "status_text": f"action {command['action']} not implemented"}
        self.done.append(command)
        return {"status": 200, "status_text": "done"}


async def _drops() -> AsyncIterator[bytes]:
    for _ in range(300):
        yield b" "
        await asyncio.sleep(0.1)


@contextmanager
def running(consumer: Consumer) -> Iterator[Consumer]:
    """Serve the consumer in a thread."""
    app = FastAPI()

    @app.post("/openc2")
    async def openc2(request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {consumer.token}":
            return Response(status_code=401)
        if request.headers.get("content-type") != CONTENT_TYPE:
            return Response(status_code=415)
        status, answer = consumer.take(await request.json())
        if consumer.drips:
            return StreamingResponse(_drops(), media_type=CONTENT_TYPE)
        if consumer.garble:
            return Response(consumer.garble, consumer.status, media_type=CONTENT_TYPE)
        return JSONResponse({"headers": {}, "body": {"openc2": {"response": answer}}}, status, media_type=CONTENT_TYPE)

    with serving(app) as url:
        consumer.url = f"{url}/openc2"
        yield consumer


@contextmanager
def serving(app: Any, **options: Any) -> Iterator[str]:
    """Serve an ASGI application on a free loopback port; give its URL. Options are uvicorn's (TLS files)."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"{'https' if options else 'http'}://127.0.0.1:{taken.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(5)
        taken.close()
