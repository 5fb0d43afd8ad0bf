"""A rule on belief alone that evicts where it is worth most: what a policy starts from, and a baseline to beat.

Flows in: worlds. Flows out: an action per world. It knows what is at stake in the twin, never hidden truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..envs.game import Game
from ..envs.scripted import RESTORE, REVOKE
from ..envs.target_graph import hourly_scale
from ..envs.vector import ResponseWorlds
from ..twin.compiled import NANO, Int32
from ..twin.rulebook.defenders import service_at_stake
from ..twin.vocabulary import AssetKind

# Weights of what can be reached and of what stands still; of some thirty pairs tried over 100 attacks of the charging
# scenario, on the stream by which training keeps its best weights; evaluation plays another.
REACHED, INTERRUPTED = 20.0, 4.0


@dataclass(frozen=True)
class Worth:
    """Restore the asset, or revoke the identity, where it is worth most in expectation, from a gain of `level` on.

    Gain: belief x (1 + `REACHED` x odds of the best way from there to a crown jewel) less (1 - belief) x
    `INTERRUPTED` x share of an owner's value that stands still while the asset alone does not serve.
    """

    game: Game
    level: float

    @cached_property
    def evictions(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], Int32]:
        """Worth of an eviction that was due, cost of one that was not, number of the action, each [N]."""
        game, t = self.game, self.game.compiled.arrays
        hour = NANO * game.compiled.tick_s / 3600.0 * hourly_scale(t)
        names, targets = (RESTORE, REVOKE), game.compiled.targets
        restore, revoke = (game.library.index_of(name) for name in names)
        playbook = np.where(t.asset["kind"] == AssetKind.IDENTITY, revoke, restore)
        actions = (1 + playbook * targets + np.arange(len(t.asset))).astype(np.int32)
        worth = 1.0 + REACHED * np.asarray(t.asset["toward"], np.float64)
        return worth, INTERRUPTED * service_at_stake(t).astype(np.float64) / hour, actions

    @property
    def actions(self) -> Int32:
        """int32[N] the action that evicts from each asset, legal or not."""
        return self.evictions[2]

    def gains(self, worlds: ResponseWorlds) -> npt.NDArray[np.float64]:
        """float64[B, N] expected gain of evicting from each asset, in no unit; -inf where that is not legal."""
        worth, cost, actions = self.evictions
        held = worlds.held().astype(np.float64)
        gains = held * worth - (1.0 - held) * cost
        return np.where(worlds.legal[:, actions], gains, -np.inf)

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        gains = self.gains(worlds)
        best = gains.argmax(axis=1)
        acts = gains[np.arange(len(gains)), best] >= self.level
        return np.where(acts, self.actions[best], 0).astype(np.int32)
