"""The attacker of a world as a Mesa agent.

Flows in: the world as it stands. Flows out: the attack step it tries next, by the rulebook's `decide_attacker`. It
changes nothing itself; a subclass that overrides `choose` is an attacker of your own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import mesa

from ..twin.rulebook.attacking import NO_STEP, decide_attacker

if TYPE_CHECKING:
    from .model import ChainModel


class AttackerAgent(mesa.Agent):
    """One parametric attacker.

    Attributes:
        number: which attacker of the world it is, 0..K-1.
        decision: number of the attack step it tries in this tick, or `NO_STEP`.
    """

    model: ChainModel

    def __init__(self, model: ChainModel, number: int = 0) -> None:
        """Put attacker `number` into a model."""
        super().__init__(model)
        self.number = number
        self.decision = NO_STEP

    def decide(self) -> None:
        """Choose on the world as it stands."""
        self.decision = self.choose()

    def choose(self) -> int:
        """Number of the attack step to try now, or `NO_STEP`; one that is not open is not tried."""
        worlds = self.model.worlds
        return int(decide_attacker(0, self.number, worlds.compiled.arrays, worlds.parameters, worlds.state))
