"""Availability along dependencies: which assets serve, derived from what is blocked, hurt or cut off.

Flows in: one world. Flows out: its `unserved` list and the loss rate of lost service, booked once, to the owner who
feels it. The work grows with what is out of service, not with N; the greatest fixpoint is taken, so cycles of
dependencies serve until something breaks them.
"""

from __future__ import annotations

from ..compiled import CompiledTwin
from ..vocabulary import OccurrenceKind, RunState
from .jit import compiled
from .rules import is_blocked
from .state import UNSERVED, WAS_UNSERVED, WorldState
from .trace import note

_LOST, _BACK = int(OccurrenceKind.SERVICE_LOST), int(OccurrenceKind.SERVICE_BACK)
_FREE = int(RunState.FREE)


@compiled
def derive_service(b: int, t: CompiledTwin, s: WorldState) -> None:
    """Derive again what serves in world `b`; note changes and keep the loss rate."""
    before = s.unserved_n[b]
    for i in range(before):
        s.status[b, s.unserved[b, i]] ^= UNSERVED | WAS_UNSERVED
    previous = s.unserved[b, :before].copy()
    s.unserved_n[b] = 0
    _mark_roots(b, t, s)
    i = 0
    while i < s.unserved_n[b]:
        _spread(b, s.unserved[b, i], t, s)
        i += 1
    for i in range(s.unserved_n[b]):
        a = s.unserved[b, i]
        if (s.status[b, a] & WAS_UNSERVED) == 0:
            _change(b, a, t.share[a], _LOST, t, s)
    for i in range(before):
        a = previous[i]
        if (s.status[b, a] & UNSERVED) == 0:
            _change(b, a, -t.share[a], _BACK, t, s)
        s.status[b, a] &= 255 - WAS_UNSERVED
    s.dirty[b] = 0


@compiled
def _change(b: int, a: int, rate: int, kind: int, t: CompiledTwin, s: WorldState) -> None:
    if rate != 0:
        s.service_rate[b, t.owner[a]] += rate
        note(b, kind, a, -1, 0, s)


@compiled
def _mark_roots(b: int, t: CompiledTwin, s: WorldState) -> None:
    assets = len(t.kind)
    for r in range(s.run_state.shape[1]):
        if s.run_state[b, r] == _FREE:
            continue
        target = s.run_target[b, r]
        if target < assets:
            if is_blocked(s.modes[b, target]):
                _mark(b, target, s)
        elif target < assets + len(t.link_owner) and s.cut[b, target - assets] > 0:
            link = target - assets
            for i in range(t.carrier_ptr[link], t.carrier_ptr[link + 1]):
                _mark_if_failing(b, t.carrier_group[i], t, s)
    for i in range(s.hurt_n[b]):
        _mark(b, s.hurt[b, i], s)


@compiled
def _mark(b: int, a: int, s: WorldState) -> None:
    if (s.status[b, a] & UNSERVED) == 0:
        s.status[b, a] |= UNSERVED
        s.unserved[b, s.unserved_n[b]] = a
        s.unserved_n[b] += 1


@compiled
def _spread(b: int, a: int, t: CompiledTwin, s: WorldState) -> None:
    for i in range(t.member_ptr[a], t.member_ptr[a + 1]):
        _mark_if_failing(b, t.member_group[i], t, s)


@compiled
def _mark_if_failing(b: int, group: int, t: CompiledTwin, s: WorldState) -> None:
    dependent = t.group_asset[group]
    if (s.status[b, dependent] & UNSERVED) != 0:
        return
    failing = 0
    for i in range(t.group_ptr[group], t.group_ptr[group + 1]):
        link = t.group_link[i]
        if (s.status[b, t.group_member[i]] & UNSERVED) != 0 or (link >= 0 and s.cut[b, link] > 0):
            failing += 1
    if failing > t.group_tolerance[group]:
        _mark(b, dependent, s)
