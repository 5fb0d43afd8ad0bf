"""Worlds of several chains in one batch: rows are equal whatever the chain, so one learner plays all of them at once.

Flows in: actions over slots, one per world, chain after chain. Flows out: rows, legal actions, rewards, losses, ends,
in the same order. It adds no rule. All chains are played with one library and one size of view.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..twin.compiled import UInt8
from .active import Active
from .game import Game
from .vector import Bools, Step


@dataclass(frozen=True, slots=True)
class JoinedStep:
    """What one step of all worlds gave; B worlds of all chains."""

    observation: UInt8  # [B, K, width], of the next episode where one ended
    reward: npt.NDArray[np.float32]  # [B]
    truncated: Bools  # [B]
    ended: npt.NDArray[np.int64]  # rows whose episode ended
    terminal_observation: UInt8  # [len(ended), K, width]
    terminal_loss: npt.NDArray[np.float64]  # [len(ended)] of the episodes that ended, owner-hours


class Part(Protocol):
    """What is joined: `ActiveWorlds`, or `OwnerLanes`."""

    @property
    def game(self) -> Game:
        """What is played."""
        ...

    @property
    def count(self) -> int:
        """Lanes."""
        ...

    @property
    def actions(self) -> int:
        """1 + P * K."""
        ...

    @property
    def active(self) -> Active:
        """What is seen."""
        ...

    def look(self) -> UInt8:
        """Rows as the worlds stand."""
        ...

    def masks(self) -> Bools:
        """Legal actions over slots."""
        ...

    def checked(self, actions: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
        """Actions over slots, if they are legal."""
        ...

    def dense(self, actions: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
        """The same as `advance` takes them."""
        ...

    def advance(self, actions: npt.NDArray[np.int32]) -> Step | JoinedStep:
        """Play on."""
        ...

    def snapshot(self) -> Mapping[str, Any]:
        """All that the future depends on."""
        ...

    def restore(self, snapshot: Mapping[str, npt.ArrayLike]) -> None:
        """Stand as then."""
        ...


class JoinedWorlds:
    """The lanes of several parts, one after the other; lives as long as its learner."""

    def __init__(self, parts: Sequence[Part]) -> None:
        """Put worlds side by side.

        Raises:
            ValueError: none, or two whose rows or actions differ.
        """
        if not parts:
            raise ValueError("no worlds to join; give one part at least")
        shapes = {(part.active.rows.shape[1:], part.actions) for part in parts}
        if len(shapes) > 1:
            raise ValueError(f"worlds differ in rows or actions: {sorted(shapes)}; give one library and one view")
        self.parts = tuple(parts)
        self._cuts = np.cumsum([part.count for part in parts])[:-1]

    @property
    def count(self) -> int:
        """B."""
        return sum(part.count for part in self.parts)

    @property
    def actions(self) -> int:
        """1 + P * K."""
        return self.parts[0].actions

    def split(self, rows: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """What belongs to each part of an array whose first axis is B."""
        return np.split(rows, self._cuts)

    def look(self) -> UInt8:
        """As `ActiveWorlds.look`."""
        return np.concatenate([part.look() for part in self.parts])

    def masks(self) -> Bools:
        """bool[B, 1 + P * K] of legal actions over slots; a new array."""
        return np.concatenate([part.masks() for part in self.parts])

    def step(self, actions: npt.NDArray[np.integer]) -> JoinedStep:
        """Propose one legal action over slots per world, then let each chain's `decide_every` ticks go by.

        Raises:
            ValueError: wrong shape or type, out of range, or illegal; no world has changed then.
        """
        given = np.asarray(actions)
        if given.shape != (self.count,):
            raise ValueError(f"actions have shape {list(given.shape)}; give one for each world: [{self.count}]")
        chosen = [part.dense(part.checked(own)) for part, own in zip(self.parts, self.split(given), strict=True)]
        return joined([part.advance(own) for part, own in zip(self.parts, chosen, strict=True)])

    def snapshot(self) -> list[Mapping[str, Any]]:
        """All that the worlds' future depends on, a part after the other."""
        return [part.snapshot() for part in self.parts]

    def restore(self, snapshots: Sequence[Any]) -> UInt8:
        """Go on from a snapshot of worlds of the same chains; gives their rows.

        Raises:
            ValueError: it is of other chains or numbers of worlds.
        """
        if len(snapshots) != len(self.parts):
            raise ValueError(f"snapshot: of {len(snapshots)} chains, here are {len(self.parts)} worlds' chains")
        for part, snapshot in zip(self.parts, snapshots, strict=True):
            part.restore(snapshot)
        return self.look()


def joined(steps: Sequence[Step | JoinedStep]) -> JoinedStep:
    """Steps of the parts as one; rows that ended are numbered through."""
    first = np.cumsum([0, *[len(step.reward) for step in steps]])
    return JoinedStep(
        np.concatenate([step.observation for step in steps]),
        np.concatenate([step.reward for step in steps]),
        np.concatenate([step.truncated for step in steps]),
        np.concatenate([step.ended + offset for step, offset in zip(steps, first[:-1], strict=True)]),
        np.concatenate([step.terminal_observation for step in steps]),
        np.concatenate([step.terminal_loss.sum(axis=tuple(range(1, step.terminal_loss.ndim))) for step in steps]),
    )
