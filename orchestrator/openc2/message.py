"""OpenC2 messages as they travel over HTTP: headers and a body around one command or response.

Flows in: parsed JSON. Flows out: a request's id and its command's JSON; a response message. Source: OASIS
"Specification for Transfer of OpenC2 Messages via HTTPS" v1.1, sections 3.3.2 and 3.3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter

from .reading import OpenC2Error, fit
from .types import Milliseconds, Part

CONTENT_TYPE: Final = "application/openc2+json;version=1.0"
ENDPOINT: Final = "/.well-known/openc2"
Id = Annotated[str, Field(min_length=1, max_length=512)]


class _Headers(Part):
    request_id: Id | None = None
    created: Milliseconds | None = None
    from_: Annotated[str | None, Field(alias="from", max_length=512)] = None
    to: Annotated[list[str], Field(max_length=100)] | str | None = None


class _Message(Part):
    headers: _Headers = Field(default_factory=_Headers)
    body: dict[str, Any]
    signature: str | None = None


_MESSAGE: Final = TypeAdapter(_Message)
_CONTENT: Final[TypeAdapter[dict[str, Any]]] = TypeAdapter(dict[str, Any])


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What one message holds."""

    request_id: str
    kind: str  # "request" or "response"
    content: Any
    producer: str = ""  # as the message says; proves nothing


def unpack(message: Any, request_id: str = "") -> Unpacked:
    """Take a message apart.

    Args:
        message: parsed JSON.
        request_id: the `X-Request-ID` of the HTTP request, where the message has none.

    Raises:
        OpenC2Error: 400, naming the place.
    """
    if not isinstance(message, dict):
        raise OpenC2Error("", "not an OpenC2 message: an object with headers and body is wanted")
    read: _Message = fit(_MESSAGE, message, "")
    content = fit(_CONTENT, read.body.get("openc2"), "body.openc2")
    if set(read.body) != {"openc2"} or len(content) != 1 or not set(content) <= {"request", "response"}:
        raise OpenC2Error("body", 'holds {"openc2": {"request": ...}} or {"openc2": {"response": ...}}')
    kind = next(iter(content))
    return Unpacked(read.headers.request_id or request_id, kind, content[kind], read.headers.from_ or "")


def pack_response(request_id: str, response: dict[str, Any], name: str) -> dict[str, Any]:
    """Give the message that answers the request of that id."""
    return {"headers": {"request_id": request_id, "from": name}, "body": {"openc2": {"response": response}}}
