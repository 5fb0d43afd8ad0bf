"""Rolling drawn worlds forward under options: what forecasts and plans have in common.

Flows in: worlds drawn from a belief, options (actions to propose, one a tick), horizons, and perhaps who decides after
them. Flows out: losses. All options meet the same worlds with the same draws (common random numbers), so differences
between them are of the options alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..compiled import NANO
from ..rulebook.worlds import Worlds
from ..sensing.belief import BeliefState, lanes_like, update_beliefs
from ..vocabulary import LossCause

Base = Callable[[Worlds, BeliefState], npt.NDArray[np.int32]]  # int32[B]: an action per world; reads no hidden truth
Float64 = npt.NDArray[np.float64]
Option = tuple[int, ...]  # actions, one a tick; empty: do nothing


@dataclass(frozen=True, slots=True)
class Following:
    """Who decides once an option's actions are proposed."""

    base: Base
    belief: BeliefState  # lane `view` is what it believes now
    view: int
    every: int  # ticks between its decisions, counted from now


def roll_options(
    drawn: Worlds, options: Sequence[Option], ticks: Sequence[int], following: Following | None = None
) -> Float64:
    """float64[horizons, options, worlds]: the coalition's loss from now on, in owners' units; see `roll_losses`."""
    return roll_losses(drawn, options, ticks, following)[0]


def roll_losses(
    drawn: Worlds, options: Sequence[Option], ticks: Sequence[int], following: Following | None = None
) -> Float64:
    """float64[2, horizons, options, worlds]: loss from now on, in all and of service alone, in owners' units.

    Args:
        drawn: worlds; they stay as they are.
        options: one or more; all are rolled side by side.
        ticks: horizons, growing, 1 or more each.
        following: nobody decides after an option if left out.
    """
    count, most = drawn.count, max(map(len, options))
    future = drawn.fork(np.tile(np.arange(count), len(options)))
    before = _lost(future)
    believed = None if following is None else lanes_like(following.belief, following.view, future.count)
    decision = np.zeros((future.count, future.state.seat_owner.shape[1]), np.int32)
    losses, gone = [], 0
    for horizon in ticks:
        while gone < horizon and (gone < most or following is not None):
            decision[:, 0] = np.repeat([option[gone] if gone < len(option) else 0 for option in options], count)
            if following is not None and believed is not None and gone >= most and gone % following.every == 0:
                decision[:, 0] = following.base(future, believed)
            future.tick(decision)
            if believed is not None:
                lanes = np.arange(future.count)
                update_beliefs(lanes, future.compiled.arrays, future.effects, future.parameters, future.state, believed)
            gone += 1
        future.roll(horizon - gone)
        gone = horizon
        losses.append((_lost(future) - before).reshape(2, len(options), count) / NANO)
    return np.stack(losses, axis=1)


def _lost(worlds: Worlds) -> npt.NDArray[np.int64]:
    """int64[2, B] nano loss so far, in all and of service alone."""
    loss = np.asarray(worlds.state.loss)
    return np.stack([loss.sum(axis=(1, 2)), loss[:, :, LossCause.SERVICE].sum(axis=1)])
