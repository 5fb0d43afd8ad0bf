"""The SB3 face with rewards scaled as training scales them."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper


class Scaled(VecEnvWrapper):
    """Multiplies rewards by a scale."""

    def __init__(self, venv: VecEnv, scale: float) -> None:
        super().__init__(venv)
        self._scale = np.float32(scale)

    def reset(self) -> Any:
        return self.venv.reset()

    def step_wait(self) -> Any:
        observation, rewards, dones, infos = self.venv.step_wait()
        return observation, rewards * self._scale, dones, infos
