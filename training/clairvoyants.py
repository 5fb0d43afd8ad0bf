"""Defenders that see the truth: what the best of them saves bounds what detection could still give.

Flows in: worlds with hidden truth. Flows out: an action per world. None is a competitor. The bound of a chain is the
best of these scripts and of the baselines there, chosen in hindsight: who sees the truth may play any of them. So it
is at least as good as every baseline, and still no proven bound: nobody searched all plans.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..envs.game import Game
from ..envs.scripted import ISOLATE, RELEASE, Clairvoyant, Defender
from ..envs.vector import ResponseWorlds
from ..playbooks.actions import encode
from ..twin.compiled import Int32
from ..twin.rulebook.rules import BLOCKING
from ..twin.rulebook.state import IMPACTED
from .costs import held
from .worth import INTERRUPTED, Worth

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TrueWorth:
    """Evict what is held or impacted where it is worth most: `Worth` fed with the truth; between evictions, cut off.

    Gain of evicting: what `Worth` gives for a sure hold, and the service that comes back where impact stopped it,
    with no weight for what stands still meanwhile (weights up to 4 came to the same on twelve generated chains). Where
    nothing is left to evict, what is held while its owner is asked is isolated if its worth is over `cut_off` x the
    service that it carries, and what is clean again is released.
    """

    game: Game
    cut_off: float = np.inf  # weight of the service of an asset that is isolated; infinity: nothing is

    is_blind = True  # it reads no belief, so worlds need not keep one

    @cached_property
    def _rule(self) -> tuple[Float64, Float64, Int32]:
        worth, cost, actions = Worth(self.game, 0.0).evictions
        return worth, cost / INTERRUPTED, actions

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        worth, service, evict = self._rule
        asset, legal = np.asarray(worlds.worlds.state.asset), worlds.legal
        holds, impacted = held(worlds.worlds.state), (asset["modes"] & IMPACTED) != 0
        gains = holds * worth + impacted * service
        chosen = _best(np.where((holds | impacted) & legal[:, evict], gains, -np.inf), evict)
        if not np.isfinite(self.cut_off):
            return chosen
        isolate, release = (self._on_assets(name) for name in (ISOLATE, RELEASE))
        blocked = (asset["modes"] & BLOCKING) != 0
        stops = (asset["user"] | asset["admin"]) != 0
        gains = worth - self.cut_off * service
        cuts = _best(np.where(stops & ~blocked & (gains > 0) & legal[:, isolate], gains, -np.inf), isolate)
        opens = _best(np.where(~holds & legal[:, release], service, -np.inf), release)
        return np.where(chosen > 0, chosen, np.where(cuts > 0, cuts, opens)).astype(np.int32)

    def _on_assets(self, name: str) -> Int32:
        """int32[N] the actions that run a playbook on each asset, legal or not."""
        first = encode(self.game.library.index_of(name), 0, self.game.compiled.targets)
        return np.arange(first, first + len(self.game.compiled.arrays.asset), dtype=np.int32)


def _best(gains: Float64, actions: Int32) -> Int32:
    """int32[B]: the action with the most gain of float64[B, N]; waiting where none is finite."""
    best = gains.argmax(axis=1)
    return np.where(np.isfinite(gains[np.arange(len(gains)), best]), actions[best], 0).astype(np.int32)


def seers(game: Game) -> dict[str, Defender]:
    """The scripts by name."""
    return {"greedy": Clairvoyant(game), "evict": TrueWorth(game), "evict and cut off": TrueWorth(game, cut_off=10.0)}
