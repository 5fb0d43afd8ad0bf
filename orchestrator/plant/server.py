"""The plant over HTTP: OpenC2 for owners' actuators; clock, steps, end and truth for its operator.

Flows in: requests (untrusted). Flows out: answers. Rules are in `plant.py`; serving is in `commands.py`. OpenC2 answers
come with HTTP 200 and OpenC2's own status, but for what HTTP itself says: 401, 403, 413, 415.
"""

from __future__ import annotations

import logging
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from ..clock import iso
from .openc2 import CONTENT_TYPE, MAX_BODY, CommandRefused, answer, read_command
from .plant import MAX_STEPS, DeliveryFailed, Plant, PlantError
from .tokens import PlantTokens

log = logging.getLogger("tocsin.plant")


class StepBody(BaseModel):
    """How far to step."""

    model_config = ConfigDict(extra="forbid")
    ticks: Annotated[int, Field(ge=1, le=MAX_STEPS, strict=True)] = 1


class ClockBody(BaseModel):
    """The plant's clock."""

    tick: int
    time: str  # UTC, ISO 8601
    tick_s: float
    mode: Literal["lockstep", "free"]
    ended: bool
    simulated: Literal[True] = True


class SteppedBody(ClockBody):
    """The clock after a step, and how many events were delivered."""

    events: int


def create_app(plant: Plant, tokens: PlantTokens, *, tick_s: float, lockstep: bool) -> FastAPI:
    """Give the application that serves `plant`."""
    app = FastAPI(title="Tocsin simulated plant", summary="A stand-in for the owners' real systems; nothing is real.")
    _add_openc2(app, plant, tokens)

    def require_operator(request: Request) -> None:
        if not tokens.is_operator(_bearer(request)):
            raise HTTPException(401, "the plant's operator token is needed", {"WWW-Authenticate": "Bearer"})

    operator = [Depends(require_operator)]

    def clock_body() -> ClockBody:
        tick, time, ended = plant.clock()
        mode: Literal["lockstep", "free"] = "lockstep" if lockstep else "free"
        return ClockBody(tick=tick, time=iso(time), tick_s=tick_s, mode=mode, ended=ended)

    @app.get("/clock")
    def clock() -> ClockBody:
        """Tick and time; open to all, it is the clock that others read."""
        return clock_body()

    @app.post("/step", dependencies=operator)
    def step(body: StepBody | None = None) -> SteppedBody:
        """Advance in lockstep; telemetry has been delivered when this returns."""
        if not lockstep:
            raise HTTPException(409, "the plant runs free; start it with --lockstep to step it")
        events = plant.step(body.ticks if body else 1)
        return SteppedBody(**clock_body().model_dump(), events=events)

    @app.post("/end", dependencies=operator)
    def end() -> ClockBody:
        """End the plant for good."""
        plant.end()
        return clock_body()

    @app.get("/truth", dependencies=operator)
    def truth() -> dict[str, Any]:
        """What really happened; after the end only."""
        return dict(plant.truth())

    @app.exception_handler(PlantError)
    def refuse(_: Request, error: PlantError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 409)

    @app.exception_handler(DeliveryFailed)
    def fail(_: Request, error: DeliveryFailed) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 502)

    return app


def _add_openc2(app: FastAPI, plant: Plant, tokens: PlantTokens) -> None:
    @app.post("/.well-known/openc2")
    async def openc2(request: Request) -> JSONResponse:
        """One OpenC2 command by an owner's actuator (transfer over HTTPS v1.1)."""
        owner = tokens.owner(_bearer(request))
        if owner is None:
            raise HTTPException(401, "the actuator token of an owner is needed", {"WWW-Authenticate": "Bearer"})
        if request.headers.get("content-type", "").replace(" ", "").lower() != CONTENT_TYPE:
            raise HTTPException(415, f"content type must be {CONTENT_TYPE}")
        try:
            command = read_command(await _body(request))
        except CommandRefused as error:
            return _openc2(200, answer(error.request_id, error.status, str(error)))
        reply = await run_in_threadpool(plant.obey, owner, command)
        log.info("order owner=%s request_id=%s status=%d", owner, command.request_id, reply.status)
        http_status = 403 if reply.status == 403 else 200
        return _openc2(http_status, answer(command.request_id, reply.status, reply.text, reply.told))


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise HTTPException(413, f"a command of at most {MAX_BODY} bytes")
    return bytes(body)


def _openc2(status: int, message: dict[str, Any]) -> JSONResponse:
    return JSONResponse(message, status, media_type=CONTENT_TYPE)


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
