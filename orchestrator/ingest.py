"""Events as they come from outside: read from NDJSON or a JSON list, with limits; and which asset an event is about.

Flows in: bytes of a request. Flows out: OCSF events as JSON objects, checked for size and shape only. What an event
means is the business of `twin/sensing`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

MAX_BODY = 8_000_000  # bytes of one request; assumed
MAX_EVENTS = 10_000  # events of one request; assumed
MAX_EVENT = 64_000  # bytes of one event; assumed, an OCSF event is 1 to 4 kB
MAX_DEPTH = 32  # nesting of one event; OCSF needs fewer than ten


class EventsRefused(ValueError):  # noqa: N818
    """A body that holds no events; the message names the place and the mend."""


def read_events(body: bytes) -> list[Mapping[str, Any]]:
    """Give the events of a body, NDJSON or one JSON list.

    Raises:
        EventsRefused: too large, not JSON, not objects, or nested too deeply; names the event.
    """
    if len(body) > MAX_BODY:
        raise EventsRefused(f"a body of {len(body)} bytes; send at most {MAX_BODY} at once")
    try:
        text = body.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise EventsRefused(f"byte {error.start}: not UTF-8; events are JSON in UTF-8") from None
    events = _read_list(text) if text.startswith("[") else _read_lines(text)
    if len(events) > MAX_EVENTS:
        raise EventsRefused(f"{len(events)} events; send at most {MAX_EVENTS} at once")
    for position, event in enumerate(events):
        if not isinstance(event, dict):
            raise EventsRefused(f"event {position}: no JSON object; an OCSF event is one")
        if _depth(event) > MAX_DEPTH:
            raise EventsRefused(f"event {position}: nested deeper than {MAX_DEPTH}; OCSF events are flat")
    return events


def asset_of(event: Mapping[str, Any]) -> str:
    """Give the id of the asset that an event is about: where its sensor sits; empty where it names none.

    OCSF names it `device.uid` (host, network, authentication activity) or the first of `resources` (others).
    """
    device = event.get("device")
    if isinstance(device, Mapping) and isinstance(device.get("uid"), str):
        return str(device["uid"])
    resources = event.get("resources")
    first = resources[0] if isinstance(resources, Sequence) and resources else None
    uid = first.get("uid") if isinstance(first, Mapping) else None
    return uid if isinstance(uid, str) else ""


def _read_list(text: str) -> list[Any]:
    events = _parse(text, "the list")
    if not isinstance(events, list):
        raise EventsRefused("the body is no JSON list; send a list or one event per line")
    for position, event in enumerate(events):
        _check_size(len(json.dumps(event)), f"event {position}")
    return events


def _read_lines(text: str) -> list[Any]:
    events = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            _check_size(len(line), f"line {number}")
            events.append(_parse(line, f"line {number}"))
    return events


def _check_size(size: int, place: str) -> None:
    if size > MAX_EVENT:
        raise EventsRefused(f"{place}: {size} characters; an event has at most {MAX_EVENT}")


def _parse(text: str, place: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise EventsRefused(f"{place}: not JSON ({reason}); mend it there") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [
            item
            for one in level
            for item in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
        ]
    return depth
