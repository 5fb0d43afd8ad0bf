"""What held assets give away of themselves in a tick, or their silence, and what bounds belief in them.

Flows in: a view's marginals, public fields and findings of its world. Flows out: marginals after the tick; what fades
leaves the list, and what moved far enough is told to where it was reached from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiled import CompiledTwin
from ..rulebook.jit import inlined
from ..rulebook.parameters import Parameters
from ..rulebook.rules import is_blocked
from ..rulebook.state import WorldState
from ..vocabulary import AssetKind, StepClass
from .arriving import most_held
from .prospects import SILENT
from .shifting import EPSILON, NEGLIGIBLE, expect_any, lift, likelihood_of, reweigh

if TYPE_CHECKING:
    from .belief import BeliefState

SURE = 0.9999  # beliefs from here on are rounded off by CERTAIN: their small falls say nothing of other assets
LIFT = 0.05  # news that have come to this are passed to what the asset was reached from; less waits for more

_EXTERNAL, _STORE, _PROCESS = int(AssetKind.EXTERNAL), int(AssetKind.DATA_STORE), int(AssetKind.PROCESS)
_PRESENCE = int(StepClass.PRESENCE)


@inlined
def weigh_presence(
    lot: int, i: int, b: int, outside: float, t: CompiledTwin, p: Parameters, s: WorldState, v: BeliefState
) -> None:
    """Every active asset speaks or is silent, passes its news on, and stays listed while it is believed held."""
    n, calm = 0, 1.0  # calm: what is seen multiplies the odds by this that nobody has come
    while n < v.active_n[i]:
        a = v.active[i, n]
        held, place = v.asset[i, a], p.place[a]
        if place.still != SILENT:
            calm *= 1.0 - _listen(i, b, a, p, s, v)
            if abs(held.news) > LIFT:
                news, held.news = float(held.news), 0.0
                lift(lot, i, b, a, news, t, p, s, v)
        if place.kind == _STORE or place.kind == _PROCESS:
            _hold_through(i, b, a, t, s, v)
        if held.user + held.admin < 0.1 * EPSILON and place.kind != _EXTERNAL:
            held.active, held.threat, held.news = 0, 0.0, 0.0
            v.active_n[i] -= 1
            v.active[i, n] = v.active[i, v.active_n[i]]
        else:
            n += 1
    if abs(1.0 - calm) > NEGLIGIBLE:
        expect_any(i, 1.0 - calm, outside, t, p, v)


@inlined
def _listen(i: int, b: int, a: int, p: Parameters, s: WorldState, v: BeliefState) -> float:
    """Bayes on whether an asset is held; gives how much of it speaks for an attacker, or against."""
    likelihood = likelihood_of(i, b, a, _PRESENCE, p.place[a].still, p, s, v)
    if likelihood == 1.0:
        return 0.0
    has = float(v.asset[i, a].user + v.asset[i, a].admin)
    weight = reweigh(i, a, likelihood, v)
    v.asset[i, a].news += weight
    return weight if weight > 0.0 or has < SURE else 0.0


@inlined
def bound_by_coming(i: int, t: CompiledTwin, p: Parameters, v: BeliefState) -> None:
    """Nothing is held more surely than an attacker has come."""
    surest = 0.0
    if v.insider[i].come > 0.0:
        for n in range(v.active_n[i]):
            held = v.asset[i, v.active[i, n]]
            surest = max(surest, float(held.user + held.admin))
    come = most_held(i, surest, t, p, v)
    for n in range(v.active_n[i]):
        held = v.asset[i, v.active[i, n]]
        if held.user + held.admin > come:
            excess = (held.user + held.admin) / max(come, 1e-9)
            held.user /= excess
            held.admin /= excess


@inlined
def _hold_through(i: int, b: int, a: int, t: CompiledTwin, s: WorldState, v: BeliefState) -> None:
    """Data and processes are held at most as surely as what they are held through."""
    free = 1.0
    for j in range(t.asset[a].part_first, t.asset[a].part_last):
        part = t.part[j]
        if not is_blocked(s.asset[b, part].modes):
            free *= 1.0 - v.asset[i, part].user - v.asset[i, part].admin
    held = v.asset[i, a]
    if held.user + held.admin > 1.0 - free:
        excess = (held.user + held.admin) / max(1.0 - free, 1e-9)
        held.user /= excess
        held.admin /= excess
