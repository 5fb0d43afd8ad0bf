"""Availability along dependencies: which assets serve, derived from what is blocked, hurt or cut off.

Flows in: one world. Flows out: its `unserved` list and the loss rate of lost service, booked once, to the owner who
feels it. The work grows with what is out of service, not with N, as long as the list holds that; the greatest fixpoint
is taken, so cycles of dependencies serve until something breaks them.
"""

from __future__ import annotations

from ..compiled import CompiledTwin
from ..vocabulary import OccurrenceKind, RunState
from .jit import inner
from .rules import is_blocked
from .state import ALL_BITS, UNSERVED, WAS_UNSERVED, WorldState
from .trace import note

_LOST, _BACK = int(OccurrenceKind.SERVICE_LOST), int(OccurrenceKind.SERVICE_BACK)
_FREE = int(RunState.FREE)


@inner
def derive_service(b: int, t: CompiledTwin, s: WorldState) -> None:
    """Derive again what serves in world `b`; note changes and keep the loss rate."""
    before, overflowed = s.world[b].unserved_n, s.world[b].overflow == 1
    _put_aside(b, before, overflowed, s)
    _mark_roots(b, t, s)
    i = 0
    while i < s.world[b].unserved_n:
        _spread(b, s.unserved[b, 0, i], t, s)
        i += 1
    if s.world[b].overflow == 1:
        _spread_everywhere(b, t, s)
    if overflowed or s.world[b].overflow == 1:
        for a in range(len(t.asset)):
            _book(b, a, t, s)
    else:
        _book_listed(b, before, t, s)
    s.world[b].dirty = 0


@inner
def _put_aside(b: int, before: int, overflowed: bool, s: WorldState) -> None:
    """Remember what did not serve, and take everything to serve."""
    if overflowed:
        for a in range(s.asset.shape[1]):
            if s.asset[b, a].modes & UNSERVED:
                s.asset[b, a].modes ^= UNSERVED | WAS_UNSERVED
    else:
        for i in range(before):
            s.unserved[b, 1, i] = s.unserved[b, 0, i]
            s.asset[b, s.unserved[b, 1, i]].modes ^= UNSERVED | WAS_UNSERVED
    s.world[b].unserved_n, s.world[b].overflow = 0, 0


@inner
def _book_listed(b: int, before: int, t: CompiledTwin, s: WorldState) -> None:
    """Keep the loss rate for what is listed: now first, while what was before still carries its mark."""
    for i in range(s.world[b].unserved_n):
        a = s.unserved[b, 0, i]
        if (s.asset[b, a].modes & WAS_UNSERVED) == 0:
            _change(b, a, t.asset[a].share, _LOST, t, s)
    for i in range(before):
        a = s.unserved[b, 1, i]
        if (s.asset[b, a].modes & UNSERVED) == 0:
            _change(b, a, -t.asset[a].share, _BACK, t, s)
        s.asset[b, a].modes &= ALL_BITS - WAS_UNSERVED


@inner
def _book(b: int, a: int, t: CompiledTwin, s: WorldState) -> None:
    """Keep the loss rate for one asset of all."""
    serves, served = (s.asset[b, a].modes & UNSERVED) == 0, (s.asset[b, a].modes & WAS_UNSERVED) == 0
    if served and not serves:
        _change(b, a, t.asset[a].share, _LOST, t, s)
    elif serves and not served:
        _change(b, a, -t.asset[a].share, _BACK, t, s)
    s.asset[b, a].modes &= ALL_BITS - WAS_UNSERVED


@inner
def _change(b: int, a: int, rate: int, kind: int, t: CompiledTwin, s: WorldState) -> None:
    if rate != 0:
        s.rate[b, t.asset[a].owner].service += rate
        note(b, kind, a, -1, 0, s)


@inner
def _mark_roots(b: int, t: CompiledTwin, s: WorldState) -> None:
    assets = len(t.asset)
    for r in range(s.world[b].run_n):
        if s.run[b, r].state == _FREE:
            continue
        target = s.run[b, r].target
        if target < assets:
            if is_blocked(s.asset[b, target].modes):
                _mark(b, target, s)
        elif target < assets + len(t.link_owner) and s.cut[b, target - assets] > 0:
            link = target - assets
            for i in range(t.link[link].carrier_first, t.link[link].carrier_last):
                _mark_if_failing(b, t.carrier_group[i], t, s)
    for i in range(s.world[b].hurt_n):
        _mark(b, s.hurt[b, i], s)


@inner
def _mark(b: int, a: int, s: WorldState) -> None:
    if (s.asset[b, a].modes & UNSERVED) == 0:
        s.asset[b, a].modes |= UNSERVED
        if s.world[b].unserved_n < s.unserved.shape[2]:
            s.unserved[b, 0, s.world[b].unserved_n] = a
            s.world[b].unserved_n += 1
        else:
            s.world[b].overflow = 1


@inner
def _spread(b: int, a: int, t: CompiledTwin, s: WorldState) -> None:
    for i in range(t.asset[a].member_first, t.asset[a].member_last):
        _mark_if_failing(b, t.member_group[i], t, s)


@inner
def _spread_everywhere(b: int, t: CompiledTwin, s: WorldState) -> None:
    """Look through all dependencies until nothing more fails: for outages that the list cannot hold."""
    marked = True
    while marked:
        marked = False
        for group in range(len(t.group)):
            marked = _mark_if_failing(b, group, t, s) or marked


@inner
def _mark_if_failing(b: int, group: int, t: CompiledTwin, s: WorldState) -> bool:
    dependent = t.group[group].asset
    if (s.asset[b, dependent].modes & UNSERVED) != 0:
        return False
    failing = 0
    for i in range(t.group[group].first, t.group[group].last):
        link = t.member[i].link
        if (s.asset[b, t.member[i].asset].modes & UNSERVED) != 0 or (link >= 0 and s.cut[b, link] > 0):
            failing += 1
    if failing <= t.group[group].tolerance:
        return False
    _mark(b, dependent, s)
    return True
