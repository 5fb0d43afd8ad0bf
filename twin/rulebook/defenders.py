"""Scripted defenders: rules that propose one action for a seat, to play in worlds and to measure policies against.

Flows in: one world, numbers of playbooks (-1: the library has none), and for some a belief. Flows out: an action.
Nothing is written but the actions asked for. `decide_clairvoyant` reads the hidden truth, so it is
no policy; being greedy it shows what sight is worth and is no proven bound.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ..compiled import NANO, CompiledTwin
from ..vocabulary import AssetKind, RunState
from .draws import RANDOM_DEFENDER, uniform
from .effects import EffectTable
from .holding import is_held
from .jit import LOTS, compiled, compiled_allocating, compiled_parallel, inlined, inner
from .legal import Legal, list_legal_of, nth_legal
from .mask import is_legal, target_count
from .parameters import Parameters
from .rules import is_blocked
from .sharing import is_told
from .state import IMPACTED, NEVER, WorldState

_IDENTITY = int(AssetKind.IDENTITY)
_FREE = int(RunState.FREE)
WAIT = 0
WAITS = 0.9  # probability that the random defender waits; assumed

# What the clairvoyant weighs, in loss per hour. Assumed: set by hand after 150 drawn settings on 200 worlds of the
# charging chain and 11 of a like form on 1,000, all of the evaluation stream, ids from 0, so those worlds flatter it.
# These very numbers on the same 1,000: mean loss 2.95 +- 0.17; `decide_threshold` given the truth 3.07 +- 0.25, which
# is not told apart. What would settle them: a search on another stream, and paired differences on fresh ids.
WORTH = 5.0  # of an asset from which a crown jewel is certain to fall
_CUT_OFF = 1.5  # isolating what is held, in shares of its worth ...
_CUT_OFF_COST = 2.0  # ... less the service that it costs
_RESTORE_COST = 0.1  # restoring ends: its cost weighs little
_THREATENED, _THREATENED_COST = 0.25, 4.0  # the same for what is not held yet but may be next


@compiled
def decide_nothing(b: int, t: CompiledTwin, e: EffectTable, s: WorldState) -> int:
    """Wait."""
    return WAIT


@compiled
def decide_random(b: int, legal: Legal, t: CompiledTwin, e: EffectTable, s: WorldState) -> int:
    """Wait with probability `WAITS`, else a legal action, each equally likely; `legal` is brought up to date then."""
    return act_at_random(b, WAITS, legal, t, e, s)


@inlined
def act_at_random(b: int, waits: float, legal: Legal, t: CompiledTwin, e: EffectTable, s: WorldState) -> int:
    """As `decide_random`, waiting with probability `waits`."""
    key = s.world[b].key
    if uniform(key, RANDOM_DEFENDER, 0) < waits:
        return WAIT
    list_legal_of(b, t, e, s, legal)
    if legal.legal_n[b] == 0:
        return WAIT
    return nth_legal(b, int(uniform(key, RANDOM_DEFENDER, 1) * legal.legal_n[b]), legal)


@compiled
def decide_isolate_on_finding(
    b: int, seat: int, isolate: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState
) -> int:
    """Isolate the asset of the first of the findings that a seat is told of in this tick, where that is legal."""
    for i in range(s.world[b].finding_n):
        action = _legal_action(b, isolate, s.finding[b, i, 0], t, e, s)
        if action != WAIT and is_told(b, i, seat, t, p, s):
            return action
    return WAIT


@compiled
def decide_book(
    b: int,
    evidence: npt.NDArray[Any],
    since: int,
    book: npt.NDArray[np.int32],
    least: int,
    t: CompiledTwin,
    e: EffectTable,
    s: WorldState,
) -> int:
    """Answer the earliest finding by the book: one playbook per technique class.

    The playbook runs on the asset of the finding; where it may not, on what steps of that class lead to from there
    (identities whose secrets lie there), come by (links between owners) or need (identities that log in there).

    Args:
        b: world.
        evidence: record[N] of a view's evidence; the last finding of each asset counts.
        since: findings of earlier ticks have been answered or passed over.
        book: int32[StepClass] playbook per class, -1: none.
        least: lowest `Confidence` that is answered.
        t: the compiled twin.
        e: effects of the playbooks.
        s: all worlds.
    """
    earliest, chosen = NEVER, WAIT
    for a in range(len(t.asset)):
        last, step_class = evidence[a].last, evidence[a].step_class
        if last < since or last >= earliest or evidence[a].confidence < least or book[step_class] < 0:
            continue
        action = _by_the_book(b, book[step_class], a, step_class, t, e, s)
        if action != WAIT:
            earliest, chosen = last, action
    return chosen


@inner
def _by_the_book(b: int, playbook: int, a: int, step_class: int, t: CompiledTwin, e: EffectTable, s: WorldState) -> int:
    action = _legal_action(b, playbook, a, t, e, s)
    if action != WAIT:
        return action
    for i in range(t.asset[a].out_first, t.asset[a].out_last):
        step = t.out_step[i]
        if t.step[step].step_class == step_class:
            action = _legal_action(b, playbook, t.step[step].dst, t, e, s)
            if action != WAIT:
                return action
    for i in range(t.asset[a].in_first, t.asset[a].in_last):
        step = t.in_step[i]
        if t.step[step].step_class != step_class:
            continue
        if t.step[step].link >= 0:
            action = _legal_action(b, playbook, len(t.asset) + t.step[step].link, t, e, s)
        if action == WAIT and t.step[step].identity >= 0:
            action = _legal_action(b, playbook, t.step[step].identity, t, e, s)
        if action != WAIT:
            return action
    return WAIT


@compiled
def decide_threshold(
    b: int,
    belief: npt.NDArray[np.float32],
    threshold: float,
    restore: int,
    revoke: int,
    t: CompiledTwin,
    e: EffectTable,
    s: WorldState,
) -> int:
    """Restore, or for identities revoke, the asset most believed to be held, where belief float32[N] >= threshold.

    With the playbook that isolates in the place of `restore` it is the defender that isolates on belief.
    """
    best, chosen = threshold, WAIT
    for a in range(len(t.asset)):
        if belief[a] < best or (chosen != WAIT and belief[a] == best):
            continue
        action = _legal_action(b, revoke if t.asset[a].kind == _IDENTITY else restore, a, t, e, s)
        if action != WAIT:
            best, chosen = belief[a], action
    return chosen


@compiled
def decide_clairvoyant(
    b: int,
    playbooks: npt.NDArray[np.int32],
    at_stake: npt.NDArray[np.int64],
    t: CompiledTwin,
    e: EffectTable,
    p: Parameters,
    s: WorldState,
) -> int:
    """The dearest of: evict what is held, isolate what is held or threatened, release what is clean; sees the truth.

    Args:
        b: world.
        playbooks: int32[4], numbers of restore, revoke, isolate and release; -1 where the library has none.
        at_stake: int64[N] from `service_at_stake`.
        t: the compiled twin.
        e: effects of the playbooks.
        p: numbers of the game.
        s: all worlds.
    """
    restore, revoke, isolate, release = playbooks[0], playbooks[1], playbooks[2], playbooks[3]
    hour = NANO * p.tick_s / 3600.0
    best, chosen = 0.0, WAIT
    for a in range(len(t.asset)):
        worth, cost = WORTH * t.asset[a].toward, at_stake[a] / hour
        hurt = (s.asset[b, a].modes & IMPACTED) != 0
        blocked = is_blocked(s.asset[b, a].modes)
        if is_held(b, a, s) or hurt:
            evict = revoke if t.asset[a].kind == _IDENTITY else restore
            value = worth + (cost if hurt else 0.0 if blocked else -_RESTORE_COST * cost)
            action = (
                WAIT if _is_running(b, evict, a, s) and not is_held(b, a, s) else _legal_action(b, evict, a, t, e, s)
            )
            if action != WAIT and value > best:
                best, chosen = value, action
            value = _CUT_OFF * worth - _CUT_OFF_COST * cost
            if not is_held(b, a, s) or _is_running(b, restore, a, s):
                continue
        elif blocked:
            action = _legal_action(b, release, a, t, e, s)
            if action != WAIT and cost > best:
                best, chosen = cost, action
            continue
        else:
            value = _THREATENED * _threat(b, a, t, s) * worth - _THREATENED_COST * cost
        if value > best and not blocked:
            action = _legal_action(b, isolate, a, t, e, s)
            if action != WAIT:
                best, chosen = value, action
    return chosen


@compiled_allocating
def service_at_stake(t: CompiledTwin) -> npt.NDArray[np.int64]:
    """int64[N] nano loss per tick while an asset alone is out of service, all that depends on it included."""
    stake = np.zeros(len(t.asset), np.int64)
    lost = np.zeros(len(t.asset), np.uint8)
    order = np.zeros(len(t.asset), np.int32)
    for a in range(len(t.asset)):
        order[0], count, i = a, 1, 0
        lost[a] = 1
        while i < count:
            stake[a] += t.asset[order[i]].share
            count = _spread_loss(order[i], count, lost, order, t)
            i += 1
        for j in range(count):
            lost[order[j]] = 0
    return stake


@inner
def _spread_loss(a: int, count: int, lost: npt.NDArray[np.uint8], order: npt.NDArray[np.int32], t: CompiledTwin) -> int:
    for i in range(t.asset[a].member_first, t.asset[a].member_last):
        group = t.member_group[i]
        dependent, failing = t.group[group].asset, 0
        for j in range(t.group[group].first, t.group[group].last):
            failing += 1 if lost[t.member[j].asset] == 1 else 0
        if lost[dependent] == 0 and failing > t.group[group].tolerance:
            lost[dependent] = 1
            order[count] = dependent
            count += 1
    return count


@inner
def _legal_action(b: int, playbook: int, target: int, t: CompiledTwin, e: EffectTable, s: WorldState) -> int:
    """The action that runs a playbook on a target, or WAIT if it may not run."""
    if playbook < 0:
        return WAIT
    action = 1 + playbook * target_count(t) + target
    return action if is_legal(b, action, t, e, s) else WAIT


@inner
def _is_running(b: int, playbook: int, target: int, s: WorldState) -> bool:
    for r in range(s.world[b].run_n):
        if s.run[b, r].state != _FREE and s.run[b, r].target == target and s.run[b, r].playbook == playbook:
            return True
    return False


@inner
def _threat(b: int, a: int, t: CompiledTwin, s: WorldState) -> float:
    """Odds of the likeliest step into the asset from one that is held."""
    likeliest = 0.0
    for i in range(t.asset[a].in_first, t.asset[a].in_last):
        step = t.in_step[i]
        src = t.step[step].src
        if src != a and (s.asset[b, src].user | s.asset[b, src].admin) != 0:
            likeliest = max(likeliest, t.step[step].probability)
    return likeliest


@compiled_parallel
def decide_randoms(
    legal: Legal, t: CompiledTwin, e: EffectTable, s: WorldState, actions: npt.NDArray[np.int32]
) -> None:
    """`decide_random` for all worlds, into int32[B]."""
    lots = min(LOTS, len(s.world))
    for lot in numba.prange(lots):
        _decide_randoms_of(numba.int64(lot), lots, legal, t, e, s, actions)


@compiled
def _decide_randoms_of(
    lot: int,
    lots: int,
    legal: Legal,
    t: CompiledTwin,
    e: EffectTable,
    s: WorldState,
    actions: npt.NDArray[np.int32],
) -> None:
    for b in range(lot * len(s.world) // lots, (lot + 1) * len(s.world) // lots):
        actions[b] = decide_random(numba.int64(b), legal, t, e, s)


@compiled_parallel
def decide_isolates_on_finding(
    isolate: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState, actions: npt.NDArray[np.int32]
) -> None:
    """`decide_isolate_on_finding` for the first seat of all worlds, into int32[B]."""
    for b in numba.prange(len(s.world)):
        actions[b] = decide_isolate_on_finding(numba.int64(b), 0, isolate, t, e, p, s)


@compiled_parallel
def decide_books(
    evidence: npt.NDArray[Any],
    ticks: int,
    book: npt.NDArray[np.int32],
    least: int,
    t: CompiledTwin,
    e: EffectTable,
    s: WorldState,
    actions: npt.NDArray[np.int32],
) -> None:
    """`decide_book` for all worlds with evidence record[B, N] of the last `ticks` ticks, into int32[B]."""
    for b in numba.prange(len(s.world)):
        actions[b] = decide_book(numba.int64(b), evidence[b], s.world[b].tick - ticks, book, least, t, e, s)


@compiled_parallel
def decide_thresholds(
    belief: npt.NDArray[np.float32],
    threshold: float,
    restore: int,
    revoke: int,
    t: CompiledTwin,
    e: EffectTable,
    s: WorldState,
    actions: npt.NDArray[np.int32],
) -> None:
    """`decide_threshold` for all worlds with belief float32[B, N], into int32[B]."""
    for b in numba.prange(len(s.world)):
        actions[b] = decide_threshold(numba.int64(b), belief[b], threshold, restore, revoke, t, e, s)


@compiled_parallel
def decide_clairvoyants(
    playbooks: npt.NDArray[np.int32],
    at_stake: npt.NDArray[np.int64],
    t: CompiledTwin,
    e: EffectTable,
    p: Parameters,
    s: WorldState,
    actions: npt.NDArray[np.int32],
) -> None:
    """`decide_clairvoyant` for all worlds, into int32[B]."""
    for b in numba.prange(len(s.world)):
        actions[b] = decide_clairvoyant(numba.int64(b), playbooks, at_stake, t, e, p, s)
