"""Duels as lanes for the learner: to attack one defender, or to defend against one attacker.

Flows in: a game, the opponent, numbers of worlds. Flows out: what `envs.joined.Part` promises. Lanes against the
members of a pool stand side by side in a run, so it learns against their even mixture (fictitious play).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from ..envs.active import Active
from ..envs.game import Game
from ..envs.joined import JoinedStep, Part
from ..envs.reward import REWARD_SCALE
from ..envs.scripted import Defender
from ..twin.compiled import Int32, UInt8
from .attack_network import OBSERVATION, AttackPolicy
from .duel import ROWS, Attacking, AttackView, Bools, Duel, Float64
from .imitate import IMITATED_LEVEL
from .player import Player
from .worth import Watchful

Integers = npt.NDArray[np.integer]
MakeDefender = Callable[[Game], Defender]  # can be pickled: workers get it


@dataclass(frozen=True)
class Attacks:
    """The attacker's seat is learned, against one defender."""

    defender: MakeDefender
    pace: float  # probability that it may try in a tick

    @property
    def player(self) -> Player:
        """Sees rows of open steps, tries one of them or waits."""
        return Player(AttackPolicy, OBSERVATION, spaces.Discrete(1 + ROWS))

    def parts(self, game: Game, ids: Sequence[int], *, stream: int, batches: int = 1) -> list[Part]:
        """Lanes in up to `batches` parts."""
        return [AttackLanes(self, Duel(game, one, stream=stream)) for one in dealt_out(ids, batches)]


@dataclass(frozen=True)
class Defends:
    """The coalition's seat is learned, against one learned attacker."""

    attacker: Attacking
    pace: float

    @property
    def player(self) -> None:
        """The defender, as of any run."""
        return

    def parts(self, game: Game, ids: Sequence[int], *, stream: int, batches: int = 1) -> list[Part]:
        """Lanes in up to `batches` parts."""
        return [DefendLanes(self, Duel(game, one, stream=stream)) for one in dealt_out(ids, batches)]


def dealt_out(ids: Sequence[int], batches: int) -> list[list[int]]:
    """Numbers of worlds in up to so many parts."""
    return [part.tolist() for part in np.array_split(np.asarray(ids), min(batches, len(ids)))]


class _DuelLanes:
    """What both seats share; lives as long as its learner."""

    def __init__(self, duel: Duel) -> None:
        self._duel, self._episode = duel, 0
        self.game = duel.game

    @property
    def count(self) -> int:
        """B."""
        return self._duel.count

    @abstractmethod
    def look(self) -> UInt8:
        """Rows of all lanes as the worlds stand."""

    def reset(self, episode: int) -> UInt8:
        """Start every world's given episode; gives rows."""
        self._episode = episode
        self._duel.begin(episode)
        return self.look()

    def snapshot(self) -> dict[str, Any]:
        """All that the lanes' future depends on."""
        return self._duel.snapshot()

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Stand as then.

        Raises:
            ValueError: it is of another game or number of worlds.
        """
        self._duel.restore(snapshot)
        self._episode = int(np.asarray(self._duel.worlds.worlds.state.world)["episode"][0])
        self.look()

    def _told(self, rewards: Float64) -> JoinedStep:
        """A step as it ended; at the horizon all worlds begin the next episode."""
        is_over, rows, gained = self._duel.is_over, self.look(), (rewards * REWARD_SCALE).astype(np.float32)
        ended, total = np.arange(self.count if is_over else 0), self._duel.losses[: self.count if is_over else 0]
        terminal = rows[ended]
        if is_over:
            rows = self.reset(self._episode + 1)
        return JoinedStep(rows, gained, np.full(self.count, is_over), ended, terminal, total)


class AttackLanes(_DuelLanes):
    """The attacker's seat. A step is a try and the ticks to the next; the reward is what was done to all owners.

    Ticks in which the tempo lets nobody try are skipped: they hold no choice to learn from, and looking is what costs.
    The lanes of one part try in the same ticks, those that its first world's draws give; parts differ.
    """

    actions = 1 + ROWS

    def __init__(self, attacks: Attacks, duel: Duel) -> None:
        """Stand at the first try."""
        self._pace, self._defend = attacks.pace, attacks.defender(duel.game)
        self._view: AttackView
        super().__init__(duel)
        self.reset(0)

    @property
    def active(self) -> Active:
        """Rows and legal actions; slots have no targets."""
        return Active(self._view.rows, np.full((self.count, ROWS), -1, np.int32), self._view.legal)

    def reset(self, episode: int) -> UInt8:
        """Start every world's given episode and go on to the first try."""
        self._episode = episode
        self._duel.begin(episode)
        self._skip()
        return self.look()

    def start_at(self, episode: int, share: float) -> Bools:
        """See `seats.Phased`; the built-in rule attacks until then, then ticks go by to the first try.

        The rule tries as often as the scenario's attacker, whatever the pace: so lanes begin where that one would have
        come to, also where the learned one is faster, and are at their own tempo from their second episode on. A
        network that has learned nothing would leave them all at the first foothold.
        """
        self._episode = episode
        self._duel.begin(episode)
        while self._duel.tick < share * self.game.scenario.horizon_ticks:
            self._duel.play(self._defence(), None)
        self._skip()
        self.look()
        return np.full(self.count, share == 0.0)

    def look(self) -> UInt8:
        """Rows of open steps, uint8[B, ROWS, ROW_FEATURES]."""
        self._view = self._duel.look()
        return self._view.rows

    def masks(self) -> Bools:
        """bool[B, 1 + ROWS]; a new array."""
        return self._view.legal.copy()

    def checked(self, actions: Integers) -> Integers:
        """Actions that are legal, as they were given.

        Raises:
            ValueError: one is not.
        """
        given = np.asarray(actions)
        for lane, (action, legal) in enumerate(zip(given, self._view.legal, strict=True)):
            if not 0 <= action < self.actions or not legal[action]:
                raise ValueError(f"lane {lane}: action {action} is not legal now; take one that masks() allows")
        return given

    def dense(self, actions: Integers) -> Int32:
        """int32[B, K] attack steps."""
        return self._duel.steps_of(actions)

    def advance(self, actions: Int32) -> JoinedStep:
        """Try, then let the ticks go by until the next try, or the horizon."""
        if self._duel.is_over:  # no try came before the horizon, as where no attacker comes: nothing is left to play
            return self._told(np.zeros(self.count))
        return self._told(self._duel.play(self._defence(), actions) + self._skip())

    def _skip(self) -> Float64:
        """Let ticks go by until the lanes may try, or the horizon; gives float64[B], what was done meanwhile.

        All may try when some attacker has come and the first world's draw lets it: one that has not come yet has no
        open step, and waits.
        """
        duel, done, wait = self._duel, np.zeros(self.count), self._duel.steps_of(np.zeros(self.count, np.int64))
        while not (duel.is_over or (duel.has_come.any() and duel.draws()[0] < self._pace)):
            done += duel.play(self._defence(), wait)
        return done

    def _defence(self) -> Int32:
        return self._defend(self._duel.worlds) if self._duel.decides else np.zeros(self.count, np.int32)


class DefendLanes(_DuelLanes):
    """The coalition's seat through slots against a learned attacker; else as `ActiveWorlds`."""

    def __init__(self, defends: Defends, duel: Duel) -> None:
        """Stand at the start."""
        self._attacker, self._pace = defends.attacker, defends.pace
        super().__init__(duel)
        self.reset(0)

    @property
    def actions(self) -> int:
        """1 + P * K."""
        return self._duel.seen.actions

    @property
    def active(self) -> Active:
        """What is seen."""
        return self._duel.seen.active

    def start_at(self, episode: int, share: float) -> Bools:
        """See `seats.Phased`; the rule that is imitated defends until then, against the learned attacker at its pace.

        It goes on by whole decisions, so by up to `decide_every` - 1 ticks further.
        """
        self.reset(episode)
        rule = Watchful(self.game, IMITATED_LEVEL)
        while self._duel.tick < share * self.game.scenario.horizon_ticks:
            self._play(rule(self._duel.worlds))
        self.look()
        return np.full(self.count, share == 0.0)

    def look(self) -> UInt8:
        """Rows uint8[B, K, width]."""
        return self._duel.seen.look()

    def masks(self) -> Bools:
        """bool[B, 1 + P * K]; a new array."""
        return self._duel.seen.masks()

    def checked(self, actions: Integers) -> Integers:
        """See `ActiveWorlds.checked`."""
        return self._duel.seen.checked(actions)

    def dense(self, actions: Integers) -> Int32:
        """See `ActiveWorlds.dense`."""
        return self._duel.seen.dense(actions)

    def advance(self, actions: Int32) -> JoinedStep:
        """Propose an action per world, int32[B] numbers of the game's, and let a decision's ticks go by."""
        before = self._duel.losses
        self._play(actions)
        return self._told(before - self._duel.losses)

    def _play(self, actions: Int32) -> None:
        for _ in range(self.game.scenario.decide_every):
            self._duel.play(actions, self._duel.attack(self._attacker, self._pace))
