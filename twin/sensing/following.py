"""One world from one decision to the next in a single compiled call: ticks, belief, observation, mask.

Flows in: one world with its belief, and a seat's decision. Flows out: both some ticks later, what is seen then, what is
legal then. No rule is here: it calls those of rulebook and sensing in their order. For one world the way into compiled
code costs more than the rules do; many worlds go through the parallel kernels instead.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..compiled import CompiledTwin
from ..rulebook.effects import EffectTable
from ..rulebook.jit import compiled
from ..rulebook.kernel import tick_world
from ..rulebook.mask import fill_mask
from ..rulebook.parameters import Parameters
from ..rulebook.state import WorldState
from .belief import BeliefState, update_belief
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
        update_belief(b, b, t, e, assumed, s, v)
    observe(b, b, t, s, v, o)
    fill_mask(b, always, t, e, s, mask)
