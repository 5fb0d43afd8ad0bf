"""An OpenC2 consumer over HTTP(S): who may command, what is understood, what was done; then an enforcer does it.

Flows in: requests (untrusted). Flows out: responses, with the HTTP status that the OpenC2 status names (transfer
specification v1.1, 4.2.1; 102 travels as 200). The order of refusals: token, content type, size, JSON, message,
command, repeated request, profile and pair, the enforcer's own. Commands are carried out one at a time, producers in
turn.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.responses import Response as HttpResponse
from starlette.concurrency import run_in_threadpool

from .lanes import Lanes
from .language import STATUSES, Command, Language, Response, read_command
from .memory import Memory, ReusedId, digest_of
from .message import CONTENT_TYPE, ENDPOINT, Unpacked, pack_response, unpack
from .profiles import Profile
from .reading import MAX_BYTES, NOT_IMPLEMENTED, OpenC2Error, read_json
from .tocsin_profile import normalised

log = logging.getLogger("tocsin.openc2")
VERSIONS: Final = ("1.0",)
MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Tokens:
    """Who may command, by bearer token; holds digests only."""

    producers: Mapping[str, str]  # SHA-256 of the token, hex -> name of the producer

    @classmethod
    def of(cls, tokens: Mapping[str, str]) -> Tokens:
        """From names of producers to their tokens."""
        return cls({hashlib.sha256(token.encode()).hexdigest(): name for name, token in tokens.items()})

    def producer(self, header: str) -> str | None:
        """Give who sent an `Authorization` header; None for a stranger. No token at all is a stranger."""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        given = hashlib.sha256(token.strip().encode()).hexdigest()
        return next((name for known, name in self.producers.items() if hmac.compare_digest(known, given)), None)


@dataclass(frozen=True, slots=True)
class Asked:
    """A command and where it comes from."""

    command: Command
    producer: str  # whose token it was
    key: str  # request_id: equal for every try


class Enforcer(Protocol):
    """What a consumer stands in front of; called by one thread at a time."""

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """The actuator profiles that it implements."""
        ...

    @property
    def pairs(self) -> Mapping[str, tuple[str, ...]]:
        """Actions, each with the target types that it implements."""
        ...

    def is_meant(self, command: Command) -> bool:
        """Whether the command's actuator specifiers name this one."""
        ...

    def carry_out(self, asked: Asked) -> Response:
        """Do it. The same key twice changes the world once, also where the first answer was lost with a crash.

        Raises:
            OpenC2Error: with the status to answer.
        """
        ...


@dataclass(slots=True)
class Gate:
    """One consumer: its enforcer, its memory and its bound on the rate; lives as long as its server."""

    enforcer: Enforcer
    tokens: Tokens
    memory: Memory
    name: str = "tocsin"
    rate_limit: int = 600  # commands a minute and producer; assumed, a storm of responses is some dozens
    held: object = None  # what must live as long, such as a lock
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _recent: dict[str, deque[float]] = field(default_factory=dict)  # times of commands, by producer

    def answer(self, producer: str, body: bytes, request_id: str) -> tuple[int, dict[str, Any] | None]:
        """Give HTTP status and message that answer a request; no message where none is wanted."""
        asked_id = request_id
        try:
            message = read_json(body)
            unpacked = unpack(message, request_id)
            asked_id = unpacked.request_id
            if unpacked.kind != "request" or not asked_id:
                raise OpenC2Error("headers.request_id", "missing; a request needs one (3.3.3)")
            with self._lock:
                response, wanted = self._respond(producer, unpacked)
        except OpenC2Error as error:
            response, wanted = Response(error.status, str(error)[:500]), "complete"
        log.info("command producer=%s request_id=%r status=%d", producer, asked_id[:80], response.status)
        if wanted == "none":
            return 200, None
        status = 200 if response.status == 102 else response.status
        return status, pack_response(asked_id, response.as_json(), self.name)

    def _respond(self, producer: str, unpacked: Unpacked) -> tuple[Response, str]:
        command = read_command(normalised(unpacked.content), Language(self.enforcer.profiles))
        wanted = command.args.response_requested or "complete"
        try:
            response = self._recalled(producer, unpacked, command)
        except OpenC2Error as error:
            if wanted == "none":  # then nothing is said whatever happens (packet filter 3.2.1.7.1)
                return Response(error.status, str(error)), wanted
            raise
        return (Response(102, STATUSES[102]) if wanted == "ack" else response), wanted

    def _recalled(self, producer: str, unpacked: Unpacked, command: Command) -> Response:
        """The first answer to this request, or a new one."""
        digest = digest_of(unpacked.content)
        try:
            known = self.memory.recall(producer, unpacked.request_id, digest)
        except ReusedId as error:
            raise OpenC2Error("headers.request_id", str(error)) from None
        if known is not None:
            return Response(known["status"], known.get("status_text", ""), known.get("results", {}))
        self._count(producer)
        response = self._obey(Asked(command, producer, unpacked.request_id))
        if response.status in (102, 200):
            self.memory.keep(producer, unpacked.request_id, digest, response.as_json())
        return response

    def _count(self, producer: str) -> None:
        """Nobody uses up the rate of another."""
        now, recent = time.monotonic(), self._recent.setdefault(producer, deque())
        while recent and recent[0] < now - MINUTE_S:
            recent.popleft()
        if len(recent) >= self.rate_limit:
            raise OpenC2Error("", f"more than {self.rate_limit} commands a minute; try again later", 503)
        recent.append(now)

    def _obey(self, asked: Asked) -> Response:
        command = asked.command
        if command.actuator is not None and not self.enforcer.is_meant(command):
            raise OpenC2Error("actuator", "names no actuator that stands here", 404)
        if command.action == "query" and command.target_type == "features":
            return self._features(command.target)
        if command.target_type not in self.enforcer.pairs.get(command.action, ()):
            raise OpenC2Error(
                "target", f"{command.action} {command.target_type} is not supported here", NOT_IMPLEMENTED
            )
        return self.enforcer.carry_out(asked)

    def _features(self, wanted: list[str]) -> Response:
        pairs = {action: list(targets) for action, targets in self.enforcer.pairs.items()}
        known: dict[str, Any] = {
            "versions": list(VERSIONS),
            "profiles": list(self.enforcer.profiles),
            "pairs": {"query": ["features"], **pairs},
            "rate_limit": self.rate_limit,
        }
        return Response(200, STATUSES[200], {name: known[name] for name in wanted})


def create_consumer(gate: Gate) -> FastAPI:
    """Give the application that serves a gate at `/.well-known/openc2`."""
    lanes = Lanes()
    app = FastAPI(title="OpenC2 consumer", docs_url=None, redoc_url=None, openapi_url=None)

    @app.post(ENDPOINT)
    async def openc2(request: Request) -> HttpResponse:
        """One OpenC2 command."""
        request_id = request.headers.get("x-request-id", "")[:512]
        producer = gate.tokens.producer(request.headers.get("authorization", ""))
        if producer is None:
            refusal = Response(401, "a bearer token of a known producer is needed").as_json()
            return _json(401, pack_response(request_id, refusal, gate.name))
        if request.headers.get("content-type", "").replace(" ", "").lower() != CONTENT_TYPE:
            refusal = Response(400, f"the content type must be {CONTENT_TYPE}").as_json()
            return _json(400, pack_response(request_id, refusal, gate.name))
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BYTES:
                break  # the reader refuses it, by its size
        try:
            async with lanes.turn(producer):
                status, message = await run_in_threadpool(gate.answer, producer, bytes(body), request_id)
        except OpenC2Error as error:  # its own turn did not come
            refusal = Response(error.status, str(error)).as_json()
            return _json(error.status, pack_response(request_id, refusal, gate.name))
        except Exception:
            log.exception("command failed producer=%s", producer)
            return _json(500, pack_response(request_id, Response(500, STATUSES[500]).as_json(), gate.name))
        return HttpResponse(status_code=200) if message is None else _json(status, message)

    return app


def _json(status: int, message: dict[str, Any]) -> JSONResponse:
    request_id = str(message["headers"]["request_id"]).encode("ascii", "replace").decode()
    kept = "".join(sign for sign in request_id if sign.isprintable())
    headers = {"X-Request-ID": kept} if kept else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(message, status, headers, media_type=CONTENT_TYPE)
