"""SB3's actor-critic interface over a network that gives scores and a value in one pass.

Flows in: observations and masks. Flows out: actions, values, log probabilities. Networks stand in `network` and
`attack_network`; whoever derives from this makes `self.network` and its optimizer in `_build`.
"""

from __future__ import annotations

from typing import Any

import torch
from sb3_contrib.common.maskable.distributions import MaskableCategoricalDistribution
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy


class OnePassPolicy(MaskableActorCriticPolicy):
    """A policy whose network maps observations to (scores float32[B, actions], values float32[B, 1])."""

    network: torch.nn.Module

    def _distribution(self, obs: torch.Tensor, masks: Any) -> tuple[MaskableCategoricalDistribution, torch.Tensor]:
        logits, values = self.network(obs)
        distribution = MaskableCategoricalDistribution(logits.shape[1])
        distribution.proba_distribution(action_logits=logits)
        if masks is not None:
            distribution.apply_masking(masks)
        return distribution, values

    def forward(self, obs: torch.Tensor, deterministic: bool = False, action_masks: Any = None) -> Any:
        """(actions, values, log probabilities)."""
        distribution, values = self._distribution(obs, action_masks)
        actions = distribution.get_actions(deterministic=deterministic)
        return actions, values, distribution.log_prob(actions)

    def evaluate_actions(self, obs: torch.Tensor, actions: torch.Tensor, action_masks: Any = None) -> Any:
        """(values, log probabilities, entropy) of given actions."""
        distribution, values = self._distribution(obs, action_masks)
        return values, distribution.log_prob(actions), distribution.entropy()

    def get_distribution(self, obs: torch.Tensor, action_masks: Any = None) -> MaskableCategoricalDistribution:
        """The action distribution."""
        return self._distribution(obs, action_masks)[0]

    def predict_values(self, obs: torch.Tensor) -> torch.Tensor:
        """float32[B, 1] values."""
        values: torch.Tensor = self.network(obs)[1]
        return values
