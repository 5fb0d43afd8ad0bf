"""Many worlds of one game for learners: observe, decide, step, with belief and observation kept alongside.

Flows in: actions, one per world. Flows out: observations, rewards, losses, episode ends, legal actions. Every lane has
a world id and an episode number of its own, so what it returns does not depend on the other lanes. Episodes end at the
horizon (truncated, never terminated: an attacker may always come back); this class, not the kernel, starts the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..twin.compiled import NANO, UInt8
from ..twin.rulebook.attacking import TAKES_ITS_OWN
from ..twin.rulebook.jit import entry
from ..twin.rulebook.mask import fill_masks
from ..twin.rulebook.state import WorldState
from ..twin.rulebook.worlds import STREAM_ENVIRONMENT, Worlds
from ..twin.sensing.arriving import held_shares
from ..twin.sensing.belief import SCRATCH, new_belief, reset_belief
from ..twin.sensing.following import follow_world, follow_worlds
from ..twin.sensing.observe import Observed, new_observation, observe_all, reset_observation
from .game import Game
from .reward import rewards

Bools = npt.NDArray[np.bool_]
NONE = np.zeros(0, np.int64)
LAYOUT = "layout"  # in snapshots


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of all worlds gave."""

    observation: npt.NDArray[np.uint8]  # [B, T, FEATURES], of the next episode where one ended
    reward: npt.NDArray[np.float32]  # [B]
    loss: npt.NDArray[np.float64]  # [B, O, LossCause] of this step
    truncated: Bools  # [B]
    ended: npt.NDArray[np.int64]  # rows whose episode ended
    terminal_observation: npt.NDArray[np.uint8]  # [len(ended), T, FEATURES]
    terminal_loss: npt.NDArray[np.float64]  # [len(ended), O, LossCause] of the episodes that ended
    dropped: npt.NDArray[np.int32]  # [B] findings of the episode that had no room: nobody saw them


class ResponseWorlds:
    """B worlds of a game, one coalition seat each; lives as long as its learner."""

    def __init__(
        self, game: Game, world_ids: Sequence[int], *, stream: int = STREAM_ENVIRONMENT, trace: int = 0
    ) -> None:
        """Make and reset one world per id.

        Args:
            game: the game.
            world_ids: one per world; equal ids and streams play equal episodes.
            stream: of draws, see `rulebook.worlds.STREAM_*`.
            trace: occurrences kept per tick.
        """
        self.game = game
        self.worlds = Worlds.make(
            game.compiled,
            game.effects,
            game.parameters,
            world_ids=np.asarray(world_ids, np.int64),
            stream=game.scenario.stream(stream),
            trace=trace,
        )
        self.belief = new_belief(game.compiled, len(world_ids), sees=game.sees)
        self._lanes = np.arange(len(world_ids), dtype=np.int64)
        self._observed = new_observation(game.compiled, len(world_ids))
        self._masks = np.empty((len(world_ids), game.actions), np.bool_)
        self._legal = self._masks.view()
        self._legal.flags.writeable = False
        self._masks_are_new = False
        self._decisions = np.zeros((game.scenario.decide_every, len(world_ids), 1), np.int32)
        self._attack = np.full(len(game.parameters.attacker), TAKES_ITS_OWN, np.int32)
        self._following: tuple[WorldState, Callable[..., Any], tuple[Any, ...]] | None = None
        self._loss = self.worlds.state.loss  # int64[B, O, LossCause]
        world = np.asarray(self.worlds.state.world)  # plain views: records are slow in Python
        self._tick, self._dropped = world["tick"], world["dropped"]  # int32[B]

    @property
    def count(self) -> int:
        """B."""
        return len(self._lanes)

    def reset(self, episode: int | npt.NDArray[np.int32] = 0) -> npt.NDArray[np.uint8]:
        """Start every world's given episode, or int32[B] one each; gives uint8[B, T, FEATURES]."""
        self.worlds.state.world["episode"] = episode
        self.worlds.reset(self._lanes)
        reset_belief(self._lanes, self.belief)
        reset_observation(self._lanes, self._observed)
        self._masks_are_new = False
        return self.observe()

    @property
    def observed(self) -> Observed:
        """Rows as last written, with the list of those not at rest; not to be written to."""
        return self._observed

    @property
    def observation(self) -> npt.NDArray[np.uint8]:
        """uint8[B, T, FEATURES] as the last reset or step gave it, not to be written to: cheaper than `observe`."""
        seen = self._observed.rows.view()
        seen.flags.writeable = False
        return seen

    def observe(self) -> npt.NDArray[np.uint8]:
        """uint8[B, T, FEATURES] as it stands; a new array."""
        observe_all(self._lanes, self.game.compiled.arrays, self.worlds.state, self.belief, self._observed)
        return self._observed.rows.copy()

    def snapshot(self) -> dict[str, UInt8]:
        """All that the worlds' future depends on: copies of the bytes of state and belief, by name."""
        kept = {name: np.frombuffer(array.tobytes(), np.uint8).copy() for name, array in self._arrays().items()}
        return kept | {LAYOUT: self._layout()}

    def restore(self, snapshot: Mapping[str, npt.ArrayLike]) -> None:
        """Let every world stand where it stood when the snapshot was taken.

        Raises:
            ValueError: it is of another layout or number of worlds, so of another game; no world has changed then.
        """
        given = {name: np.asarray(one, np.uint8) for name, one in snapshot.items()}
        arrays = self._arrays()
        if not np.array_equal(given.get(LAYOUT, NONE), self._layout()) or set(given) != {LAYOUT, *arrays}:
            raise ValueError(f"snapshot: not of {self.count} worlds of {self.game.scenario.name!r} in this version")
        for name, array in arrays.items():
            if given[name].shape != (array.nbytes,):
                raise ValueError(f"snapshot: {name} is {given[name].shape}, not ({array.nbytes},); it is truncated")
        for name, array in arrays.items():
            array[...] = np.frombuffer(given[name].tobytes(), array.dtype).reshape(array.shape)
        reset_observation(self._lanes, self._observed)
        self._masks_are_new = False

    def _layout(self) -> UInt8:
        """uint8[32]: digest of the arrays' types and shapes."""
        told = repr([(name, array.dtype, array.shape) for name, array in self._arrays().items()])
        return np.frombuffer(hashlib.sha256(told.encode()).digest(), np.uint8)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        state, belief = self.worlds.state._asdict(), self.belief._asdict()  # type: ignore[attr-defined]
        belief = {name: array for name, array in belief.items() if name not in SCRATCH}  # its size depends on threads
        named = {f"state.{name}": one for name, one in state.items()} | {
            f"belief.{n}": one for n, one in belief.items()
        }
        return {name: np.asarray(array) for name, array in named.items()}

    @property
    def legal(self) -> Bools:
        """bool[B, 1 + P * T] as the last reset or step left it, not to be written to: cheaper than `masks`."""
        if not self._masks_are_new:
            self._fill_masks()
        return self._legal

    def masks(self) -> Bools:
        """bool[B, 1 + P * T] of actions that are legal as the worlds stand; a new array."""
        self._fill_masks()
        return self._masks.copy()

    def legal_pairs(self, world: int = 0) -> npt.NDArray[np.int32]:
        """int32[n, 2]: (playbook, target) of each proposal that is legal in a world now; waiting is always legal."""
        return self.worlds.legal_pairs(world)

    def held(self) -> npt.NDArray[np.float32]:
        """float32[B, N] believed probability that an attacker has any access; a new array."""
        return held_shares(self.game.assumed, self.belief)

    def last_finding(self) -> npt.NDArray[np.int32]:
        """int32[B, N] tick of the last finding on each asset, -1 where the last step brought none; a new array."""
        last = self.belief.evidence["last"]
        is_new = last >= self.worlds.state.world["tick"][:, None] - self.game.scenario.decide_every
        return np.where(is_new, last, -1).astype(np.int32)

    def _fill_masks(self) -> None:
        fill_masks(self.game.always, self.game.compiled.arrays, self.game.effects, self.worlds.state, self._masks)
        self._masks_are_new = True

    def step(self, actions: npt.NDArray[np.integer]) -> Step:
        """Propose one legal action per world, then let `decide_every` ticks go by.

        Args:
            actions: int[B]; 0 waits.

        Raises:
            ValueError: wrong shape or type, out of range, or illegal; no world has changed then.
        """
        chosen = self.checked(actions)
        illegal = np.flatnonzero(~self.masks()[self._lanes, chosen])
        if len(illegal):
            lane = illegal[0]
            raise ValueError(f"world {lane}: action {chosen[lane]} is not legal now; take one that masks() allows")
        return self.advance(chosen)

    def step_refusing(self, actions: npt.NDArray[np.integer]) -> Step:
        """As `step`, but an illegal action becomes an occurrence `refused`, and its world waits.

        Raises:
            ValueError: wrong shape or type, or out of range; no world has changed then.
        """
        return self.advance(self.checked(actions))

    def checked(self, actions: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
        """int32[B] of actions that are numbers of actions, legal or not.

        Raises:
            ValueError: wrong shape or type, or out of range.
        """
        given = np.asarray(actions)
        if given.shape != (self.count,) or given.dtype.kind not in "iu":
            raise ValueError(
                f"actions are {given.dtype}{list(given.shape)}; give integers, one for each world: [{self.count}]"
            )
        if given.min() < 0 or given.max() >= self.game.actions:
            raise ValueError(f"actions hold {given.min()}..{given.max()}; give 0..{self.game.actions - 1}")
        return given.astype(np.int32)

    def advance(self, actions: npt.NDArray[np.int32]) -> Step:
        """As `step_refusing`, of actions that are as `checked` gives them."""
        before = self._loss.copy()
        self._decisions[0, :, 0] = actions
        self.follow(self._decisions)
        loss, dropped = (self._loss - before) / NANO, self._dropped.copy()
        truncated = self._tick >= self.game.scenario.horizon_ticks
        observation = self._observed.rows.copy()
        ended = np.flatnonzero(truncated) if np.count_nonzero(truncated) else NONE
        terminal, total = observation[ended], self._loss[ended] / NANO
        if len(ended):
            self.begin_next(ended)
            observation = self.observe()
        return Step(observation, rewards(loss), loss, truncated, ended, terminal, total, dropped)

    def begin_next(self, rows: npt.NDArray[np.int64]) -> None:
        """Start the next episode of some worlds; what is seen of it is written by the next `observe`."""
        self.worlds.state.world["episode"][rows] += 1
        self.worlds.reset(rows)
        reset_belief(rows, self.belief)
        reset_observation(rows, self._observed)
        self._masks_are_new = False

    def follow(self, decisions: npt.NDArray[np.int32], attack: npt.NDArray[np.int32] | None = None) -> None:
        """Let one tick go by for each row of decisions, then observe; no world is started again.

        Args:
            decisions: int32[ticks, B, 1], numbers of actions.
            attack: int32[B, K], steps of attackers for every tick, see `Worlds.tick`; all their own if left out.
        """
        decisions = np.ascontiguousarray(decisions, np.int32)  # compiled code is called without looking at types again
        attacks = self._attack[None] if attack is None else np.ascontiguousarray(attack, np.int32)
        if self._following is None or self._following[0] is not self.worlds.state:
            self._following = (self.worlds.state, *self._bind())
        _, code, tables = self._following
        if self.count == 1:  # one way into compiled code instead of one for each tick and sense
            code(0, decisions[:, 0], attacks[0], self.game.always, *tables, self._masks[0])
        else:
            code(decisions, attacks, *tables, self.worlds.legal)
        self._masks_are_new = self.count == 1

    def _bind(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """What `follow` calls, compiled for these worlds, and the tables that it hands on each time."""
        game, attacks = self.game, self._attack[None]
        tables = (
            *(game.compiled.arrays, game.effects, game.parameters, game.assumed),
            *(self.worlds.state, self.belief, self._observed),
        )
        if self.count == 1:
            like = (0, self._decisions[:, 0], attacks[0], game.always, *tables, self._masks[0])
            return entry(follow_world, *like), tables
        return entry(follow_worlds, self._decisions, attacks, *tables, self.worlds.legal), tables


class UnseenWorlds(ResponseWorlds):
    """The same worlds without belief and observation, for policies that read neither: several times as fast."""

    def __init__(self, game: Game, world_ids: Sequence[int], *, stream: int = STREAM_ENVIRONMENT) -> None:
        """As `ResponseWorlds`; observations have no rows."""
        super().__init__(game, world_ids, stream=stream)
        self._observed = self._observed._replace(rows=self._observed.rows[:, :0])

    @property
    def observed(self) -> Observed:
        """Refused: compiled code would read rows that are not there.

        Raises:
            ValueError: always.
        """
        raise ValueError("these worlds observe nothing; make ResponseWorlds")

    def observe(self) -> npt.NDArray[np.uint8]:
        """uint8[B, 0, FEATURES]: nothing is seen."""
        return self._observed.rows.copy()

    def follow(self, decisions: npt.NDArray[np.int32], attack: npt.NDArray[np.int32] | None = None) -> None:
        """Let the ticks go by and believe nothing."""
        self._masks_are_new = False
        for decision in decisions:
            self.worlds.tick(decision, attack)
