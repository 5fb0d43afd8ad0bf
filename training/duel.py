"""Attacker against defender over many worlds at once, each side a rule or a network.

Flows in: a game, both sides. Flows out: losses, and what the attacker's seat sees as rows for a network. The attacker
knows what `envs.attack.AttackEnv` shows and nothing more. It may try in the ticks that its tempo gives it: those in
which the built-in rule's attacker of that tempo would try in the same world. The defender acts every `decide_every`.
All worlds begin and end together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..envs.active_worlds import ActiveWorlds
from ..envs.discovery import ASSET_COLUMNS, STEP_COLUMNS, Discovery, Seen
from ..envs.game import Game
from ..envs.scripted import Defender
from ..envs.vector import ResponseWorlds
from ..twin.compiled import NANO, Int32, UInt8
from ..twin.rulebook.attacking import NO_STEP, TAKES_ITS_OWN
from ..twin.rulebook.draws import TRY, uniform
from ..twin.vocabulary import LossCause

ROWS, SLOTS = 48, 128  # open steps and assets that a learned attacker sees; of more steps the newest
SEAT = 0  # of the scenario's attackers; others go by their own rule
UNBOUND = 1.0  # pace of an attacker that may try in every tick
_STEP, _ASSET = len(STEP_COLUMNS), len(ASSET_COLUMNS)
# A row: the step; how its source, target and identity stand; its chance; how far the episode is; ends of one owner.
ROW_FEATURES = _STEP + 3 * _ASSET + 3
Bools = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]


class AttackView(NamedTuple):
    """What the attackers of B worlds see."""

    rows: UInt8  # [B, ROWS, ROW_FEATURES]; a row not in use is all 0
    legal: Bools  # [B, 1 + ROWS], waiting first


Attacking = Callable[[AttackView], npt.NDArray[np.int64]]  # int64[B], 0 waits, n tries the step in row n - 1


class Duel:
    """B worlds of one game; lives as long as a training or a match."""

    def __init__(self, game: Game, ids: Sequence[int], *, stream: int) -> None:
        """Make the worlds and begin their first episode."""
        self.game, self.worlds = game, ResponseWorlds(game, ids, stream=stream)
        state, self._stream = self.worlds.worlds.state, game.scenario.stream(stream)
        self._apart = [  # each world as the first of a batch, which a discovery reads; arrays are shared
            state._replace(**{name: getattr(state, name)[b : b + 1] for name in ("asset", "held", "world", "attacker")})
            for b in range(len(ids))
        ]
        self._discoveries = [Discovery(game, SEAT, slots=SLOTS, rows=ROWS) for _ in ids]
        self.seen = ActiveWorlds(self.worlds)
        self.begin(0)

    @property
    def count(self) -> int:
        """B."""
        return self.worlds.count

    @property
    def ids(self) -> list[int]:
        """Numbers of the worlds; those of a snapshot once it was restored."""
        found: list[int] = np.asarray(self.worlds.worlds.state.world)["id"].tolist()
        return found

    @property
    def tick(self) -> int:
        """Ticks since the episode began."""
        return int(np.asarray(self.worlds.worlds.state.world)["tick"][0])

    @property
    def decides(self) -> bool:
        """Whether the defender is asked in this tick."""
        return self.tick % self.game.scenario.decide_every == 0

    @property
    def is_over(self) -> bool:
        """Whether the episode is at its horizon."""
        return self.tick >= self.game.scenario.horizon_ticks

    @property
    def losses(self) -> Float64:
        """float64[B] what the coalition has lost in the episode, owner-hours."""
        lost: Float64 = self.worlds.worlds.losses().sum(axis=(1, 2))
        return lost

    def begin(self, episode: int) -> None:
        """Start every world's given episode."""
        self.worlds.reset(episode)
        for world, discovery in zip(self.ids, self._discoveries, strict=True):
            discovery.begin(self._stream, world, episode)
        self.seen.look()

    def look(self, lanes: Sequence[int] | npt.NDArray[np.int64] | None = None) -> AttackView:
        """What the attackers' seats see as the worlds stand, all or some of them; discoveries are noted."""
        is_open = self.worlds.worlds.open_steps(SEAT)
        part = self.tick / self.game.scenario.horizon_ticks
        seen = range(self.count) if lanes is None else lanes
        rows = np.stack([rows_of(self._discoveries[b].look(self._apart[b], is_open[b]), part) for b in seen])
        listed = np.array([len(self._discoveries[b].listed) for b in seen])
        return AttackView(rows, np.arange(1 + ROWS) <= listed[:, None])

    @property
    def has_come(self) -> Bools:
        """bool[B]: the attacker came in an earlier tick."""
        onset = np.asarray(self.worlds.worlds.state.attacker)["onset"][:, SEAT]
        come: Bools = self.tick > onset
        return come

    def draws(self) -> Float64:
        """float64[B] in (0, 1): an attacker tries in this tick if its pace, a probability, is above."""
        keys = np.asarray(self.worlds.worlds.state.world)["key"]
        return np.array([uniform(key, TRY, SEAT) for key in keys])

    def may_try(self, pace: float) -> Bools:
        """bool[B]: the attacker has come, and its tempo lets it try in this tick; `UNBOUND`: in every one."""
        return self.has_come if pace >= UNBOUND else self.has_come & (self.draws() < pace)

    def attack(self, attacker: Attacking, pace: float) -> Int32:
        """int32[B, K] attack steps of this tick: a learned attacker's where it may try, none elsewhere."""
        actions, lanes = np.zeros(self.count, np.int64), np.flatnonzero(self.may_try(pace))
        if len(lanes):
            actions[lanes] = attacker(self.look(lanes))
        return self.steps_of(actions)

    def steps_of(self, actions: npt.NDArray[np.integer]) -> Int32:
        """int32[B, K] attack steps of actions over rows; other attackers take their own."""
        chosen = np.full((self.count, len(self.game.parameters.attacker)), TAKES_ITS_OWN, np.int32)
        for world, (action, discovery) in enumerate(zip(actions, self._discoveries, strict=True)):
            chosen[world, SEAT] = discovery.listed[action - 1] if 0 < action <= len(discovery.listed) else NO_STEP
        return chosen

    def play(self, defence: Int32, attack: Int32 | None) -> Float64:
        """Let one tick go by; gives float64[B], what the attacker did to all owners: service and harm, owner-hours.

        Args:
            defence: int32[B] actions of the game; taken only in ticks in which the defender decides.
            attack: int32[B, K] of `steps_of`; None: all attackers take their own.
        """
        state, decides = self.worlds.worlds.state, self.decides
        before = state.loss.copy()
        actions = defence if decides else np.zeros(self.count, np.int32)
        self.worlds.follow(actions.reshape(1, -1, 1), attack)
        done = (state.loss - before)[:, :, [LossCause.SERVICE, LossCause.HARM]]
        lost: Float64 = done.sum(axis=(1, 2)) / NANO
        return lost

    def snapshot(self) -> dict[str, Any]:
        """All that the worlds' future depends on, discoveries too: arrays by name."""
        return {"worlds": self.worlds.snapshot(), "known": [one.snapshot() for one in self._discoveries]}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Stand where the worlds stood then.

        Raises:
            ValueError: it is of another game or number of worlds.
        """
        if len(snapshot["known"]) != self.count:
            raise ValueError(f"snapshot: of {len(snapshot['known'])} worlds, here are {self.count}")
        self.worlds.restore(snapshot["worlds"])
        episode = int(np.asarray(self.worlds.worlds.state.world)["episode"][0])
        for world, discovery, known in zip(self.ids, self._discoveries, snapshot["known"], strict=True):
            discovery.begin(self._stream, world, episode)
            discovery.restore(known)
        self.seen.look()


def pace_of(tries_per_hour: float, tick_s: float) -> float:
    """Probability that an attacker tries in a tick of so many seconds; as the rulebook has it (a Poisson process)."""
    return -math.expm1(-tries_per_hour * tick_s / 3600.0)


def rows_of(seen: Seen, part: float) -> UInt8:
    """uint8[ROWS, ROW_FEATURES] of one observation of the attacker's seat; `part` of the episode is gone, 0 to 1."""
    assets = np.concatenate([np.zeros((1, _ASSET), np.uint8), seen["assets"]])  # slot 0: none
    owners = np.concatenate([[0], seen["owners"]])
    ends, is_open = seen["ends"], seen["steps"][:, :1]
    around = 255 * assets[ends].reshape(len(ends), -1)
    chance = np.round(255 * seen["chances"])[:, None]
    clock = np.full((len(ends), 1), round(255 * part))
    at_home = 255 * (owners[ends[:, 0]] == owners[ends[:, 1]])[:, None]
    columns = np.concatenate([255 * seen["steps"], around, chance, clock, at_home], axis=1)
    rows: UInt8 = (columns * is_open).astype(np.uint8)
    return rows


def play_duel(
    game: Game,
    defender: Defender,
    attacker: Attacking | None,
    ids: Sequence[int],
    *,
    stream: int,
    pace: float = UNBOUND,
) -> Float64:
    """float64[n] what the coalition loses in one attack of every world, owner-hours.

    Args:
        game: what is played.
        defender: decides every `decide_every` ticks.
        attacker: sits at the first attacker's seat; None: the built-in rule does.
        ids: worlds.
        stream: of draws.
        pace: of a learned attacker: the probability that it may try in a tick.
    """
    duel = Duel(game, ids, stream=stream)
    while not duel.is_over:
        defence = defender(duel.worlds) if duel.decides else np.zeros(duel.count, np.int32)
        duel.play(defence, None if attacker is None else duel.attack(attacker, pace))
    return duel.losses
