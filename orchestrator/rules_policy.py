"""The policy of a node that was given none: restore or revoke what is believed held above a threshold.

Flows in: a situation. Flows out: an action per view. It is the baseline of the evaluation, not learned; the rule is the
rulebook's `decide_thresholds`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..playbooks.actions import Library
from ..twin.compiled import Compiled, Int32
from ..twin.rulebook.defenders import decide_thresholds
from ..twin.rulebook.effects import EffectTable
from .advise import Situation

THRESHOLD = 0.4  # tuned on training seeds of the charging scenario, see tocsin evaluate


@dataclass(frozen=True)
class ThresholdPolicy:
    """Restores the asset, or revokes the identity, most surely held; waits where nothing is above the threshold."""

    compiled: Compiled
    effects: EffectTable
    library: Library
    threshold: float = THRESHOLD

    def __call__(self, situation: Situation) -> Int32:
        """int32[V]: the action worth proposing, or 0."""
        actions = np.zeros(len(situation.held), np.int32)
        restore, revoke = self.library.index_of("restore-asset"), self.library.index_of("revoke-credentials")
        game = (self.compiled.arrays, self.effects, situation.state)
        decide_thresholds(situation.held, self.threshold, restore, revoke, *game, actions)
        return actions
