"""The learned attacker: a score for each open step from how it and its ends stand, one for waiting, a value.

Flows in: rows of the attacker's seat (`duel.rows_of`). Flows out: logits and values in torch, and the same logits in
numpy from plain arrays. It depends on no size of a chain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from torch import nn

from .actor_critic import OnePassPolicy
from .duel import ROW_FEATURES, ROWS, AttackView

HIDDEN = 32
WAIT_BIAS = -1.0  # attackers rather try something at the start
Float32 = npt.NDArray[np.float32]
SHAPES: Mapping[str, tuple[int, ...]] = {  # of the actor
    "row.weight": (HIDDEN, ROW_FEATURES),
    "row.bias": (HIDDEN,),
    "context.weight": (HIDDEN, 2 * HIDDEN),
    "context.bias": (HIDDEN,),
    "pair.weight": (HIDDEN, 2 * HIDDEN),
    "pair.bias": (HIDDEN,),
    "score.weight": (1, HIDDEN),
    "score.bias": (1,),
    "wait.weight": (1, HIDDEN),
    "wait.bias": (1,),
}
OBSERVATION = spaces.Box(0, 255, (ROWS, ROW_FEATURES), np.uint8)


class AttackNetwork(nn.Module):
    """Scores of rows and of waiting, and the value of a situation."""

    def __init__(self) -> None:
        """Make a fresh network."""
        super().__init__()
        self.row = nn.Linear(ROW_FEATURES, HIDDEN)
        self.context = nn.Linear(2 * HIDDEN, HIDDEN)
        self.pair = nn.Linear(2 * HIDDEN, HIDDEN)
        self.score = nn.Linear(HIDDEN, 1)
        self.wait = nn.Linear(HIDDEN, 1)
        self.value = nn.Linear(HIDDEN, 1)
        nn.init.orthogonal_(self.score.weight, 0.1)
        nn.init.constant_(self.wait.bias, WAIT_BIAS)

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(logits float32[B, 1 + ROWS], values float32[B, 1]) of rows uint8[B, ROWS, ROW_FEATURES]."""
        is_open = rows[:, :, :1] > 0
        hidden = torch.relu(self.row(rows.float() / 255.0)) * is_open
        mean = hidden.sum(dim=1) / is_open.sum(dim=1).clamp(min=1)
        context = torch.relu(self.context(torch.cat([mean, hidden.amax(dim=1)], dim=1)))
        beside = context[:, None].expand(-1, hidden.shape[1], -1)
        pairs = torch.relu(self.pair(torch.cat([hidden, beside], dim=2)))
        return torch.cat([self.wait(context), self.score(pairs)[:, :, 0]], dim=1), self.value(context)


class AttackPolicy(OnePassPolicy):
    """SB3's actor-critic interface over an `AttackNetwork`."""

    def _build(self, lr_schedule: Callable[[float], float]) -> None:
        self.network = AttackNetwork()
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)


@dataclass(frozen=True)
class NumpyAttacker:
    """A learned attacker that needs no torch; takes the step with the highest score."""

    weights: Mapping[str, Float32]
    card: Mapping[str, Any]

    def logits(self, view: AttackView) -> Float32:
        """float32[B, 1 + ROWS]; what is not legal has -inf."""
        w, is_open = self.weights, view.rows[:, :, :1] > 0
        seen = view.rows.astype(np.float32) * np.float32(1 / 255.0)
        hidden = np.maximum(seen @ w["row.weight"].T + w["row.bias"], 0) * is_open
        mean = hidden.sum(axis=1) / np.maximum(is_open.sum(axis=1), 1)
        pooled = np.concatenate([mean, hidden.max(axis=1)], axis=1)
        context = np.maximum(pooled @ w["context.weight"].T + w["context.bias"], 0)
        beside = np.broadcast_to(context[:, None], hidden.shape)
        pairs = np.maximum(np.concatenate([hidden, beside], axis=2) @ w["pair.weight"].T + w["pair.bias"], 0)
        scores = (pairs @ w["score.weight"].T)[:, :, 0] + w["score.bias"]
        wait = context @ w["wait.weight"].T + w["wait.bias"]
        return np.where(view.legal, np.concatenate([wait, scores], axis=1), -np.inf).astype(np.float32)

    def __call__(self, view: AttackView) -> npt.NDArray[np.int64]:
        """int64[B] the legal action with the highest score."""
        return self.logits(view).argmax(axis=1)


def numpy_weights(network: AttackNetwork) -> dict[str, Float32]:
    """The actor's weights, copied."""
    state = network.state_dict()
    return {name: state[name].detach().cpu().numpy().astype(np.float32).copy() for name in SHAPES}
