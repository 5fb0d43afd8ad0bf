"""SB3's actor-critic interface over a network that gives scores and a value in one pass.

Flows in: observations and masks. Flows out: actions, values, log probabilities. Networks stand in `network` and
`attack_network`; whoever derives from this makes `self.network` and its optimizer in `_build`.

Probabilities are those of SB3's masked distribution. That one is made only where SB3 asks for it: it normalises the
scores twice, which took longer than some layers of the network.
"""

from __future__ import annotations

from typing import Any

import torch
from sb3_contrib.common.maskable.distributions import MaskableCategoricalDistribution
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy

ILLEGAL = -1e8  # score of what is not legal; SB3's


class OnePassPolicy(MaskableActorCriticPolicy):
    """A policy whose network maps observations to (scores float32[B, actions], values float32[B, 1])."""

    network: torch.nn.Module

    def scored(self, obs: torch.Tensor, legal: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores and values; what is not legal, bool[B, actions], has `ILLEGAL`."""
        scores, values = self.network(obs)
        return scores if legal is None else scores.masked_fill(~legal, ILLEGAL), values

    def _scored(self, obs: torch.Tensor, masks: Any) -> tuple[torch.Tensor, torch.Tensor]:
        if masks is None:
            return self.scored(obs, None)
        legal = torch.as_tensor(masks, dtype=torch.bool, device=self.device)
        return self.scored(obs, legal.reshape(-1, legal.shape[-1]))  # as SB3: a mask may be of one world, or nested

    def forward(self, obs: torch.Tensor, deterministic: bool = False, action_masks: Any = None) -> Any:
        """(actions, values, log probabilities)."""
        scores, values = self._scored(obs, action_masks)
        chances = torch.log_softmax(scores, dim=1)
        actions = chances.argmax(dim=1) if deterministic else torch.softmax(scores, dim=1).multinomial(1)[:, 0]
        return actions, values, _at(chances, actions)

    def evaluate_actions(self, obs: torch.Tensor, actions: torch.Tensor, action_masks: Any = None) -> Any:
        """(values, log probabilities, entropy) of given actions."""
        scores, values = self._scored(obs, action_masks)
        chances = torch.log_softmax(scores, dim=1)
        return values, _at(chances, actions), -(chances * torch.softmax(scores, dim=1)).sum(dim=1)

    def get_distribution(self, obs: torch.Tensor, action_masks: Any = None) -> MaskableCategoricalDistribution:
        """The action distribution."""
        scores, _ = self._scored(obs, action_masks)
        distribution = MaskableCategoricalDistribution(scores.shape[1]).proba_distribution(action_logits=scores)
        if action_masks is not None:
            distribution.apply_masking(action_masks)
        return distribution

    def predict_values(self, obs: torch.Tensor) -> torch.Tensor:
        """float32[B, 1] values."""
        values: torch.Tensor = self.network(obs)[1]
        return values


def _at(chances: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    return chances.gather(1, actions.long()[:, None])[:, 0]
