"""The rule that policies begin as: cut off, evict, open again, look closer. A layer of the policy network.

Flows in: rows of active views, what is legal there, playbooks, numbers. Flows out: what each response is worth. It is
the belief's version of what the best script that sees the truth does ("evict and cut off"): what is likely held, or
will be soon, is cut off at once, which needs no answer of a person in most chains; evicted meanwhile; and opened once
it is believed clean. It reads what the network reads, and knows playbooks by their declared effects. Its numbers are
found by playing (`tocsin policy search`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..twin.rulebook.effects import EffectTable
from ..twin.rulebook.state import RUNS
from ..twin.vocabulary import Access, Mode, TargetType
from .active import (
    ACTIVE_FEATURES,
    BUSY,
    BUSY_STEP,
    COMING,
    COMING_MOST,
    COMING_OCTAVE,
    INPUTS,
    PROBABILITIES,
    Active,
    ActiveSettings,
)
from .rule_numbers import Float32, RuleNumbers, Weight
from .target_graph import ASSETS_OCTAVE, OCTAVE
from .threat import OCTAVE as THREAT_OCTAVE

USUAL_TEMPO, USUAL_IMPACT = 210, 128  # of `threat_features`: exponents of numbers are of octaves over these
USUAL_ASSETS = 100  # the same, of doublings
PLACES = float(RUNS)  # responses at once, of which rooms are shares
MOST_DOUBLINGS = 30.0  # that exponents come to, either way: gains of any numbers in range stay finite in float32
PULL = 0.5  # gain of looking closer where belief is e times `watched`, and of opening what is surely clean
AFTER = 1.0  # gain by which what is due goes before what comes after it
TIE = 1e-4  # gain that the next playbook of the same effect is worth less: the one with the least labour goes first
LEAST_SHIFT = -12.0  # logit over the best's to which what is not due falls: rarely explored, never chosen

_COLUMN = {name: number for number, name in enumerate(ACTIVE_FEATURES)}
_HELD, _ISOLATED, _RESTORING = _COLUMN["held"], _COLUMN["isolated"], _COLUMN["restoring"]
_TOWARD, _STAKE = _COLUMN["toward"], _COLUMN["carried_octaves"]
_SHARED = [_COLUMN["threat_tempo"], _COLUMN["threat_impact"], _COLUMN["assets"], BUSY]  # equal in all filled slots

_LEVELS = np.arange(256)
_OF_TOWARD = ((_LEVELS / 255.0) ** 4).astype(np.float32)
_OF_OCTAVES = np.where(_LEVELS > 0, 2.0 ** ((_LEVELS - 255.0) / OCTAVE), 0.0).astype(np.float32)
_OF_COMING = np.where(_LEVELS > 0, 2.0 ** ((_LEVELS - 255.0) / COMING_OCTAVE + COMING_MOST), 0.0).astype(np.float32)


class Roles(NamedTuple):
    """Numbers of the playbooks that may do what the rule does, the least labour first."""

    cut: tuple[int, ...]
    evict: tuple[int, ...]
    opening: tuple[int, ...]
    look: tuple[int, ...]


def roles_of(effects: EffectTable) -> Roles:
    """Sort a library's playbooks by their declared effects on assets; most are in no role.

    Cutting off holds an asset isolated and can be undone; opening clears that; evicting takes all access, and
    persistence or the credentials it came by with it, without stopping the asset for longer than the work; looking
    closer holds it monitored.
    """
    rows = effects.playbook
    on_assets = rows["target_type"] == TargetType.ASSET
    takes_all = rows["ceiling"] == Access.NONE
    renews = rows["clears_persistence"].astype(bool) & (rows["mode"] != Mode.DOWN)
    renews |= rows["mode"] == Mode.CREDENTIAL_RESET
    roles = (
        (rows["mode"] == Mode.ISOLATED) & rows["undoable"].astype(bool),
        takes_all & renews,
        rows["clear_mode"] == Mode.ISOLATED,
        rows["mode"] == Mode.MONITORED,
    )
    labour = rows["labour_h"]
    return Roles(*(tuple(sorted(np.flatnonzero(one & on_assets).tolist(), key=labour.__getitem__)) for one in roles))


class Gains(NamedTuple):
    """What responses are worth, in no unit."""

    pairs: Float32  # [B, P, K]; -inf where the rule has nothing to say
    level: Weight  # of waiting


def gains_of(
    rows: npt.NDArray[np.uint8], legal: npt.NDArray[np.bool_], effects: EffectTable, numbers: RuleNumbers
) -> Gains:
    """What the rule gives for each response.

    Args:
        rows: uint8[B, K, width] of active views.
        legal: bool[B, 1 + P * K].
        effects: of the P playbooks.
        numbers: of one rule, or of one for each view.
    """
    n, (batch, slots) = numbers, rows.shape[:2]
    seen = rows[:, :, :INPUTS]
    held, coming = PROBABILITIES[seen[:, :, _HELD]], _OF_COMING[seen[:, :, COMING]]
    toward, stake = _OF_TOWARD[seen[:, :, _TOWARD]], _OF_OCTAVES[seen[:, :, _STAKE]]
    blocked = (seen[:, :, _ISOLATED] | seen[:, :, _RESTORING]) > 0
    shared = seen[:, :, _SHARED].max(axis=1).astype(np.float32)
    tempo, impact = (shared[:, :1] - USUAL_TEMPO) / THREAT_OCTAVE, (shared[:, 1:2] - USUAL_IMPACT) / THREAT_OCTAVE
    size = shared[:, 2:3] / ASSETS_OCTAVE - np.float32(np.log2(USUAL_ASSETS))
    free = 1.0 - shared[:, 3:] / (BUSY_STEP * PLACES)

    level = n.level * _doubled(n.level_size * size - n.level_impact * impact - n.level_tempo * tempo)
    cost = (n.always + (1.0 - held) * n.wrong) * stake
    evict = held * (1.0 + n.toward * toward + n.stake * stake)
    evict -= np.where(blocked, n.relief * cost, cost)
    sooner = _doubled(-n.ahead_size * size)
    eager = _doubled(n.cut_impact * impact + n.cut_tempo * tempo - n.cut_size * size)
    worth = n.cut + n.cut_toward * toward + n.cut_stake * stake
    cut = _soon(held, coming, n.cut_ahead * sooner) * worth * eager
    cut = level * (cut - (n.cut_always + (1.0 - held) * n.cut_wrong) * stake)  # due from the level on, as waiting is
    opening = level + PULL * (1.0 - held / np.maximum(n.clean, np.float32(1e-9))) + 1e-3 * stake
    watched = n.watched * _doubled(n.watched_size * size)
    look = level + PULL * np.log(np.maximum(_soon(held, coming, n.look_ahead * sooner), 1e-9) / watched)
    room = _doubled(n.room_size * size)  # shares over 1 leave nothing to do but to evict and to open
    tiers = (
        np.where(~blocked & (free > n.cut_room * room), cut, -np.inf),
        evict,
        np.where(blocked & (held < n.clean), opening, -np.inf),
        np.where(free > n.look_room * room, look, -np.inf),
    )
    return Gains(_in_turn(tiers, legal[:, 1:].reshape(batch, -1, slots), roles_of(effects), level), level)


def advice_of(gains: Gains, sharpness: float) -> Float32:
    """float32[B, 1 + P * K] logits of gains: 0 for the best, `LEAST_SHIFT` and more for the others.

    Args:
        gains: of B views.
        sharpness: logit that a gain of 1 is worth.
    """
    batch = len(gains.pairs)
    told = np.empty((batch, 1 + gains.pairs[0].size), np.float32)
    told[:, :1] = gains.level
    told[:, 1:] = gains.pairs.reshape(batch, -1)
    told -= told.max(axis=1, keepdims=True)
    told *= np.float32(sharpness)
    return np.maximum(told, np.float32(LEAST_SHIFT), out=told)


def _doubled(octaves: Float32) -> Float32:
    """2 to the octaves; beyond `MOST_DOUBLINGS` it stays there."""
    found: Float32 = np.exp2(np.clip(octaves, -MOST_DOUBLINGS, MOST_DOUBLINGS))
    return found


def _soon(held: Float32, per_minute: Float32, minutes: Weight) -> Float32:
    """float32[B, K] odds that a target is held now or gained within so many minutes: gains are a Poisson process."""
    odds: Float32 = 1.0 - (1.0 - held) * np.exp(-minutes * per_minute)
    return odds


def _in_turn(tiers: tuple[npt.NDArray[Any], ...], legal: npt.NDArray[np.bool_], roles: Roles, level: Weight) -> Float32:
    """float32[B, P, K] of each tier's gains [B, K], lowered so that what is due in one goes before all after it."""
    found = np.full(legal.shape, -np.inf, np.float32)
    ceiling = np.full((len(legal), 1), np.inf, np.float32)
    for tier, playbooks in zip(tiers, roles, strict=True):
        best = np.full_like(ceiling, -np.inf)
        for place, playbook in enumerate(playbooks):
            gain = np.where(legal[:, playbook], np.minimum(tier, ceiling), -np.inf) - np.float32(TIE * place)
            found[:, playbook] = np.maximum(found[:, playbook], gain)
            best = np.maximum(best, gain.max(axis=1, keepdims=True))
        ceiling = np.where(best >= level, np.minimum(ceiling, best - np.float32(AFTER)), ceiling)
    return found


@dataclass(frozen=True)
class RulePolicy:
    """The rule alone, without a network."""

    numbers: RuleNumbers
    view: ActiveSettings = ActiveSettings()

    def act_on(self, active: Active, effects: EffectTable) -> npt.NDArray[np.int64]:
        """int64[V]: what is worth most over slots in each view, waiting where that is below the level."""
        gains = gains_of(active.rows, active.legal, effects, self.numbers)
        pairs = gains.pairs.reshape(len(gains.pairs), -1)
        best = pairs.argmax(axis=1)
        due = pairs[np.arange(len(pairs)), best] >= np.ravel(gains.level)
        return np.where(due, best + 1, 0)
