"""Joined lanes of any side as a vector environment of Stable-Baselines3, to compare with its own learner."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from tocsin.envs.joined import JoinedWorlds
from tocsin.envs.lanes_sb3 import LanesVecEnv


class JoinedFace(LanesVecEnv):
    """Lanes of `JoinedWorlds`; rewards are multiplied by a scale."""

    def __init__(self, worlds: JoinedWorlds, observed: spaces.Box, actions: spaces.Discrete[Any], scale: float) -> None:
        self.worlds, self._scale, self.render_mode = worlds, np.float32(scale), None
        super().__init__(worlds.count, observed, actions)

    def reset(self) -> Any:
        return self.worlds.look()

    def step_async(self, actions: Any) -> None:
        self._actions = actions

    def step_wait(self) -> Any:
        step = self.worlds.step(self._actions)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for place, lane in enumerate(step.ended):
            infos[lane] = {"TimeLimit.truncated": True, "terminal_observation": step.terminal_observation[place]}
        return step.observation, step.reward * self._scale, step.truncated, infos

    def action_masks(self) -> Any:
        return self.worlds.masks()

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        assert method_name == "action_masks"
        return list(self.worlds.masks()[list(self._get_indices(indices))])
