"""Many worlds of a game as one Gymnasium vector environment.

Flows in: actions, one per world. Flows out: what Gymnasium's `VectorEnv` promises. A thin adapter of `ResponseWorlds`:
what a lane gives equals what `ResponseEnv` gives in the same world and episode (tested).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from ..twin.sensing.observe import FEATURES
from ..twin.vocabulary import LossCause
from .checks import checked_count, checked_mode, checked_world, checked_worlds
from .game import Game, load_game
from .scenario import read_scenario
from .vector import ResponseWorlds, Step

Array = npt.NDArray[Any]


class ResponseVectorEnv(VectorEnv):
    """B worlds of `ResponseEnv` side by side; its data sheet holds for every lane.

    Observation: `Box(0, 255, (B, T, 16), uint8)`. Actions: `MultiDiscrete` of B; `action_masks()` gives bool[B, A].

    Start: `reset(seed=n)` plays episode 0 of worlds n to n + B - 1, `reset(seed=[...])` of the worlds named; without a
    seed every world's next episode begins.

    End: lanes are truncated at the horizon, never terminated. Autoreset is `SAME_STEP`: a lane that ends gives the
    first observation of its next episode, and `info["final_obs"]` the true last one.

    Info, every step: `refused` bool[B]; `loss` float64[B, O, C] of the step, in order of `owners` and `causes`. Where
    lanes ended: `final_obs` (an object array) and `final_info`, which holds `episode_loss` float64[B, O, C]; masks
    `_final_obs` and `_final_info` bool[B] say which.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Path | None = None,
        *,
        game: Game | None = None,
        world: int = 0,
        render_mode: str | None = None,
    ) -> None:
        """Make the worlds `world` to `world + num_envs - 1`.

        Args:
            num_envs: B.
            scenario: a scenario file; the shipped one if left out.
            game: a game that is already loaded, instead of a scenario.
            world: number of the first world, until a reset gives seeds.
            render_mode: None; to look at a world, make a `ResponseEnv` of it.

        Raises:
            ScenarioError: the scenario cannot be used.
            EnvError: no such world.
        """
        self.render_mode = checked_mode(render_mode, self.metadata["render_modes"])
        self.game = game or load_game(read_scenario(None if scenario is None else Path(scenario)))
        self.num_envs = checked_count(num_envs)
        self.static = self.game.static
        self.owners = tuple(owner.id for owner in self.game.compiled.twin.owners)
        self.causes = tuple(cause.word for cause in LossCause)
        self.single_observation_space = spaces.Box(0, 255, (self.game.compiled.targets, len(FEATURES)), np.uint8)
        self.single_action_space = spaces.Discrete(self.game.actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._worlds = ResponseWorlds(self.game, range(checked_world(world), world + num_envs))
        self._next_episode = np.zeros(num_envs, np.int32)

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Start an episode in every world; gives uint8[B, T, FEATURES]. There are no options.

        Raises:
            EnvError: not one seed per world, or a seed that is no number of a world.
        """
        ids = None if seed is None else checked_worlds(seed, self.num_envs)
        super().reset(seed=None if ids is None else ids[0])
        if ids is not None:
            self._worlds.worlds.state.world["id"] = ids
            self._next_episode[:] = 0
        observation = self._worlds.reset(self._next_episode)
        self._next_episode += 1
        return observation, {}

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Propose one action per world and let `decide_every` ticks go by.

        Raises:
            ValueError: wrong shape or type, or out of range; no world has changed then.
        """
        legal, chosen = self._worlds.legal, self._worlds.checked(actions)
        refused = ~legal[np.arange(self.num_envs), chosen]
        step = self._worlds.advance(chosen)
        told: dict[str, Any] = {"refused": refused, "loss": step.loss}
        if len(step.ended):
            self._next_episode[step.ended] += 1
            told |= self._ends(step)
        return step.observation, step.reward, np.zeros(self.num_envs, np.bool_), step.truncated, told

    def _ends(self, step: Step) -> dict[str, Any]:
        """What the info holds of lanes that ended."""
        last, loss = np.full(self.num_envs, None, object), np.zeros_like(step.loss)
        loss[step.ended] = step.terminal_loss
        for row, observation in zip(step.ended, step.terminal_observation, strict=True):
            last[row] = observation
        final = {"episode_loss": loss, "_episode_loss": step.truncated.copy()}
        masks = {"_final_obs": step.truncated.copy(), "_final_info": step.truncated.copy()}
        return {"final_obs": last, "final_info": final, **masks}

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """bool[B, 1 + P * T] of legal actions; a new array."""
        return self._worlds.legal.copy()

    def legal_pairs(self, world: int) -> npt.NDArray[np.int32]:
        """int32[n, 2] of legal (playbook, target) in one lane; waiting is always legal and not among them."""
        return self._worlds.legal_pairs(world)
