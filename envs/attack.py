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
from ..twin.vocabulary import LossCause, OccurrenceKind
from .attack_picture import AttackPicture, in_words
from .checks import EnvError, checked_mode, checked_world
from .discovery import ROWS, SLOTS, Discovery, Seen
from .game import Game, load_game
from .reward import REWARD_SCALE, told_losses
from .scenario import read_scenario
from .scripted import defender as scripted
from .scripted import worlds_for

TRACE = 4096  # occurrences of a tick that are kept, to see what the rulebook refused
DRAWN_WORLDS = 2**31  # of which one is drawn where none was asked for
TRIED_EPISODES = 10_000  # that a reset looks through for one in which the attacker comes


class AttackEnv(gymnasium.Env):
    """Attack one service chain that a scripted defender protects, without its map.

    Seen is what this attacker has discovered in the episode: what it holds or held, its entries among them, and where
    steps lead that were open to it. Whatever else the chain holds changes nothing that it sees, neither rows nor sizes
    (tested as a law). Nothing of the defender's belief, findings or plans is in it.

    Observation: `Dict`. Assets have slots 1 to `slots` for good, in the order of discovery; what is found in one tick
    comes in an order drawn by the episode. Owners are numbered likewise. Rows not in use are 0.

    | part | space | meaning |
    |---|---|---|
    | `assets` | `Box(0, 1, (slots, 31), uint8)` | a row per slot, columns `envs.discovery.ASSET_COLUMNS` |
    | `owners` | `Box(0, slots, (slots,), int32)` | number of the owner of each |
    | `steps` | `Box(0, 1, (rows, 29), uint8)` | a row per open step, columns `envs.discovery.STEP_COLUMNS` |
    | `ends` | `Box(0, slots, (rows, 3), int32)` | slots of its source, target and the identity it uses, 0: none |
    | `chances` | `Box(0, 1, (rows,), float32)` | its probability of success a try, as if nobody defended |

    | column of `assets` | meaning |
    |---|---|
    | known, host ... node | 1: the slot is in use; its kind |
    | entry, had | 1: the attacker began there; it has or had access there |
    | user, admin | 1 while this attacker has any access, has admin access |
    | persists | 1 while it would regain the asset |
    | stopped | 1 where it holds the asset and the asset is encrypted, stopped or manipulated |
    | cut_off | 1 where it holds the asset and a response isolates, stops or restores it |
    | in_reach, exploit ... discovery | 1 where an open step leads; the technique classes of those steps |

    | column of `steps` | meaning |
    |---|---|
    | open | 1: the row is in use |
    | needs_user, needs_admin | access it needs at its source |
    | gains_user ... gains_exfiltration | what it gives at its target |
    | T1190 ... T0826 | its ATT&CK technique |

    Actions: `Discrete(1 + rows)`. 0 waits; `n` tries the step in row n - 1. `action_masks()` says which rows are in
    use. Another is refused: the attacker waits, and `info["refused"]` says so. A response that takes effect in the same
    tick comes first and may close an open step; that is refused as well. An action out of range raises, and nothing has
    changed. Rows keep the order of discovery; a row is no name of a step, as those before it may close.

    A step is one tick; tempo, taste and patience of the scenario's attacker do not bind this seat, and its other
    attackers go by their own rule.

    Sizes: `slots` and `rows` are settings, not the chain's. Assets beyond the slots are not shown, nor are steps that
    name one; of more open steps than rows the newest are listed, so that older ones return as those are done.
    `info["left_out"]` counts both, of what has been discovered.

    Reward: what all owners lost in this tick in service and harm, in owner-hours times `envs.reward.REWARD_SCALE`. The
    labour of the defender's playbooks is not counted. `info["loss"]` is {owner: {cause: loss}} of the tick: infos are
    for whoever evaluates, and name owners that the attacker may not know.

    Start: the attacker has just come; it holds its entry. `reset(seed=n)` plays the first episode of world n in which
    it comes before the horizon, a reset without a seed the next such; the first one without a seed, where no `world`
    was given, draws a world by chance, so that lanes of `gymnasium.make_vec` differ. Until it comes the defender acts
    alone.

    End: never terminated, as an entry cannot be taken away; truncated at `horizon_ticks`, with
    `info["episode_loss"]`, what was lost before it came included.

    Render: `ansi`, what it holds and may try, by action; `rgb_array`, a picture of what it has discovered.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 10}

    def __init__(
        self,
        scenario: str | Path | None = None,
        *,
        game: Game | None = None,
        world: int | None = None,
        attacker: int = 0,
        defender: str = "threshold",
        slots: int = SLOTS,
        rows: int = ROWS,
        render_mode: str | None = None,
    ) -> None:
        """Make the environment.

        Args:
            scenario: a scenario file; the shipped one if left out.
            game: a game that is already loaded, instead of a scenario.
            world: its number until a reset gives a seed; left out: one by chance.
            attacker: which of the scenario's attackers this seat is.
            defender: name of the scripted defender, see `envs.scripted.DEFENDERS`.
            slots: assets that are shown, 1 to `envs.discovery.MOST`.
            rows: open steps that are listed, in the same range.
            render_mode: "ansi", "rgb_array" or None.

        Raises:
            ScenarioError: the scenario cannot be used.
            EnvError: there is no such defender, attacker, render mode or world, a size is out of range, or the attacker
                never comes.
        """
        self.render_mode = checked_mode(render_mode, self.metadata["render_modes"])
        self.game = game or load_game(read_scenario(None if scenario is None else Path(scenario)))
        self._attacker = self._checked_attacker(attacker)
        self._discovery = Discovery(self.game, attacker, slots=slots, rows=rows)
        self._defender = scripted(self.game, defender)
        self._worlds = worlds_for(self._defender)(self.game, [checked_world(0 if world is None else world)])
        state = self._worlds.worlds.state
        kept = np.zeros((1, TRACE, *state.trace.shape[2:]), state.trace.dtype)
        self._worlds.worlds = replace(self._worlds.worlds, state=state._replace(trace=kept))
        self._is_drawn = world is None
        self.observation_space = self._discovery.space
        self.action_space = spaces.Discrete(1 + rows)
        self._choices = np.full(len(self.game.parameters.attacker), TAKES_ITS_OWN, np.int32)
        self._owners = tuple(owner.id for owner in self.game.compiled.twin.owners)
        self._picture = AttackPicture()
        self._next_episode = 0
        self._is_over = True
        self._last = self._see()

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
        world = self._worlds.worlds.state.world
        self._discovery.begin(*(int(world[name][0]) for name in ("stream", "id", "episode")))
        self._last = self._see()
        return self._last, {"left_out": self._discovery.left_out}

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
        listed = self._discovery.listed
        step = int(listed[action - 1]) if 0 < action <= len(listed) else NO_STEP
        self._choices[self._attacker] = step
        loss = self._tick()
        closed = (int(OccurrenceKind.REFUSED), step, self._attacker, NOT_OPEN) in self._worlds.worlds.trace(0)
        self._is_over = self._clock >= self.game.scenario.horizon_ticks
        self._last = self._see()
        told: dict[str, Any] = {
            "refused": bool(action > len(listed)) or closed,
            "left_out": self._discovery.left_out,
            "loss": told_losses(self._owners, loss),
        }
        if self._is_over:
            told["episode_loss"] = told_losses(self._owners, self._worlds.worlds.losses()[0])
        reward = REWARD_SCALE * float(loss[:, LossCause.SERVICE].sum() + loss[:, LossCause.HARM].sum())
        return self._last, reward, False, self._is_over, told

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """bool[1 + rows] of what may be tried now, waiting first; a new array."""
        return np.arange(self.action_space.n) <= len(self._discovery.listed)

    def asset_names(self) -> list[str]:
        """Ids of the assets discovered, by slot: what a person wants to read, nothing more than is shown."""
        return self._discovery.asset_names

    def step_names(self) -> list[str]:
        """The steps in rows in words; the first is action 1."""
        return self._discovery.step_names

    def render(self) -> Any:
        """A text, or uint8[H, W, 3], of what the attacker has discovered, by the render mode; None without one."""
        if self.render_mode == "rgb_array":
            return self._picture.draw(self._last, self._discovery.asset_names, self._discovery.owner_names)
        if self.render_mode == "ansi":
            place = f"{self.game.scenario.name}: tick {self._clock} of {self.game.scenario.horizon_ticks}"
            return in_words(self._last, self._discovery, place)
        return None

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
        """What the attacker knows of the world as it stands; discoveries are noted."""
        worlds = self._worlds.worlds
        return self._discovery.look(worlds.state, worlds.open_steps(self._attacker)[0])
