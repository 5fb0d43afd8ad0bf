"""A policy file as a defender.

Flows in: a game and a policy. Flows out: an action per world, int32[B]. It sees the active part of the chain and what
is legal there, as in training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .active import dense_actions, legal_active, new_active, sees_active
from .game import Game
from .policy_file import NumpyPolicy
from .scripted import Int32
from .vector import ResponseWorlds


@dataclass(frozen=True)
class Learned:
    """What a policy file decides."""

    game: Game
    policy: NumpyPolicy

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        game, policy = self.game, self.policy
        active = new_active(worlds.count, len(game.effects.playbook), policy.view)
        sees_active(worlds.observed, game.graph, settings=policy.view, into=active)
        lanes, state = np.arange(worlds.count), worlds.worlds.state
        legal_active(lanes, game.always, game.compiled.arrays, game.effects, state, active)
        return dense_actions(policy.act_on(active, game.effects), active, game.compiled.targets)
