"""Writing occurrences and findings of a tick into a world's buffers.

Flows in: numbers of one occurrence. Flows out: a row of `trace` or `finding`. A full buffer drops rows; findings
dropped are still counted.
"""

from __future__ import annotations

from ..vocabulary import OccurrenceKind
from .jit import compiled
from .state import WorldState

_FINDING = int(OccurrenceKind.FINDING)


@compiled
def note(b: int, kind: int, subject: int, thing: int, value: int, s: WorldState) -> None:
    """Add an occurrence to the trace of this tick, if the world keeps one."""
    n = s.trace_n[b]
    if n < s.trace.shape[1]:
        s.trace[b, n, 0] = kind
        s.trace[b, n, 1] = subject
        s.trace[b, n, 2] = thing
        s.trace[b, n, 3] = value
        s.trace_n[b] = n + 1


@compiled
def report(b: int, asset: int, sensor: int, step_class: int, confidence: int, s: WorldState) -> None:
    """Add a finding of this tick."""
    n = s.finding_n[b]
    s.finding_count[b] += 1
    if n < s.finding.shape[1]:
        s.finding[b, n, 0] = asset
        s.finding[b, n, 1] = sensor
        s.finding[b, n, 2] = step_class
        s.finding[b, n, 3] = confidence
        s.finding_n[b] = n + 1
    note(b, _FINDING, asset, sensor, step_class * 4 + confidence, s)
