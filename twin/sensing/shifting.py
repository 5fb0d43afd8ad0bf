"""How one marginal of a belief moves: the likelihood of findings, Bayes, and Jeffrey's rule.

Flows in: one view's marginals, public fields and findings of its world. Flows out: changed marginals. What is weighed,
and in which order, is `belief`'s; hidden truth is never read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiled import CompiledTwin
from ..rulebook.jit import inlined, inner
from ..rulebook.parameters import Parameters
from ..rulebook.rules import is_blocked, is_monitored
from ..rulebook.sharing import is_late
from ..rulebook.state import WorldState
from ..vocabulary import Access, AssetKind, Gain

if TYPE_CHECKING:
    from .belief import BeliefState

EPSILON = 1e-4  # beliefs below are left at rest; costs at most this much per asset
PASSED = 0.5  # share of a change that is passed on to what it came from: all of it would go round in loops; assumed
NEGLIGIBLE = 1e-6  # shifts below are left out: those of a hundred ticks together do not wake an asset
CERTAIN = 0.99999  # belief goes no higher, so that later evidence can still move it

_SEGMENT = int(AssetKind.SEGMENT)
_ADMIN = int(Access.ADMIN)
_GAIN_ADMIN = int(Gain.ADMIN)


@inlined
def held_probability(i: int, b: int, a: int, need: int, t: CompiledTwin, s: WorldState, v: BeliefState) -> float:
    """P(the attacker has access `need` at an asset), for a segment through its unblocked members."""
    if t.asset[a].kind != _SEGMENT:
        if need == _ADMIN:
            return float(v.asset[i, a].admin)
        return float(v.asset[i, a].user + v.asset[i, a].admin)
    free = 1.0
    for j in range(t.asset[a].part_first, t.asset[a].part_last):
        part = t.part[j]
        if v.asset[i, part].active == 1 and not is_blocked(s.asset[b, part].modes):
            free *= 1.0 - v.asset[i, part].user - v.asset[i, part].admin
    return 1.0 - free


@inlined
def is_seen(i: int, b: int, n: int, s: WorldState, v: BeliefState) -> bool:
    """Whether row `n` of the findings is for this view: at once, or told late by another owner."""
    return v.sees[i, s.finding[b, n, 0]] == (2 if is_late(b, n, s) else 1)


@inlined
def likelihood_of(
    i: int, b: int, a: int, step_class: int, silence: float, p: Parameters, s: WorldState, v: BeliefState
) -> float:
    """Likelihood of the findings of a class on an asset given a true source, relative to none.

    Args:
        i: view.
        b: its world.
        a: asset.
        step_class: of a try, or PRESENCE.
        silence: the likelihood where nothing was found, the asset is not monitored, and findings come at once.
        p: the assumed game.
        s: worlds.
        v: beliefs.
    """
    if v.asset[i, a].found == 0 and v.sees[i, a] == 1 and not is_monitored(s.asset[b, a].modes):
        return silence
    return _likelihood_of_findings(i, b, a, step_class, p, s, v)


@inner
def _likelihood_of_findings(
    i: int, b: int, a: int, step_class: int, p: Parameters, s: WorldState, v: BeliefState
) -> float:
    """Among n findings of a sensor and bin, false ones coming at Poisson rate r, a true one has ratio n * true / r."""
    sensors = p.place[a].sensors
    if sensors == 0 or v.sees[i, a] == 0:
        return 1.0
    monitored = 1 if is_monitored(s.asset[b, a].modes) else 0
    hit = float(p.hit_mask[monitored, sensors, step_class])
    ratio = 1.0 - hit if v.sees[i, a] == 1 else 1.0  # silence of what is told late and in part says nothing
    if v.asset[i, a].found == 0:
        return ratio
    hits = 1e-9
    for sensor in range(len(p.false_rate)):
        if (sensors >> sensor) & 1:
            hits += p.hit[sensor, step_class]
    for n in range(s.world[b].finding_n):
        if s.finding[b, n, 0] == a and s.finding[b, n, 2] == step_class and is_seen(i, b, n, s, v):
            sensor, confidence = s.finding[b, n, 1], s.finding[b, n, 3]
            true_rate = hit * p.hit[sensor, step_class] / hits * p.true_bins[confidence]
            false_rate = p.false_rate[sensor] * p.false_class[sensor, step_class] * p.false_bins[confidence]
            ratio += true_rate / (false_rate + 1e-9)
    return ratio


@inlined
def activate(i: int, a: int, v: BeliefState) -> None:
    """Put an asset on the list of those looked at."""
    if v.asset[i, a].active == 0:
        v.asset[i, a].active = 1
        v.active[i, v.active_n[i]] = a
        v.active_n[i] += 1


@inlined
def gain_belief(i: int, a: int, gain: int, gained: float, v: BeliefState) -> None:
    """Add the probability `gained` of now having what `gain` gives."""
    held = v.asset[i, a]
    if gain == _GAIN_ADMIN:
        lacking = max(1.0 - held.admin, 1e-6)
        gained = min(gained, lacking)
        held.user = max(held.user - held.user * gained / lacking, 0.0)
        held.admin = min(held.admin + gained, CERTAIN)
    else:
        held.user = min(held.user + gained, max(CERTAIN - held.admin, 0.0))
    if held.user + held.admin > EPSILON:
        activate(i, a, v)


@inlined
def reweigh(i: int, a: int, likelihood: float, v: BeliefState) -> float:
    """Bayes on one asset's marginal, of evidence so likely if held, relative to not; gives how far it moved to 1."""
    held = v.asset[i, a]
    more = (held.user + held.admin) * (likelihood - 1.0)
    scale = 1.0 / max(1.0 + more, 1e-9)
    held.user = min(held.user * likelihood * scale, CERTAIN)
    held.admin = min(held.admin * likelihood * scale, max(CERTAIN - held.user, 0.0))
    return more * scale


@inlined
def shift(i: int, a: int, need: int, weight: float, value: float, v: BeliefState) -> None:
    """Move P(at least access `need`) by `weight` (negative: away) towards `value`."""
    held = v.asset[i, a]
    if need == _ADMIN:
        new = min(max(held.admin + weight * (value - held.admin), 0.0), CERTAIN)
        held.user = min(held.user * (1.0 - new) / max(1.0 - held.admin, 1e-6), max(CERTAIN - new, 0.0))
        held.admin = new
    else:
        has = held.user + held.admin
        new = min(max(has + weight * (value - has), 0.0), CERTAIN)
        scale = new / max(has, 1e-9)
        held.user, held.admin = held.user * scale, held.admin * scale
    if held.user + held.admin > EPSILON:
        activate(i, a, v)


@inlined
def raise_members(
    i: int, b: int, segment: int, weight: float, held: float, t: CompiledTwin, s: WorldState, v: BeliefState
) -> None:
    """Move P(a segment is held), `held` before, by `weight` towards 1, through its members."""
    if abs(weight) <= NEGLIGIBLE:
        return
    scale = max(1.0 + weight * (1.0 / max(held, 1e-9) - 1.0), 0.0)  # P(part | segment) = P(part) / P(segment), for all
    for j in range(t.asset[segment].part_first, t.asset[segment].part_last):
        part = t.part[j]
        if v.asset[i, part].active == 1 and not is_blocked(s.asset[b, part].modes):
            _scale(i, part, scale, v)


@inlined
def _scale(i: int, a: int, scale: float, v: BeliefState) -> None:
    """Multiply P(held), up to CERTAIN."""
    held = v.asset[i, a]
    held.user = min(held.user * scale, CERTAIN)
    held.admin = min(held.admin * scale, max(CERTAIN - held.user, 0.0))


@inlined
def expect_any(i: int, weight: float, outside: float, t: CompiledTwin, p: Parameters, v: BeliefState) -> None:
    """Whoever tries or holds anything has come: from outside with the odds `outside`, or else from inside.

    What is gained is taken from nobody's having come, by both ways together: a single attacker comes one way. One from
    inside who is found somewhere is nowhere else: what is spread over where none was found shrinks.
    """
    insider, lone = v.insider[i], len(p.attacker) == 1
    share, inside = outside, float(insider.come)
    if inside > 0.0:
        come = 0.0
        for n in range(len(t.external)):
            come = max(come, float(v.asset[i, t.external[n]].user))
        nobody = max(1.0 - come - inside, 0.0) if lone else (1.0 - come) * (1.0 - inside)
        share *= nobody / max(1.0 - come, 1e-5)
        insider.come = min(max(inside + weight * (1.0 - outside) * nobody, 0.0), CERTAIN)
        located = weight if lone else weight * (1.0 - outside)
        insider.hidden = min(insider.hidden * max(1.0 - located, 0.0), insider.come)
    for n in range(len(t.external)):
        shift(i, t.external[n], 1, weight * share, 1.0, v)


@inner
def lift(
    lot: int, i: int, b: int, a: int, weight: float, t: CompiledTwin, p: Parameters, s: WorldState, v: BeliefState
) -> None:
    """Asset `a` moved by `weight`: share that among what it was reached from, by taste and odds.

    A fall is passed on like a rise, or what false findings had raised around them would stay. Where the sources are
    believed less than the asset is, they have been cleaned since, and explain only a part. Externals and identities
    are left out, or the same news would count twice: `expect_any` has told the former, and the latter come from what is
    told here.
    """
    flow, sources = 0.0, 0.0
    first, last = p.place[a].behind_first, min(p.place[a].behind_last, p.place[a].behind_first + v.chance.shape[1])
    for j in range(first, last):
        held = held_probability(i, b, p.behind[j].src, p.behind[j].need, t, s, v)
        v.chance[lot, j - first] = held  # nothing else needs this scratch by now
        sources += held
        flow += p.behind[j].share * held
    if flow <= 0.0:
        return
    weight *= PASSED * min(1.0, sources / max(v.asset[i, a].user + v.asset[i, a].admin, 1e-9)) / flow
    for j in range(first, last):
        row, held = p.behind[j], v.chance[lot, j - first]
        if row.passes == 1 and held > 0.0:
            if p.place[row.src].kind == _SEGMENT:
                raise_members(i, b, row.src, weight * row.share * held, held, t, s, v)
            else:
                shift(i, row.src, row.need, weight * row.share * held, 1.0, v)
