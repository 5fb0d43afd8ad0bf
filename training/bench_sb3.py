"""SB3's own loop beside ours: MaskablePPO with its DummyVecEnv and SubprocVecEnv over single worlds, same policy.

Flows in: a game, settings. Flows out: decisions per second. Each environment is one world behind Gymnasium's interface
with the active view, so that network, observations and masks are ours and only the way worlds are driven differs.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from sb3_contrib import MaskablePPO
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from ..envs.active_worlds import ActiveWorlds
from ..envs.game import Game
from ..envs.vector import ResponseWorlds
from .bench import processor_s
from .cluster import settle_in
from .policy import PairPolicy, action_space, observation_space
from .settings import TrainSettings

DUMMY, SUBPROCESSES = "SB3 DummyVecEnv", "SB3 SubprocVecEnv"


class OneActive(gymnasium.Env):  # type: ignore[type-arg]
    """One world with the active view: observation uint8[K, width], actions over slots."""

    def __init__(self, game: Game, world: int) -> None:
        """Make the world of this number."""
        self._seen = ActiveWorlds(ResponseWorlds(game, [world]))
        self._episode = -1
        self.observation_space, self.action_space = observation_space(game), action_space(game)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start the next episode."""
        super().reset(seed=seed)
        self._episode += 1
        return self._seen.reset(self._episode)[0], {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One decision."""
        step = self._seen.step(np.array([action], np.int64))
        over = bool(step.truncated[0])
        seen = step.terminal_observation[0] if over else step.observation[0]
        return seen, float(step.reward[0]), False, over, {}

    def action_masks(self) -> Any:
        """bool[1 + P * K] of legal actions."""
        return self._seen.masks()[0]


def sb3_rates(game: Game, settings: TrainSettings, *, processes: int, rounds: int) -> list[dict[str, Any]]:
    """Decisions per second of one iteration (roll-out and gradients) of each of SB3's vector environments.

    Args:
        game: what is played.
        settings: worlds are the environments of DummyVecEnv.
        processes: environments of SubprocVecEnv, which starts a process for each.
        rounds: iterations; the quickest counts.
    """
    packed = pickle.dumps(game)

    def make(world: int) -> Callable[[], OneActive]:
        def made() -> OneActive:
            settle_in(TrainSettings(threads=1))
            return OneActive(pickle.loads(packed), world)  # our own bytes

        return made

    rows = []
    for name, kind, environments in ((DUMMY, DummyVecEnv, settings.worlds), (SUBPROCESSES, SubprocVecEnv, processes)):
        vector = kind([make(world) for world in range(environments)])
        try:
            rows.append(_measured(name, vector, game, settings, environments, rounds))
        finally:
            vector.close()
    return rows


def _measured(
    name: str, vector: Any, game: Game, settings: TrainSettings, environments: int, rounds: int
) -> dict[str, Any]:
    settle_in(TrainSettings(threads=1))
    samples = environments * settings.steps
    learner = MaskablePPO(
        PairPolicy,
        vector,
        n_steps=settings.steps,
        batch_size=-(-samples // settings.minibatches),
        n_epochs=settings.epochs,
        seed=settings.seed,
        policy_kwargs={"game": game},
        device="cpu",
    )
    workers = [one.pid for one in getattr(vector, "processes", [])]
    every = [os.getpid(), *workers]
    learner.learn(samples)  # warms up
    best, least = float("inf"), float("inf")
    for _ in range(rounds):
        before, began = sum(map(processor_s, every)), time.perf_counter()
        learner.learn(samples, reset_num_timesteps=False)
        best = min(best, time.perf_counter() - began)
        least = min(least, sum(map(processor_s, every)) - before)
    return {
        "shape": name,
        "workers": max(1, len(workers)),
        "threads": 1,
        "assets": game.compiled.sizes[0],
        "samples": samples,
        "seconds": round(best, 3),
        "processor_s": round(least, 3),
        "samples_per_s": round(samples / best, 1),
        "samples_per_processor_s": round(samples / least, 1),
    }
