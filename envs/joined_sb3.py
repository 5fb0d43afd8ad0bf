"""Vector environments of several chains as one of Stable-Baselines3.

Flows in: actions over slots, one per lane. Flows out: what SB3's `VecEnv` promises. Lanes are those of the parts, one
part after the other; what a lane gives is what its part gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .active_sb3 import ActiveVecEnv
from .checks import EnvError
from .lanes_sb3 import Indices, LanesVecEnv
from .sb3_vector import Array


class JoinedVecEnv(LanesVecEnv):
    """Lanes of several chains side by side, for a policy that serves all of them.

    Observation, actions, rewards, start, end and infos of a lane are those of its `ActiveVecEnv`. `seed(n)` gives the
    first lane world n, and so on over all parts.
    """

    def __init__(self, parts: Sequence[ActiveVecEnv]) -> None:
        """Put environments side by side.

        Raises:
            EnvError: there is none, or their spaces differ.
        """
        if not parts:
            raise EnvError("no environment to join; give one at least")
        first = parts[0]
        for number, part in enumerate(parts):
            if (part.observation_space, part.action_space) != (first.observation_space, first.action_space):
                raise EnvError(f"environment {number} has other spaces than the first; give one library and one view")
        self.parts, self.render_mode = tuple(parts), None
        self._cuts = np.cumsum([part.num_envs for part in parts])[:-1]
        super().__init__(sum(part.num_envs for part in parts), first.observation_space, first.action_space)

    def reset(self) -> Array:
        """Start an episode in every lane; gives uint8[B, K, width].

        Raises:
            EnvError: a seed that was given is no number of a world.
        """
        first = 0
        for part in self.parts:
            part._seeds = self._seeds[first : first + part.num_envs]
            first += part.num_envs
        self._reset_seeds()
        self._reset_options()
        observation = np.concatenate([part.reset() for part in self.parts])
        self.reset_infos = [info for part in self.parts for info in part.reset_infos]
        return observation

    def step_async(self, actions: Array) -> None:
        """Take the actions over slots of the next `step_wait`.

        Raises:
            ValueError: not one for each lane.
        """
        given = np.asarray(actions)
        if given.shape != (self.num_envs,):
            raise ValueError(f"actions have shape {list(given.shape)}; give one for each lane: [{self.num_envs}]")
        for part, own in zip(self.parts, np.split(given, self._cuts), strict=True):
            part.step_async(own)

    def step_wait(self) -> tuple[Array, Array, Array, list[dict[str, Any]]]:
        """Propose the actions and let each chain's `decide_every` ticks go by.

        Raises:
            ValueError: an action is out of range or illegal.
        """
        steps = [part.step_wait() for part in self.parts]
        observation, rewards, dones = (np.concatenate([step[i] for step in steps]) for i in range(3))
        return observation, rewards, dones, [info for step in steps for info in step[3]]

    def action_masks(self) -> Array:
        """bool[B, 1 + P * K] of legal actions over slots; a new array."""
        return np.concatenate([part.action_masks() for part in self.parts])

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """What a method of each lane gives; lanes have `action_masks`.

        Raises:
            AttributeError: lanes have no such method.
        """
        told = [one for part in self.parts for one in part.env_method(method_name, *method_args, **method_kwargs)]
        return [told[lane] for lane in self._get_indices(indices)]

    def has_attr(self, attr_name: str) -> bool:
        """Whether lanes have such an attribute."""
        return all(part.has_attr(attr_name) for part in self.parts)

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """An attribute of each lane's part.

        Raises:
            AttributeError: there is none.
        """
        told = [one for part in self.parts for one in part.get_attr(attr_name)]
        return [told[lane] for lane in self._get_indices(indices)]
