"""The policy network in torch, inside SB3's interface, equal to what the policy file runs with numpy.

Flows in: observations, masks; a game's static features and playbooks as buffers. Flows out: action distributions and
values. Weights do not depend on the twin's size or the library, so they load for other games.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib.common.maskable.distributions import MaskableCategoricalDistribution
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from torch import nn

from ..envs.game import Game
from ..envs.policy_file import CONTEXT, HIDDEN, INPUTS, PAIR, PLAYBOOK_FEATURES, SHAPES, playbook_features
from ..twin.sensing.observe import FEATURES

WAIT_BIAS = 3.0  # logit by which waiting is preferred at the start, so that exploring does not wreck the chain


class PairNetwork(nn.Module):
    """Scores of (playbook, target) pairs and of waiting, and the value of a situation."""

    static: torch.Tensor  # float32[T, STATIC_FEATURES]
    playbooks: torch.Tensor  # float32[P, PLAYBOOK_FEATURES]
    pair_index: torch.Tensor  # int64[pairs] actions that can ever be legal, less one

    def __init__(self, game: Game) -> None:
        """Make a fresh network for a game."""
        super().__init__()
        self.encoder = nn.Linear(INPUTS, HIDDEN)
        self.context = nn.Linear(2 * HIDDEN, CONTEXT)
        self.pair_target = nn.Linear(HIDDEN, PAIR, bias=False)
        self.pair_playbook = nn.Linear(PLAYBOOK_FEATURES, PAIR, bias=False)
        self.pair_context = nn.Linear(CONTEXT, PAIR)
        self.score = nn.Linear(PAIR, 1, bias=False)
        self.direct = nn.Parameter(torch.zeros(INPUTS, PLAYBOOK_FEATURES))
        self.prior = nn.Linear(PLAYBOOK_FEATURES, 1, bias=False)
        self.wait = nn.Linear(CONTEXT, 1)
        self.value_hidden = nn.Linear(2 * HIDDEN, 64)
        self.value = nn.Linear(64, 1)
        nn.init.orthogonal_(self.score.weight, 0.1)
        nn.init.zeros_(self.prior.weight)
        nn.init.constant_(self.wait.bias, WAIT_BIAS)
        self._set_game(game)

    def _set_game(self, game: Game) -> None:
        targets = game.compiled.targets
        rows = game.effects.playbook
        applies = np.zeros((len(rows), targets), bool)
        possible = game.always[1:].reshape(len(rows), targets)
        kinds = game.compiled.arrays.asset["kind"]
        for playbook, row in enumerate(rows):
            applies[playbook] = possible[playbook]
            if row["clear_mode"] >= 0:
                applies[playbook, : len(kinds)] = (row["applies"] >> kinds) & 1
        self.actions = 1 + applies.size
        buffers = {
            "static": torch.from_numpy(game.static.copy()),
            "playbooks": torch.from_numpy(playbook_features(game.effects)),
            "pair_index": torch.from_numpy(np.flatnonzero(applies.ravel()).astype(np.int64)),
        }
        for name, tensor in buffers.items():
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, observation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(logits float32[B, 1 + P * T], values float32[B, 1]); pairs that can never be legal score -1e8."""
        batch, targets = observation.shape[:2]
        dynamic, size = observation.float() / 255.0, observation.shape[2]
        weight = self.encoder.weight
        of_static = self.static @ weight[:, size:].T + self.encoder.bias  # once a batch, not once a world
        hidden = torch.relu(dynamic @ weight[:, :size].T + of_static)
        pooled = torch.cat([hidden.mean(dim=1), hidden.amax(dim=1)], dim=1)
        context = torch.relu(self.context(pooled))
        playbook, target = self.pair_index // targets, self.pair_index % targets
        pair = self.pair_target(hidden)[:, target]
        pair = pair + self.pair_playbook(self.playbooks)[playbook] + self.pair_context(context)[:, None]
        straight = self.direct @ self.playbooks.T
        direct = dynamic @ straight[:size] + self.static @ straight[size:]
        scores = self.score(torch.relu(pair))[:, :, 0] + direct[:, target, playbook]
        scores = scores + self.prior(self.playbooks)[playbook, 0]
        logits = torch.full((batch, self.actions), -1e8)
        logits[:, 0] = self.wait(context)[:, 0]
        logits[:, 1 + self.pair_index] = scores
        return logits, self.value(torch.tanh(self.value_hidden(pooled)))

    def numpy_weights(self) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
        """The actor's weights by the policy file's names."""
        state = {name.replace("direct", "direct.weight"): tensor for name, tensor in self.state_dict().items()}
        return {name: state[name].detach().numpy().astype(np.float32) for name in SHAPES}


class PairPolicy(MaskableActorCriticPolicy):
    """SB3's actor-critic interface over a `PairNetwork`."""

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Callable[[float], float],
        *,
        game: Game,
        **settings: Any,
    ) -> None:
        """Make the policy; `game` comes through `policy_kwargs`."""
        self.game = game
        super().__init__(observation_space, action_space, lr_schedule, **settings)

    def _build(self, lr_schedule: Callable[[float], float]) -> None:
        self.network = PairNetwork(self.game)
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)

    def _distribution(self, obs: torch.Tensor, masks: Any) -> tuple[MaskableCategoricalDistribution, torch.Tensor]:
        logits, values = self.network(obs)
        distribution = MaskableCategoricalDistribution(logits.shape[1])
        distribution.proba_distribution(action_logits=logits)
        if masks is not None:
            distribution.apply_masking(masks)
        return distribution, values

    def forward(self, obs: torch.Tensor, deterministic: bool = False, action_masks: Any = None) -> Any:
        """(actions, values, log probabilities) for observations uint8[B, T, FEATURES]."""
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


def observation_space(game: Game) -> spaces.Box:
    """uint8[T, FEATURES]."""
    return spaces.Box(0, 255, (game.compiled.targets, len(FEATURES)), np.uint8)


def action_space(game: Game) -> spaces.Discrete[Any]:
    """1 + P * T actions."""
    return spaces.Discrete(game.actions)
