"""What Tocsin is worth: pairs of attacks in simulation, each with and without the policy, under equal draws.

Flows in: a game, a policy, how many pairs. Flows out: the mean difference of loss with a 95 % interval. Owners answer
by their consent tables here, with their delays and refusals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...envs.game import Game
from ...envs.vector import ResponseWorlds, UnseenWorlds
from ...twin.rulebook.worlds import STREAM_PLANT
from ..advise import Policy, Situation

Z95 = 1.959964
FIRST_ATTACK = 1_000_000  # ids of other attacks than the ones the plant plays


@dataclass(frozen=True, slots=True)
class Pairs:
    """Loss without less loss with, over n attacks."""

    n: int
    mean_without: float
    mean_with: float
    mean_difference: float
    low: float
    high: float


def play_pairs(game: Game, policy: Policy, n: int) -> Pairs:
    """Play `n` other attacks twice."""
    without, with_policy = _play(game, None, n), _play(game, policy, n)
    difference = without - with_policy
    half = Z95 * float(difference.std(ddof=1)) / np.sqrt(n)
    mean = float(difference.mean())
    return Pairs(n, float(without.mean()), float(with_policy.mean()), mean, mean - half, mean + half)


def _play(game: Game, policy: Policy | None, n: int) -> npt.NDArray[np.float64]:
    ids = range(FIRST_ATTACK, FIRST_ATTACK + n)
    worlds = (UnseenWorlds if policy is None else ResponseWorlds)(game, ids, stream=STREAM_PLANT)
    worlds.reset()
    actions, loss = np.zeros(n, np.int32), np.full(n, np.nan)
    while np.isnan(loss).any():
        if policy is not None:
            situation = Situation(worlds.observation, worlds.masks(), worlds.held(), worlds.worlds.state)
            actions = policy(situation)
        step = worlds.step(actions)
        loss[step.ended] = step.terminal_loss.sum(axis=(1, 2))
    return loss
