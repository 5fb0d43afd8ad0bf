"""Thousands of worlds side by side: the deciding and settling halves over all lanes.

Flows in: twin, effects, parameters, worlds, seats' decisions. Flows out: the same worlds a tick later. Lanes share
nothing but read-only arrays, so results do not depend on batch, order or threads. The kernel never resets a world.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from ..compiled import CompiledTwin
from ..vocabulary import RunState
from .attacking import TAKES_ITS_OWN, decide_attacker
from .effects import EffectTable
from .jit import LOTS, compiled, compiled_parallel, inner
from .parameters import Parameters
from .responding import owner_answer, side_owner
from .settle import settle
from .state import WorldState

_AWAITING = int(RunState.AWAITING_CONSENT)


@compiled
def decide_owners(b: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState) -> None:
    """Write every owner's answers to the pending responses of world `b` into the decision buffer."""
    for r in range(s.world[b].run_n):
        for side in range(2):
            s.answer[b, r, side] = _answer(b, r, side, t, e, p, s)


@compiled
def decide_owner(
    b: int, owner: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState, answers: npt.NDArray[np.uint8]
) -> None:
    """Write one owner's answers to the pending responses of world `b` into `answers`, uint8[R, 2]."""
    for r in range(s.run.shape[1]):
        for side in range(2):
            asked = s.run[b, r].state == _AWAITING and side_owner(s.run[b, r].target, side, t) == owner
            answers[r, side] = _answer(b, r, side, t, e, p, s) if asked else 0


@inner
def _answer(b: int, r: int, side: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState) -> int:
    if s.run[b, r].state == _AWAITING and (s.run[b, r].agreed >> side) & 1 == 0:
        return owner_answer(b, r, side, t, e, p, s)
    return 0


@compiled
def tick_world(
    b: int,
    decision: npt.NDArray[np.int32],
    attack: npt.NDArray[np.int32],
    t: CompiledTwin,
    e: EffectTable,
    p: Parameters,
    s: WorldState,
) -> None:
    """Decide for owners of world `b` and attackers that take their own steps, then settle.

    Args:
        b: world.
        decision: int32[S], an action per seat.
        attack: int32[K], a step per attacker, `NO_STEP`, or `TAKES_ITS_OWN`.
        t: the compiled twin.
        e: effects of the playbooks.
        p: numbers of the game.
        s: all worlds; world `b` changes.
    """
    for k in range(s.attacker.shape[1]):
        s.attacker[b, k].choice = decide_attacker(b, k, t, p, s) if attack[k] == TAKES_ITS_OWN else attack[k]
    decide_owners(b, t, e, p, s)
    settle(b, decision, t, e, p, s)


@compiled_parallel
def tick_worlds(
    decision: npt.NDArray[np.int32],
    attack: npt.NDArray[np.int32],
    t: CompiledTwin,
    e: EffectTable,
    p: Parameters,
    s: WorldState,
) -> None:
    """Advance all worlds by one tick; decision: int32[B, S]; attack: int32[B, K], or one row for all worlds."""
    lots = min(LOTS, len(s.world))
    for lot in numba.prange(lots):
        _tick_lot(numba.int64(lot), lots, decision, attack, t, e, p, s)


@compiled
def _tick_lot(
    lot: int,
    lots: int,
    decision: npt.NDArray[np.int32],
    attack: npt.NDArray[np.int32],
    t: CompiledTwin,
    e: EffectTable,
    p: Parameters,
    s: WorldState,
) -> None:
    for b in range(lot * len(s.world) // lots, (lot + 1) * len(s.world) // lots):
        tick_world(b, decision[b], attack[b % len(attack)], t, e, p, s)


@compiled_parallel
def roll_worlds(ticks: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState) -> None:
    """Advance all worlds by `ticks` with seats that wait; what runs goes on."""
    for b in numba.prange(len(s.world)):
        wait = np.zeros(s.seat_owner.shape[1], np.int32)
        own = np.full(s.attacker.shape[1], TAKES_ITS_OWN, np.int32)
        for _ in range(ticks):
            tick_world(numba.int64(b), wait, own, t, e, p, s)
