"""Hostile bytes in, plain JSON values out, or an `OpenC2Error` that names the place and the mend.

Flows in: bytes of unknown origin, or values checked against a type. Flows out: values. Source of the bounds on JSON:
RFC 7493 (I-JSON), which the OpenC2 Language Specification v1.0 asks for (3.1.5): no doubled keys, no lone surrogates.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from ...playbooks.cacao_reading import PlaybookError, read_canonical

MAX_BYTES: Final = 64_000  # of a message; assumed, a command is one kilobyte
BAD_REQUEST: Final = 400
NOT_IMPLEMENTED: Final = 501


class OpenC2Error(ValueError):
    """Content that is no OpenC2, or that is not implemented here; the message names the place and the mend."""

    def __init__(self, place: str, message: str, status: int = BAD_REQUEST) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place  # dotted path inside the content, "" for the whole
        self.reason = message
        self.status = status  # OpenC2 status that a consumer answers with


def read_json(data: bytes) -> Any:
    """Parse JSON strictly: bounded size and depth, no doubled key, no NaN, nothing without a canonical form.

    Raises:
        OpenC2Error: 400, naming the mend.
    """
    if len(data) > MAX_BYTES:
        raise OpenC2Error("", f"{len(data)} bytes; a message has at most {MAX_BYTES}")
    try:
        return read_canonical(data, "content")
    except PlaybookError as error:
        raise OpenC2Error("", str(error)) from None


def fit(adapter: TypeAdapter[Any], value: Any, place: str) -> Any:
    """Give the value as the type that the adapter stands for.

    Raises:
        OpenC2Error: 400, naming the first place that does not fit.
    """
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        inner = ".".join(str(part)[:80] for part in fault["loc"])
        told = fault["msg"].removeprefix("Value error, ").replace("Extra inputs are not permitted", "no such property")
        raise OpenC2Error(".".join(part for part in (place, inner) if part), told) from None
