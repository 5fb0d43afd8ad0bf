"""Detectors: rules over events with a little memory, from features alone.

Flows in: events, and a `DetectorState` (what is normal, what was lately seen). Flows out: findings and the next state.
Pure: nothing is read, learned or stored elsewhere. What is normal is declared by the twin, never learned from traffic:
an attacker could teach it. Memory is kept per sender (owner and credential), so that one cannot blind or steer what is
concluded from another's telemetry. The rules themselves are in `detector_rules.py`; how often they are right is
measured by `tests/contracts/test_findings_table.py` and kept in `twin/data/detectors.json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ..graph import Twin
from ..vocabulary import AssetKind, Confidence, LinkKind
from .detector_memory import Baseline, Memory, Sender, Traces
from .detector_rules import RULES, Rule
from .events import Event
from .findings import Finding

WINDOW_MS: Final = 600_000  # how far back memory goes; assumed
KEPT: Final = 16  # events remembered per subject; assumed, the longest rule looks at five
SUBJECTS: Final = 4_000  # remembered per sender; its stalest are forgotten first, so that floods cannot fill memory
EVIDENCE: Final = 16  # uids kept in one finding


@dataclass(frozen=True, slots=True)
class DetectorState:
    """What detectors know: what is normal, and what they saw within the last ten minutes."""

    baseline: Baseline
    recent: Mapping[Sender, Traces] = field(default_factory=dict)


def detect(events: Iterable[Event], state: DetectorState) -> tuple[list[Finding], DetectorState]:
    """Conclude findings from a batch of events.

    Several events of one batch and sender that let one rule conclude the same of one asset make one finding, as
    confident as the best of them. Findings come in the order of their first evidence; the result does not depend on
    the order of events with different times.
    """
    memory = Memory(state.baseline, {sender: dict(traces) for sender, traces in state.recent.items()}, KEPT, WINDOW_MS)
    found: dict[tuple[str, str, str], list[tuple[Event, Confidence]]] = {}
    rules: dict[str, Rule] = {}
    for event in sorted(events, key=lambda one: (one.time_ms, one.uid)):
        memory.remember(event)
        for rule in RULES.get(event.class_uid, ()):
            confidence = rule.judge(event, memory)
            if confidence is not None:
                rules[rule.name] = rule
                found.setdefault((rule.name, event.asset, event.credential), []).append((event, confidence))
    findings = [_conclude(rules[name], seen) for (name, _, _), seen in found.items()]
    fresh = {sender: _fresh(traces) for sender, traces in memory.recent.items()}
    return findings, DetectorState(state.baseline, fresh)


def initial_state(twin: Twin) -> DetectorState:
    """A state that knows what the twin declares as normal and has seen nothing."""
    return DetectorState(baseline_of(twin))


def baseline_of(twin: Twin) -> Baseline:
    """What is normal in a twin: declared flows, logons from where credentials are kept, stations of processes."""
    members = _members(twin)
    flows: set[tuple[str, str, int]] = set()
    stations = {(asset.id, asset.id) for asset in twin.assets}
    keepers: dict[str, set[str]] = {}
    for link in twin.links:
        if link.kind is LinkKind.HOLDS_CREDENTIAL:
            keepers.setdefault(link.target, set()).add(link.source)
        if link.kind in (LinkKind.REACHES, LinkKind.MANAGES, LinkKind.SUPPLIES):
            sources = members.get(link.source, [link.source])
            flows.update((source, link.target, link.port or 0) for source in sources)
            stations.update((source, link.target) for source in sources)
        if link.kind is LinkKind.RUNS_ON:
            stations.add((link.target, link.source))
    logons = frozenset(
        (link.source, link.target, source)
        for link in twin.links
        if link.kind is LinkKind.CAN_LOG_IN
        for source in keepers.get(link.source, ())
    )
    return Baseline(frozenset(flows), logons, frozenset(stations), frozenset(twin.asset_by_id))


def _members(twin: Twin) -> dict[str, list[str]]:
    segments = {asset.id for asset in twin.assets if asset.kind is AssetKind.SEGMENT}
    members: dict[str, list[str]] = {}
    for link in twin.links:
        if link.kind is LinkKind.REACHES and link.target in segments:
            members.setdefault(link.target, []).append(link.source)
    return members


def _conclude(rule: Rule, seen: list[tuple[Event, Confidence]]) -> Finding:
    last = seen[-1][0]
    return Finding(
        asset=last.asset,
        sensor=rule.sensor,
        step_class=rule.step_class,
        confidence=max(confidence for _, confidence in seen),
        time_ms=last.time_ms,
        owner=last.owner,
        source=rule.name,
        evidence=tuple(event.uid for event, _ in seen[-EVIDENCE:]),
        credential=last.credential,
    )


def _fresh(traces: Traces) -> Traces:
    """Forget what is over, by the sender's own times, and what is stalest where there is too much."""
    latest = max((seen[-1].time_ms for seen in traces.values()), default=0)
    kept = {key: seen for key, seen in traces.items() if seen[-1].time_ms >= latest - WINDOW_MS}
    if len(kept) > SUBJECTS:
        newest = sorted(kept, key=lambda key: kept[key][-1].time_ms)[-SUBJECTS:]
        kept = {key: kept[key] for key in newest}
    return kept
