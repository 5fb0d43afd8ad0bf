"""The clock port: where a node reads the time.

Flows in: the system's clock, or the time that a plant in lockstep publishes. Flows out: UTC times. No other module of
the orchestrator reads a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

LAST_YEAR = 2199  # what a lockstep clock may be set to; it could not be set back
SKEW = timedelta(minutes=5)  # that reporters' clocks may run ahead of the node's; as Kerberos allows (RFC 4120)
LOCKSTEP_STEP = timedelta(days=1)  # that a clock in lockstep may be set ahead at once, so far as reports are taken


UNSET = datetime(1970, 1, 1, tzinfo=UTC)  # where a lockstep clock stands before it is first set


class ClockError(ValueError):
    """The clock cannot be used so; the message names the mend."""


class Clock(Protocol):
    """Whatever can say what time it is."""

    def now(self) -> datetime:
        """Give the present time, UTC."""
        ...

    def latest(self) -> datetime:
        """Give the latest time, UTC, that a report which comes now may bear."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Give the machine's time, UTC."""
        return datetime.now(UTC)

    def latest(self) -> datetime:
        """Give the present time and what clocks may differ by."""
        return self.now() + SKEW


@dataclass(slots=True)
class LockstepClock:
    """A clock that stands until it is set; lives as long as its node."""

    time: datetime = field(default_factory=lambda: UNSET)

    def now(self) -> datetime:
        """Give the time last set, UTC."""
        return self.time

    def latest(self) -> datetime:
        """Give the latest time that the coming tick may be set to; before the first one nothing is known of it."""
        return datetime(LAST_YEAR, 12, 31, tzinfo=UTC) if self.time == UNSET else self.time + LOCKSTEP_STEP + SKEW

    def set(self, time: datetime) -> None:
        """Move the clock to `time`.

        Raises:
            ClockError: the time has no zone, lies before the present one or after `LAST_YEAR`.
        """
        if time.tzinfo is None:
            raise ClockError(f"time {time.isoformat()} has no zone; write it in UTC, ending in Z")
        if time.year > LAST_YEAR:
            raise ClockError(
                f"time {time.isoformat()} lies after the year {LAST_YEAR}; a clock never goes back, mend it"
            )
        if time < self.time:
            raise ClockError(f"time {iso(time)} lies before {iso(self.time)}; a clock never goes back")
        self.time = time.astimezone(UTC)


def iso(time: datetime) -> str:
    """Write a time as it goes on the wire: UTC, ISO 8601, microseconds, ending in Z (sorts as text)."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_iso(text: str) -> datetime:
    """Read a time from the wire.

    Raises:
        ClockError: it is no ISO 8601 time with a zone.
    """
    try:
        time = datetime.fromisoformat(text)
        read = time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ClockError(f"time {text!r} is not ISO 8601; write it like 2026-11-23T12:00:00Z") from None
    if time.tzinfo is None:
        raise ClockError(f"time {text!r} has no zone; write it in UTC, ending in Z")
    return read
