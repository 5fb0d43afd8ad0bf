"""Who is believed to come, and whence: the attackers that a belief assumes, taken together.

Flows in: the assumed game. Flows out: their pooled tempo, and when they come: from outside, to an asset inside that is
named, or to one of which nobody is told. Such a one is two numbers of a view, that it has come and that nothing has
shown where; an asset's share of the latter enters its own belief when a finding hints at it, so that work grows with
findings and not with machines. What is made of it else is `belief`'s. With one attacker, from outside, nothing here is
an approximation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..compiled import CompiledTwin, Float32
from ..rulebook.jit import inlined
from ..rulebook.parameters import Parameters
from ..vocabulary import AssetKind, Gain
from .shifting import activate, gain_belief

if TYPE_CHECKING:
    from .belief import BeliefState

LINGER = 1e-3  # P(an attacker has come) falls no lower: a strong finding can always bring it back; assumed

INSIDER = np.dtype(
    [
        ("come", "f4"),  # P(one that begins inside has come), where the assumed game says no more than that one may
        ("hidden", "f4"),  # P(it is where no finding has shown it); of each asset the share that `begin` says
        ("seen", "f4"),  # share of the assets whose findings the view sees at once
    ],
    align=True,
)

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
    """Whether attacker `k` holds a named asset of the chain when it comes."""
    for n in range(p.attacker[k].entry_first, p.attacker[k].entry_last):
        if t.asset[p.entry[n]].kind != _EXTERNAL:
            return True
    return False


@inlined
def hazard_of(tick: int, k: int, share: float, p: Parameters) -> float:
    """P(attacker `k` comes in this tick by a way that it takes with odds `share` | it has not): uniform, or never."""
    first, last, coming = p.attacker[k].first, p.attacker[k].last, share * (1.0 - p.attacker[k].absent)
    if tick < first or tick > last or coming <= 0.0:
        return 0.0
    return min(coming / ((last - first + 1) * (1.0 - coming) + coming * (last - tick + 1)), 1.0)


@inlined
def come_inside(i: int, tick: int, t: CompiledTwin, p: Parameters, v: BeliefState) -> float:
    """P(an attacker that begins inside has come by this tick); where a named one begins, whatever was found."""
    none = 1.0 - float(v.insider[i].come)
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
def most_held(i: int, surest: float, t: CompiledTwin, p: Parameters, v: BeliefState) -> float:
    """How surely an asset may be held at most: as surely as anybody has come, unless one begins at a named asset.

    Where `surest` is more than that, whoever is there came from inside, as the odds of both ways stand.
    """
    for k in range(len(p.attacker)):
        if begins_inside(k, t, p):
            return 1.0
    come, insider = come_outside(i, t, v), v.insider[i]
    if insider.come > 0.0:
        missing = max(min(surest, 1.0) - come - insider.come, 0.0)
        insider.come += missing * insider.come / (come + insider.come)
    return min(come + float(insider.come), 1.0)


@inlined
def begun(i: int, a: int, p: Parameters, v: BeliefState) -> float:
    """P(one from inside is at asset `a`, where it began), as far as no finding has shown where it is."""
    hidden = float(v.insider[i].hidden)
    return hidden * p.begin[a] if hidden > 0.0 else 0.0


@inlined
def expect_attackers(i: int, tick: int, t: CompiledTwin, p: Parameters, v: BeliefState) -> None:
    """Attackers come in this tick with the hazard of a uniform onset over their span, or never; to their entries."""
    _fade(i, p, v)
    for k in range(len(p.attacker)):
        share = 1.0 - p.attacker[k].inside
        hazard, inside = hazard_of(tick, k, share, p), begins_inside(k, t, p)
        for n in range(p.attacker[k].entry_first, p.attacker[k].entry_last):
            a = p.entry[n]
            held = v.asset[i, a]
            if t.asset[a].kind == _EXTERNAL and tick >= p.attacker[k].first and share > 0.0:
                held.user = max(held.user, LINGER)
                held.user += (1.0 - held.user) * hazard
            elif inside and hazard > 0.0:  # how surely it has come before, its entry alone does not tell
                coming = (1.0 - p.attacker[k].absent) / (p.attacker[k].last - p.attacker[k].first + 1)
                gain_belief(i, a, _GAIN_USER, coming * (1.0 - held.user - held.admin), v)
            if hazard > 0.0:
                activate(i, a, v)
        if share < 1.0:
            _expect_inside(i, tick, k, p, v)


@inlined
def _expect_inside(i: int, tick: int, k: int, p: Parameters, v: BeliefState) -> None:
    """Attacker `k` may come in this tick to some machine inside; where, nothing shows yet."""
    insider = v.insider[i]
    came = (1.0 - insider.come) * hazard_of(tick, k, p.attacker[k].inside, p)
    insider.come += came
    insider.hidden += came
    if tick >= p.attacker[k].first:
        insider.come = max(insider.come, LINGER)


@inlined
def _fade(i: int, p: Parameters, v: BeliefState) -> None:
    """Bayes on silence: whoever is where nothing was found would have been found there at times."""
    insider = v.insider[i]
    if insider.hidden > 0.0:
        gone = insider.hidden * (1.0 - p.quiet) * insider.seen
        insider.come = max(insider.come - gone, 0.0) / (1.0 - gone)
        insider.hidden = (insider.hidden - gone) / (1.0 - gone)


def held_shares(p: Parameters, v: BeliefState) -> Float32:
    """P(any access), float32[V, N], a new array: with what is spread over machines that no finding has hinted at."""
    held: Float32 = v.asset["user"] + v.asset["admin"]
    if len(p.begin):
        np.maximum(held, v.insider["hidden"][:, None] * p.begin, out=held)
    return held
