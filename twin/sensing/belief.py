"""Belief: the probability per asset and access level that the attacker holds it, for a view.

Flows in: the public part of a world (modes, cuts, cleaned assets), findings the view may see, and assumed attackers.
Flows out: `BeliefState`, one lane per view. Hidden truth is never read: of a world's assets only `modes` is touched.

The filter is factored (Boyen and Koller 1998, "Tractable inference for complex stochastic processes"): after every tick
the joint is projected on its marginals. In a tick the attacker tries one open step, by taste, or none: all findings
and all silence of the tick are weighed at once over that one choice (Bayes), and the marginals of what a try takes for
granted - its source, its identity, an attacker at all, a target not yet taken - follow by Jeffrey's rule. Several
attackers are followed as one, of their pooled tempo and taste: what is asked is whether anybody holds an asset. What a
held segment reaches counts as known to the attacker: how far it has mapped it is not tracked.
The work grows with the assets believed held with probability over EPSILON. `tests/contracts` holds it to enumeration.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from ..compiled import Compiled, CompiledTwin, Float32, Int32, UInt8
from ..rulebook.attacking import is_passable, success_probability
from ..rulebook.effects import EffectTable
from ..rulebook.jit import compiled_parallel, inlined, inner
from ..rulebook.parameters import Parameters
from ..rulebook.rules import is_blocked
from ..rulebook.state import WorldState
from ..vocabulary import Access, AssetKind, Gain, StepClass
from .arriving import (
    INSIDER,
    begun,
    come_inside,
    come_outside,
    expect_attackers,
    most_held,
    outside_share,
    tempo_of,
)
from .evidence import EVIDENCE, NO_FINDING, add_finding
from .shifting import (
    EPSILON,
    activate,
    expect_any,
    gain_belief,
    is_seen,
    lift,
    likelihood_of,
    reweigh,
    shift,
    shift_held,
    taste_of,
)
from .shifting import held_probability as held_probability  # part of this module's face

FAINT = 0.1  # assets of the whole twin that are held in ways no rule foresees, once an attacker has come; assumed
SURE = 0.9999  # beliefs from here on are rounded off by CERTAIN: their small falls say nothing of other assets
LIFT = 0.002  # rises and falls of belief from here on are passed to what the asset was reached from
SLIGHT = 1e-5  # steps less probably open are left out
NEGLIGIBLE = 1e-6  # shifts below are left out: those of a hundred ticks together do not wake an asset
STEP_LIMIT = 8192  # open steps weighed in one tick; the rest wait for the next

_SEGMENT, _EXTERNAL = int(AssetKind.SEGMENT), int(AssetKind.EXTERNAL)
_STORE, _PROCESS = int(AssetKind.DATA_STORE), int(AssetKind.PROCESS)
_USER, _ADMIN, _NONE = int(Access.USER), int(Access.ADMIN), int(Access.NONE)
_GAIN_USER, _GAIN_ADMIN, _GAIN_EXFILTRATION = int(Gain.USER), int(Gain.ADMIN), int(Gain.EXFILTRATION)
_PRESENCE = int(StepClass.PRESENCE)

ASSET_BELIEF = np.dtype(
    [
        ("user", "f4"),  # P(exactly user access)
        ("admin", "f4"),  # P(admin access)
        ("threat", "f4"),  # P(gained in this tick), given its findings
        ("active", "u1"),  # 1: in the list
        ("found", "u1"),  # 1: a finding in this tick
    ],
    align=True,
)


class BeliefState(NamedTuple):
    """Arrays over V views (in training: one per world)."""

    insider: npt.NDArray[Any]  # [V] of INSIDER
    asset: npt.NDArray[Any]  # [V, N] of ASSET_BELIEF
    evidence: npt.NDArray[Any]  # [V, N] of EVIDENCE
    active: Int32  # [V, N] assets believed held with more than EPSILON
    active_n: Int32  # [V]
    recent: Int32  # [V, N] assets with a finding that is not forgotten
    recent_n: Int32  # [V]
    sees: UInt8  # [V, N] 1: findings on this asset are visible; 2: those that its owner tells, late
    step: Int32  # [V, STEP_LIMIT] scratch: steps that may be open
    chance: Float32  # [V, STEP_LIMIT] scratch: probability that each is open, then that it is tried
    told: Float32  # [V, STEP_LIMIT] scratch: probability that it was tried, given the findings


def new_belief(compiled: Compiled, views: int, *, sees: npt.NDArray[Any] | None = None) -> BeliefState:
    """Allocate beliefs that nobody holds anything.

    Args:
        compiled: the twin.
        views: number of lanes V.
        sees: bool or uint8 [V, N] or [N], findings each view may see, 2: when they are told; all if left out.
    """
    assets = len(compiled.twin.assets)
    limit = min(STEP_LIMIT, max(1, len(compiled.steps)))
    belief = BeliefState(
        insider=np.zeros(views, INSIDER).view(np.recarray),
        asset=np.zeros((views, assets), ASSET_BELIEF).view(np.recarray),
        evidence=np.zeros((views, assets), EVIDENCE).view(np.recarray),
        active=np.zeros((views, assets), np.int32),
        active_n=np.zeros(views, np.int32),
        recent=np.zeros((views, assets), np.int32),
        recent_n=np.zeros(views, np.int32),
        sees=np.ones((views, assets), np.uint8),
        step=np.zeros((views, limit), np.int32),
        chance=np.zeros((views, limit), np.float32),
        told=np.zeros((views, limit), np.float32),
    )
    if sees is not None:
        belief.sees[:] = sees
    belief.insider["seen"] = (belief.sees == 1).mean(axis=1)
    belief.evidence["last"] = NO_FINDING
    return belief


def reset_belief(rows: npt.NDArray[np.int64], belief: BeliefState) -> None:
    """Forget everything in the given lanes."""
    belief.asset[rows] = 0
    belief.insider["come"][rows] = 0.0
    belief.insider["hidden"][rows] = 0.0
    belief.evidence[rows] = 0
    belief.evidence["last"][rows] = NO_FINDING
    belief.active_n[rows] = 0
    belief.recent_n[rows] = 0


@compiled_parallel
def update_beliefs(
    which: npt.NDArray[np.int64], t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState, v: BeliefState
) -> None:
    """Bring each view in step with the tick its world has just made.

    Args:
        which: int64[V], the world that each view looks at.
        t: the twin.
        e: effects of playbooks.
        p: the assumed game, with the attackers believed in.
        s: worlds, of which only public fields and findings are read.
        v: the beliefs, changed.
    """
    for i in numba.prange(len(which)):
        update_belief(i, which[i], t, e, p, s, v)


@inlined
def update_belief(
    i: int, b: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState, v: BeliefState
) -> None:
    """One view, one tick: clean, predict, weigh findings, weigh silence."""
    tick = s.world[b].tick - 1  # the tick that was settled
    inside = come_inside(i, tick, t, p, v)
    outside = outside_share(come_outside(i, t, v), inside)
    for c in range(s.world[b].cleaned_n):
        _clean(i, s.cleaned[b, c, 0], s.cleaned[b, c, 1], v)
    gather_evidence(i, b, s, v)
    for n in range(s.world[b].finding_n):
        if is_seen(i, b, n, s, v):
            _suspect(i, s.finding[b, n, 0], s.finding[b, n, 2], inside, t, p, v)
    steps = _weigh_steps(i, b, t, p, s, v)
    _tell(i, b, steps, t, p, s, v)
    _move(i, b, steps, outside, t, e, p, s, v)
    _weigh_presence(i, b, outside, t, p, s, v)
    _bound(i, t, p, v)
    expect_attackers(i, tick, t, p, v)
    forget_found(i, b, s, v)


@inlined
def gather_evidence(i: int, b: int, s: WorldState, v: BeliefState) -> None:
    """Count the tick's findings that the view sees; what they fall on is marked `found` and listed as recent."""
    for n in range(s.world[b].finding_n):
        a = s.finding[b, n, 0]
        if is_seen(i, b, n, s, v):
            v.asset[i, a].found = 1
            tick, sensor, step_class = s.world[b].tick - 1, s.finding[b, n, 1], s.finding[b, n, 2]
            add_finding(v.evidence[i, a], tick, sensor, s.finding[b, n, 3], step_class)
            if v.evidence[i, a].recent == 0:
                v.evidence[i, a].recent = 1
                v.recent[i, v.recent_n[i]] = a
                v.recent_n[i] += 1


@inlined
def forget_found(i: int, b: int, s: WorldState, v: BeliefState) -> None:
    """Take the marks of the tick's findings away."""
    for n in range(s.world[b].finding_n):
        v.asset[i, s.finding[b, n, 0]].found = 0


@inlined
def _clean(i: int, a: int, ceiling: int, v: BeliefState) -> None:
    held = v.asset[i, a]
    held.user = 0.0 if ceiling == _NONE else held.user + held.admin
    held.admin = 0.0


@inlined
def _lacks(i: int, a: int, gain: int, t: CompiledTwin, v: BeliefState) -> float:
    if t.asset[a].kind == _SEGMENT:
        return 0.5  # mapped or not: not tracked
    if gain == _GAIN_EXFILTRATION:
        return float(0.5 * (v.asset[i, a].user + v.asset[i, a].admin))
    if gain == _GAIN_USER:
        return float(1.0 - v.asset[i, a].user - v.asset[i, a].admin)
    if gain == _GAIN_ADMIN:
        return float(1.0 - v.asset[i, a].admin)
    return 0.5  # persistence, impact: not tracked, assumed done half of the time


@inlined
def _is_tracked(step: int, t: CompiledTwin) -> bool:
    return t.step[step].gain in (_GAIN_USER, _GAIN_ADMIN) and t.asset[t.step[step].dst].kind != _SEGMENT


@inner
def _suspect(i: int, a: int, step_class: int, inside: float, t: CompiledTwin, p: Parameters, v: BeliefState) -> None:
    """Wake what a finding may tell of, which may be believed too little to be looked at."""
    least = FAINT / len(t.asset) * (1.0 - (1.0 - come_outside(i, t, v)) * (1.0 - inside))
    if step_class == _PRESENCE:
        _hint(i, a, 1, least, p, v)
    for j in range(t.asset[a].in_first, t.asset[a].in_last):
        step = t.in_step[j]
        if t.step[step].step_class == step_class and t.step[step].seen_at == a:
            _suspect_source(i, step, least, t, p, v)
    for j in range(t.asset[a].out_first, t.asset[a].out_last):
        step = t.out_step[j]
        if t.step[step].step_class == step_class and t.step[step].seen_at == a:
            _suspect_source(i, step, least, t, p, v)


@inner
def _suspect_source(i: int, step: int, least: float, t: CompiledTwin, p: Parameters, v: BeliefState) -> None:
    src = t.step[step].src
    if t.asset[src].kind == _SEGMENT:
        for j in range(t.asset[src].part_first, t.asset[src].part_last):
            _hint(i, t.part[j], 1, least, p, v)
    elif t.asset[src].kind != _EXTERNAL:
        _hint(i, src, t.step[step].need, least, p, v)
    if t.step[step].identity >= 0:
        _hint(i, t.step[step].identity, 1, least, p, v)


@inner
def _hint(i: int, a: int, need: int, least: float, p: Parameters, v: BeliefState) -> None:
    held = v.asset[i, a]
    if need != _ADMIN:
        least += begun(i, a, p, v)
    has = held.admin if need == _ADMIN else held.user + held.admin
    if has < least:
        gain_belief(i, a, _GAIN_ADMIN if need == _ADMIN else _GAIN_USER, least - has, v)
        activate(i, a, v)


@inlined
def _weigh_steps(i: int, b: int, t: CompiledTwin, p: Parameters, s: WorldState, v: BeliefState) -> int:
    """List the steps that may be open, and turn P(open) into P(tried in this tick); gives their number."""
    count, total = 0, 0.0
    for n in range(v.active_n[i]):
        a = v.active[i, n]
        _wake_segments(i, b, a, t, s, v)
    for n in range(v.active_n[i]):
        a = v.active[i, n]
        if is_blocked(s.asset[b, a].modes):
            continue
        user = held_probability(i, b, a, _USER, t, s, v)
        admin = user if t.asset[a].kind == _SEGMENT else float(v.asset[i, a].admin)
        for j in range(t.asset[a].out_first, t.asset[a].out_last):
            step = t.out_step[j]
            taste = taste_of(step, p)
            chance = admin if t.step[step].need == _ADMIN else user
            if chance <= SLIGHT or taste <= 0.0 or count >= v.step.shape[1] or not is_passable(b, step, t, s):
                continue
            if t.step[step].identity >= 0:
                chance *= held_probability(i, b, t.step[step].identity, 1, t, s, v)
            chance *= _lacks(i, t.step[step].dst, t.step[step].gain, t, v)
            if chance > SLIGHT:
                v.step[i, count] = step
                v.chance[i, count] = chance
                count += 1
                total += taste * chance
    tempo = tempo_of(p)
    for n in range(count):
        taste, chance = taste_of(v.step[i, n], p), v.chance[i, n]
        v.chance[i, n] = tempo * taste * chance / (taste + max(total - taste * chance, 0.0))
    return count


@inlined
def _wake_segments(i: int, b: int, a: int, t: CompiledTwin, s: WorldState, v: BeliefState) -> None:
    if is_blocked(s.asset[b, a].modes):
        return
    for j in range(t.asset[a].whole_first, t.asset[a].whole_last):
        if t.asset[t.whole[j]].kind == _SEGMENT:
            activate(i, t.whole[j], v)


@inlined
def _tell(i: int, b: int, steps: int, t: CompiledTwin, p: Parameters, s: WorldState, v: BeliefState) -> None:
    """Bayes over the one choice of the tick: which step was tried, if any, given what was found and what was not."""
    tried, total = 0.0, 0.0
    for n in range(steps):
        step = v.step[i, n]
        likelihood = likelihood_of(i, b, t.step[step].seen_at, t.step[step].step_class, t, p, s, v)
        v.told[i, n] = v.chance[i, n] * likelihood
        tried += v.chance[i, n]
        total += v.told[i, n]
    total += max(1.0 - tried, 1.0 - tempo_of(p))
    for n in range(steps):
        v.told[i, n] /= max(total, 1e-9)


@inlined
def _move(
    i: int,
    b: int,
    steps: int,
    outside: float,
    t: CompiledTwin,
    e: EffectTable,
    p: Parameters,
    s: WorldState,
    v: BeliefState,
) -> None:
    """Jeffrey's rule for what each try takes for granted, then what tries gain."""
    for n in range(v.active_n[i]):
        v.asset[i, v.active[i, n]].threat = 0.0
    come, gathered = 0.0, 0.0
    for n in range(steps):
        step = v.step[i, n]
        src, need, identity = t.step[step].src, t.step[step].need, t.step[step].identity
        weight = (v.told[i, n] - v.chance[i, n]) / (1.0 - v.chance[i, n])
        if identity >= 0 and abs(weight) > NEGLIGIBLE:
            shift(i, identity, 1, weight, 1.0, v)
        if abs(weight) > NEGLIGIBLE and _is_tracked(step, t):
            shift(i, t.step[step].dst, t.step[step].gain, weight, 0.0, v)
        gathered += weight
        is_last = n + 1 == steps or t.step[v.step[i, n + 1]].src != src or t.step[v.step[i, n + 1]].need != need
        if is_last:  # tries exclude each other: those from one source add up
            if t.asset[src].kind != _EXTERNAL:
                come += gathered
            if abs(gathered) > NEGLIGIBLE:
                _shift_source(i, b, src, need, gathered, t, p, s, v)
            gathered = 0.0
    expect_any(i, come, outside, t, p, v)
    for n in range(steps):
        step = v.step[i, n]
        dst, gain = t.step[step].dst, t.step[step].gain
        if v.told[i, n] > NEGLIGIBLE and _is_tracked(step, t):
            gained = v.told[i, n] * success_probability(b, step, t, e, s)
            gain_belief(i, dst, gain, gained, v)
            v.asset[i, dst].threat += gained


@inlined
def _shift_source(
    i: int, b: int, src: int, need: int, weight: float, t: CompiledTwin, p: Parameters, s: WorldState, v: BeliefState
) -> None:
    """Tries take their source for granted; where that is news, what lies before it too."""
    before = held_probability(i, b, src, 1, t, s, v)
    shift_held(i, b, src, need, weight, t, s, v)
    if abs(weight) > LIFT and t.asset[src].kind != _SEGMENT:
        lift(i, b, src, weight, before, t, p, s, v)


@inlined
def _weigh_presence(
    i: int, b: int, outside: float, t: CompiledTwin, p: Parameters, s: WorldState, v: BeliefState
) -> None:
    """What a held asset gives away of itself, or its silence; what fades leaves the list."""
    n = 0
    while n < v.active_n[i]:
        a = v.active[i, n]
        kind = t.asset[a].kind
        if kind != _EXTERNAL and kind != _SEGMENT:
            before = float(v.asset[i, a].user + v.asset[i, a].admin)
            reweigh(i, a, likelihood_of(i, b, a, _PRESENCE, t, p, s, v), 1.0, v)
            weight = (v.asset[i, a].user + v.asset[i, a].admin - before) / max(1.0 - before, 1e-5)
            if abs(weight) > NEGLIGIBLE and (weight > 0.0 or before < SURE):
                expect_any(i, weight, outside, t, p, v)
            if abs(weight) > LIFT:
                lift(i, b, a, weight, before, t, p, s, v)
        if kind in (_STORE, _PROCESS):
            _hold_through(i, b, a, t, s, v)
        if v.asset[i, a].user + v.asset[i, a].admin < 0.1 * EPSILON and kind != _EXTERNAL:
            v.asset[i, a].active = 0
            v.asset[i, a].threat = 0.0
            v.active_n[i] -= 1
            v.active[i, n] = v.active[i, v.active_n[i]]
        else:
            n += 1


@inlined
def _bound(i: int, t: CompiledTwin, p: Parameters, v: BeliefState) -> None:
    """Nothing is held more surely than an attacker has come."""
    surest = 0.0
    if v.insider[i].come > 0.0:
        for n in range(v.active_n[i]):
            held = v.asset[i, v.active[i, n]]
            surest = max(surest, float(held.user + held.admin))
    come = most_held(i, surest, t, p, v)
    for n in range(v.active_n[i]):
        held = v.asset[i, v.active[i, n]]
        excess = (held.user + held.admin) / max(come, 1e-9)
        if excess > 1.0:
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
    excess = (held.user + held.admin) / max(1.0 - free, 1e-9)
    if excess > 1.0:
        held.user /= excess
        held.admin /= excess
