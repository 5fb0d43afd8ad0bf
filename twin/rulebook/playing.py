"""Worlds at random play, many ticks in one compiled call: what `tocsin bench worlds` measures as the rules alone.

Flows in: worlds, and how often a defender acts. Flows out: the worlds so many ticks later. All worlds of a thread make
one tick before any makes the next, as when a learner plays them, so that they compete for the processor's caches.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from ..compiled import CompiledTwin
from .defenders import act_at_random
from .effects import EffectTable
from .jit import compiled, compiled_parallel
from .kernel import tick_world
from .legal import Legal
from .parameters import Parameters
from .state import WorldState


@compiled_parallel
def play_worlds(
    threads: int,
    ticks: int,
    waits: float,
    decision: npt.NDArray[np.int32],
    attack: npt.NDArray[np.int32],
    legal: Legal,
    t: CompiledTwin,
    e: EffectTable,
    p: Parameters,
    s: WorldState,
) -> None:
    """Advance all worlds by `ticks`, their one seat taking random legal actions.

    Args:
        threads: among which the worlds are shared out.
        ticks: how many.
        waits: probability that the seat waits in a tick.
        decision: int32[B, 1], what the seats did last; written.
        attack: int32[1, K], as in `Worlds.tick`.
        legal: what is legal; changed.
        t: the compiled twin.
        e: effects of the playbooks.
        p: numbers of the game.
        s: the worlds; changed.
    """
    for thread in numba.prange(threads):
        _play(numba.int64(thread), threads, ticks, waits, decision, attack, legal, t, e, p, s)


@compiled
def _play(
    thread: int,
    threads: int,
    ticks: int,
    waits: float,
    decision: npt.NDArray[np.int32],
    attack: npt.NDArray[np.int32],
    legal: Legal,
    t: CompiledTwin,
    e: EffectTable,
    p: Parameters,
    s: WorldState,
) -> None:
    worlds = len(s.world)
    for _ in range(ticks):
        for b in range(thread * worlds // threads, (thread + 1) * worlds // threads):
            decision[b, 0] = act_at_random(b, waits, legal, t, e, s)
            tick_world(b, decision[b], attack[0], t, e, p, s)


@compiled_parallel
def choose_at_random(
    waits: float,
    decision: npt.NDArray[np.int32],
    legal: Legal,
    t: CompiledTwin,
    e: EffectTable,
    s: WorldState,
) -> None:
    """Write the random legal actions that the seats of all worlds take now into int32[B, 1], as `play_worlds` does."""
    for b in numba.prange(len(s.world)):
        decision[b, 0] = act_at_random(numba.int64(b), waits, legal, t, e, s)
