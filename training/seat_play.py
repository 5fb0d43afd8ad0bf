"""Playing owners' defenders at their seats: losses, and how often owners ask each other.

Flows in: a game, a policy for seats, numbers of worlds. Flows out: a `Played`. Every seat reads its own view alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..envs.active import Active, dense_actions, new_active
from ..envs.game import Game
from ..envs.owners import OwnerWorlds
from ..envs.policy_file import NumpyPolicy
from ..twin.compiled import Int32

Float64 = npt.NDArray[np.float64]
Seated = Callable[[OwnerWorlds], Int32]  # int32[B, S], an action per world and seat in numbers of each view

LANES = 100  # attacks played side by side; no result depends on it


@dataclass(frozen=True, slots=True)
class Played:
    """What n attacks came to."""

    loss: Float64  # [n, O] owner-hours that each owner loses
    asked: Float64  # [n] proposals that needed another owner's answer


@dataclass(frozen=True)
class OwnersLearned:
    """A policy file at every owner's seat."""

    policy: NumpyPolicy

    def __call__(self, worlds: OwnerWorlds) -> Int32:
        """int32[B, S] actions in numbers of each view."""
        effects = worlds.game.effects
        seats = [new_active(worlds.count, len(effects.playbook), self.policy.view) for _ in worlds.lanes]
        for lane, into in zip(worlds.lanes, seats, strict=True):
            lane.see_active(self.policy.view, into)
        together = Active(*(np.concatenate(parts) for parts in zip(*seats, strict=True)))
        chosen = np.split(self.policy.act_on(together, effects), len(seats))
        return np.stack(
            [
                dense_actions(own, seat, lane.view.compiled.targets)
                for own, seat, lane in zip(chosen, seats, worlds.lanes, strict=True)
            ],
            axis=1,
        )


def waits(worlds: OwnerWorlds) -> Int32:
    """Every seat waits."""
    return np.zeros((worlds.count, len(worlds.owners)), np.int32)


def play_seats(game: Game, policy: Seated, world_ids: Sequence[int], *, stream: int) -> Played:
    """One attack of every world."""
    parts = [_play(game, policy, world_ids[first : first + LANES], stream) for first in range(0, len(world_ids), LANES)]
    return Played(np.concatenate([part.loss for part in parts]), np.concatenate([part.asked for part in parts]))


def _play(game: Game, policy: Seated, ids: Sequence[int], stream: int) -> Played:
    worlds, asked = OwnerWorlds(game, ids, stream=stream), np.zeros(len(ids))
    for _ in range(game.decisions):
        chosen = policy(worlds)
        step = worlds.step(chosen)
        asked += (_others(worlds, chosen) & ~step.refused).sum(axis=1)
    return Played(worlds.worlds.losses().sum(axis=2), asked)


def _others(worlds: OwnerWorlds, chosen: Int32) -> npt.NDArray[np.bool_]:
    """bool[B, S]: the seat proposes what another owner has a say in, be it one side of a link."""
    found = np.zeros(chosen.shape, np.bool_)
    for seat, lane in enumerate(worlds.lanes):
        target = (chosen[:, seat] - 1) % lane.view.compiled.targets
        own = lane.view.compiled.owner_number[lane.view.owner]
        found[:, seat] = (chosen[:, seat] > 0) & (lane.view.graph.owner[target] != own).any(axis=1)
    return found
