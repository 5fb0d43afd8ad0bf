"""The plant's chain as a Mesa model: the attacker and owners act on their own, defenders start what orders say.

Flows in: a compiled chain, effects, a seed. Flows out: a model that steps. Consents were given before an order came, so
here all owners agree at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...agents.defender import DefenderAgent
from ...agents.model import ChainModel
from ...twin.compiled import Compiled
from ...twin.rulebook.defenders import WAIT
from ...twin.rulebook.effects import Effect, build_effect_table
from ...twin.rulebook.parameters import AttackerProfile, GameSettings, build_parameters
from ...twin.rulebook.worlds import STREAM_PLANT
from ...twin.sensing.confusion import shipped_confusion
from ...twin.vocabulary import ConsentMode

SEATS = 8  # orders that start in one tick; more wait for the next
TRACE = 4096  # occurrences kept of one tick


class Obedient(DefenderAgent):
    """Starts what it is ordered, once.

    Attributes:
        order: the action to start in the next step; 0: none.
    """

    order: int = WAIT

    def choose(self) -> int:
        """The order, which is thereby done with."""
        order, self.order = self.order, WAIT
        return order


class PlantModel(ChainModel):
    """One world of the plant's stream with `SEATS` obedient defenders."""

    def __init__(
        self,
        compiled: Compiled,
        effects: Sequence[Effect],
        *,
        seed: int,
        attackers: Sequence[AttackerProfile],
        settings: GameSettings | None = None,
    ) -> None:
        """Make the world of `seed` at tick 0."""
        parameters = build_parameters(compiled, attackers, shipped_confusion(), settings)
        parameters.consent["mode"] = ConsentMode.AT_ONCE
        super().__init__(
            compiled,
            build_effect_table(effects, tick_s=compiled.tick_s),
            parameters,
            world_id=seed,
            stream=STREAM_PLANT,
            seat_owners=(-1,) * SEATS,
            defenders=(Obedient,) * SEATS,
            trace=TRACE,
        )

    def start(self, orders: Sequence[int]) -> None:
        """Give at most `SEATS` actions to start in the next step."""
        for defender, order in zip(self.defenders, orders, strict=False):
            assert isinstance(defender, Obedient)
            defender.order = order
