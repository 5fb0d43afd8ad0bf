"""The attacker's seat as a Gymnasium environment, against a scripted defender.

Flows in: a scenario or a game, a defender's name, actions. Flows out: what Gymnasium's interface promises. The rules
are the kernel's: this module only chooses steps for one attacker and shows what that attacker knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from ..twin.compiled import NANO
from ..twin.rulebook.attacking import NO_STEP, NOT_OPEN, TAKES_ITS_OWN
from ..twin.rulebook.rules import BLOCKING
from ..twin.rulebook.state import IMPACTED
from ..twin.vocabulary import LossCause, OccurrenceKind
from .checks import EnvError, checked_mode, checked_world
from .game import Game, load_game
from .reward import REWARD_SCALE, told_losses
from .scenario import read_scenario
from .scripted import defender as scripted
from .scripted import worlds_for

ATTACKER_FEATURES = ("user", "admin", "persists", "stopped", "cut_off", "in_reach")
TRACE = 4096  # occurrences of a tick that are kept, to see what the rulebook refused
DRAWN_WORLDS = 2**31  # of which one is drawn where none was asked for
TRIED_EPISODES = 10_000  # that a reset looks through for one in which the attacker comes
Seen = dict[str, npt.NDArray[Any]]


class AttackEnv(gymnasium.Env):
    """Attack one service chain that a scripted defender protects.

    Observation: `Dict` of `assets`, `Box(0, 255, (N, 6), uint8)`, and `open`, int8[E], 1: this step may be tried now.
    Nothing of the defender's belief, findings or plans is in it:

    | column of `assets` | meaning |
    |---|---|
    | user, admin | 255 while this attacker has any access, has admin access |
    | persists | 255 while it would regain the asset |
    | stopped | 255 where it holds the asset and the asset is encrypted, stopped or manipulated |
    | cut_off | 255 where it holds the asset and a response isolates, stops or restores it |
    | in_reach | 255 where a step that is open leads |

    Rows are the twin's assets, steps its attack steps; `game.compiled` names both. So this attacker knows the map: how
    many assets and steps there are and which leads where, discovered or not. What it does not know is how the world
    stands where it holds nothing.

    Actions: `Discrete(1 + E)`. 0 waits; `1 + step` tries an attack step. `action_masks()` says which are open. One that
    is not is refused: the attacker waits, and `info["refused"]` says so. A response that takes effect in the same tick
    comes first and may close an open step; that is refused as well. An action out of range raises, and nothing has
    changed. A step is one tick; tempo, taste and patience of the scenario's attacker do not bind this seat, and its
    other attackers go by their own rule.

    Reward: what all owners lost in this tick in service and harm, in owner-hours times `envs.reward.REWARD_SCALE`. The
    labour of the defender's playbooks is not counted. `info["loss"]` is {owner: {cause: loss}} of the tick.

    Start: the attacker has just come; it holds its entry. `reset(seed=n)` plays the first episode of world n in which
    it comes before the horizon, a reset without a seed the next such; the first one without a seed, where no `world`
    was given, draws a world by chance, so that lanes of `gymnasium.make_vec` differ. Until it comes the defender acts
    alone.

    End: never terminated, as an entry cannot be taken away; truncated at `horizon_ticks`, with
    `info["episode_loss"]`, what was lost before it came included.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi"], "render_fps": 10}

    def __init__(
        self,
        scenario: str | Path | None = None,
        *,
        game: Game | None = None,
        world: int | None = None,
        attacker: int = 0,
        defender: str = "threshold",
        render_mode: str | None = None,
    ) -> None:
        """Make the environment.

        Args:
            scenario: a scenario file; the shipped one if left out.
            game: a game that is already loaded, instead of a scenario.
            world: its number until a reset gives a seed; left out: one by chance.
            attacker: which of the scenario's attackers this seat is.
            defender: name of the scripted defender, see `envs.scripted.DEFENDERS`.
            render_mode: "ansi" or None.

        Raises:
            ScenarioError: the scenario cannot be used.
            EnvError: there is no such defender, attacker, render mode or world, or the attacker never comes.
        """
        self.render_mode = checked_mode(render_mode, self.metadata["render_modes"])
        self.game = game or load_game(read_scenario(None if scenario is None else Path(scenario)))
        self._attacker = self._checked_attacker(attacker)
        self._defender = scripted(self.game, defender)
        self._worlds = worlds_for(defender)(self.game, [checked_world(0 if world is None else world)])
        state = self._worlds.worlds.state
        kept = np.zeros((1, TRACE, *state.trace.shape[2:]), state.trace.dtype)
        self._worlds.worlds = replace(self._worlds.worlds, state=state._replace(trace=kept))
        self._is_drawn = world is None
        assets, steps = len(self.game.compiled.twin.assets), len(self.game.compiled.steps)
        self.observation_space = spaces.Dict(
            {
                "assets": spaces.Box(0, 255, (assets, len(ATTACKER_FEATURES)), np.uint8),
                "open": spaces.Box(0, 1, (steps,), np.int8),
            }
        )
        self.action_space = spaces.Discrete(1 + steps)
        self._choices = np.full(len(self.game.parameters.attacker), TAKES_ITS_OWN, np.int32)
        self._open = np.zeros(steps, np.bool_)
        self._owners = tuple(owner.id for owner in self.game.compiled.twin.owners)
        self._next_episode = 0
        self._is_over = True

    def _checked_attacker(self, attacker: int) -> int:
        count = len(self.game.parameters.attacker)
        if not 0 <= attacker < count:
            raise EnvError(f"attacker {attacker}: the scenario has {count}; give 0..{count - 1}")
        profile = self.game.parameters.attacker[attacker]
        if profile.absent >= 1.0 or profile.first >= self.game.scenario.horizon_ticks:
            raise EnvError(f"attacker {attacker} never comes before the horizon; mend absent or onset_s")
        return attacker

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Seen, dict[str, Any]]:
        """Start an episode in the tick in which the attacker has come. There are no options.

        Raises:
            EnvError: the seed is no number of a world, or the attacker hardly ever comes.
        """
        if seed is not None:
            checked_world(seed)
        super().reset(seed=seed)
        if seed is None and self._is_drawn:
            seed = int(self.np_random.integers(DRAWN_WORLDS))
        if seed is not None:
            self._worlds.worlds.state.world["id"] = seed
            self._next_episode, self._is_drawn = 0, False
        self._begin()
        self._choices[:] = TAKES_ITS_OWN
        while not self._has_come():
            self._tick()
        self._is_over = False
        return self._see(), {}

    def _begin(self) -> None:
        """Start the next episode in which the attacker comes in time to act."""
        for _ in range(TRIED_EPISODES):
            self._worlds.reset(self._next_episode)
            self._next_episode += 1
            if self._onset < self.game.scenario.horizon_ticks - 1:
                return
        raise EnvError(
            f"the attacker did not come in {TRIED_EPISODES} episodes; lower absent or onset_s in the scenario"
        )

    @property
    def _onset(self) -> int:
        return int(self._worlds.worlds.state.attacker["onset"][0, self._attacker])

    @property
    def _clock(self) -> int:
        return int(self._worlds.worlds.state.world["tick"][0])

    def _has_come(self) -> bool:
        return self._clock > self._onset

    def step(self, action: int) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        """Try one attack step, or wait, and let one tick go by.

        Raises:
            ValueError: no number of an action; the world has not changed then.
            gymnasium.error.ResetNeeded: the episode is over.
        """
        if self._is_over:
            raise gymnasium.error.ResetNeeded("the episode is over; call reset() before the next step")
        if not self.action_space.contains(action):
            raise ValueError(f"action {action!r}: give an integer within 0..{self.action_space.n - 1}")
        refused = bool(action > 0 and not self._open[action - 1])
        self._choices[self._attacker] = NO_STEP if refused or action == 0 else action - 1
        loss = self._tick()
        refused |= (int(OccurrenceKind.REFUSED), action - 1, self._attacker, NOT_OPEN) in self._worlds.worlds.trace(0)
        self._is_over = self._clock >= self.game.scenario.horizon_ticks
        told: dict[str, Any] = {"refused": refused, "loss": told_losses(self._owners, loss)}
        if self._is_over:
            told["episode_loss"] = told_losses(self._owners, self._worlds.worlds.losses()[0])
        reward = REWARD_SCALE * float(loss[:, LossCause.SERVICE].sum() + loss[:, LossCause.HARM].sum())
        return self._see(), reward, False, self._is_over, told

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """bool[1 + E] of what may be tried now, waiting first; a new array."""
        return np.concatenate([[True], self._open])

    def render(self) -> Any:
        """A text of what the attacker holds and may try, if the render mode is `ansi`."""
        if self.render_mode is None:
            return None
        compiled, assets = self.game.compiled, self._see()["assets"]
        lines = [f"{self.game.scenario.name}: tick {self._clock} of {self.game.scenario.horizon_ticks}", "holds:"]
        for number in np.flatnonzero(assets[:, 0]):
            words = [name for name, value in zip(ATTACKER_FEATURES, assets[number], strict=True) if value]
            lines.append(f"  {compiled.twin.assets[number].id}: {', '.join(words)}")
        lines.append("may try:")
        for number in np.flatnonzero(self._open):
            step = compiled.steps[int(number)]
            lines.append(f"  {1 + number}: {step.technique} {step.source} -> {step.target} ({step.gains.word})")
        return "\n".join(lines)

    def _tick(self) -> npt.NDArray[np.float64]:
        """One tick; the defender decides every `decide_every` of them. Gives its loss, float64[O, LossCause]."""
        state = self._worlds.worlds.state
        decides = self._clock % self.game.scenario.decide_every == 0
        actions = self._defender(self._worlds) if decides else np.zeros(1, np.int32)
        before = state.loss[0].copy()
        self._worlds.follow(actions.reshape(1, 1, 1), self._choices[None])
        lost: npt.NDArray[np.float64] = (state.loss[0] - before) / NANO
        return lost

    def _see(self) -> Seen:
        """What the attacker knows of the world as it stands."""
        worlds, bit = self._worlds.worlds, np.uint8(1 << self._attacker)
        asset = np.asarray(worlds.state.asset)[0]  # records are slow in Python
        held = ((asset["user"] | asset["admin"]) & bit) != 0
        self._open = worlds.open_steps(self._attacker)[0]
        assets = np.zeros((len(asset), len(ATTACKER_FEATURES)), np.bool_)
        assets[:, 0] = held
        assets[:, 1] = (asset["admin"] & bit) != 0
        assets[:, 2] = (asset["persist"] & bit) != 0
        assets[:, 3] = held & ((asset["modes"] & IMPACTED) != 0)
        assets[:, 4] = held & ((asset["modes"] & BLOCKING) != 0)
        assets[self.game.compiled.arrays.step["dst"][self._open], 5] = True
        return {"assets": assets.astype(np.uint8) * np.uint8(255), "open": self._open.astype(np.int8)}
