"""Whether a playbook may run at a time: not revoked, within its validity (CACAO v2.0, 3.1).

Flows in: a playbook, a time. Flows out: None, or what speaks against it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from .cacao import Playbook


def fault_of_time(playbook: Playbook, now_ms: int) -> str | None:
    """What speaks against a run that begins at a time (ms since 1970, UTC); None: nothing."""
    if playbook.revoked:
        return "it is revoked; use its successor"
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    if not is_within(playbook.valid_from, playbook.valid_until, now):
        return f"{now:%Y-%m-%dT%H:%M:%SZ} is outside its validity; publish a new version"
    return None


def as_later(time: str) -> str:
    """By it CACAO time stamps sort as they follow each other, whatever digits of a second: "Z" is after every digit."""
    return time.removesuffix("Z")


def is_within(start: Any, end: Any, now: datetime) -> bool:
    """Whether now lies in [start, end); a bound that is no CACAO time stamp makes it invalid."""
    try:
        return (start is None or datetime.fromisoformat(start) <= now) and (
            end is None or now < datetime.fromisoformat(end)
        )
    except (TypeError, ValueError):
        return False
