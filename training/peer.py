"""One member of decentralised training: policy, optimizer and a batch of worlds in one process.

Flows in: which group to join, when to go on. Flows out: figures of each iteration. A plain class: on Ray an actor, in
tests a thread. When the group breaks, the iteration is undone and said to be lost; whoever leads forms a new group.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .family import Chains
from .group import Alone, Group, GroupError
from .metering import COSTS
from .ppo import make_learner
from .rollout import Roller
from .seats import Seating
from .settings import TrainSettings

ROLLING, GRADIENT, WAITING = "rolling out", "gradient", "group"
STAGE_SEEDS = 2**42  # seeds of draws that each stage has for itself: more than settings can name


def unmetered() -> npt.NDArray[np.float64]:
    """Costs that nobody has read: nan."""
    return np.full(len(COSTS), np.nan)


@dataclass(frozen=True, slots=True)
class Iteration:
    """What one member, or all together, did in one iteration."""

    samples: int  # decisions
    losses: npt.NDArray[np.float64]  # of the episodes that ended, in their chains' units
    digest: str  # of the parameters afterwards
    seconds: Mapping[str, float] = field(default_factory=dict)  # by ROLLING, GRADIENT, WAITING (others' and sums)
    figures: Mapping[str, float] = field(default_factory=dict)  # SB3's: losses, clip fraction, ...
    costs: npt.NDArray[np.float64] = field(default_factory=unmetered)  # of an attack, see `metering.COSTS`


@dataclass(frozen=True, slots=True)
class Lost:
    """An iteration that was undone because the group broke."""

    reason: str


class Peer:
    """Rolls out and learns; lives as long as its process."""

    def __init__(self, chains: Chains, settings: TrainSettings, number: int, stage: int = 0) -> None:
        """Make fresh worlds and a learner.

        Args:
            chains: what is played.
            settings: of the run.
            number: never used before in this run; keys worlds and draws.
            stage: of the run, which the chains are of.
        """
        self._settings, self._number, self._stage = settings, number, stage
        self._scale = 1.0
        self._group: Group = Alone()
        self._learner = make_learner(chains[0].game, settings, chains[0].player)
        self._roller = make_roller(chains, settings, number, stage)

    def join(self, group: Group) -> None:
        """Learn with these others from now on."""
        self._group = self._learner.group = group

    def iterate(self, left: float, prices: npt.NDArray[np.float64] | None = None) -> Iteration | Lost:
        """Roll out and update once; `left` of the run is 1 at its start and 0 at its end; `prices` as in `Roller`."""
        began, waited = time.perf_counter(), self._group.waited
        rollout = self._roller.roll(self._learner.policy, self._settings.steps, self._scale, prices)
        rolled = time.perf_counter()
        try:
            figures = self._learner.update([rollout], left)
        except GroupError as error:
            self.join(Alone())
            return Lost(str(error))
        waiting = self._group.waited - waited
        seconds = {
            ROLLING: rolled - began,
            GRADIENT: time.perf_counter() - rolled - waiting,
            WAITING: waiting,
        }
        return Iteration(rollout.actions.size, rollout.losses, self._learner.digest(), seconds, figures, rollout.costs)

    def learned(self) -> dict[str, Any]:
        """State of the learner: parameters, optimizer, counters."""
        return self._learner.state()

    def played(self) -> dict[str, Any]:
        """State of the worlds and of the draws of actions."""
        return self._roller.state()

    def learn_from(self, state: dict[str, Any], scale: float) -> None:
        """Take another learner's state; `scale` multiplies rewards."""
        self._learner.restore(state)
        self._scale = scale

    def play(self, chains: Chains, stage: int) -> None:
        """Go over to another stage with fresh worlds; nothing changes if this is the present one."""
        if stage != self._stage:
            self._roller, self._stage = make_roller(chains, self._settings, self._number, stage), stage

    def play_on(self, state: dict[str, Any]) -> None:
        """Take other worlds' state; see `Roller.restore`."""
        self._roller.restore(state)


def make_roller(chains: Chains, settings: TrainSettings, number: int, stage: int) -> Roller:
    """Worlds and draws of their own for each number and stage."""
    return Roller(
        chains,
        worlds=settings.worlds,
        first_world=number * settings.worlds,
        seed=settings.seed * 1000 + number + stage * STAGE_SEEDS,
        gamma=settings.gamma,
        seating=Seating.of(settings),
    )
