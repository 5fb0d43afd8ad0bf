"""Whether telemetry bears times that can be: what is dated in the future would never grow old.

Flows in: events and the node's clock. Flows out: the same events, or a refusal that names the first one; at a tick,
events no later than it. Times of the past are as they are: telemetry may come late. No clock is read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ..twin.sensing.events import Event
from .clock import SKEW, iso


class FromTheFuture(ValueError):  # noqa: N818
    """An event dated later than it can have been seen."""


def check_times(events: Sequence[Event], latest: datetime) -> None:
    """Refuse events dated after `latest`.

    Raises:
        FromTheFuture: names the first one, both times and the mend.
    """
    limit = _ms(latest)
    for position, event in enumerate(events):
        if event.time_ms > limit:
            says = iso(datetime.fromtimestamp(event.time_ms / 1000, UTC))
            raise FromTheFuture(f"event {position}: time {says} lies after {iso(latest)}; set the sensor's clock right")


def not_after(events: Iterable[Event], now: datetime) -> list[Event]:
    """Bring back to `now` and the skew what is dated later: in lockstep the time of a tick is known only at it."""
    limit = _ms(now + SKEW)
    return [event if event.time_ms <= limit else replace(event, time_ms=limit) for event in events]


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)
