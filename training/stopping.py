"""Optimal stopping as a baseline: how surely something must be held before the next of a few restores is spent.

Flows in: worlds with belief. Flows out: an action per world. After Hammar and Stadler 2022, "Intrusion Prevention
through Optimal Stopping" (IEEE Transactions on Network and Service Management 19(3)): a defender may stop L times; with
l stops left it stops where the belief in an intrusion is at least a threshold of its own, and thresholds are found by
simultaneous perturbation (SPSA; Spall 1998, "Implementation of the simultaneous perturbation algorithm for stochastic
optimization"). There a stop is one fixed action; here it restores the asset most surely held, and belief in an
intrusion is the probability that anything is held, assets taken as independent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..envs.game import Game
from ..envs.scripted import Threshold
from ..envs.vector import ResponseWorlds

Float64 = npt.NDArray[np.float64]

STOPS = 12  # per attack; assumed
FIRST = 0.5  # thresholds before tuning
STEPS = 12  # of SPSA, two evaluations each
GAIN = 4.0  # of SPSA: change of log-odds per slope, which is taken in shares of the first loss; assumed
SHAKE = 0.7  # of SPSA: perturbation of log-odds; assumed
SETTLES, GAIN_FALLS, SHAKE_FALLS = 10.0, 0.602, 0.101  # how both fall with the steps: Spall 1998, section III
MOST = 7.0  # log-odds of a threshold, either way
SPSA_SEED = 20262


@dataclass
class OptimalStopping:
    """Restores what is most surely held, at most once per threshold; lives for one batch of episodes."""

    game: Game
    thresholds: tuple[float, ...]  # of the first stop, the second, ...
    _stops: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # [B] made

    def __call__(self, worlds: ResponseWorlds) -> npt.NDArray[np.int32]:
        """An action per world; where an episode has just begun, all stops are left."""
        ticks = worlds.worlds.state.world["tick"]
        if len(self._stops) != worlds.count:
            self._stops = np.zeros(worlds.count, np.int64)
        self._stops[ticks == 0] = 0
        levels = np.append(self.thresholds, np.inf)[self._stops]
        stops = intrusion(worlds, self.game) >= levels
        actions = np.where(stops, Threshold(self.game, 0.0)(worlds), 0).astype(np.int32)
        self._stops += actions > 0
        return actions


def intrusion(worlds: ResponseWorlds, game: Game) -> Float64:
    """float64[B]: believed probability that anything that can be restored is held."""
    free = np.log1p(-np.minimum(worlds.held().astype(np.float64), 1.0 - 1e-9))
    restored = game.always[1:].reshape(-1, game.compiled.targets)[game.library.index_of("restore-asset")]
    probability: Float64 = 1.0 - np.exp(free[:, restored[: free.shape[1]]].sum(axis=1))
    return probability


def tune_stops(
    loss: Callable[[tuple[float, ...]], float],
    *,
    stops: int = STOPS,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[float, ...]:
    """The thresholds with the least loss found by SPSA on the log-odds of the first and the last, even steps between.

    Args:
        loss: mean loss under thresholds, on the same attacks in every call.
        stops: L, thresholds.
        progress: called with how much is done, 0..1.
    """
    rng, odds = np.random.default_rng(SPSA_SEED), np.full(2, np.log(FIRST / (1 - FIRST)))
    best = (loss(_levels(odds, stops)), _levels(odds, stops))
    unit = max(abs(best[0]), 1e-9)
    for step in range(STEPS):
        progress(step / STEPS)
        shake = SHAKE / (step + 1) ** SHAKE_FALLS
        sides = rng.choice([-1.0, 1.0], 2)
        levels = [_levels(odds + side * shake * sides, stops) for side in (1, -1)]
        tried = [(loss(level), level) for level in levels]
        best = min(best, *tried)
        slope = (tried[0][0] - tried[1][0]) / unit / (2 * shake) * sides
        odds = np.clip(odds - GAIN * (SETTLES / (step + 1 + SETTLES)) ** GAIN_FALLS * slope, -MOST, MOST)
    return min(best, (loss(_levels(odds, stops)), _levels(odds, stops)))[1]


def _levels(odds: Float64, stops: int) -> tuple[float, ...]:
    return tuple(float(level) for level in 1.0 / (1.0 + np.exp(-np.linspace(odds[0], odds[1], stops))))
