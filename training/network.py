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
from torch.nn.functional import linear

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
from .actor_critic import ILLEGAL

WAIT_BIAS = 3.0  # logit by which waiting is preferred at the start, so that exploring does not wreck the chain
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
            legal: bool[B, 1 + P * K]; other pairs are not scored, they have `ILLEGAL`. Left out: all pairs on filled
                slots are. Waiting is always legal.
        """
        nodes = Nodes.of(rows)
        hidden = self._encoded(nodes)
        pooled = self._pooled(hidden, nodes)
        context = torch.relu(self.context(pooled))
        return self._logits(hidden, context, nodes, legal), self.value(torch.tanh(self.value_hidden(pooled)))

    def values(self, rows: torch.Tensor) -> torch.Tensor:
        """float32[B, 1] values alone: what a situation is worth, without a score for any response."""
        nodes = Nodes.of(rows)
        pooled = self._pooled(self._encoded(nodes), nodes)
        values: torch.Tensor = self.value(torch.tanh(self.value_hidden(pooled)))
        return values

    def _encoded(self, nodes: Nodes) -> torch.Tensor:
        """float32[M, HIDDEN] after the rounds."""
        hidden = self.encoder(nodes.seen).relu_()
        for layer in self.rounds:
            own, around = layer.weight.split([HIDDEN, 2 * HIDDEN], dim=1)  # spares putting the parts side by side
            gathered = product(nodes.near, nodes.near_back, hidden).view(-1, 2 * HIDDEN)
            sums = torch.addmm(linear(hidden, own, layer.bias), gathered, around.t())
            hidden = hidden + sums.relu_()
        return hidden

    def _pooled(self, hidden: torch.Tensor, nodes: Nodes) -> torch.Tensor:
        """float32[B, POOLED]."""
        batch, slots = nodes.filled.shape
        padded = hidden.new_zeros(batch * slots, HIDDEN).index_copy(0, nodes.place, hidden).view(batch, slots, HIDDEN)
        attention = self.attention(padded).masked_fill(~nodes.filled[:, :, None], ABSENT)
        attended = torch.bmm(torch.softmax(attention, dim=1).transpose(1, 2), padded).flatten(1)
        return torch.cat([attended, padded.amax(dim=1)], dim=1)

    def _logits(
        self, hidden: torch.Tensor, context: torch.Tensor, nodes: Nodes, legal: torch.Tensor | None
    ) -> torch.Tensor:
        """float32[B, 1 + P * K] scores of waiting and of pairs."""
        pairs = Pairs.of(nodes, len(self.playbooks), legal)
        of_context = product(nodes.world, nodes.world_back, self.pair_context(context))
        of_node = product(pairs.node, pairs.node_back, self.pair_target(hidden) + of_context)
        fits = torch.addmm(of_node, pairs.playbook, self.pair_playbook(self.playbooks)).relu_()
        direct = linear(nodes.seen, self.playbooks @ self.direct.t(), self.prior(self.playbooks)[:, 0])
        scores = self.score(fits)[:, 0] + direct.masked_select(pairs.scored)
        every = scores.new_full((len(context) * pairs.actions,), ILLEGAL)
        told = torch.cat([self.wait(context)[:, 0], scores])
        return every.index_copy(0, pairs.place, told).view(-1, pairs.actions)

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
    near_back: torch.Tensor | None  # CSR [M, 2M], its transpose; transposes are there where gradients are wanted
    world: torch.Tensor  # CSR [M, B]: 1 at each node's world
    world_back: torch.Tensor | None  # CSR [B, M]

    @classmethod
    def of(cls, rows: torch.Tensor) -> Nodes:
        """Read the nodes off rows uint8[B, K, width]."""
        filled = rows[:, :, PRESENT] > 0
        place = torch.nonzero(filled.flatten())[:, 0]
        told, starts = rows.flatten(0, 1).index_select(0, place), _starts(filled.sum(dim=1))
        world = place // rows.shape[1]
        near, near_back = _near(told[:, INPUTS:], starts[world])
        seen = told[:, :INPUTS].float().mul_(1.0 / 255.0)
        return cls(filled, place, seen, near, near_back, *_picked(world, starts))


class Pairs(NamedTuple):
    """The L (playbook, node) pairs that are scored, node after node, and where their scores belong."""

    actions: int  # 1 + P * K
    scored: torch.Tensor  # bool[M, P]
    node: torch.Tensor  # CSR [L, M]: 1 at each pair's node
    node_back: torch.Tensor | None  # CSR [M, L]
    playbook: torch.Tensor  # float32[L, P]: 1 at each pair's playbook
    place: torch.Tensor  # int64[B + L] in logits one after the other: of waiting in each world, then of the pairs

    @classmethod
    def of(cls, nodes: Nodes, playbooks: int, legal: torch.Tensor | None) -> Pairs:
        """Those that are legal, bool[B, 1 + P * K], on filled slots; all on these where nothing is said."""
        (batch, slots), count, at = nodes.filled.shape, len(nodes.place), nodes.place.device
        actions = 1 + playbooks * slots
        if legal is None:
            scored = torch.ones(count, playbooks, dtype=torch.bool, device=at)
        else:
            of_slot = legal[:, 1:].reshape(batch, playbooks, slots).transpose(1, 2).reshape(-1, playbooks)
            scored = of_slot.index_select(0, nodes.place)
        node, playbook = torch.nonzero(scored).unbind(1)
        first = nodes.place // slots * actions + 1 + nodes.place % slots
        place = torch.cat([torch.arange(batch, device=at) * actions, first[node] + playbook * slots])
        which = torch.eye(playbooks, device=at).index_select(0, playbook)
        return cls(actions, scored, *_picked(node, _starts(scored.sum(dim=1))), which, place)


def _near(sides: torch.Tensor, first: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The matrix of weighted means over neighbours, and its transpose, from uint8[M, 4D] and int64[M]."""
    count, most = len(sides), sides.shape[1] // 4
    sides = sides.view(count, 2, 2, most)  # into or out, slots or odds
    odds = sides[:, :, 1].float()
    odds = odds / odds.sum(dim=2, keepdim=True).clamp(min=1.0)
    there = torch.nonzero(odds.flatten())[:, 0]
    row, value = there // most, odds.flatten()[there]
    column = first[row // 2] + sides[:, :, 0].flatten()[there]
    near = _csr(_starts(torch.bincount(row, minlength=2 * count)), column, value, count)
    if not torch.is_grad_enabled():
        return near, None
    order, starts = torch.argsort(column), _starts(torch.bincount(column, minlength=count))
    return near, _csr(starts, row[order], value[order], 2 * count)


def _picked(column: torch.Tensor, starts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The matrix with a 1 in each row at an ascending column, and its transpose, whose rows begin at `starts`."""
    rows = torch.arange(len(column) + 1, device=column.device)
    ones = torch.ones(len(column), device=column.device)
    there = _csr(rows, column, ones, len(starts) - 1)
    return there, _csr(starts, rows[:-1], ones, len(column)) if torch.is_grad_enabled() else None


def _starts(counts: torch.Tensor) -> torch.Tensor:
    """int64[n + 1]: where each of n rows begins, and where the last ends."""
    return torch.nn.functional.pad(counts.cumsum(0), (1, 0))


def _csr(start: torch.Tensor, column: torch.Tensor, value: torch.Tensor, columns: int) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
        return torch.sparse_csr_tensor(start, column, value, (len(start) - 1, columns), check_invariants=False)


def product(matrix: torch.Tensor, transpose: torch.Tensor | None, dense: torch.Tensor) -> torch.Tensor:
    """A sparse matrix [R, C] times a dense one [C, H]; the transpose is for the gradient."""
    result: torch.Tensor = Product.apply(matrix, transpose, dense)  # type: ignore[no-untyped-call]
    return result


class Product(torch.autograd.Function):
    """A sparse matrix times a dense one; its gradient is the transpose's product, which torch would sort for."""

    @staticmethod
    def forward(ctx: Any, matrix: torch.Tensor, transpose: torch.Tensor | None, dense: torch.Tensor) -> torch.Tensor:
        """matrix @ dense."""
        ctx.transpose = transpose
        return matrix @ dense

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[None, None, torch.Tensor]:
        """The gradient of `dense`."""
        return None, None, ctx.transpose @ gradients[0].contiguous()
