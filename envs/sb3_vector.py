"""Many worlds of a game as one vector environment of Stable-Baselines3, for MaskablePPO above all.

Flows in: actions, one per world. Flows out: what SB3's `VecEnv` promises. A thin adapter of `ResponseWorlds`: what a
lane gives equals what `ResponseEnv` gives in the same world and episode (tested).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from ..twin.sensing.observe import FEATURES
from .checks import checked_count, checked_world, checked_worlds
from .game import Game, load_game
from .lanes_sb3 import Indices, LanesVecEnv
from .reward import told_losses
from .scenario import read_scenario
from .vector import ResponseWorlds, Step

Array = npt.NDArray[Any]


class ResponseVecEnv(LanesVecEnv):
    """B worlds of `ResponseEnv` side by side, as SB3 wants them; its data sheet holds for every lane.

    Observation and actions are those of `ResponseEnv`; `env_method("action_masks")` gives the masks, as MaskablePPO
    asks for them, `env_method("legal_pairs")` the legal (playbook, target).

    Start: `seed(n)` and the next `reset()` play episode 0 of worlds n to n + B - 1; without a seed every world's next
    episode begins.

    End: a lane that ends gives the first observation of its next episode; its info holds the true last one in
    `terminal_observation`, `TimeLimit.truncated` (always: nothing terminates) and `episode_loss`. Every info holds
    `refused` and `loss`, as `ResponseEnv` tells them.
    """

    def __init__(
        self, num_envs: int, scenario: str | Path | None = None, *, game: Game | None = None, world: int = 0
    ) -> None:
        """Make the worlds `world` to `world + num_envs - 1`.

        Args:
            num_envs: B.
            scenario: a scenario file; the shipped one if left out.
            game: a game that is already loaded, instead of a scenario.
            world: number of the first world, until seeds are given.

        Raises:
            ScenarioError: the scenario cannot be used.
            EnvError: no such world.
        """
        num_envs = checked_count(num_envs)
        self.game = game or load_game(read_scenario(None if scenario is None else Path(scenario)))
        self.static = self.game.static
        self.render_mode = None
        self._owners = tuple(owner.id for owner in self.game.compiled.twin.owners)
        self._worlds = ResponseWorlds(self.game, range(checked_world(world), world + num_envs))
        self._next_episode = np.zeros(num_envs, np.int32)
        self._actions = np.zeros(num_envs, np.int32)
        observed = spaces.Box(0, 255, (self.game.compiled.targets, len(FEATURES)), np.uint8)
        super().__init__(num_envs, observed, spaces.Discrete(self.game.actions))

    def reset(self) -> Array:
        """Start an episode in every world; gives uint8[B, T, FEATURES].

        Raises:
            EnvError: a seed that was given is no number of a world.
        """
        if self._seeds[0] is not None:
            self._worlds.worlds.state.world["id"] = checked_worlds(self._seeds, self.num_envs)
            self._next_episode[:] = 0
        self._reset_seeds()
        self._reset_options()
        self.reset_infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        observation = self._worlds.reset(self._next_episode)
        self._next_episode += 1
        return observation

    def step_async(self, actions: Array) -> None:
        """Take the actions of the next `step_wait`.

        Raises:
            ValueError: wrong shape or type, or out of range; nothing is taken then.
        """
        self._actions = self._worlds.checked(actions)

    def step_wait(self) -> tuple[Array, Array, Array, list[dict[str, Any]]]:
        """Propose the actions and let `decide_every` ticks go by."""
        refused = ~self._worlds.legal[np.arange(self.num_envs), self._actions]
        step = self._worlds.advance(self._actions)
        self._next_episode[step.ended] += 1
        return step.observation, step.reward, step.truncated, self._told(step, refused)

    def _told(self, step: Step, refused: Array) -> list[dict[str, Any]]:
        infos: list[dict[str, Any]] = [
            {
                "refused": bool(one),
                "loss": told_losses(self._owners, loss),
                "findings_dropped": int(dropped),
                "TimeLimit.truncated": False,
            }
            for one, loss, dropped in zip(refused, step.loss, step.dropped, strict=True)
        ]
        for row, last, loss in zip(step.ended, step.terminal_observation, step.terminal_loss, strict=True):
            infos[row] |= {"terminal_observation": last, "TimeLimit.truncated": True}
            infos[row]["episode_loss"] = told_losses(self._owners, loss)
        return infos

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """bool[B, 1 + P * T] of legal actions; a new array."""
        return self._worlds.legal.copy()

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """What a method of each lane gives; lanes have `action_masks` and `legal_pairs`.

        Raises:
            AttributeError: lanes have no such method.
        """
        rows = list(self._get_indices(indices))
        if method_name == "action_masks":
            return list(self.action_masks()[rows])
        if method_name == "legal_pairs":
            return [self._worlds.legal_pairs(row) for row in rows]
        raise AttributeError(f"worlds have no method {method_name!r}; they have action_masks and legal_pairs")

    def has_attr(self, attr_name: str) -> bool:
        """Whether lanes have such an attribute or method."""
        return hasattr(self, attr_name) or attr_name == "legal_pairs"
