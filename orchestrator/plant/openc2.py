"""OpenC2 commands as the plant's actuators read them.

Flows in: the bytes of a request (untrusted). Flows out: a `Command` on a playbook and a target, or a refusal with
OpenC2's status. Source: OpenC2 Language Specification v1.0 (OASIS), transfer over HTTPS v1.1. What to do is named in
`args`, as OpenC2 asks of extensions, by the actuator profile `x-tocsin`:

    {"action": "contain", "target": {"x-tocsin": {"asset": "shop/host/web"}},
     "args": {"x-tocsin": {"playbook": "playbook--...", "response": "...", "undo": false}}}

The target is an `asset`, a boundary `link` or an `owner`, by its name in the twin. Actions that only look (`LOOKING`)
change nothing and are answered with `results` under the same profile. Nothing is carried out here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

CONTENT_TYPE: Final = "application/openc2+json;version=1.0"
MAX_BODY: Final = 64_000  # bytes; assumed, a command is one kilobyte
PROFILE: Final = "x-tocsin"
ACTIONS: Final = frozenset(  # OpenC2 Language Specification v1.0, 3.3.1.1
    {"scan", "locate", "query", "deny", "contain", "allow", "start", "stop", "restart", "cancel"}
    | {"set", "update", "redirect", "create", "delete", "detonate", "restore", "copy", "investigate", "remediate"}
)

LOOKING: Final = frozenset({"query", "scan", "locate", "copy"})  # they tell, or copy, what is there


class CommandRefused(ValueError):  # noqa: N818
    """A command that is not understood or not supported; the message names the field and the mend."""

    def __init__(self, status: int, message: str, request_id: str = "") -> None:
        super().__init__(message)
        self.status = status  # 400: bad request, 501: not implemented
        self.request_id = request_id


@dataclass(frozen=True, slots=True)
class Command:
    """What an owner's actuator is told."""

    request_id: str
    action: str
    playbook: str
    target: str  # name in the twin
    response: str  # id of the response that it belongs to
    undo: bool


Name = Annotated[str, Field(min_length=1, max_length=512)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Headers(_Part):
    request_id: Name


class _Target(_Part):
    model_config = ConfigDict(extra="forbid", frozen=True)
    asset: Name | None = None
    link: Name | None = None
    owner: Name | None = None


class _Wish(_Part):
    playbook: Name
    response: Annotated[str, Field(max_length=512)] = ""
    undo: Annotated[bool, Field(strict=True)] = False


class _Request(_Part):
    action: Name
    target: dict[str, Any]
    args: dict[str, Any] = Field(default_factory=dict)


class _OpenC2(_Part):
    request: _Request


class _Body(_Part):
    openc2: _OpenC2


class _Message(_Part):
    headers: _Headers
    body: _Body


def read_command(body: bytes) -> Command:
    """Read one request message.

    Raises:
        CommandRefused: 400 where it is no OpenC2 request, 501 where action or target are not of this profile.
    """
    content = _load(body)
    try:
        message = _Message.model_validate(content)
    except ValidationError as error:
        raise CommandRefused(400, _fault(error, ""), _request_id(content)) from None
    request, request_id = message.body.openc2.request, message.headers.request_id
    if request.action not in ACTIONS:
        raise CommandRefused(400, f"action {request.action[:64]!r} is none of OpenC2's; mend the command", request_id)
    if set(request.target) != {PROFILE}:
        found = ", ".join(sorted(request.target))[:64] or "none"
        raise CommandRefused(501, f"target type {found}: only {PROFILE} is implemented here", request_id)
    if PROFILE not in request.args:
        raise CommandRefused(501, f"args.{PROFILE} is missing; name the playbook there", request_id)
    try:
        target = _Target.model_validate(request.target[PROFILE])
        wish = _Wish.model_validate(request.args[PROFILE])
    except ValidationError as error:
        raise CommandRefused(400, _fault(error, f"{PROFILE}."), request_id) from None
    names = [name for name in (target.asset, target.link, target.owner) if name is not None]
    if len(names) != 1:
        raise CommandRefused(400, f"target.{PROFILE}: name one asset, link or owner", request_id)
    return Command(request_id, request.action, wish.playbook, names[0], wish.response, wish.undo)


def answer(request_id: str, status: int, text: str, told: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Give an OpenC2 response message; what is `told` goes out as results of our profile."""
    results = {"results": {PROFILE: dict(told)}} if told else {}
    return {
        "headers": {"request_id": request_id, "from": "simulated-plant"},
        "body": {"openc2": {"response": {"status": status, "status_text": text, **results}}},
    }


def _load(body: bytes) -> Any:
    if len(body) > MAX_BODY:
        raise CommandRefused(400, f"a command of {len(body)} bytes; at most {MAX_BODY}")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise CommandRefused(400, "not JSON; send an OpenC2 request message") from None


def _request_id(content: Any) -> str:
    headers = content.get("headers") if isinstance(content, dict) else None
    found = headers.get("request_id") if isinstance(headers, dict) else None
    return found[:512] if isinstance(found, str) else ""


def _fault(error: ValidationError, prefix: str) -> str:
    fault = error.errors()[0]
    return f"{prefix}{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
