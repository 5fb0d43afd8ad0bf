"""Owners' seats as lanes of one batch: every owner's own active view, so that one network may sit in all of them.

Flows in: actions over slots, a lane for each seat and world, seat after seat. Flows out: rows, legal actions, rewards,
losses, ends, as `ActiveWorlds` gives them. Worlds of one `OwnerLanes` begin and end together; put several beside each
other (`joined`) where they should stand at different times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..twin.compiled import Int32, UInt8
from ..twin.rulebook.worlds import STREAM_ENVIRONMENT
from .active import Active, ActiveSettings, dense_actions, new_active
from .game import Game
from .joined import JoinedStep
from .owners import OwnersStep, OwnerWorlds
from .reward import owner_rewards
from .vector import Bools


class OwnerLanes:
    """B worlds with S seats as S * B lanes; lives as long as its learner."""

    def __init__(
        self,
        game: Game,
        world_ids: Sequence[int],
        *,
        stream: int = STREAM_ENVIRONMENT,
        own_share: float = 0.0,
        settings: ActiveSettings | None = None,
    ) -> None:
        """Make and reset the worlds.

        Args:
            game: the game.
            world_ids: one per world.
            stream: of draws.
            own_share: of a lane's reward that is its owner's own loss, 0 to 1; the rest is all owners' together.
            settings: sizes of the view; the usual ones if left out.
        """
        self.game, self._own_share, self._episode = game, own_share, 0
        self.owners = OwnerWorlds(game, world_ids, stream=stream)
        self.settings = settings or ActiveSettings()
        playbooks = len(game.effects.playbook)
        self._seats = [new_active(self.owners.count, playbooks, self.settings) for _ in self.owners.lanes]
        self.look()

    @property
    def count(self) -> int:
        """S * B."""
        return self.owners.count * len(self._seats)

    @property
    def actions(self) -> int:
        """1 + P * K."""
        return self._seats[0].legal.shape[1]

    @property
    def active(self) -> Active:
        """What all lanes see, as the last reset or step left it; targets are numbers of each lane's view."""
        return Active(*(np.concatenate(parts) for parts in zip(*self._seats, strict=True)))

    def reset(self, episode: int = 0) -> UInt8:
        """Start every world's given episode; gives rows uint8[S * B, K, width]."""
        self._episode = episode
        self.owners.reset(episode)
        return self.look()

    def look(self) -> UInt8:
        """Choose all slots afresh; rows uint8[S * B, K, width]."""
        for lane, into in zip(self.owners.lanes, self._seats, strict=True):
            lane.see_active(self.settings, into)
        return np.concatenate([seat.rows for seat in self._seats])

    def masks(self) -> Bools:
        """bool[S * B, 1 + P * K] of legal actions over slots; a new array."""
        return np.concatenate([seat.legal for seat in self._seats])

    def checked(self, actions: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
        """Actions over slots that are legal, as they were given.

        Raises:
            ValueError: wrong shape or type, out of range, or illegal.
        """
        given = np.asarray(actions)
        if given.shape != (self.count,) or given.dtype.kind not in "iu":
            raise ValueError(f"actions are {given.dtype}{list(given.shape)}; give integers, one a lane: [{self.count}]")
        if given.min() < 0 or given.max() >= self.actions:
            raise ValueError(f"actions hold {given.min()}..{given.max()}; give 0..{self.actions - 1}")
        illegal = np.flatnonzero(~self.masks()[np.arange(self.count), given])
        if len(illegal):
            lane = illegal[0]
            raise ValueError(f"lane {lane}: action {given[lane]} is not legal now; take one that masks() allows")
        return given

    def dense(self, actions: npt.NDArray[np.integer]) -> Int32:
        """int32[B, S] actions of each owner's view, of actions over slots int[S * B]."""
        parts = np.split(np.asarray(actions), len(self._seats))
        chosen = [
            dense_actions(own, seat, lane.view.compiled.targets)
            for own, seat, lane in zip(parts, self._seats, self.owners.lanes, strict=True)
        ]
        return np.stack(chosen, axis=1)

    def advance(self, actions: Int32) -> JoinedStep:
        """Propose an action per world and seat, int32[B, S] in numbers of the views, and let a decision's ticks go by.

        Illegal ones wait, as do those that lose a conflict over a target to a lower seat. At the end of an episode all
        worlds begin the next.
        """
        step = self.owners.step(actions)
        rewards = owner_rewards(step.loss, self._own_share)[:, self.owners.seats].T.ravel()
        rows = self.look()
        if not step.truncated:
            return self._told(rows, rewards, step, rows[:0])
        total = np.tile(self.owners.worlds.losses().sum(axis=(1, 2)), len(self._seats))
        return self._told(self.reset(self._episode + 1), rewards, step, rows, total)

    def _told(
        self,
        rows: UInt8,
        rewards: npt.NDArray[np.float32],
        step: OwnersStep,
        terminal: UInt8,
        total: npt.NDArray[np.float64] | None = None,
    ) -> JoinedStep:
        ended = np.arange(self.count if step.truncated else 0)
        lost = np.zeros(0) if total is None else total
        return JoinedStep(rows, rewards, np.full(self.count, step.truncated), ended, terminal, lost)

    def snapshot(self) -> dict[str, Any]:
        """All that the lanes' future depends on: copies of the bytes of worlds and views, by name."""
        return {name: np.frombuffer(one.tobytes(), np.uint8).copy() for name, one in self._arrays().items()}

    def restore(self, snapshot: Mapping[str, npt.ArrayLike]) -> None:
        """Let all stand where it stood when the snapshot was taken.

        Raises:
            ValueError: it is of another game or number of worlds; nothing has changed then.
        """
        arrays = self._arrays()
        given = {name: np.asarray(one, np.uint8) for name, one in snapshot.items()}
        if {name: one.shape for name, one in given.items()} != {name: (one.nbytes,) for name, one in arrays.items()}:
            raise ValueError(f"snapshot: not of {self.owners.count} worlds of {self.game.scenario.name!r} with seats")
        for name, array in arrays.items():
            array[...] = np.frombuffer(given[name].tobytes(), array.dtype).reshape(array.shape)
        self._episode = int(np.asarray(self.owners.worlds.state.world)["episode"][0])
        self.owners.look()
        self.look()

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        state = self.owners.worlds.state._asdict()
        named = {f"worlds.{name}": np.asarray(array) for name, array in state.items()}
        for seat, lane in enumerate(self.owners.lanes):
            named |= {f"{seat}.{name}": array for name, array in lane.arrays.items()}
        return named
