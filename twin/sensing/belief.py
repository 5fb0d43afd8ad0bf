"""Belief: the probability per asset and access level that the attacker holds it, for a view.

Flows in: the public part of a world (modes, cuts, cleaned assets), findings the view may see, and an assumed attacker.
Flows out: `BeliefState`, one lane per view. Hidden truth is never read: of a world's assets only `modes` is touched.

The filter is factored (Boyen and Koller 1998, "Tractable inference for complex stochastic processes"): after every tick
the joint is projected on its marginals. Predicted along open steps with the attacker's own choice rule in mean field
(each try takes one step, in proportion to taste); weighed by findings, which name the step they may come from, and by
silence. The work grows with the assets believed held with probability over EPSILON.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from ..compiled import Compiled, CompiledTwin, Float32, Int32, UInt8
from ..rulebook.attacking import is_passable, success_probability
from ..rulebook.effects import EffectTable
from ..rulebook.jit import compiled_parallel, inner
from ..rulebook.parameters import Parameters
from ..rulebook.rules import is_blocked, is_monitored
from ..rulebook.state import WorldState
from ..vocabulary import Access, AssetKind, Gain, StepClass
from .evidence import EVIDENCE, NO_FINDING, add_finding

EPSILON = 1e-4  # beliefs below are left at rest; costs at most this much per asset
CERTAIN = 0.999
STEP_LIMIT = 8192  # open steps weighed in one tick; the rest wait for the next

_SEGMENT, _EXTERNAL = int(AssetKind.SEGMENT), int(AssetKind.EXTERNAL)
_STORE, _PROCESS = int(AssetKind.DATA_STORE), int(AssetKind.PROCESS)
_ADMIN, _NONE = int(Access.ADMIN), int(Access.NONE)
_GAIN_USER, _GAIN_ADMIN = int(Gain.USER), int(Gain.ADMIN)
_PRESENCE = int(StepClass.PRESENCE)

ASSET_BELIEF = np.dtype(
    [
        ("user", "f4"),  # P(exactly user access)
        ("admin", "f4"),  # P(admin access)
        ("threat", "f4"),  # P(gained in this tick), as predicted
        ("active", "u1"),  # 1: in the list
        ("found", "u1"),  # 1: a finding in this tick
    ],
    align=True,
)


class BeliefState(NamedTuple):
    """Arrays over V views (in training: one per world)."""

    asset: npt.NDArray[Any]  # [V, N] of ASSET_BELIEF
    evidence: npt.NDArray[Any]  # [V, N] of EVIDENCE
    active: Int32  # [V, N] assets believed held with more than EPSILON
    active_n: Int32  # [V]
    sees: UInt8  # [V, N] 1: findings on this asset are visible
    step: Int32  # [V, STEP_LIMIT] scratch: steps that may be open
    chance: Float32  # [V, STEP_LIMIT] scratch: probability that each is open, then that it is tried


def new_belief(compiled: Compiled, views: int, *, sees: npt.NDArray[Any] | None = None) -> BeliefState:
    """Allocate beliefs that nobody holds anything.

    Args:
        compiled: the twin.
        views: number of lanes V.
        sees: bool[V, N] or bool[N], findings each view may see; all if left out.
    """
    assets = len(compiled.twin.assets)
    limit = min(STEP_LIMIT, max(1, len(compiled.steps)))
    belief = BeliefState(
        asset=np.zeros((views, assets), ASSET_BELIEF).view(np.recarray),
        evidence=np.zeros((views, assets), EVIDENCE).view(np.recarray),
        active=np.zeros((views, assets), np.int32),
        active_n=np.zeros(views, np.int32),
        sees=np.ones((views, assets), np.uint8),
        step=np.zeros((views, limit), np.int32),
        chance=np.zeros((views, limit), np.float32),
    )
    if sees is not None:
        belief.sees[:] = sees
    belief.evidence["last"] = NO_FINDING
    return belief


def reset_belief(rows: npt.NDArray[np.int64], belief: BeliefState) -> None:
    """Forget everything in the given lanes."""
    belief.asset[rows] = 0
    belief.evidence[rows] = 0
    belief.evidence["last"][rows] = NO_FINDING
    belief.active_n[rows] = 0


@compiled_parallel
def update_beliefs(
    which: npt.NDArray[np.int64], t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState, v: BeliefState
) -> None:
    """Bring each view in step with the tick its world has just made.

    Args:
        which: int64[V], the world that each view looks at.
        t: the twin.
        e: effects of playbooks.
        p: the assumed game; its first attacker is the one believed in.
        s: worlds, of which only public fields and findings are read.
        v: the beliefs, changed.
    """
    for i in numba.prange(len(which)):
        update_belief(i, which[i], t, e, p, s, v)


@inner
def update_belief(
    i: int, b: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState, v: BeliefState
) -> None:
    """One view, one tick: clean, predict, weigh findings, weigh silence."""
    tick = s.world[b].tick - 1  # the tick that was settled
    for c in range(s.world[b].cleaned_n):
        _clean(i, s.cleaned[b, c, 0], s.cleaned[b, c, 1], v)
    for n in range(s.world[b].finding_n):
        a = s.finding[b, n, 0]
        if v.sees[i, a] == 1:
            v.asset[i, a].found = 1
            add_finding(v.evidence[i, a], tick, s.finding[b, n, 1], s.finding[b, n, 3])
    steps = _weigh_steps(i, b, t, p, s, v)
    _predict(i, b, steps, t, e, p, s, v)
    for n in range(s.world[b].finding_n):
        if v.sees[i, s.finding[b, n, 0]] == 1:
            _weigh_finding(
                i,
                b,
                s.finding[b, n, 0],
                s.finding[b, n, 1],
                s.finding[b, n, 2],
                s.finding[b, n, 3],
                steps,
                t,
                e,
                p,
                s,
                v,
            )
    _weigh_silence(i, b, t, p, s, v)
    _expect_attacker(i, tick, t, p, v)
    for n in range(s.world[b].finding_n):
        v.asset[i, s.finding[b, n, 0]].found = 0


@inner
def _clean(i: int, a: int, ceiling: int, v: BeliefState) -> None:
    held = v.asset[i, a]
    held.user = 0.0 if ceiling == _NONE else held.user + held.admin
    held.admin = 0.0


@inner
def _activate(i: int, a: int, v: BeliefState) -> None:
    if v.asset[i, a].active == 0:
        v.asset[i, a].active = 1
        v.active[i, v.active_n[i]] = a
        v.active_n[i] += 1


@inner
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


@inner
def _lacks(i: int, a: int, gain: int, v: BeliefState) -> float:
    if gain == _GAIN_USER:
        return float(1.0 - v.asset[i, a].user - v.asset[i, a].admin)
    if gain == _GAIN_ADMIN:
        return float(1.0 - v.asset[i, a].admin)
    return 0.5  # persistence, impact: not tracked, assumed done half of the time


@inner
def _weigh_steps(i: int, b: int, t: CompiledTwin, p: Parameters, s: WorldState, v: BeliefState) -> int:
    """List the steps that may be open, and turn P(open) into P(tried in this tick); gives their number."""
    count, total = 0, 0.0
    for n in range(v.active_n[i]):
        a = v.active[i, n]
        _wake_segments(i, b, a, t, s, v)
    for n in range(v.active_n[i]):
        a = v.active[i, n]
        for j in range(t.asset[a].out_first, t.asset[a].out_last):
            step = t.out_step[j]
            taste = p.weight[0, step]
            if taste <= 0.0 or count >= v.step.shape[1] or not is_passable(b, step, t, s):
                continue
            chance = held_probability(i, b, a, t.step[step].need, t, s, v)
            if t.step[step].identity >= 0:
                chance *= held_probability(i, b, t.step[step].identity, 1, t, s, v)
            chance *= _lacks(i, t.step[step].dst, t.step[step].gain, v)
            if chance > 1e-7:
                v.step[i, count] = step
                v.chance[i, count] = chance
                count += 1
                total += taste * chance
    for n in range(count):
        taste, chance = p.weight[0, v.step[i, n]], v.chance[i, n]
        v.chance[i, n] = p.attacker[0].try_p * taste * chance / (taste + max(total - taste * chance, 0.0))
    return count


@inner
def _wake_segments(i: int, b: int, a: int, t: CompiledTwin, s: WorldState, v: BeliefState) -> None:
    if is_blocked(s.asset[b, a].modes):
        return
    for j in range(t.asset[a].whole_first, t.asset[a].whole_last):
        if t.asset[t.whole[j]].kind == _SEGMENT:
            _activate(i, t.whole[j], v)


@inner
def _hit(b: int, step: int, t: CompiledTwin, p: Parameters, s: WorldState) -> float:
    seen_at = t.step[step].seen_at
    monitored = 1 if is_monitored(s.asset[b, seen_at].modes) else 0
    return float(p.hit_mask[monitored, t.asset[seen_at].sensors, t.step[step].step_class])


@inner
def _predict(
    i: int, b: int, steps: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState, v: BeliefState
) -> None:
    """Move probability along steps that were tried unseen; those that a finding may tell of are weighed with it."""
    for n in range(v.active_n[i]):
        v.asset[i, v.active[i, n]].threat = 0.0
    for n in range(steps):
        step = v.step[i, n]
        dst, gain = t.step[step].dst, t.step[step].gain
        if gain != _GAIN_USER and gain != _GAIN_ADMIN:
            continue
        gained = v.chance[i, n] * success_probability(b, step, t, e, s)
        if v.asset[i, t.step[step].seen_at].found == 0 and v.sees[i, t.step[step].seen_at] == 1:
            gained *= 1.0 - _hit(b, step, t, p, s)
        _raise(i, dst, gain, gained, v)
        v.asset[i, dst].threat += gained


@inner
def _raise(i: int, a: int, gain: int, gained: float, v: BeliefState) -> None:
    """Add the probability `gained` of now having what `gain` gives."""
    held = v.asset[i, a]
    if gain == _GAIN_ADMIN:
        lacking = max(1.0 - held.admin, 1e-6)
        gained = min(gained, lacking)
        held.user -= held.user * gained / lacking
        held.admin = min(held.admin + gained, CERTAIN)
    else:
        held.user = min(held.user + gained, CERTAIN - held.admin)
    if held.user + held.admin > EPSILON:
        _activate(i, a, v)


@inner
def _mix(i: int, a: int, need: int, weight: float, value: float, v: BeliefState) -> None:
    """With probability `weight` the attacker has at least `need` with probability `value`; else as believed."""
    held = v.asset[i, a]
    has = held.admin if need == _ADMIN else held.user + held.admin
    rise = weight * max(value - has, 0.0)
    _raise(i, a, _GAIN_ADMIN if need == _ADMIN else _GAIN_USER, rise, v)


@inner
def _weigh_finding(
    i: int,
    b: int,
    a: int,
    sensor: int,
    step_class: int,
    confidence: int,
    steps: int,
    t: CompiledTwin,
    e: EffectTable,
    p: Parameters,
    s: WorldState,
    v: BeliefState,
) -> None:
    """Bayes on one finding: false, or told by a try of this class seen at `a` (or by presence)."""
    hits = 0.0
    for other in range(len(p.false_rate)):
        if (t.asset[a].sensors >> other) & 1:
            hits += p.hit[other, step_class]
    monitored = 1 if is_monitored(s.asset[b, a].modes) else 0
    seen = p.hit_mask[monitored, t.asset[a].sensors, step_class]
    true_rate = seen * p.hit[sensor, step_class] / max(hits, 1e-9) * p.true_bins[confidence]
    false_rate = p.false_rate[sensor] * p.false_class[sensor, step_class] * p.false_bins[confidence] + 1e-9
    if step_class == _PRESENCE:
        _reweigh(i, a, true_rate + false_rate, false_rate, v)
        return
    tried = 0.0
    for n in range(steps):
        if t.step[v.step[i, n]].seen_at == a and t.step[v.step[i, n]].step_class == step_class:
            tried += v.chance[i, n]
    told = tried * true_rate / (tried * true_rate + false_rate)
    for n in range(steps):
        step = v.step[i, n]
        if t.step[step].seen_at == a and t.step[step].step_class == step_class:
            _blame(i, b, step, told * v.chance[i, n] / tried, t, e, s, v)


@inner
def _blame(
    i: int, b: int, step: int, share: float, t: CompiledTwin, e: EffectTable, s: WorldState, v: BeliefState
) -> None:
    """The step was tried with probability `share`: then its source and identity were held, its target may be now."""
    src, dst, gain = t.step[step].src, t.step[step].dst, t.step[step].gain
    if t.asset[src].kind == _SEGMENT:
        held = max(held_probability(i, b, src, 1, t, s, v), 1e-9)
        for j in range(t.asset[src].part_first, t.asset[src].part_last):
            part = t.part[j]
            if v.asset[i, part].active == 1 and not is_blocked(s.asset[b, part].modes):
                _mix(i, part, 1, share, min(1.0, (v.asset[i, part].user + v.asset[i, part].admin) / held), v)
    else:
        _mix(i, src, t.step[step].need, share, 1.0, v)
    if t.step[step].identity >= 0:
        _mix(i, t.step[step].identity, 1, share, 1.0, v)
    if gain == _GAIN_USER or gain == _GAIN_ADMIN:
        chance = success_probability(b, step, t, e, s)
        has = v.asset[i, dst].admin if gain == _GAIN_ADMIN else v.asset[i, dst].user + v.asset[i, dst].admin
        _raise(i, dst, gain, share * chance * (1.0 - has), v)


@inner
def _reweigh(i: int, a: int, if_held: float, if_not: float, v: BeliefState) -> None:
    """Bayes on one asset's marginal."""
    held = v.asset[i, a]
    odds = (held.user + held.admin) * if_held
    total = odds + (1.0 - held.user - held.admin) * if_not
    factor = if_held / total if total > 0.0 else 1.0
    held.user = min(held.user * factor, CERTAIN)
    held.admin = min(held.admin * factor, CERTAIN - held.user)


@inner
def _weigh_silence(i: int, b: int, t: CompiledTwin, p: Parameters, s: WorldState, v: BeliefState) -> None:
    """A held asset that its sensors watched without a finding is less likely held; what fades leaves the list."""
    n = 0
    while n < v.active_n[i]:
        a = v.active[i, n]
        sensors = t.asset[a].sensors
        kind = t.asset[a].kind
        if sensors != 0 and v.asset[i, a].found == 0 and v.sees[i, a] == 1 and kind != _EXTERNAL:
            monitored = 1 if is_monitored(s.asset[b, a].modes) else 0
            _reweigh(i, a, 1.0 - p.hit_mask[monitored, sensors, _PRESENCE], 1.0 - p.false_mask[sensors], v)
        if kind == _STORE or kind == _PROCESS:
            _hold_through(i, b, a, t, s, v)
        if v.asset[i, a].user + v.asset[i, a].admin < 0.1 * EPSILON and kind != _EXTERNAL:
            v.asset[i, a].active = 0
            v.asset[i, a].threat = 0.0
            v.active_n[i] -= 1
            v.active[i, n] = v.active[i, v.active_n[i]]
        else:
            n += 1


@inner
def _hold_through(i: int, b: int, a: int, t: CompiledTwin, s: WorldState, v: BeliefState) -> None:
    """Data and processes are held at most as surely as what they are held through."""
    free = 1.0
    for j in range(t.asset[a].part_first, t.asset[a].part_last):
        part = t.part[j]
        if not is_blocked(s.asset[b, part].modes):
            free *= 1.0 - v.asset[i, part].user - v.asset[i, part].admin
    held = v.asset[i, a]
    excess = (held.user + held.admin) / max(1.0 - free, 1e-9)
    if excess > 1.0:
        held.user /= excess
        held.admin /= excess


@inner
def _expect_attacker(i: int, tick: int, t: CompiledTwin, p: Parameters, v: BeliefState) -> None:
    """An attacker comes in this tick with the hazard of a uniform onset over its span, or never."""
    first, last, absent = p.attacker[0].first, p.attacker[0].last, p.attacker[0].absent
    if tick < first or tick > last:
        return
    span = last - first + 1
    hazard = (1.0 - absent) / (span * absent + (1.0 - absent) * (last - tick + 1))
    for n in range(len(t.external)):
        a = t.external[n]
        held = v.asset[i, a]
        held.user += (1.0 - held.user) * min(hazard, 1.0)
        _activate(i, a, v)
