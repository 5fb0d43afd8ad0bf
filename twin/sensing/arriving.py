"""Who is believed to come, and whence: the attackers that a belief assumes, taken together.

Flows in: the assumed game. Flows out: their pooled tempo, and when they come, from outside or to an asset inside. What
is made of it else is `belief`'s. With one attacker, from outside, nothing here is an approximation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiled import CompiledTwin
from ..rulebook.jit import inlined
from ..rulebook.parameters import Parameters
from ..vocabulary import AssetKind, Gain
from .shifting import activate, gain_belief

if TYPE_CHECKING:
    from .belief import BeliefState

LINGER = 1e-3  # P(an attacker has come) falls no lower: a strong finding can always bring it back; assumed

_EXTERNAL, _GAIN_USER = int(AssetKind.EXTERNAL), int(Gain.USER)


@inlined
def tempo_of(p: Parameters) -> float:
    """P(somebody tries something in a tick | somebody has come)."""
    still, nobody = 1.0, 1.0
    for k in range(len(p.attacker)):
        still *= 1.0 - p.attacker[k].try_p * (1.0 - p.attacker[k].absent)
        nobody *= float(p.attacker[k].absent)
    return (1.0 - still) / max(1.0 - nobody, 1e-9)


@inlined
def begins_inside(k: int, t: CompiledTwin, p: Parameters) -> bool:
    """Whether attacker `k` holds an asset of the chain when it comes."""
    for n in range(p.attacker[k].entry_first, p.attacker[k].entry_last):
        if t.asset[p.entry[n]].kind != _EXTERNAL:
            return True
    return False


@inlined
def hazard_of(tick: int, k: int, p: Parameters) -> float:
    """P(attacker `k` comes in this tick | it has not come): uniform over its span, or never."""
    first, last, absent = p.attacker[k].first, p.attacker[k].last, p.attacker[k].absent
    if tick < first or tick > last:
        return 0.0
    return min((1.0 - absent) / ((last - first + 1) * absent + (1.0 - absent) * (last - tick + 1)), 1.0)


@inlined
def come_inside(tick: int, t: CompiledTwin, p: Parameters) -> float:
    """P(an attacker that begins inside has come by this tick), whatever was found."""
    none = 1.0
    for k in range(len(p.attacker)):
        if begins_inside(k, t, p):
            first, last = p.attacker[k].first, p.attacker[k].last
            span = min(max((tick - first + 1.0) / (last - first + 1.0), 0.0), 1.0)
            none *= 1.0 - (1.0 - p.attacker[k].absent) * span
    return 1.0 - none


@inlined
def outside_share(come: float, inside: float) -> float:
    """How much of what shows that somebody is there speaks for one from outside: as the odds of both stand."""
    return 1.0 if inside == 0.0 else come / (come + inside)


@inlined
def come_outside(i: int, t: CompiledTwin, v: BeliefState) -> float:
    """P(an attacker has come from outside)."""
    come = 0.0
    for n in range(len(t.external)):
        come = max(come, float(v.asset[i, t.external[n]].user))
    return come


@inlined
def expect_attackers(i: int, tick: int, t: CompiledTwin, p: Parameters, v: BeliefState) -> None:
    """Attackers come in this tick with the hazard of a uniform onset over their span, or never; to their entries."""
    for k in range(len(p.attacker)):
        hazard, inside = hazard_of(tick, k, p), begins_inside(k, t, p)
        for n in range(p.attacker[k].entry_first, p.attacker[k].entry_last):
            a = p.entry[n]
            held = v.asset[i, a]
            if t.asset[a].kind == _EXTERNAL and tick >= p.attacker[k].first:
                held.user = max(held.user, LINGER)
                held.user += (1.0 - held.user) * hazard
            elif inside and hazard > 0.0:  # how surely it has come before, its entry alone does not tell
                coming = (1.0 - p.attacker[k].absent) / (p.attacker[k].last - p.attacker[k].first + 1)
                gain_belief(i, a, _GAIN_USER, coming * (1.0 - held.user - held.admin), v)
            if hazard > 0.0:
                activate(i, a, v)
