"""Many worlds of one game seen through their active parts: sizes of what a learner meets do not depend on the chain.

Flows in: actions over slots, one per world. Flows out: rows uint8[B, K, width], legal actions over slots, rewards,
losses, episode ends. Worlds of several games may be put side by side in one batch: equal settings, equal shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..twin.compiled import NANO, Int32, UInt8
from ..twin.sensing.observe import observe_all
from .active import Active, ActiveSettings, dense_actions, legal_active, new_active, sees_active, slot_actions
from .game import Game
from .reward import rewards
from .vector import NONE, Bools, ResponseWorlds, Step


class ActiveWorlds:
    """B worlds of a game with the coalition's active view; lives as long as its learner."""

    def __init__(self, worlds: ResponseWorlds, settings: ActiveSettings | None = None) -> None:
        """Look at worlds as they stand.

        Args:
            worlds: what is seen; rules that need no policy look at it itself.
            settings: sizes of the view; the usual ones if left out.
        """
        self.worlds = worlds
        self.settings = settings or ActiveSettings()
        self._lanes = np.arange(worlds.count, dtype=np.int64)
        self._active = new_active(worlds.count, len(worlds.game.effects.playbook), self.settings)
        self._decisions = np.zeros((worlds.game.scenario.decide_every, worlds.count, 1), np.int32)
        self.look()

    @property
    def game(self) -> Game:
        """What is played."""
        return self.worlds.game

    @property
    def count(self) -> int:
        """B."""
        return len(self._lanes)

    @property
    def actions(self) -> int:
        """1 + P * K."""
        return self._active.legal.shape[1]

    @property
    def active(self) -> Active:
        """What is seen, as the last reset or step left it; not to be written to."""
        return self._active

    def reset(self, episode: int | npt.NDArray[np.int32] = 0) -> UInt8:
        """Start every world's given episode, or int32[B] one each; gives rows uint8[B, K, width]."""
        self.worlds.reset(episode)
        return self.look()

    def look(self) -> UInt8:
        """Choose the slots afresh, after worlds were reset or stepped by other means; rows uint8[B, K, width]."""
        game, worlds = self.game, self.worlds
        observe_all(self._lanes, game.compiled.arrays, worlds.worlds.state, worlds.belief, worlds.observed)
        self._see()
        return self._active.rows.copy()

    def _see(self) -> None:
        game, state = self.game, self.worlds.worlds.state
        sees_active(self.worlds.observed, game.graph, settings=self.settings, into=self._active)
        legal_active(self._lanes, game.always, game.compiled.arrays, game.effects, state, self._active)

    def snapshot(self) -> dict[str, UInt8]:
        """All that the worlds' future depends on, see `ResponseWorlds.snapshot`."""
        return self.worlds.snapshot()

    def restore(self, snapshot: Mapping[str, npt.ArrayLike]) -> None:
        """Stand where the worlds stood then; see `ResponseWorlds.restore`.

        Raises:
            ValueError: it is of another game or number of worlds; nothing has changed then.
        """
        self.worlds.restore(snapshot)
        self.look()

    def masks(self) -> Bools:
        """bool[B, 1 + P * K] of legal actions over slots; a new array."""
        return self._active.legal.copy()

    def dense(self, actions: npt.NDArray[np.integer]) -> Int32:
        """int32[B] numbers of the game's actions, of actions over slots."""
        return dense_actions(actions, self._active, self.game.compiled.targets)

    def slotted(self, actions: npt.NDArray[np.integer]) -> Int32:
        """int32[B] actions over slots, of numbers of the game's actions; 0 where the target has no slot."""
        return slot_actions(actions, self._active, self.game.compiled.targets)

    def step(self, actions: npt.NDArray[np.integer]) -> Step:
        """Propose one legal action over slots per world, then let `decide_every` ticks go by.

        Args:
            actions: int[B]; 0 waits.

        Raises:
            ValueError: wrong shape or type, out of range, or illegal; no world has changed then.
        """
        return self.advance(self.dense(self.checked(actions)))

    def checked(self, actions: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
        """Actions over slots that are legal, as they were given; see `step`.

        Raises:
            ValueError: wrong shape or type, out of range, or illegal.
        """
        given = np.asarray(actions)
        if given.shape != (self.count,) or given.dtype.kind not in "iu":
            raise ValueError(
                f"actions are {given.dtype}{list(given.shape)}; give integers, one for each world: [{self.count}]"
            )
        if given.min() < 0 or given.max() >= self.actions:
            raise ValueError(f"actions hold {given.min()}..{given.max()}; give 0..{self.actions - 1}")
        illegal = np.flatnonzero(~self._active.legal[self._lanes, given])
        if len(illegal):
            lane = illegal[0]
            raise ValueError(f"world {lane}: action {given[lane]} is not legal now; take one that masks() allows")
        return given

    def advance(self, actions: Int32) -> Step:
        """As `step`, of actions of the game itself int32[B], as the rules of `worlds` give them; illegal ones wait."""
        loss = self.worlds.worlds.state.loss
        before, counted = loss.copy(), np.asarray(self.worlds.worlds.state.world)["dropped"]
        self._decisions[0, :, 0] = actions
        self.worlds.follow(self._decisions)
        lost, dropped = (loss - before) / NANO, counted.copy()
        truncated = np.asarray(self.worlds.worlds.state.world)["tick"] >= self.game.scenario.horizon_ticks
        ended = np.flatnonzero(truncated) if truncated.any() else NONE
        self._see()
        terminal: UInt8 = self._active.rows[ended]
        total: npt.NDArray[Any] = loss[ended] / NANO
        if len(ended):
            self.worlds.begin_next(ended)
            self.look()
        return Step(self._active.rows.copy(), rewards(lost), lost, truncated, ended, terminal, total, dropped)
