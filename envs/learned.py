"""A policy file as a defender.

Flows in: a game and a policy that was trained for its playbooks. Flows out: an action per world, int32[B]. It sees
observation and masks, as in training.
"""

from __future__ import annotations

from dataclasses import dataclass

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
        return self.policy.act(worlds.observation, self.game.static, worlds.masks(), self.game.effects)
