"""Worlds as one owner's view shows them: public fields and visible findings, renumbered, copied out of the whole.

Flows in: whole worlds, and how a view's numbers lie in the whole's. Flows out: the same worlds in the view's numbers.
Of hidden truth nothing is read, and of the rest only what the map names: what belief, observation and masks are then
given cannot depend on anything else. Who may see what is not decided here.
"""

from __future__ import annotations

from typing import NamedTuple

import numba

from ..compiled import Int32, Int64, UInt8
from ..rulebook.jit import compiled_parallel, inner
from ..rulebook.state import COUNTS, UNSERVED, WorldState
from ..vocabulary import RunState

_FREE = int(RunState.FREE)


class ViewMap(NamedTuple):
    """How the numbers of a view, here marked ', lie in the whole; -1: stands for something hidden, or is not seen."""

    asset: Int64  # [N'] number in the whole
    link: Int64  # [L']
    owner: Int64  # [O']
    shown: UInt8  # [O'] 1: the owner's outages are seen
    local: Int64  # [T] number of a target of the whole in the view
    lands: Int64  # [N] asset of the view on which findings on an asset of the whole fall


@compiled_parallel
def look(m: ViewMap, whole: WorldState, seen: WorldState) -> None:
    """Bring the worlds of a view, `seen`, in step with the whole ones."""
    for b in numba.prange(len(whole.world)):
        seen.world[b].tick = whole.world[b].tick
        _look_at_assets(b, m, whole, seen)
        _look_at_responses(b, m, whole, seen)
        seen.world[b].finding_n = _keep(whole.world[b].finding_n, m.lands, whole.finding[b], seen.finding[b])
        at_once = _count(whole.world[b].finding_n - whole.world[b].late_n, m.lands, whole.finding[b])
        seen.world[b].late_n = seen.world[b].finding_n - at_once
        seen.world[b].cleaned_n = _keep(whole.world[b].cleaned_n, m.local, whole.cleaned[b], seen.cleaned[b])


@inner
def _look_at_assets(b: int, m: ViewMap, whole: WorldState, seen: WorldState) -> None:
    for a in range(len(m.asset)):
        there = m.asset[a]
        if there >= 0:
            seen.asset[b, a].modes = whole.asset[b, there].modes & (COUNTS | UNSERVED)
    for link in range(len(m.link)):
        seen.cut[b, link] = whole.cut[b, m.link[link]]
    for owner in range(len(m.owner)):
        seen.rate[b, owner].service = whole.rate[b, m.owner[owner]].service if m.shown[owner] == 1 else 0


@inner
def _look_at_responses(b: int, m: ViewMap, whole: WorldState, seen: WorldState) -> None:
    for r in range(whole.run.shape[1]):
        there, here = whole.run[b, r], seen.run[b, r]
        here.state = _FREE
        if there.state != _FREE and m.local[there.target] >= 0:
            here.state, here.playbook, here.seat = there.state, there.playbook, there.seat
            here.target = m.local[there.target]


@inner
def _count(count: int, place: Int64, rows: Int32) -> int:
    """How many of the first `count` rows a view sees."""
    seen = 0
    for n in range(count):
        seen += 1 if place[rows[n, 0]] >= 0 else 0
    return seen


@inner
def _keep(count: int, place: Int64, rows: Int32, out: Int32) -> int:
    """Write the rows whose asset, their first column, a view sees, renumbered; gives how many."""
    kept = 0
    for n in range(count):
        here = place[rows[n, 0]]
        if here >= 0:
            out[kept, 0] = here
            for column in range(1, rows.shape[1]):
                out[kept, column] = rows[n, column]
            kept += 1
    return kept
