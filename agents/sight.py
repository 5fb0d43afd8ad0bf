"""What the seats of a model believe: one view of the compiled filter per seat, brought on tick by tick.

Flows in: a world after each of its ticks. Flows out: the probability per asset that an attacker holds it, for a seat:
the coalition sees every finding, an owner's seat what that owner may see. Hidden truth is not read.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..twin.compiled import Compiled
from ..twin.rulebook.parameters import Parameters
from ..twin.rulebook.worlds import Worlds
from ..twin.sensing.arriving import held_shares
from ..twin.sensing.belief import new_belief, update_beliefs


class Sight:
    """Beliefs of all seats of one world; lives as long as its model."""

    def __init__(self, worlds: Worlds, assumed: Parameters) -> None:
        """Begin with a world at its first tick.

        Args:
            worlds: a batch of one.
            assumed: the game that the seats believe to be in.
        """
        seats = worlds.state.seat_owner[0]
        self._worlds, self._assumed = worlds, assumed
        self._belief = new_belief(
            worlds.compiled, len(seats), sees=np.stack([_visible(worlds.compiled, int(owner)) for owner in seats])
        )
        self._which = np.zeros(len(seats), np.int64)

    def follow(self) -> None:
        """Bring all seats in step with the tick that the world has just made."""
        worlds = self._worlds
        update_beliefs(self._which, worlds.compiled.arrays, worlds.effects, self._assumed, worlds.state, self._belief)

    def held(self, seat: int = 0) -> npt.NDArray[np.float32]:
        """float32[N]: what a seat believes of each asset, that an attacker has any access to it."""
        believed: npt.NDArray[np.float32] = held_shares(self._assumed, self._belief)[seat]
        return believed


def _visible(compiled: Compiled, owner: int) -> npt.NDArray[np.bool_]:
    """bool[N]: assets whose findings a seat sees; owner -1 is the coalition."""
    twin = compiled.twin
    if owner < 0:
        return np.ones(compiled.sizes[0], np.bool_)
    visible = twin.visible_findings(twin.owners[owner].id)
    return np.array([asset.id in visible for asset in compiled.assets])
