"""The policy network inside SB3's interface, for MaskablePPO.

Flows in: rows of active views, masks over slots. Flows out: action distributions and values. The network is in
`network`; spaces have the sizes of an active view, so they are the same for every chain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from ..envs.active import ActiveSettings
from ..envs.game import Game
from .actor_critic import OnePassPolicy
from .network import PairNetwork


class PairPolicy(OnePassPolicy):
    """SB3's actor-critic interface over a `PairNetwork`."""

    network: PairNetwork

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Callable[[float], float],
        *,
        game: Game,
        **settings: Any,
    ) -> None:
        """Make the policy; `game`, whose library it acts by, comes through `policy_kwargs`."""
        self.game = game
        super().__init__(observation_space, action_space, lr_schedule, **settings)

    def _build(self, lr_schedule: Callable[[float], float]) -> None:
        self.network = PairNetwork(self.game.effects)
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), fused=True, **self.optimizer_kwargs)

    def scored(self, obs: torch.Tensor, legal: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores and values; no work is done for what is not legal."""
        found: tuple[torch.Tensor, torch.Tensor] = self.network(obs, legal)
        return found

    def predict_values(self, obs: torch.Tensor) -> torch.Tensor:
        """float32[B, 1] values, without scores."""
        values: torch.Tensor = self.network.values(obs)
        return values


VIEW = ActiveSettings()  # sizes of what policies are trained on


def observation_space(game: Game, settings: ActiveSettings = VIEW) -> spaces.Box:
    """uint8[K, width], the same for every game."""
    return spaces.Box(0, 255, (settings.slots, settings.width), np.uint8)


def action_space(game: Game, settings: ActiveSettings = VIEW) -> spaces.Discrete[Any]:
    """1 + P * K actions."""
    return spaces.Discrete(1 + len(game.effects.playbook) * settings.slots)
