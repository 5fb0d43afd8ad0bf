"""The policy network in torch, equal to what the policy file runs with numpy (`envs.policy_network`).

Flows in: rows of active views, uint8[B, K, width]. Flows out: a score per action over slots, and the value of the
situation. Weights depend neither on slots, neighbours, chain nor library, so worlds of several chains may share a
batch. Work is done for filled slots alone, node after node, with one sparse product a round.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from ..envs.active import INPUTS, PRESENT
from ..envs.policy_network import (
    CONTEXT,
    HEADS,
    HIDDEN,
    PAIR,
    PLAYBOOK_FEATURES,
    POOLED,
    ROUNDS,
    SHAPES,
    playbook_features,
)
from ..twin.rulebook.effects import EffectTable

WAIT_BIAS = 3.0  # logit by which waiting is preferred at the start, so that exploring does not wreck the chain
ILLEGAL = -1e8
ABSENT = -1e4  # attention to an empty slot, before the softmax
VALUE_HIDDEN = 64


class PairNetwork(nn.Module):
    """Scores of (playbook, slot) pairs and of waiting, and the value of a situation."""

    playbooks: torch.Tensor  # float32[P, PLAYBOOK_FEATURES]

    def __init__(self, effects: EffectTable) -> None:
        """Make a fresh network for a library's effects; its weights serve any other library too."""
        super().__init__()
        self.encoder = nn.Linear(INPUTS, HIDDEN)
        self.rounds = nn.ModuleList(nn.Linear(3 * HIDDEN, HIDDEN) for _ in range(ROUNDS))
        self.attention = nn.Linear(HIDDEN, HEADS, bias=False)
        self.context = nn.Linear(POOLED, CONTEXT)
        self.pair_target = nn.Linear(HIDDEN, PAIR, bias=False)
        self.pair_playbook = nn.Linear(PLAYBOOK_FEATURES, PAIR, bias=False)
        self.pair_context = nn.Linear(CONTEXT, PAIR)
        self.score = nn.Linear(PAIR, 1, bias=False)
        self.direct = nn.Parameter(torch.zeros(INPUTS, PLAYBOOK_FEATURES))
        self.prior = nn.Linear(PLAYBOOK_FEATURES, 1, bias=False)
        self.wait = nn.Linear(CONTEXT, 1)
        self.value_hidden = nn.Linear(POOLED, VALUE_HIDDEN)
        self.value = nn.Linear(VALUE_HIDDEN, 1)
        nn.init.orthogonal_(self.score.weight, 0.1)
        nn.init.zeros_(self.prior.weight)
        nn.init.constant_(self.wait.bias, WAIT_BIAS)
        self.register_buffer("playbooks", torch.from_numpy(playbook_features(effects)), persistent=False)

    def forward(self, rows: torch.Tensor, legal: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """(logits float32[B, 1 + P * K], values float32[B, 1]).

        Args:
            rows: uint8[B, K, width]; filled slots come first.
            legal: bool[B, 1 + P * K]; what is not legal scores `ILLEGAL`. Left out: all pairs on filled slots are.
        """
        nodes = Nodes.of(rows)
        hidden = self._encoded(nodes)
        pooled = self._pooled(hidden, nodes)
        context = torch.relu(self.context(pooled))
        logits = torch.cat([self.wait(context), self._pairs(hidden, context, nodes)], dim=1)
        if legal is not None:
            logits = logits.masked_fill(~legal, ILLEGAL)
        return logits, self.value(torch.tanh(self.value_hidden(pooled)))

    def values(self, rows: torch.Tensor) -> torch.Tensor:
        """float32[B, 1] values alone: what a situation is worth, without a score for any response."""
        nodes = Nodes.of(rows)
        pooled = self._pooled(self._encoded(nodes), nodes)
        values: torch.Tensor = self.value(torch.tanh(self.value_hidden(pooled)))
        return values

    def _encoded(self, nodes: Nodes) -> torch.Tensor:
        """float32[M, HIDDEN] after the rounds."""
        hidden = torch.relu(self.encoder(nodes.seen))
        for layer in self.rounds:
            gathered = product(nodes.near, nodes.near_back, hidden).reshape(-1, 2 * HIDDEN)
            hidden = hidden + torch.relu(layer(torch.cat([hidden, gathered], dim=1)))
        return hidden

    def _pooled(self, hidden: torch.Tensor, nodes: Nodes) -> torch.Tensor:
        """float32[B, POOLED]."""
        batch, slots = nodes.filled.shape
        padded = hidden.new_zeros(batch * slots, HIDDEN).index_copy(0, nodes.place, hidden).view(batch, slots, HIDDEN)
        attention = self.attention(padded).masked_fill(~nodes.filled[:, :, None], ABSENT)
        attended = torch.bmm(torch.softmax(attention, dim=1).transpose(1, 2), padded).flatten(1)
        return torch.cat([attended, padded.amax(dim=1)], dim=1)

    def _pairs(self, hidden: torch.Tensor, context: torch.Tensor, nodes: Nodes) -> torch.Tensor:
        """float32[B, P * K] scores; on empty slots `ILLEGAL`."""
        of_context = product(nodes.world, nodes.world_back, self.pair_context(context))
        of_node, of_playbook = self.pair_target(hidden) + of_context, self.pair_playbook(self.playbooks)
        pairs = torch.relu(of_node[:, None] + of_playbook)
        direct = nodes.seen @ (self.direct @ self.playbooks.T) + self.prior(self.playbooks)[:, 0]
        scores = self.score(pairs)[:, :, 0] + direct
        batch, slots = nodes.filled.shape
        every = scores.new_full((batch * slots, len(self.playbooks)), ILLEGAL).index_copy(0, nodes.place, scores)
        return every.view(batch, slots, -1).transpose(1, 2).flatten(1)

    def numpy_weights(self) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
        """The actor's weights by the policy file's names."""
        state = {name.replace("direct", "direct.weight"): tensor for name, tensor in self.state_dict().items()}
        return {name: state[name].detach().cpu().numpy().astype(np.float32) for name in SHAPES}


class Nodes(NamedTuple):
    """The M filled slots of B worlds one after the other, and the sparse matrices that join them."""

    filled: torch.Tensor  # bool[B, K]
    place: torch.Tensor  # int64[M] world * K + slot
    seen: torch.Tensor  # float32[M, INPUTS]
    near: torch.Tensor  # CSR [2M, M]: rows 2i and 2i + 1 average what steps into node i come from, and lead to
    near_back: torch.Tensor  # CSR [M, 2M], its transpose
    world: torch.Tensor  # CSR [M, B]: 1 at each node's world
    world_back: torch.Tensor  # CSR [B, M], its transpose

    @classmethod
    def of(cls, rows: torch.Tensor) -> Nodes:
        """Read the nodes off rows uint8[B, K, width]."""
        filled = rows[:, :, PRESENT] > 0
        place = torch.nonzero(filled.flatten())[:, 0]
        told, counts = rows.flatten(0, 1)[place], filled.sum(dim=1)
        ends = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        world = place // rows.shape[1]
        near, near_back = _near(told[:, INPUTS:], ends[world])
        at = rows.device
        ones, each = torch.ones(len(place), device=at), torch.arange(len(place) + 1, device=at)
        return cls(
            filled,
            place,
            told[:, :INPUTS].float() * (1.0 / 255.0),
            near,
            near_back,
            _csr(each, world, ones, len(rows)),
            _csr(ends, each[:-1], ones, len(place)),
        )


def _near(sides: torch.Tensor, first: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The matrix of weighted means over neighbours, and its transpose, from uint8[M, 4D] and int64[M]."""
    count, most = len(sides), sides.shape[1] // 4
    sides = sides.view(count, 2, 2, most)  # into or out, slots or odds
    odds = sides[:, :, 1].float()
    odds = odds / odds.sum(dim=2, keepdim=True).clamp(min=1.0)
    there = odds.flatten() > 0
    column = (first[:, None, None] + sides[:, :, 0].long()).flatten()[there]
    value, each = odds.flatten()[there], there.view(-1, most).sum(dim=1)
    start = torch.cat([each.new_zeros(1), each.cumsum(0)])
    row = torch.repeat_interleave(torch.arange(2 * count, device=sides.device), each)
    order = torch.argsort(column, stable=True)
    back = torch.searchsorted(column[order], torch.arange(count + 1, device=sides.device))
    return _csr(start, column, value, count), _csr(back, row[order], value[order], 2 * count)


def _csr(start: torch.Tensor, column: torch.Tensor, value: torch.Tensor, columns: int) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
        return torch.sparse_csr_tensor(start, column, value, (len(start) - 1, columns), check_invariants=False)


def product(matrix: torch.Tensor, transpose: torch.Tensor, dense: torch.Tensor) -> torch.Tensor:
    """A sparse matrix [R, C] times a dense one [C, H]; the transpose is for the gradient."""
    result: torch.Tensor = Product.apply(matrix, transpose, dense)  # type: ignore[no-untyped-call]
    return result


class Product(torch.autograd.Function):
    """A sparse matrix times a dense one; its gradient is the transpose's product, which torch would sort for."""

    @staticmethod
    def forward(ctx: Any, matrix: torch.Tensor, transpose: torch.Tensor, dense: torch.Tensor) -> torch.Tensor:
        """matrix @ dense."""
        ctx.transpose = transpose
        return matrix @ dense

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[None, None, torch.Tensor]:
        """The gradient of `dense`."""
        return None, None, ctx.transpose @ gradients[0].contiguous()
