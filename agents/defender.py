"""Defenders of a chain as Mesa agents: one per seat, each proposes at most one response a tick.

Flows in: the world as it stands. Flows out: an action, by the rulebook's scripted `decide_*` rules. They change nothing
themselves; a subclass that overrides `choose` is a defender of your own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import mesa
import numpy as np
import numpy.typing as npt

from ..twin.rulebook.defenders import (
    WAIT,
    decide_book,
    decide_clairvoyant,
    decide_isolate_on_finding,
    decide_random,
    decide_threshold,
    service_at_stake,
)
from ..twin.sensing.evidence import told_in_last_tick
from ..twin.vocabulary import Confidence, StepClass

if TYPE_CHECKING:
    from .model import ChainModel

Belief = Callable[["ChainModel"], npt.NDArray[np.float32]]
Evidence = Callable[["ChainModel"], npt.NDArray[Any]]


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
        arrays, effects, parameters = worlds.compiled.arrays, worlds.effects, worlds.parameters
        return int(decide_isolate_on_finding(0, self.seat, self.isolate, arrays, effects, parameters, worlds.state))


class BookDefender(DefenderAgent):
    """Goes by the book: answers findings with one playbook per technique class."""

    def __init__(
        self,
        model: ChainModel,
        seat: int = 0,
        *,
        book: Mapping[StepClass, int],
        least: Confidence = Confidence.LOW,
        evidence: Evidence | None = None,
    ) -> None:
        """Put it on a seat.

        Args:
            model: the model.
            seat: the seat.
            book: number of a playbook per technique class; classes left out are not answered.
            least: lowest confidence that is answered.
            evidence: gives record[N] of a view's evidence; left out: of what the seat was told in the last tick.
        """
        super().__init__(model, seat)
        self.book = np.array([book.get(one, -1) for one in StepClass], np.int32)
        self.least, self.evidence = least, evidence or self._told

    def choose(self) -> int:
        """The book's answer to a finding of the last tick."""
        worlds = self.model.worlds
        seen, since = self.evidence(self.model), self.model.tick - 1
        arrays, effects = worlds.compiled.arrays, worlds.effects
        return int(decide_book(0, seen, since, self.book, int(self.least), arrays, effects, worlds.state))

    def _told(self, model: ChainModel) -> npt.NDArray[Any]:
        worlds = model.worlds
        told: npt.NDArray[Any] = told_in_last_tick(0, self.seat, worlds.compiled, worlds.parameters, worlds.state)
        return told


class ThresholdDefender(DefenderAgent):
    """Evicts where belief is strong enough; with the playbook that isolates for `restore`, isolates there."""

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
