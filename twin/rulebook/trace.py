"""Writing occurrences and findings of a tick into a world's buffers.

Flows in: numbers of one occurrence. Flows out: a row of `trace` or `finding`. A full buffer drops rows; findings
dropped are counted, in `finding_count` like all and in `dropped` alone.
"""

from __future__ import annotations

from ..vocabulary import OccurrenceKind
from .jit import inner
from .state import WorldState

_FINDING = int(OccurrenceKind.FINDING)


@inner
def note(b: int, kind: int, subject: int, thing: int, value: int, s: WorldState) -> None:
    """Add an occurrence to the trace of this tick, if the world keeps one."""
    n = s.world[b].trace_n
    if n < s.trace.shape[1]:
        s.trace[b, n, 0] = kind
        s.trace[b, n, 1] = subject
        s.trace[b, n, 2] = thing
        s.trace[b, n, 3] = value
        s.world[b].trace_n = n + 1


@inner
def report(b: int, asset: int, sensor: int, step_class: int, confidence: int, s: WorldState) -> None:
    """Add a finding of this tick."""
    n = s.world[b].finding_n
    s.world[b].finding_count += 1
    if n == s.finding.shape[1]:
        s.world[b].dropped += 1
    else:
        s.finding[b, n, 0] = asset
        s.finding[b, n, 1] = sensor
        s.finding[b, n, 2] = step_class
        s.finding[b, n, 3] = confidence
        s.world[b].finding_n = n + 1
    note(b, _FINDING, asset, sensor, step_class * 4 + confidence, s)
