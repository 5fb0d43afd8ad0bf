"""The policy network in torch, equal to what the policy file runs with numpy (`envs.policy_network`).

Flows in: rows of active views, uint8[B, K, width]. Flows out: a score per action over slots, and the value of the
situation. Weights depend neither on slots, neighbours, chain nor library, so worlds of several chains may share a
batch. Work is done for filled slots alone, node after node, with one sparse product a round.
"""

from __future__ import annotations

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
    advised,
    playbook_features,
)
from ..envs.rule_numbers import RuleNumbers
from ..twin.rulebook.effects import EffectTable
from .actor_critic import ILLEGAL
from .rule_file import shipped_numbers
from .sparse import Sparse, highest, plus_product, starts

WAIT_BIAS = 3.0  # logit by which waiting is preferred at the start, so that exploring does not wreck the chain
ABSENT = -1e4  # attention to an empty slot, before the softmax
VALUE_HIDDEN = 64
SHARPNESS = 10.0  # logit that the rule's gain of 1 is worth


class PairNetwork(nn.Module):
    """Scores of (playbook, slot) pairs and of waiting, and the value of a situation."""

    playbooks: torch.Tensor  # float32[P, PLAYBOOK_FEATURES]
    rule_numbers: torch.Tensor  # float32[NUMBERS], found by playing, not by gradients
    rule_sharpness: torch.Tensor  # float32[1], 0: the rule is not asked

    def __init__(self, effects: EffectTable) -> None:
        """Make a fresh network for a library's effects, without a rule; its weights serve any other library too."""
        super().__init__()
        self.effects = effects
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
        self.register_buffer("rule_numbers", torch.from_numpy(shipped_numbers().as_array()))
        self.register_buffer("rule_sharpness", torch.zeros(1))

    def follow(self, numbers: RuleNumbers) -> None:
        """Do what the rule says, and nothing else until learning adds to it: its own scores begin at 0."""
        self.rule_numbers.copy_(torch.from_numpy(numbers.as_array()))
        self.rule_sharpness.fill_(SHARPNESS)
        for one in (self.score.weight, self.direct, self.prior.weight, self.wait.weight, self.wait.bias):
            nn.init.zeros_(one)

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
        logits = self._logits(hidden, context, nodes, legal) + self._advised(rows, legal)
        return logits, self.value(torch.tanh(self.value_hidden(pooled)))

    def values(self, rows: torch.Tensor) -> torch.Tensor:
        """float32[B, 1] values alone: what a situation is worth, without a score for any response."""
        nodes = Nodes.of(rows)
        pooled = self._pooled(self._encoded(nodes), nodes)
        values: torch.Tensor = self.value(torch.tanh(self.value_hidden(pooled)))
        return values

    def _advised(self, rows: torch.Tensor, legal: torch.Tensor | None) -> torch.Tensor:
        """float32[B, 1 + P * K] of the rule, by the code that the policy file runs: no gradient needs it."""
        actions = 1 + len(self.playbooks) * rows.shape[1]
        may = np.ones((len(rows), actions), np.bool_) if legal is None else legal.cpu().numpy()
        numbers, sharpness = self.rule_numbers.cpu().numpy(), self.rule_sharpness.cpu().numpy()
        told = advised(numbers, sharpness, rows.cpu().numpy(), may, self.effects)
        return torch.from_numpy(np.where(may, told, np.float32(0.0))).to(rows.device)

    def _encoded(self, nodes: Nodes) -> torch.Tensor:
        """float32[M, HIDDEN] after the rounds."""
        hidden = self.encoder(nodes.seen).relu_()
        for layer in self.rounds:
            assert isinstance(layer, nn.Linear)
            own, *around = torch.split(layer.weight, HIDDEN, dim=1)  # weights before means: nothing is put side by side
            told = linear(hidden, torch.cat(around)).view(-1, HIDDEN)
            hidden = hidden + plus_product(linear(hidden, own, layer.bias), nodes.near, told).relu_()
        return hidden

    def _pooled(self, hidden: torch.Tensor, nodes: Nodes) -> torch.Tensor:
        """float32[B, POOLED]."""
        batch, slots = nodes.filled.shape
        padded = hidden.new_zeros(batch * slots, HIDDEN).index_copy(0, nodes.place, hidden).view(batch, slots, HIDDEN)
        attention = torch.matmul(self.attention.weight, padded.transpose(1, 2))  # [B, HEADS, K]
        attention = torch.softmax(attention.masked_fill(~nodes.filled[:, None], ABSENT), dim=2)
        return torch.cat([torch.bmm(attention, padded).flatten(1), highest(padded)], dim=1)

    def _logits(
        self, hidden: torch.Tensor, context: torch.Tensor, nodes: Nodes, legal: torch.Tensor | None
    ) -> torch.Tensor:
        """float32[B, 1 + P * K] scores of waiting and of pairs."""
        pairs = Pairs.of(nodes, len(self.playbooks), legal)
        of_node = plus_product(self.pair_target(hidden), nodes.world, self.pair_context(context))
        of_playbook = pairs.playbook @ self.pair_playbook(self.playbooks)
        fits = plus_product(of_playbook, pairs.node, of_node).relu_()
        direct = linear(nodes.seen, self.playbooks @ self.direct.t(), self.prior(self.playbooks)[:, 0])
        scores = self.score(fits)[:, 0] + direct.masked_select(pairs.scored)
        every = scores.new_full((len(context) * pairs.actions,), ILLEGAL)
        told = torch.cat([self.wait(context)[:, 0], scores])
        return every.index_copy(0, pairs.place, told).view(-1, pairs.actions)

    def numpy_weights(self) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
        """The actor's weights by the policy file's names."""
        renamed = {"direct": "direct.weight", "rule_numbers": "rule.numbers", "rule_sharpness": "rule.sharpness"}
        state = {renamed.get(name, name): tensor for name, tensor in self.state_dict().items()}
        return {name: state[name].detach().cpu().numpy().astype(np.float32) for name in SHAPES}


class Nodes(NamedTuple):
    """The M filled slots of B worlds one after the other, and what joins them."""

    filled: torch.Tensor  # bool[B, K]
    place: torch.Tensor  # int64[M] world * K + slot
    seen: torch.Tensor  # float32[M, INPUTS]
    near: Sparse  # [M, 2M]: row i averages columns 2j, where steps into node i come from, and 2j + 1, where they lead
    world: Sparse  # [M, B]: 1 at each node's world

    @classmethod
    def of(cls, rows: torch.Tensor) -> Nodes:
        """Read the nodes off rows uint8[B, K, width]."""
        filled = rows[:, :, PRESENT] > 0
        place, counts = torch.nonzero(filled.flatten())[:, 0], filled.sum(dim=1)
        told, world = rows.flatten(0, 1).index_select(0, place), place // rows.shape[1]
        seen = told[:, :INPUTS].float().mul_(1.0 / 255.0)
        near = _near(told[:, INPUTS:].contiguous(), starts(counts)[world])
        return cls(filled, place, seen, near, Sparse.picking(world, counts))


def _near(sides: torch.Tensor, first: torch.Tensor) -> Sparse:
    """Weighted means over neighbours, from uint8[M, 4D] and the first node of each node's world, int64[M]."""
    count, most = len(sides), sides.shape[1] // 4
    slots, odds = sides.view(2 * count, 2, most).unbind(1)  # into and out of each node in turn
    odds = odds.float()
    odds = (odds / odds.sum(dim=1, keepdim=True).clamp(min=1.0)).flatten()
    there = torch.nonzero(odds)[:, 0]
    side = there // most
    row = side // 2
    column = 2 * (first[row] + slots.flatten()[there]) + side % 2
    return Sparse.of(row, column, odds[there], (count, 2 * count))


class Pairs(NamedTuple):
    """The L (playbook, node) pairs that are scored, node after node, and where their scores belong."""

    actions: int  # 1 + P * K
    scored: torch.Tensor  # bool[M, P]
    node: Sparse  # [L, M]: 1 at each pair's node
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
        return cls(actions, scored, Sparse.picking(node, scored.sum(dim=1)), which, place)
