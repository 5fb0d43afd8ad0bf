"""Attack steps inside a world: which are open, which one an attacker takes, and whether it succeeds.

Flows in: one world. Flows out: choices (deciding half, writes only the decision buffer) and gained access (settling
half). The work grows with what attackers hold, not with N.
"""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

from ..compiled import CompiledTwin
from ..vocabulary import AssetKind, Gain, OccurrenceKind, RunState, StepClass
from .campaign import fits_stage
from .crowds import CROWD
from .draws import CHOOSE, CONFIDENCE, CROWD_STEP, CROWD_TIME, DETECT, REGAIN, SENSOR, SUCCEED, TRY, uniform
from .effects import EffectTable
from .holding import carry_out, enter, gain
from .jit import compiled, compiled_parallel, inlined, inner
from .parameters import Parameters
from .rules import gains_something, has_access, is_blocked, is_monitored, is_patched, is_reset
from .state import CARRIED_OUT, IMPACTED, WorldState
from .trace import note, report

_TRIED, _REFUSED = int(OccurrenceKind.TRIED), int(OccurrenceKind.REFUSED)
_HOLDING = int(RunState.HOLDING)
_PRESENCE = int(StepClass.PRESENCE)
_EXTERNAL, _USER, _IMPACT = int(AssetKind.EXTERNAL), int(Gain.USER), int(Gain.IMPACT)
_EXFILTRATION = int(Gain.EXFILTRATION)
NO_STEP = -1  # waits
TAKES_ITS_OWN = -2  # in choices from outside: the built-in rule decides
ARRIVALS = 64  # of a crowd that are looked at one by one
ANY_TASTE = 1e-6  # a script takes what the attacker would not choose by itself
NOT_OPEN = -1  # value of an occurrence `refused` (step, attacker): not open to this attacker when it was settled


@inlined
def is_passable(b: int, step: int, t: CompiledTwin, s: WorldState) -> bool:
    """Whether public facts leave the step open: nothing blocked, cut or revoked."""
    if is_blocked(s.asset[b, t.step[step].src].modes):
        return False
    return lets_pass(b, t.step[step].dst, t.step[step].identity, t.step[step].link, s)


@inlined
def lets_pass(b: int, dst: int, identity: int, link: int, s: WorldState) -> bool:
    """Whether a step from an asset that is not blocked is open, by its target, identity (or -1) and link (or -1)."""
    if is_blocked(s.asset[b, dst].modes) or is_reset(s.asset[b, dst].modes):
        return False
    if identity >= 0 and is_reset(s.asset[b, identity].modes):
        return False
    return link < 0 or s.cut[b, link] == 0


@inlined
def is_open(b: int, step: int, k: int, t: CompiledTwin, s: WorldState) -> bool:
    """Whether attacker `k` may try the step now and would gain by it."""
    bit, src, dst, identity = 1 << k, t.step[step].src, t.step[step].dst, t.step[step].identity
    if not has_access(s.asset[b, src].user, s.asset[b, src].admin, bit, t.step[step].need) or not is_passable(
        b, step, t, s
    ):
        return False
    if identity >= 0 and ((s.asset[b, identity].user | s.asset[b, identity].admin) & bit) == 0:
        return False
    impacted, carried = s.asset[b, dst].modes & IMPACTED, s.asset[b, dst].modes & CARRIED_OUT
    return gains_something(
        s.asset[b, dst].user, s.asset[b, dst].admin, s.asset[b, dst].persist, impacted, carried, bit, t.step[step].gain
    )


@inlined
def has_come(b: int, k: int, s: WorldState) -> bool:
    """Whether attacker `k` may act: it came in an earlier tick."""
    return s.world[b].tick > s.attacker[b, k].onset


@compiled
def decide_attacker(b: int, k: int, t: CompiledTwin, p: Parameters, s: WorldState) -> int:
    """The step attacker `k` tries in this tick, or NO_STEP: a keyed race among the open ones, by taste."""
    if not has_come(b, k, s) or uniform(s.world[b].key, TRY, k) >= p.attacker[k].try_p:
        return NO_STEP
    if p.attacker[k].stage_last > p.attacker[k].stage_first:
        return _follow_campaign(b, k, t, p, s)
    waits = s.world[b].tick <= s.attacker[b, k].onset + p.attacker[k].patience
    best, chosen = math.inf, NO_STEP
    steps = len(t.step)
    for i in range(s.world[b].held_n):
        a = s.held[b, i]
        if t.asset[a].out_last - t.asset[a].out_first > CROWD:
            time, step = first_of_crowd(b, k, a, best, waits, t, p, s)
            if step != NO_STEP:
                best, chosen = time, step
            continue
        for j in range(t.asset[a].out_first, t.asset[a].out_last):
            step = t.out_step[j]
            if not _runs(b, step, k, waits, t, p, s):
                continue
            time = -math.log(uniform(s.world[b].key, CHOOSE, k * steps + step)) / p.weight[k, step]
            if time < best or (time == best and step < chosen):
                best, chosen = time, step
    return chosen


@inlined
def _runs(b: int, step: int, k: int, waits: bool, t: CompiledTwin, p: Parameters, s: WorldState) -> bool:
    """Whether a step takes part in the race of attacker `k`."""
    if waits and t.step[step].gain == _IMPACT:
        return False
    return p.weight[k, step] > 0.0 and is_open(b, step, k, t, s)


@inner
def first_of_crowd(
    b: int, k: int, a: int, best: float, waits: bool, t: CompiledTwin, p: Parameters, s: WorldState
) -> tuple[float, int]:
    """Time and number of the first open step from an asset with a crowd of them, or `NO_STEP` if none beats `best`.

    The race is as of all: their times are the arrivals of one Poisson process, each a step's by taste, and those at
    steps that are not open are passed over (Lewis and Shedler 1979, "Simulation of nonhomogeneous Poisson processes by
    thinning"). After `ARRIVALS` of these few steps are open, and each races alone from then on: so the work is bound
    by what is open or by the crowd, whichever is less.
    """
    key, first, count = s.world[b].key, t.asset[a].out_first, t.asset[a].out_last - t.asset[a].out_first
    row = p.crowd_first[_crowd_of(a, p)]
    total = p.crowd_taste[k, row + count - 1]
    if total <= 0.0:
        return best, NO_STEP
    entity, time = (k * len(t.asset) + a) * ARRIVALS, 0.0
    for i in range(ARRIVALS):
        time -= math.log(uniform(key, CROWD_TIME, entity + i)) / total
        if time >= best:
            return best, NO_STEP
        draw, low, high = uniform(key, CROWD_STEP, entity + i) * total, 0, count - 1
        while low < high:
            middle = (low + high) // 2
            if p.crowd_taste[k, row + middle] <= draw:
                low = middle + 1
            else:
                high = middle
        step = t.out_step[first + low]
        if _runs(b, step, k, waits, t, p, s):
            return time, step
    chosen = NO_STEP
    for j in range(first, first + count):
        step = t.out_step[j]
        if _runs(b, step, k, waits, t, p, s):
            own = time - math.log(uniform(key, CHOOSE, k * len(t.step) + step)) / p.weight[k, step]
            if own < best:
                best, chosen = own, step
    return best, chosen


@inlined
def _crowd_of(a: int, p: Parameters) -> int:
    """Number of the crowd of an asset that has one."""
    low, high = 0, len(p.crowd_asset) - 1
    while low < high:
        middle = (low + high) // 2
        if p.crowd_asset[middle] < a:
            low = middle + 1
        else:
            high = middle
    return low


@inner
def _follow_campaign(b: int, k: int, t: CompiledTwin, p: Parameters, s: WorldState) -> int:
    """An open step that the present stage asks for, by taste; none before its time and after the last stage."""
    row = p.attacker[k].stage_first + s.attacker[b, k].stage
    if row >= p.attacker[k].stage_last or s.world[b].tick < s.attacker[b, k].onset + p.stage[row].after:
        return NO_STEP
    best, chosen, steps = math.inf, NO_STEP, len(t.step)
    for i in range(s.world[b].held_n):
        a = s.held[b, i]
        for j in range(t.asset[a].out_first, t.asset[a].out_last):
            step = t.out_step[j]
            if not fits_stage(step, p.stage[row], t) or not is_open(b, step, k, t, s):
                continue
            taste = max(p.weight[k, step], ANY_TASTE)
            time = -math.log(uniform(s.world[b].key, CHOOSE, k * steps + step)) / taste
            if time < best or (time == best and step < chosen):
                best, chosen = time, step
    return chosen


@compiled_parallel
def fill_open_steps(k: int, t: CompiledTwin, s: WorldState, is_open_to: npt.NDArray[np.bool_]) -> None:
    """Mark the steps that attacker `k` may try now, in bool[B, E] that holds False."""
    for b in numba.prange(len(s.world)):
        if not has_come(b, k, s):
            continue
        for i in range(s.world[b].held_n):
            a = s.held[b, i]
            for j in range(t.asset[a].out_first, t.asset[a].out_last):
                step = t.out_step[j]
                is_open_to[b, step] = is_open(b, step, k, t, s)


@inlined
def success_probability(b: int, step: int, t: CompiledTwin, e: EffectTable, s: WorldState) -> float:
    """Odds of one try, lowered by the responses that hold on the target."""
    return lowered(b, float(t.step[step].probability), t.step[step].dst, t.step[step].step_class, e, s)


@inlined
def lowered(b: int, odds: float, dst: int, step_class: int, e: EffectTable, s: WorldState) -> float:
    """Odds of a try of a class on `dst` as the responses there leave them."""
    if is_patched(s.asset[b, dst].modes):
        for r in range(s.world[b].run_n):
            if s.run[b, r].state == _HOLDING and s.run[b, r].target == dst:
                odds *= e.lower[s.run[b, r].playbook, step_class]
    return odds


@inlined
def settle_attacks(b: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState) -> None:
    """Attackers come, regain what persistence gives, and their chosen steps succeed, fail, and may be found."""
    for k in range(s.attacker.shape[1]):
        if s.world[b].tick == s.attacker[b, k].onset and s.attacker[b, k].entry >= 0:
            _come(b, s.attacker[b, k].entry, k, t, s)
        elif s.world[b].tick == s.attacker[b, k].onset:
            for i in range(p.attacker[k].entry_first, p.attacker[k].entry_last):
                _come(b, p.entry[i], k, t, s)
    _settle_regains(b, t, p, s)
    for k in range(s.attacker.shape[1]):
        step, done = s.attacker[b, k].choice, NO_STEP
        if step != NO_STEP and not _may_try(b, step, k, t, s):
            note(b, _REFUSED, step, k, NOT_OPEN, s)
        elif step != NO_STEP:
            entity = k * len(t.step) + step
            succeeds = uniform(s.world[b].key, SUCCEED, entity) < success_probability(b, step, t, e, s)
            note(b, _TRIED, t.step[step].dst, step, 1 if succeeds else 0, s)
            if succeeds:
                done = step
                if t.step[step].gain == _EXFILTRATION:
                    carry_out(b, t.step[step].dst, k, t, p, s)
                else:
                    gain(b, t.step[step].dst, k, t.step[step].gain, t, s)
            detect(b, t.step[step].seen_at, t.step[step].step_class, DETECT, entity, t, p, s)
        if p.attacker[k].stage_last > p.attacker[k].stage_first and has_come(b, k, s):
            _advance_campaign(b, k, done, t, p, s)


@inner
def _come(b: int, a: int, k: int, t: CompiledTwin, s: WorldState) -> None:
    """Let attacker `k` begin at an asset, unless it is out of reach just then: it does not try again."""
    modes = s.asset[b, a].modes
    if is_blocked(modes) or is_reset(modes):
        note(b, _REFUSED, a, k, NOT_OPEN, s)
    elif t.asset[a].kind == _EXTERNAL:
        enter(b, a, k, t, s)
    else:
        gain(b, a, k, _USER, t, s)


@inlined
def _may_try(b: int, step: int, k: int, t: CompiledTwin, s: WorldState) -> bool:
    return 0 <= step < len(t.step) and has_come(b, k, s) and is_open(b, step, k, t, s)


@inner
def _advance_campaign(b: int, k: int, done: int, t: CompiledTwin, p: Parameters, s: WorldState) -> None:
    """End the present stage once it is due and done, or its target held anyway, or its grace over."""
    row, tick = p.attacker[k].stage_first + s.attacker[b, k].stage, s.world[b].tick
    if row >= p.attacker[k].stage_last:
        return
    due = s.attacker[b, k].onset + p.stage[row].after
    if tick < due:
        return
    ends = tick >= max(due, s.attacker[b, k].since) + p.stage[row].grace
    ends |= done != NO_STEP and fits_stage(done, p.stage[row], t)
    asset = p.stage[row].asset
    if asset >= 0 and p.stage[row].technique < 0:
        ends |= has_access(s.asset[b, asset].user, s.asset[b, asset].admin, 1 << k, _USER)
    if ends:
        s.attacker[b, k].stage += 1
        s.attacker[b, k].since = tick


@inlined
def _settle_regains(b: int, t: CompiledTwin, p: Parameters, s: WorldState) -> None:
    for i in range(s.world[b].held_n):
        a = s.held[b, i]
        lacking = s.asset[b, a].persist & ~s.asset[b, a].admin
        if lacking != 0 and not is_blocked(s.asset[b, a].modes) and uniform(s.world[b].key, REGAIN, a) < p.regain:
            for k in range(s.attacker.shape[1]):
                if lacking & (1 << k):
                    gain(b, a, k, 2, t, s)


@inner
def detect(
    b: int, a: int, step_class: int, purpose: int, entity: int, t: CompiledTwin, p: Parameters, s: WorldState
) -> None:
    """Draw whether the sensors on an asset find a try (or, for PRESENCE, a held asset) in this tick."""
    sensors = t.asset[a].sensors
    if sensors == 0:
        return
    monitored = 1 if is_monitored(s.asset[b, a].modes) else 0
    if uniform(s.world[b].key, purpose, entity) >= p.hit_mask[monitored, sensors, step_class]:
        return
    total = 0.0
    for sensor in range(len(p.false_rate)):
        if (sensors >> sensor) & 1:
            total += p.hit[sensor, step_class]
    left = uniform(s.world[b].key, SENSOR, purpose * 1_000_003 + entity) * total
    found = -1
    for sensor in range(len(p.false_rate)):
        if (sensors >> sensor) & 1 and p.hit[sensor, step_class] > 0.0:
            found = sensor
            left -= p.hit[sensor, step_class]
            if left < 0.0:
                break
    bin_draw = uniform(s.world[b].key, CONFIDENCE, purpose * 1_000_003 + entity)
    report(b, a, found, step_class, pick(p.true_bins, bin_draw), s)


@inner
def pick(distribution: object, draw: float) -> int:
    """Index of a discrete distribution that `draw` in (0, 1) falls on."""
    left = draw
    for i in range(len(distribution)):  # type: ignore[arg-type]
        left -= distribution[i]  # type: ignore[index]
        if left < 0.0:
            return i
    return len(distribution) - 1  # type: ignore[arg-type]
