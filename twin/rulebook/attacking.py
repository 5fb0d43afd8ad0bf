"""Attack steps inside a world: which are open, which one an attacker takes, and whether it succeeds.

Flows in: one world. Flows out: choices (deciding half, writes only the decision buffer) and gained access (settling
half). The work grows with what attackers hold, not with N.
"""

from __future__ import annotations

import math

from ..compiled import CompiledTwin
from ..vocabulary import OccurrenceKind, RunState, StepClass
from .draws import CHOOSE, CONFIDENCE, DETECT, REGAIN, SENSOR, SUCCEED, TRY, uniform
from .effects import EffectTable
from .holding import gain, set_access
from .jit import compiled
from .parameters import Parameters
from .rules import gains_something, has_access, is_blocked, is_monitored, is_patched, is_reset
from .state import IMPACTED, WorldState
from .trace import note, report

_TRIED, _GAINED = int(OccurrenceKind.TRIED), int(OccurrenceKind.GAINED)
_HOLDING = int(RunState.HOLDING)
_PRESENCE = int(StepClass.PRESENCE)
NO_STEP = -1


@compiled
def is_passable(b: int, step: int, t: CompiledTwin, s: WorldState) -> bool:
    """Whether public facts leave the step open: nothing blocked, cut or revoked."""
    src, dst, identity = t.src[step], t.dst[step], t.identity[step]
    if is_blocked(s.modes[b, src]) or is_blocked(s.modes[b, dst]) or is_reset(s.modes[b, dst]):
        return False
    if identity >= 0 and is_reset(s.modes[b, identity]):
        return False
    link = t.link[step]
    return link < 0 or s.cut[b, link] == 0


@compiled
def is_open(b: int, step: int, k: int, t: CompiledTwin, s: WorldState) -> bool:
    """Whether attacker `k` may try the step now and would gain by it."""
    bit, src, dst, identity = 1 << k, t.src[step], t.dst[step], t.identity[step]
    if not has_access(s.user[b, src], s.admin[b, src], bit, t.need[step]) or not is_passable(b, step, t, s):
        return False
    if identity >= 0 and ((s.user[b, identity] | s.admin[b, identity]) & bit) == 0:
        return False
    impacted = s.status[b, dst] & IMPACTED
    return gains_something(s.user[b, dst], s.admin[b, dst], s.persist[b, dst], impacted, bit, t.gain[step])


@compiled
def decide_attacker(b: int, k: int, t: CompiledTwin, p: Parameters, s: WorldState) -> int:
    """The step attacker `k` tries in this tick, or NO_STEP: a keyed race among the open ones, by taste."""
    if s.tick[b] <= s.onset[b, k] or uniform(s.key[b], TRY, k) >= p.try_p[k]:
        return NO_STEP
    best, chosen = math.inf, NO_STEP
    steps = len(t.src)
    for i in range(s.held_n[b]):
        a = s.held[b, i]
        for j in range(t.out_ptr[a], t.out_ptr[a + 1]):
            step = t.out_step[j]
            if p.weight[k, step] <= 0.0 or not is_open(b, step, k, t, s):
                continue
            time = -math.log(uniform(s.key[b], CHOOSE, k * steps + step)) / p.weight[k, step]
            if time < best or (time == best and step < chosen):
                best, chosen = time, step
    return chosen


@compiled
def success_probability(b: int, step: int, t: CompiledTwin, e: EffectTable, s: WorldState) -> float:
    """Odds of one try, lowered by the responses that hold on the target."""
    chance = float(t.probability[step])
    dst = t.dst[step]
    if is_patched(s.modes[b, dst]):
        for r in range(s.run_state.shape[1]):
            if s.run_state[b, r] == _HOLDING and s.run_target[b, r] == dst:
                chance *= e.lower[s.run_playbook[b, r], t.step_class[step]]
    return chance


@compiled
def settle_attacks(b: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState) -> None:
    """Attackers come, regain what persistence gives, and their chosen steps succeed, fail, and may be found."""
    for k in range(s.onset.shape[1]):
        if s.tick[b] == s.onset[b, k]:
            for i in range(len(t.external)):
                a = t.external[i]
                set_access(b, a, s.user[b, a] | (1 << k), s.admin[b, a], s.persist[b, a], t, s)
    _settle_regains(b, t, p, s)
    for k in range(s.onset.shape[1]):
        step = s.choice[b, k]
        if step < 0 or step >= len(t.src) or not is_open(b, step, k, t, s):
            continue
        entity = k * len(t.src) + step
        succeeds = uniform(s.key[b], SUCCEED, entity) < success_probability(b, step, t, e, s)
        note(b, _TRIED, t.dst[step], step, 1 if succeeds else 0, s)
        if succeeds:
            gain(b, t.dst[step], k, t.gain[step], t, s)
        detect(b, t.seen_at[step], t.step_class[step], DETECT, entity, t, p, s)


@compiled
def _settle_regains(b: int, t: CompiledTwin, p: Parameters, s: WorldState) -> None:
    for i in range(s.held_n[b]):
        a = s.held[b, i]
        lacking = s.persist[b, a] & ~s.admin[b, a]
        if lacking != 0 and not is_blocked(s.modes[b, a]) and uniform(s.key[b], REGAIN, a) < p.regain:
            for k in range(s.onset.shape[1]):
                if lacking & (1 << k):
                    gain(b, a, k, 2, t, s)


@compiled
def detect(
    b: int, a: int, step_class: int, purpose: int, entity: int, t: CompiledTwin, p: Parameters, s: WorldState
) -> None:
    """Draw whether the sensors on an asset find a try (or, for PRESENCE, a held asset) in this tick."""
    sensors = t.sensors[a]
    if sensors == 0:
        return
    monitored = 1 if is_monitored(s.modes[b, a]) else 0
    if uniform(s.key[b], purpose, entity) >= p.hit_mask[monitored, sensors, step_class]:
        return
    total = 0.0
    for sensor in range(len(p.false_rate)):
        if (sensors >> sensor) & 1:
            total += p.hit[sensor, step_class]
    left = uniform(s.key[b], SENSOR, purpose * 1_000_003 + entity) * total
    found = -1
    for sensor in range(len(p.false_rate)):
        if (sensors >> sensor) & 1 and p.hit[sensor, step_class] > 0.0:
            found = sensor
            left -= p.hit[sensor, step_class]
            if left < 0.0:
                break
    bin_draw = uniform(s.key[b], CONFIDENCE, purpose * 1_000_003 + entity)
    report(b, a, found, step_class, pick(p.true_bins, bin_draw), s)


@compiled
def pick(distribution: object, draw: float) -> int:
    """Index of a discrete distribution that `draw` in (0, 1) falls on."""
    left = draw
    for i in range(len(distribution)):  # type: ignore[arg-type]
        left -= distribution[i]  # type: ignore[index]
        if left < 0.0:
            return i
    return len(distribution) - 1  # type: ignore[arg-type]
