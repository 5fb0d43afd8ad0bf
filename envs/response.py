"""One world of a game as a Gymnasium environment.

Flows in: a scenario or a game, actions. Flows out: what Gymnasium's interface promises. It wraps `ResponseWorlds` with
one lane and adds no rule of its own; many worlds at once are far cheaper there and in `gymnasium_vector`.
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
from .checks import INTEGERS, checked_mode, checked_world
from .game import Game, load_game
from .registration import register as register
from .render import Picture, in_words, running
from .reward import told_losses
from .scenario import read_scenario
from .vector import ResponseWorlds

Observation = npt.NDArray[np.uint8]


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
    the library's lock file. `legal_pairs()` lists the legal (playbook, target), `action_masks()` is the same as a dense
    mask. Owners answer by their consent tables, so a legal proposal may still be denied. An illegal action becomes an
    occurrence `refused`: the world waits, and `info["refused"]` says so. An action out of range raises, and nothing has
    changed.

    Reward: less what all owners lost during the step, in owner-hours times `envs.reward.REWARD_SCALE`: service, harm,
    labour of playbooks. `info["loss"]` is the same step's loss as {owner: {cause: loss}}. `info["findings_dropped"]`
    counts findings of the episode that had no room and so reached nobody.

    Start: nobody holds anything; an attacker comes within the scenario's span, or never. `reset(seed=n)` plays episode
    0 of world n; a reset without a seed plays the next episode of the same world. Equal worlds, episodes and actions
    give equal episodes.

    End: never terminated, as an attacker may always come back; truncated at `horizon_ticks`, with the true last
    observation and, in `info["episode_loss"]`, the episode's loss by owner and cause. A step takes `decide_every`
    ticks.

    Render: `ansi`, a table of what is believed, what runs, what is lost; `rgb_array`, a picture of the chain. Both show
    the observation and public state, never the truth.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 10}

    def __init__(
        self,
        scenario: str | Path | None = None,
        *,
        game: Game | None = None,
        world: int = 0,
        render_mode: str | None = None,
    ) -> None:
        """Make the environment.

        Args:
            scenario: a scenario file; the shipped one if left out.
            game: a game that is already loaded, instead of a scenario.
            world: its number until a reset gives a seed.
            render_mode: "ansi", "rgb_array" or None.

        Raises:
            ScenarioError: the scenario cannot be used.
            EnvError: there is no such render mode, or no such world.
        """
        self.render_mode = checked_mode(render_mode, self.metadata["render_modes"])
        self.game = game or load_game(read_scenario(None if scenario is None else Path(scenario)))
        self.static = self.game.static
        self.observation_space = spaces.Box(0, 255, (self.game.compiled.targets, len(FEATURES)), np.uint8)
        self.action_space = spaces.Discrete(self.game.actions)
        self._worlds = ResponseWorlds(self.game, [checked_world(world)], stream=STREAM_ENVIRONMENT)
        self._actions, self._action = self.game.actions, np.zeros(1, np.int32)
        self._owners = tuple(owner.id for owner in self.game.compiled.twin.owners)
        self._picture: Picture | None = None
        self._last = self._worlds.observation[0]
        self._loss = self._worlds.worlds.losses()[0]
        self._next_episode = 0
        self._is_over = True

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; gives uint8[T, FEATURES]. There are no options.

        Raises:
            EnvError: the seed is no number of a world.
        """
        if seed is not None:
            checked_world(seed)
        super().reset(seed=seed)
        if seed is not None:
            self._worlds.worlds.state.world["id"] = seed
            self._next_episode = 0
        self._last = self._worlds.reset(self._next_episode)[0]
        self._loss = np.zeros_like(self._loss)
        self._next_episode += 1
        self._is_over = False
        return self._last, {}

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Propose one action and let `decide_every` ticks go by.

        Raises:
            ValueError: no number of an action; the world has not changed then.
            gymnasium.error.ResetNeeded: the episode is over.
        """
        if self._is_over:
            raise gymnasium.error.ResetNeeded("the episode is over; call reset() before the next step")
        if isinstance(action, np.ndarray) and action.ndim == 0:
            action = action[()]  # as Stable-Baselines3 gives it
        if isinstance(action, bool) or not isinstance(action, INTEGERS) or not 0 <= action < self._actions:
            raise ValueError(f"action {action!r}: give an integer within 0..{self._actions - 1}")
        refused = not self._worlds.legal[0, action]
        self._action[0] = action
        step = self._worlds.advance(self._action)
        self._loss = self._loss + step.loss[0]
        told: dict[str, Any] = {
            "refused": refused,
            "loss": told_losses(self._owners, step.loss[0]),
            "findings_dropped": int(step.dropped[0]),
        }
        self._last = step.observation[0]
        if len(step.ended):
            self._is_over = True
            self._last = step.terminal_observation[0]
            told["episode_loss"] = told_losses(self._owners, step.terminal_loss[0])
        return self._last, float(step.reward[0]), False, self._is_over, told

    def legal_pairs(self) -> npt.NDArray[np.int32]:
        """int32[n, 2] of legal (playbook, target); waiting is always legal and not among them."""
        return self._worlds.legal_pairs()

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """bool[1 + P * T] of legal actions, as sb3-contrib's MaskablePPO asks for them; a new array."""
        return self._worlds.legal[0].copy()

    def render(self) -> Any:
        """A text, or uint8[H, W, 3], by the render mode; None without one. After the end: of the last observation."""
        if self.render_mode == "rgb_array":
            self._picture = self._picture or Picture(self.game.compiled)
            return self._picture.draw(self._last)
        if self.render_mode == "ansi":
            responses = [] if self._is_over else running(self.game, self._worlds.worlds.state, 0)
            return in_words(self.game, self._last, responses, self._loss.sum(axis=1), self._place())
        return None

    def _place(self) -> str:
        world = self._worlds.worlds.state.world[0]
        number = f"world {world['id']}, episode {max(self._next_episode - 1, 0)}"
        horizon = self.game.scenario.horizon_ticks
        return f"{number}, the end" if self._is_over else f"{number}, tick {world['tick']} of {horizon}"
