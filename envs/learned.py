"""A policy over active views as a defender.

Flows in: a game and a policy. Flows out: an action per world, int32[B]. It sees the active part of the chain and what
is legal there, as in training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..twin.rulebook.effects import EffectTable
from .active import Active, ActiveSettings, dense_actions, legal_active, new_active, sees_active
from .game import Game
from .scripted import Int32
from .vector import ResponseWorlds


class ActivePolicy(Protocol):
    """A policy file's, or the rule that policies begin as."""

    @property
    def view(self) -> ActiveSettings:
        """Sizes of the active view it reads."""
        ...

    def act_on(self, active: Active, effects: EffectTable) -> npt.NDArray[np.int64]:
        """int64[V] a legal action over slots for each view."""
        ...


@dataclass(frozen=True)
class Learned:
    """What such a policy decides."""

    game: Game
    policy: ActivePolicy

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        game, policy = self.game, self.policy
        active = new_active(worlds.count, len(game.effects.playbook), policy.view)
        sees_active(worlds.observed, game.graph, settings=policy.view, into=active)
        lanes, state = np.arange(worlds.count), worlds.worlds.state
        legal_active(lanes, game.always, game.compiled.arrays, game.effects, state, active)
        return dense_actions(policy.act_on(active, game.effects), active, game.compiled.targets)
