"""A rule for owners' seats on belief alone: restore, or revoke, what is most surely held, one's own first.

Flows in: worlds with seats. Flows out: an action per world and seat. Each seat reads its own view and nothing else. It
is the threshold rule (`envs.scripted.Threshold`) for owners.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..envs.owners import OwnerWorlds
from ..envs.scripted import LEVEL, RESTORE, REVOKE
from ..envs.views import ViewLanes
from ..twin.compiled import Int32
from ..twin.vocabulary import AssetKind


@dataclass(frozen=True)
class OwnersThreshold:
    """Evict from a probability `level` on: the most surely held of an owner's own, else of what it sees of others'."""

    level: float = LEVEL
    helps: bool = True  # asks others to evict what they hold; else each minds its own

    def __call__(self, worlds: OwnerWorlds) -> Int32:
        """int32[B, S] actions in numbers of each view."""
        seats = zip(worlds.lanes, worlds.legal, strict=True)
        return np.stack([self._decide(worlds, lane, legal) for lane, legal in seats], axis=1).astype(np.int32)

    def _decide(self, worlds: OwnerWorlds, lane: ViewLanes, legal: np.ndarray) -> Int32:  # type: ignore[type-arg]
        view, library = lane.view, worlds.game.library
        asset = view.compiled.arrays.asset
        is_identity = asset["kind"] == AssetKind.IDENTITY
        playbook = np.where(is_identity, library.index_of(REVOKE), library.index_of(RESTORE))
        actions = 1 + playbook * view.compiled.targets + np.arange(len(asset))
        held = np.where(legal[:, actions], lane.held(), -1.0)
        own = asset["owner"] == view.compiled.owner_number[view.owner]
        wanted = np.where(held >= self.level, held, -1.0)
        ranked = wanted + np.where(own & (wanted > 0), 1.0, 0.0)  # one's own come first
        if not self.helps:
            ranked = np.where(own, ranked, -1.0)
        best = ranked.argmax(axis=1)
        return np.where(ranked[np.arange(len(ranked)), best] > 0, actions[best], 0).astype(np.int32)
