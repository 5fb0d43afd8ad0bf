"""Worlds from one decision to the next in a single compiled call: ticks, belief, observation, what is legal.

Flows in: worlds with their beliefs, and the seats' decisions. Flows out: both some ticks later, what is seen then, what
is legal then. No rule is here: it calls those of rulebook and sensing in their order. One after the other for a world
while it lies in the cache: for one world the way into compiled code costs more than the rules do, and for a thousand
the way of each world's bytes into the processor, once for each pass over all.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from ..compiled import CompiledTwin
from ..rulebook.effects import EffectTable
from ..rulebook.jit import compiled, compiled_parallel
from ..rulebook.kernel import tick_world
from ..rulebook.legal import Legal, list_legal_of
from ..rulebook.mask import fill_mask
from ..rulebook.parameters import Parameters
from ..rulebook.state import WorldState
from .belief import BeliefState, forget_found, gather_evidence, update_belief
from .observe import Observed, observe


@compiled
def follow_world(
    b: int,
    decision: npt.NDArray[np.int32],
    attack: npt.NDArray[np.int32],
    always: npt.NDArray[np.bool_],
    t: CompiledTwin,
    e: EffectTable,
    p: Parameters,
    assumed: Parameters,
    s: WorldState,
    v: BeliefState,
    o: Observed,
    mask: npt.NDArray[np.bool_],
) -> None:
    """Advance world `b` by one tick for each row of `decision`, then write what is seen and what is legal.

    Args:
        b: world, and its lane of the belief.
        decision: int32[ticks, S], the seats' actions in each tick.
        attack: int32[K], a step per attacker for every tick, or `TAKES_ITS_OWN`.
        always: bool[1 + P * T] from `static_mask`.
        t: the compiled twin.
        e: effects of the playbooks.
        p: numbers of the game.
        assumed: numbers that belief assumes.
        s: all worlds; world `b` changes.
        v: all beliefs; lane `b` changes.
        o: what is seen; lane `b` changes.
        mask: bool[1 + P * T], written.
    """
    for tick in range(len(decision)):
        tick_world(b, decision[tick], attack, t, e, p, s)
        update_belief(0, b, b, t, e, assumed, s, v)
    observe(b, b, t, s, v, o)
    fill_mask(b, always, t, e, s, mask)


@compiled_parallel
def follow_worlds(
    decision: npt.NDArray[np.int32],
    attack: npt.NDArray[np.int32],
    t: CompiledTwin,
    e: EffectTable,
    p: Parameters,
    assumed: Parameters,
    s: WorldState,
    v: BeliefState,
    o: Observed,
    legal: Legal,
) -> None:
    """Advance all worlds by one tick for each row of `decision`; then write what is seen and list what is legal.

    Args:
        decision: int32[ticks, B, S], the seats' actions in each tick.
        attack: int32[1 or B, K], as in `Worlds.tick`, for every tick.
        t: the compiled twin.
        e: effects of the playbooks.
        p: numbers of the game.
        assumed: numbers that belief assumes.
        s: the worlds; changed.
        v: a lane of belief for each world; changed.
        o: what is seen; changed.
        legal: what is legal; changed.
    """
    for lot in numba.prange(len(v.row)):
        _follow_lot(numba.int64(lot), decision, attack, t, e, p, assumed, s, v, o, legal)


@compiled
def _follow_lot(
    lot: int,
    decision: npt.NDArray[np.int32],
    attack: npt.NDArray[np.int32],
    t: CompiledTwin,
    e: EffectTable,
    p: Parameters,
    assumed: Parameters,
    s: WorldState,
    v: BeliefState,
    o: Observed,
    legal: Legal,
) -> None:
    worlds, lots = len(s.world), len(v.row)
    for b in range(lot * worlds // lots, (lot + 1) * worlds // lots):
        for tick in range(len(decision)):
            tick_world(b, decision[tick, b], attack[b % len(attack)], t, e, p, s)
            update_belief(lot, b, b, t, e, assumed, s, v)
        observe(b, b, t, s, v, o)
        list_legal_of(b, t, e, s, legal)


@compiled_parallel
def watch_worlds(
    decision: npt.NDArray[np.int32],
    attack: npt.NDArray[np.int32],
    t: CompiledTwin,
    e: EffectTable,
    p: Parameters,
    s: WorldState,
    v: BeliefState,
    o: Observed,
    legal: Legal,
) -> None:
    """As `follow_worlds`, for views that gather evidence and believe nothing."""
    for lot in numba.prange(len(v.row)):
        _watch_lot(numba.int64(lot), decision, attack, t, e, p, s, v, o, legal)


@compiled
def _watch_lot(
    lot: int,
    decision: npt.NDArray[np.int32],
    attack: npt.NDArray[np.int32],
    t: CompiledTwin,
    e: EffectTable,
    p: Parameters,
    s: WorldState,
    v: BeliefState,
    o: Observed,
    legal: Legal,
) -> None:
    worlds, lots = len(s.world), len(v.row)
    for b in range(lot * worlds // lots, (lot + 1) * worlds // lots):
        for tick in range(len(decision)):
            tick_world(b, decision[tick, b], attack[b % len(attack)], t, e, p, s)
            gather_evidence(b, b, s, v)
            forget_found(b, b, s, v)
        observe(b, b, t, s, v, o)
        list_legal_of(b, t, e, s, legal)
