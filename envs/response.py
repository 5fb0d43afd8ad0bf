"""One world of a game as a Gymnasium environment.

Flows in: a scenario or a game, actions. Flows out: what Gymnasium's interface promises. It wraps `ResponseWorlds` with
one lane and adds no rule of its own; many worlds at once are far cheaper there. Importing this module registers it, as
is Gymnasium's custom: `gymnasium.make("tocsin.envs.response:tocsin/Response-v0")`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from ..twin.rulebook.worlds import STREAM_ENVIRONMENT
from ..twin.sensing.observe import FEATURES
from ..twin.vocabulary import LossCause
from .game import Game, load_game
from .scenario import read_scenario
from .vector import ResponseWorlds, Step

Observation = npt.NDArray[np.uint8]
ENV_ID = "tocsin/Response-v0"


class ResponseEnv(gymnasium.Env):
    """Defend one service chain as the coalition of its owners.

    Observation: `Box(0, 255, (T, 16), uint8)`, a row per target: assets, then links between owners, then owners. The
    columns are `twin.sensing.observe.FEATURES`; rows of links and owners leave zero what is not theirs:

    | column | meaning |
    |---|---|
    | held, admin, threat | belief as log-odds, 128 + 18 * logit: any access, admin access, gained in this tick |
    | evidence, age, peak | decayed weight of findings, ticks since the last, highest confidence |
    | isolated, patched, credential_reset, monitored, restoring | 255 while a response holds the mode |
    | unserved | 255 while the asset's service is out |
    | pending, working | 255 while a response on the target awaits consent, is at work |
    | near, cut | belief that a neighbour is held; link cut, or share of an owner's service that is out |

    What does not change is in `static`, float32[T, STATIC_FEATURES].

    Actions: `Discrete(1 + P * T)`. 0 waits; `1 + playbook * T + target` proposes a playbook, playbooks numbered as in
    the library's lock file. `action_masks()` says which are legal. Owners answer by their consent tables, so a legal
    proposal may still be denied. An illegal action becomes an occurrence `refused`: the world waits, and
    `info["refused"]` says so. An action out of range raises, and nothing has changed.

    Reward: less what all owners lost during the step, in owner-hours times `envs.reward.REWARD_SCALE`: service, harm,
    labour of playbooks.

    Start: nobody holds anything; an attacker comes within the scenario's span, or never. `reset(seed=n)` plays episode
    0 of world n; a reset without a seed plays the next episode of the same world. Equal worlds, episodes and actions
    give equal episodes.

    End: never terminated, as an attacker may always come back; truncated at `horizon_ticks`, with the true last
    observation and, in `info["loss"]`, the episode's loss by owner and cause. A step takes `decide_every` ticks.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self, scenario: str | Path | None = None, *, game: Game | None = None, world: int = 0) -> None:
        """Make the environment.

        Args:
            scenario: a scenario file; the shipped one if left out.
            game: a game that is already loaded, instead of a scenario.
            world: its number until a reset gives a seed.

        Raises:
            ScenarioError: the scenario cannot be used.
        """
        self.game = game or load_game(read_scenario(None if scenario is None else Path(scenario)))
        self.static = self.game.static
        self.observation_space = spaces.Box(0, 255, (self.game.compiled.targets, len(FEATURES)), np.uint8)
        self.action_space = spaces.Discrete(self.game.actions)
        self._worlds = ResponseWorlds(self.game, [world], stream=STREAM_ENVIRONMENT)
        self._next_episode = 0
        self._is_over = True

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; gives uint8[T, FEATURES]."""
        super().reset(seed=seed)
        if seed is not None:
            self._worlds.worlds.state.world["id"] = seed
            self._next_episode = 0
        observation = self._worlds.reset(self._next_episode)[0]
        self._next_episode += 1
        self._is_over = False
        return observation, {}

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Propose one action and let `decide_every` ticks go by.

        Raises:
            ValueError: no number of an action; the world has not changed then.
            gymnasium.error.ResetNeeded: the episode is over.
        """
        if self._is_over:
            raise gymnasium.error.ResetNeeded("the episode is over; call reset() before the next step")
        if not self.action_space.contains(action):
            raise ValueError(f"action {action!r}: give an integer within 0..{self.game.actions - 1}")
        refused = not self.action_masks()[action]
        step = self._worlds.step_refusing(np.array([action], np.int32))
        told: dict[str, Any] = {"refused": refused}
        observation = step.observation[0]
        if len(step.ended):
            self._is_over = True
            observation = step.terminal_observation[0]
            told["loss"] = self._losses(step)
        return observation, float(step.reward[0]), False, self._is_over, told

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """bool[1 + P * T] of legal actions, as sb3-contrib's MaskablePPO asks for them."""
        return self._worlds.masks()[0]

    def _losses(self, step: Step) -> dict[str, dict[str, float]]:
        """{owner: {cause: loss}} of the episode that has just ended."""
        rows = zip(self.game.compiled.twin.owners, step.terminal_loss[0], strict=True)
        return {owner.id: {cause.word: float(row[cause]) for cause in LossCause} for owner, row in rows}


def register() -> None:
    """Enter the environment into Gymnasium's registry; twice does no harm."""
    if ENV_ID not in gymnasium.registry:
        gymnasium.register(ENV_ID, entry_point="tocsin.envs.response:ResponseEnv")


register()
