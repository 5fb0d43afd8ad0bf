"""OpenC2 commands as the plant's actuators read them.

Flows in: the bytes of a request (untrusted). Flows out: a `Command` on a playbook and a target, or a refusal with
OpenC2's status. Source: OpenC2 Language Specification v1.0 (OASIS), transfer over HTTPS v1.1. What to do is named in
`args`, as OpenC2 asks of extensions, by the actuator profile `x-tocsin` (`openc2/tocsin_profile.py`):

    {"action": "contain", "target": {"x-tocsin:asset": "shop/host/web"},
     "args": {"x-tocsin": {"playbook": "playbook--...", "response": "...", "undo": false}}}

The target is an `asset`, a boundary `link` or an `owner`, by its name in the twin. Actions that only look (`LOOKING`)
change nothing and are answered with `results` under the same profile. Nothing is carried out here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..openc2.language import Language
from ..openc2.language import read_command as read_openc2
from ..openc2.message import CONTENT_TYPE, pack_response, unpack
from ..openc2.reading import MAX_BYTES as MAX_BODY
from ..openc2.reading import OpenC2Error, read_json
from ..openc2.tocsin_profile import TOCSIN, TocsinArgs, normalised

__all__ = ["CONTENT_TYPE", "LOOKING", "MAX_BODY", "Command", "CommandRefused", "answer", "read_command"]
LANGUAGE: Final = Language({TOCSIN.nsid: TOCSIN})
NAME: Final = "simulated-plant"

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


def read_command(body: bytes) -> Command:
    """Read one request message.

    Raises:
        CommandRefused: 400 where it is no OpenC2 request, 501 where action or target are not of this profile.
    """
    request_id = ""
    try:
        content = read_json(body)
        request_id = _request_id(content)
        message = unpack(content)
        if message.kind != "request" or not message.request_id:
            raise OpenC2Error("headers.request_id", "missing; send a request with one")
        command = read_openc2(normalised(message.content), LANGUAGE)
    except OpenC2Error as error:
        raise CommandRefused(error.status, str(error), request_id) from None
    if not command.target_type.startswith(f"{TOCSIN.nsid}:"):
        raise CommandRefused(501, f"target type {command.target_type}: only {TOCSIN.nsid} is implemented", request_id)
    wish = command.extended.get(TOCSIN.nsid)
    if not isinstance(wish, TocsinArgs) or wish.playbook is None:
        raise CommandRefused(501, f"args.{TOCSIN.nsid} is missing; name the playbook there", request_id)
    return Command(request_id, command.action, wish.playbook, command.target, wish.response, wish.undo)


def answer(request_id: str, status: int, text: str, told: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Give an OpenC2 response message; what is `told` goes out as values in the results of our profile."""
    results = {"results": {TOCSIN.nsid: {"values": dict(told)}}} if told else {}
    return pack_response(request_id, {"status": status, "status_text": text, **results}, NAME)


def _request_id(content: Any) -> str:
    headers = content.get("headers") if isinstance(content, dict) else None
    found = headers.get("request_id") if isinstance(headers, dict) else None
    return found[:512] if isinstance(found, str) else ""
