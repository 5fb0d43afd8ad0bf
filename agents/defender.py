"""Defenders of a chain as Mesa agents: one per seat, each proposes at most one response a tick.

Flows in: the world as it stands. Flows out: an action, by the rulebook's scripted `decide_*` rules. They change nothing
themselves; a subclass that overrides `choose` is a defender of your own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import mesa
import numpy as np
import numpy.typing as npt

from ..twin.rulebook.defenders import (
    WAIT,
    decide_clairvoyant,
    decide_isolate_on_finding,
    decide_random,
    decide_threshold,
    service_at_stake,
)

if TYPE_CHECKING:
    from .model import ChainModel

Belief = Callable[["ChainModel"], npt.NDArray[np.float32]]


class DefenderAgent(mesa.Agent):
    """A defender that waits; the base of all others.

    Attributes:
        seat: which seat of the world it sits on, 0..S-1.
        decision: the action it proposes in this tick; 0 waits.
    """

    model: ChainModel

    def __init__(self, model: ChainModel, seat: int = 0) -> None:
        """Put a defender on a seat of a model."""
        super().__init__(model)
        self.seat = seat
        self.decision = WAIT

    def decide(self) -> None:
        """Choose on the world as it stands."""
        self.decision = self.choose()

    def choose(self) -> int:
        """The action to propose now; 0 waits, see `ChainModel.action`."""
        return WAIT


class RandomDefender(DefenderAgent):
    """Proposes now and then any legal action."""

    def choose(self) -> int:
        """Wait nine times in ten, else a legal action, by the rulebook's keyed draws."""
        worlds = self.model.worlds
        return int(decide_random(0, worlds.legal, worlds.compiled.arrays, worlds.effects, worlds.state))


class IsolateOnFinding(DefenderAgent):
    """Isolates whatever a finding names."""

    def __init__(self, model: ChainModel, seat: int = 0, *, isolate: int) -> None:
        """Put it on a seat; `isolate` is the number of the playbook that isolates."""
        super().__init__(model, seat)
        self.isolate = isolate

    def choose(self) -> int:
        """Isolate the asset of the first of this tick's findings where that is legal."""
        worlds = self.model.worlds
        return int(decide_isolate_on_finding(0, self.isolate, worlds.compiled.arrays, worlds.effects, worlds.state))


class ThresholdDefender(DefenderAgent):
    """Evicts where belief is strong enough."""

    def __init__(
        self,
        model: ChainModel,
        seat: int = 0,
        *,
        threshold: float,
        restore: int,
        revoke: int,
        belief: Belief | None = None,
    ) -> None:
        """Put it on a seat.

        Args:
            model: the model.
            seat: the seat.
            threshold: act from this probability on, 0..1.
            restore: number of the playbook that restores; -1: none.
            revoke: number of the playbook that revokes credentials; -1: none.
            belief: gives float32[N], the probability per asset that it is held; left out: the model's `sight`.

        Raises:
            ValueError: there is no belief to act on.
        """
        super().__init__(model, seat)
        if belief is None:
            if model.sight is None:
                raise ValueError("a threshold on belief needs one; give belief=, or the model assumed=")
            belief = partial(_seen, seat=seat)
        self.belief, self.threshold, self.restore, self.revoke = belief, threshold, restore, revoke

    def choose(self) -> int:
        """Restore or revoke the asset most believed to be held."""
        worlds, belief = self.model.worlds, np.ascontiguousarray(self.belief(self.model), np.float32)
        numbers = (self.threshold, self.restore, self.revoke)
        return int(decide_threshold(0, belief, *numbers, worlds.compiled.arrays, worlds.effects, worlds.state))


def _seen(model: ChainModel, *, seat: int) -> npt.NDArray[np.float32]:
    assert model.sight is not None  # the defender was refused without
    return model.sight.held(seat)


class ClairvoyantDefender(DefenderAgent):
    """Sees the truth: a greedy yardstick, no policy and no proven bound."""

    def __init__(
        self, model: ChainModel, seat: int = 0, *, restore: int, revoke: int, isolate: int = -1, release: int = -1
    ) -> None:
        """Put it on a seat; the arguments are numbers of playbooks, -1: none."""
        super().__init__(model, seat)
        self.playbooks = np.array([restore, revoke, isolate, release], np.int32)
        self.at_stake = service_at_stake(model.worlds.compiled.arrays)

    def choose(self) -> int:
        """Evict, isolate or release where it is worth most."""
        worlds = self.model.worlds
        return int(
            decide_clairvoyant(
                0,
                self.playbooks,
                self.at_stake,
                worlds.compiled.arrays,
                worlds.effects,
                worlds.parameters,
                worlds.state,
            )
        )
