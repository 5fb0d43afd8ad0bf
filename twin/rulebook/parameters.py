"""The numbers of the game beside the twin: attackers, consent, detection, repair.

Flows in: named settings with sources and ranges. Flows out: `Parameters`, arrays in ticks that kernel, belief and
forecast read. Probabilities marked "assumed" are guesses; what would settle each is said beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..compiled import Compiled, Float32, Int64
from ..sensing.confusion import ConfusionTable
from ..vocabulary import AssetKind, ConsentClass, Gain, Proposer

MASKS = 16  # sensor sets: 2 ** len(SensorClass)


@dataclass(frozen=True, slots=True)
class AttackerProfile:
    """One parametric attacker; all values assumed until fitted to campaigns, ranges in brackets."""

    name: str
    tries_per_hour: float = 20.0  # tempo [2, 60]
    stealth: float = 0.5  # 0: likes sure steps only by their odds; 1: halves its taste for what sensors watch [0, 1]
    goal_drive: float = 1.0  # how much it prefers steps that lead towards crown jewels [0, 3]
    persistence: float = 0.2  # weight of steps that only make it harder to evict [0, 1]
    impact: float = 0.5  # weight of encrypting, stopping and manipulating [0, 2]
    breadth: float = 1.0  # 1: spreads by taste; 0: nearly always takes the step it likes best [0, 1]
    patience_s: float = 0.0  # so long after it came it stops, encrypts and manipulates nothing [0, 86400]
    entry: tuple[str, ...] = ()  # assets it holds as a user when it comes; empty: it comes from outside
    onset_s: tuple[float, float] = (0.0, 3600.0)  # it comes at a time drawn uniformly from this span
    absent: float = 0.1  # probability that it never comes [0, 1]


OPPORTUNIST = AttackerProfile("opportunist")


@dataclass(frozen=True, slots=True)
class GameSettings:
    """What is not the twin's and not an attacker's."""

    repair_h: float = 8.0  # mean time until an owner repairs what was stopped, once rid of the attacker; assumed
    regain: float = 0.05  # per tick: persistence wins admin back; assumed, settled by red-team logs
    labour_rate: float = 0.05  # loss per hour of playbook labour, in shares of the owner's value per hour; assumed
    start_hour: float = -1.0  # UTC hour of tick 0; negative: drawn per episode


ATTACKER = np.dtype(
    [
        ("try_p", "f4"),  # probability of a try per tick
        ("first", "i4"),  # first and last tick of its coming
        ("last", "i4"),
        ("absent", "f4"),  # probability that it never comes
        ("patience", "i4"),  # ticks from its coming to its first impact
        ("entry_first", "i4"),  # its rows of `entry`
        ("entry_last", "i4"),
    ]
)
CONSENT = np.dtype(
    [
        ("mode", "u1"),  # ConsentMode
        ("hour_first", "u1"),  # UTC hours in which somebody answers
        ("hour_last", "u1"),
        ("quorum", "u1"),
        ("latency", "i4"),  # ticks
        ("refusal", "f4"),  # probability
    ],
    align=True,
)
FALSE_PLACE = np.dtype([("asset", "i4"), ("sensor", "i4")])


class Parameters(NamedTuple):
    """Arrays over K attackers, O owners, C consent classes, S sensors, F places of false findings."""

    attacker: npt.NDArray[Any]  # [K] of ATTACKER
    entry: npt.NDArray[np.int32]  # assets that attackers hold when they come
    weight: Float32  # [K, E] taste for a step
    consent: npt.NDArray[Any]  # [O, C, Proposer] of CONSENT
    hit: Float32  # [S, StepClass] finding given a try; PRESENCE: per tick held
    hit_mask: Float32  # [2, 16, StepClass] the same for a set of sensors, second row monitored
    false_rate: Float32  # [S] false findings per tick and asset
    false_mask: Float32  # [16]
    false_class: Float32  # [S, StepClass] distribution of a false finding over classes
    true_bins: Float32  # [3] distribution of a true finding over Confidence
    false_bins: Float32  # [3]
    false_total: float  # false findings per tick, whole twin
    false_cdf: npt.NDArray[np.float64]  # [F]
    false_place: npt.NDArray[Any]  # [F] of FALSE_PLACE
    repair: float  # probability per tick
    regain: float  # probability per tick
    labour: Int64  # [O] nano loss per hour of labour
    tick_s: float
    start_hour: float


def build_parameters(
    compiled: Compiled,
    attackers: Sequence[AttackerProfile],
    confusion: ConfusionTable,
    settings: GameSettings | None = None,
) -> Parameters:
    """Turn settings into arrays for one compiled twin.

    Raises:
        ValueError: no attacker or more than eight, or a number out of range; names it and the mend.
    """
    settings = settings or GameSettings()
    _check(attackers, settings)
    tick_h = compiled.tick_s / 3600.0
    weights = [_taste(compiled, attacker, confusion) for attacker in attackers]
    total, cdf, places = _false_places(compiled, confusion, tick_h)
    rows = np.zeros(len(attackers), ATTACKER).view(np.recarray)
    entry: list[int] = []
    for row, attacker in enumerate(attackers):
        first, last, patience = (round(second / compiled.tick_s) for second in (*attacker.onset_s, attacker.patience_s))
        begins = len(entry)
        entry += _entry(compiled, attacker)
        chance = -math.expm1(-attacker.tries_per_hour * tick_h)
        rows[row] = (chance, first, last, attacker.absent, patience, begins, len(entry))
    return Parameters(
        attacker=rows,
        entry=np.array(entry, np.int32),
        weight=np.array(weights, np.float32).reshape(len(attackers), len(compiled.steps)),
        consent=_consent(compiled),
        **_detection(confusion, tick_h),
        false_total=total,
        false_cdf=cdf,
        false_place=places,
        repair=-math.expm1(-tick_h / settings.repair_h),
        regain=settings.regain,
        labour=np.round(compiled.arrays.hourly * settings.labour_rate).astype(np.int64),
        tick_s=compiled.tick_s,
        start_hour=settings.start_hour,
    )


def _check(attackers: Sequence[AttackerProfile], settings: GameSettings) -> None:
    if not 1 <= len(attackers) <= 8:
        raise ValueError(f"{len(attackers)} attackers: a world has one to eight; each holds assets in a bit of its own")
    for attacker in attackers:
        low, high = attacker.onset_s
        if attacker.tries_per_hour < 0 or not 0 <= attacker.absent <= 1 or not 0 <= low <= high:
            raise ValueError(
                f"attacker {attacker.name!r}: needs tries_per_hour >= 0, absent within 0..1, onset_s from low to high"
            )
        if not 0 <= attacker.breadth <= 1 or attacker.patience_s < 0:
            raise ValueError(f"attacker {attacker.name!r}: needs breadth within 0..1 and patience_s >= 0")
    if settings.repair_h <= 0 or not 0 <= settings.regain <= 1:
        raise ValueError("game settings: repair_h must be positive and regain within 0..1")


def _entry(compiled: Compiled, attacker: AttackerProfile) -> list[int]:
    """Numbers of the assets that the attacker holds when it comes."""
    if not attacker.entry:
        return [int(a) for a in compiled.arrays.external]
    for asset in attacker.entry:
        if asset not in compiled.asset_number:
            raise ValueError(f"attacker {attacker.name!r}: entry {asset!r} is no asset of the chain; mend the id")
    return [compiled.asset_number[asset] for asset in attacker.entry]


def _taste(compiled: Compiled, attacker: AttackerProfile, confusion: ConfusionTable) -> Float32:
    """Weight of each step: its odds, where it leads, and how well it is watched (assumed form); 1 in the mean."""
    asset, step = compiled.arrays.asset, compiled.arrays.step
    leads = np.maximum(asset["toward"][step["dst"]], 1e-3)
    leads = np.where(asset["kind"][step["dst"]] == AssetKind.IDENTITY, np.maximum(leads, 0.05), leads)
    weight = step["probability"] * leads**attacker.goal_drive
    watched = confusion.hit_by_mask()[0][asset["sensors"][step["seen_at"]], step["step_class"]]
    weight = weight * (1.0 - 0.5 * attacker.stealth * watched)
    weight = np.where(step["gain"] == Gain.PERSISTENCE, attacker.persistence * weight, weight)
    weight = np.where(step["gain"] == Gain.IMPACT, attacker.impact * weight, weight)
    weight = weight ** (1.0 + 3.0 * (1.0 - attacker.breadth))
    return (weight / max(float(weight.mean()), 1e-30) if len(weight) else weight).astype(np.float32)


def _consent(compiled: Compiled) -> npt.NDArray[Any]:
    shape = (len(compiled.twin.owners), len(ConsentClass), len(Proposer))
    table = np.zeros(shape, CONSENT).view(np.recarray)  # all zero is NEVER: deny by default
    for rule in compiled.twin.consent:
        table[compiled.owner_number[rule.owner], rule.consent_class, rule.proposer] = (
            rule.mode,
            *rule.hours,
            rule.quorum,
            math.ceil(rule.latency_s / compiled.tick_s),
            rule.refusal,
        )
    return table


def _detection(confusion: ConfusionTable, tick_h: float) -> dict[str, Any]:
    per_tick = np.asarray(confusion.false_per_hour) * tick_h
    bits = (np.arange(MASKS)[:, None] >> np.arange(len(per_tick))) & 1
    return {
        "hit": np.asarray(confusion.hit, np.float32),
        "hit_mask": confusion.hit_by_mask().astype(np.float32),
        "false_rate": per_tick.astype(np.float32),
        "false_mask": (bits @ per_tick).astype(np.float32),
        "false_class": np.asarray(confusion.false_class, np.float32),
        "true_bins": np.asarray(confusion.true_bins, np.float32),
        "false_bins": np.asarray(confusion.false_bins, np.float32),
    }


def _false_places(
    compiled: Compiled, confusion: ConfusionTable, tick_h: float
) -> tuple[float, npt.NDArray[np.float64], npt.NDArray[Any]]:
    """Where false findings fall: every (asset, sensor) pair, weighted by the sensor's rate."""
    rates = np.asarray(confusion.false_per_hour) * tick_h
    watched = (compiled.arrays.asset["sensors"][:, None] >> np.arange(len(rates))) & 1
    assets, sensors = np.nonzero(watched)
    weights = rates[sensors]
    total = float(weights.sum())
    cdf = np.cumsum(weights) / total if total > 0 else np.zeros(0)
    places = np.zeros(len(assets), FALSE_PLACE).view(np.recarray)
    places["asset"], places["sensor"] = assets, sensors
    return total, cdf.astype(np.float64), places
