"""The active parts of many worlds as one vector environment of Stable-Baselines3.

Flows in: actions over slots, one per world. Flows out: what SB3's `VecEnv` promises, in sizes that do not depend on the
chain. A thin adapter of `ActiveWorlds` over `ResponseVecEnv`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from .active import ActiveSettings
from .active_worlds import ActiveWorlds
from .game import Game
from .lanes_sb3 import Indices
from .sb3_vector import Array, ResponseVecEnv


class ActiveVecEnv(ResponseVecEnv):
    """B worlds of `ResponseEnv` side by side, each seen through K slots.

    Observation: uint8[K, width], see `envs.active`. Actions: 0 waits, else `1 + playbook * K + slot`;
    `env_method("action_masks")` gives bool[1 + P * K]. Rewards, start, end and infos are those of `ResponseVecEnv`,
    except that an action that is not legal is refused by a ValueError, and no info says `refused`.
    """

    def __init__(
        self,
        num_envs: int,
        scenario: str | Path | None = None,
        *,
        game: Game | None = None,
        world: int = 0,
        settings: ActiveSettings | None = None,
    ) -> None:
        """Make the worlds `world` to `world + num_envs - 1`; `settings` are the sizes of the view.

        Raises:
            ScenarioError: the scenario cannot be used.
            EnvError: no such world.
        """
        super().__init__(num_envs, scenario, game=game, world=world)
        self._seen = ActiveWorlds(self._worlds, settings)
        self.settings = self._seen.settings
        self.observation_space = spaces.Box(0, 255, (self.settings.slots, self.settings.width), np.uint8)
        self.action_space = spaces.Discrete(self._seen.actions)

    def reset(self) -> Array:
        """Start an episode in every world; gives uint8[B, K, width].

        Raises:
            EnvError: a seed that was given is no number of a world.
        """
        super().reset()
        return self._seen.look()

    def step_async(self, actions: Array) -> None:
        """Take the actions over slots of the next `step_wait`."""
        self._actions = np.asarray(actions)

    def step_wait(self) -> tuple[Array, Array, Array, list[dict[str, Any]]]:
        """Propose the actions and let `decide_every` ticks go by.

        Raises:
            ValueError: wrong shape or type, out of range, or illegal; no world has changed then.
        """
        step = self._seen.step(self._actions)
        self._next_episode[step.ended] += 1
        infos = self._told(step, np.zeros(self.num_envs, np.bool_))
        return step.observation, step.reward, step.truncated, infos

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """bool[B, 1 + P * K] of legal actions over slots; a new array."""
        return self._seen.masks()

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """What a method of each lane gives; lanes have `action_masks`.

        Raises:
            AttributeError: lanes have no such method.
        """
        if method_name != "action_masks":
            raise AttributeError(f"worlds have no method {method_name!r}; they have action_masks")
        return list(self.action_masks()[list(self._get_indices(indices))])
