"""The policy network as numpy runs it, and the shapes of its weights; `training.policy` is the same in torch.

Flows in: weights, rows of an active view, what is legal there, playbooks. Flows out: one score per action over slots.
A shared encoder gives every target a vector; in each round it takes in the weighted mean of where steps come from and
of where they lead; attention over the slots gives a context; a (playbook, target) pair is scored from target, playbook
and context, waiting from the context. What the rule advises (`rule_layer`) is added to these scores, where it is not
switched off. Nothing depends on the number of slots, neighbours or playbooks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..twin.rulebook.effects import EffectTable
from ..twin.vocabulary import AssetKind, ConsentClass, Mode, TargetType
from .active import INPUTS, PRESENT
from .rule_layer import advice_of, gains_of
from .rule_numbers import NUMBERS, RuleNumbers

Float32 = npt.NDArray[np.float32]

HIDDEN, CONTEXT, PAIR, HEADS, ROUNDS = 32, 32, 32, 2, 2
POOLED = (HEADS + 1) * HIDDEN  # what each head attends to, and the highest of each column
PLAYBOOK_FEATURES = len(TargetType) + len(AssetKind) + len(ConsentClass) + 3 * len(Mode) + 7
SHAPES: Mapping[str, tuple[int, ...]] = {
    "encoder.weight": (HIDDEN, INPUTS),
    "encoder.bias": (HIDDEN,),
    **{f"rounds.{number}.weight": (HIDDEN, 3 * HIDDEN) for number in range(ROUNDS)},
    **{f"rounds.{number}.bias": (HIDDEN,) for number in range(ROUNDS)},
    "attention.weight": (HEADS, HIDDEN),
    "context.weight": (CONTEXT, POOLED),
    "context.bias": (CONTEXT,),
    "pair_target.weight": (PAIR, HIDDEN),
    "pair_playbook.weight": (PAIR, PLAYBOOK_FEATURES),
    "pair_context.weight": (PAIR, CONTEXT),
    "pair_context.bias": (PAIR,),
    "score.weight": (1, PAIR),
    "direct.weight": (INPUTS, PLAYBOOK_FEATURES),
    "prior.weight": (1, PLAYBOOK_FEATURES),
    "wait.weight": (1, CONTEXT),
    "wait.bias": (1,),
    "rule.numbers": (NUMBERS,),
    "rule.sharpness": (1,),  # logit that the rule's gain of 1 is worth; 0: it is not asked
}
_ABSENT = np.float32(-1e4)  # attention to an empty slot, before the softmax


def playbook_features(effects: EffectTable) -> Float32:
    """float32[P, PLAYBOOK_FEATURES]: what a policy knows of each playbook, from its declared effect."""
    rows = effects.playbook
    columns: list[npt.NDArray[Any]] = []
    columns += [rows["target_type"] == kind for kind in TargetType]
    columns += [(rows["applies"] >> kind) & 1 for kind in AssetKind]
    columns += [rows["consent_class"] == one for one in ConsentClass]
    for name in ("mode", "mode_during", "clear_mode"):
        columns += [rows[name] == mode for mode in Mode]
    columns += [np.log1p(rows["work"]) / 4, np.log1p(rows["hold"]) / 8, rows["labour_h"], rows["success"]]
    columns += [rows["ceiling"] == 0, rows["clears_persistence"], rows["cut"]]
    return np.stack([np.asarray(column, np.float32) for column in columns], axis=1)


def logits_of(
    weights: Mapping[str, Float32], rows: npt.NDArray[np.uint8], legal: npt.NDArray[np.bool_], effects: EffectTable
) -> Float32:
    """float32[B, 1 + P * K] scores; illegal actions have -inf.

    Args:
        weights: as `SHAPES` names them.
        rows: uint8[B, K, width] of active views; filled slots come first.
        legal: bool[B, 1 + P * K].
        effects: of the P playbooks.
    """
    w, (batch, slots) = weights, rows.shape[:2]
    filled = rows[:, :, PRESENT] > 0
    world, slot = np.nonzero(filled)  # M nodes: nothing is computed for empty slots
    nodes = rows[world, slot]
    seen = nodes[:, :INPUTS].astype(np.float32) / np.float32(255.0)
    hidden = np.maximum(seen @ w["encoder.weight"].T + w["encoder.bias"], 0.0)
    first = np.cumsum(filled.sum(axis=1)) - filled.sum(axis=1)
    most = (rows.shape[2] - INPUTS) // 4
    sides = nodes[:, INPUTS:].reshape(len(nodes), 2, 2, most)  # [M, into or out, slots or odds, D]
    others, odds = first[world][:, None, None] + sides[:, :, 0], sides[:, :, 1].astype(np.float32)
    odds /= np.maximum(odds.sum(axis=2, keepdims=True), np.float32(1.0))
    for number in range(ROUNDS):
        gathered = np.concatenate([hidden, *(_mean(hidden, others[:, i], odds[:, i]) for i in range(2))], axis=1)
        hidden = hidden + np.maximum(gathered @ w[f"rounds.{number}.weight"].T + w[f"rounds.{number}.bias"], 0.0)
    context = np.maximum(_pooled(w, hidden, filled) @ w["context.weight"].T + w["context.bias"], 0.0)
    logits = np.full((batch, legal.shape[1]), -np.inf, np.float32)
    logits[:, 0] = (context @ w["wait.weight"].T + w["wait.bias"])[:, 0]
    features = playbook_features(effects)
    node, playbook = np.nonzero(legal[:, 1:].reshape(batch, -1, slots)[world, :, slot])
    of_node = hidden @ w["pair_target.weight"].T
    of_playbook = features @ w["pair_playbook.weight"].T
    of_context = context @ w["pair_context.weight"].T + w["pair_context.bias"]
    pairs = np.maximum(of_node[node] + of_playbook[playbook] + of_context[world[node]], 0.0)
    direct = seen @ (w["direct.weight"] @ features.T) + features @ w["prior.weight"][0]
    place = 1 + playbook * slots + slot[node]
    logits[world[node], place] = pairs @ w["score.weight"][0] + direct[node, playbook]
    return logits + advised(w["rule.numbers"], w["rule.sharpness"], rows, legal, effects)


def advised(
    numbers: Float32,
    sharpness: Float32,
    rows: npt.NDArray[np.uint8],
    legal: npt.NDArray[np.bool_],
    effects: EffectTable,
) -> Float32:
    """float32[B, 1 + P * K] logits of the rule, or float32[1, 1] of 0 where it is not asked; see `logits_of`."""
    if sharpness[0] <= 0.0:
        return np.zeros((1, 1), np.float32)
    return advice_of(gains_of(rows, legal, effects, RuleNumbers.of_array(numbers)), float(sharpness[0]))


def _mean(hidden: Float32, others: npt.NDArray[np.int64], odds: Float32) -> Float32:
    """float32[M, HIDDEN] weighted means over each node's neighbours: a sparse product, D rows at a time."""
    total = odds[:, :1] * hidden[others[:, 0]]
    for column in range(1, others.shape[1]):
        total += odds[:, column, None] * hidden[others[:, column]]
    return total


def _pooled(w: Mapping[str, Float32], hidden: Float32, filled: npt.NDArray[np.bool_]) -> Float32:
    """float32[B, POOLED]: what each head attends to, and the highest of each column."""
    padded = np.zeros((*filled.shape, HIDDEN), np.float32)
    padded[filled] = hidden
    attention = np.where(filled[:, :, None], padded @ w["attention.weight"].T, _ABSENT)
    attention = np.exp(attention - attention.max(axis=1, keepdims=True))
    attention /= attention.sum(axis=1, keepdims=True)
    attended = (attention.transpose(0, 2, 1) @ padded).reshape(len(filled), HEADS * HIDDEN)
    return np.concatenate([attended, padded.max(axis=1)], axis=1)
