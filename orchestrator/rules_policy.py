"""The policy of a node that was given none: restore or revoke what is believed held above a threshold.

Flows in: a situation. Flows out: actions worth proposing. It is the tuned baseline of the evaluation, not learned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..playbooks.actions import Library, encode
from ..twin.compiled import Compiled
from .advise import Situation

THRESHOLD = 0.6  # tuned on training seeds of the charging scenario, see tocsin evaluate


@dataclass(frozen=True)
class ThresholdPolicy:
    """Restores the asset, or revokes the identity, most surely held; waits where nothing is above the threshold."""

    compiled: Compiled
    library: Library
    threshold: float = THRESHOLD

    def __call__(self, situation: Situation) -> list[int]:
        """Actions worth proposing, best first."""
        found: list[tuple[float, int]] = []
        for name in ("restore-asset", "revoke-credentials"):
            playbook = self.library.index_of(name)
            for asset in np.flatnonzero(situation.held > self.threshold):
                action = encode(playbook, int(asset), self.compiled.targets)
                if situation.masks[0, action]:
                    found.append((float(situation.held[asset]), action))
        return [action for _, action in sorted(found, reverse=True)[:1]]
