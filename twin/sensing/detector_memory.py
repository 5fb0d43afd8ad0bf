"""What detectors remember of the events before: who called, failed, was told, each sender's apart.

Flows in: events, and what is normal in a chain. Flows out: the traces that a rule compares an event with. No rule is
here: what they look for is in `detector_rules`.
"""

from __future__ import annotations

from dataclasses import dataclass

from .events import Event, EventClass

Sender = tuple[str, str]  # owner and credential of a telemetry stream
Key = tuple[str, str, str]  # what is remembered, its subject, the other end


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is normal; endpoints are asset ids."""

    flows: frozenset[tuple[str, str, int]] = frozenset()  # source, destination, port (0: any)
    logons: frozenset[tuple[str, str, str]] = frozenset()  # identity, asset, source
    stations: frozenset[tuple[str, str]] = frozenset()  # who may command which process
    known: frozenset[str] = frozenset()  # assets of the chain


@dataclass(frozen=True, slots=True)
class Trace:
    """What is remembered of an event: no text of any length, so that memory has a size."""

    time_ms: int
    source: str
    user: str
    port: int
    packets: int
    count: int
    value: float


Traces = dict[Key, tuple[Trace, ...]]


@dataclass(slots=True)
class Memory:
    """What was seen lately; lives for one batch, then its content goes into the next state.

    Each sender has a memory of its own: what one sends, true or forged, changes nothing in how others' is judged.
    """

    baseline: Baseline
    recent: dict[Sender, Traces]
    kept: int
    window_ms: int

    def remember(self, event: Event) -> None:
        """Keep what later events of the same sender will be compared with."""
        key = _key(event, self.baseline)
        if key is not None:
            traces = self.recent.setdefault(sender_of(event), {})
            trace = Trace(event.time_ms, event.source, event.user, event.port, event.packets, event.count, event.value)
            traces[key] = (*traces.get(key, ()), trace)[-self.kept :]

    def lately(self, event: Event, kind: str, subject: str, other: str = "") -> tuple[Trace, ...]:
        """What the same sender sent of one kind within the window that ends with `event`."""
        since = event.time_ms - self.window_ms
        traces = self.recent.get(sender_of(event), {}).get((kind, subject, other), ())
        return tuple(one for one in traces if one.time_ms >= since)


def sender_of(event: Event) -> Sender:
    """Give whose telemetry an event is."""
    return (event.owner, event.credential)


def _key(event: Event, baseline: Baseline) -> Key | None:
    if event.class_uid == EventClass.AUTHENTICATION:
        if event.activity == 4:
            return ("ticket", event.user, "")
        return None if event.success else ("failure", event.asset, event.source)
    if event.class_uid == EventClass.NETWORK and is_unseen(event, baseline):
        return ("call", event.asset, event.destination)
    if event.class_uid == EventClass.PROCESS_CONTROL and event.activity == 1:
        return ("told", event.asset, "")
    return None


def is_unseen(event: Event, baseline: Baseline) -> bool:
    """Whether a flow is none of those that are normal."""
    ends = (event.source, event.destination)
    return (*ends, event.port) not in baseline.flows and (*ends, 0) not in baseline.flows
