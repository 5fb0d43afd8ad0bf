"""The numbers of the game beside the twin: attackers, consent, detection, repair.

Flows in: named settings with sources and ranges. Flows out: `Parameters`, arrays in ticks that kernel, belief and
forecast read. Probabilities marked "assumed" are guesses; what would settle each is said beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..compiled import Compiled, Float32, Int32, Int64, UInt8
from ..sensing.confusion import ConfusionTable
from ..vocabulary import AssetKind, ConsentClass, ConsentMode, Gain, Proposer

MASKS = 16  # sensor sets: 2 ** len(SensorClass)


@dataclass(frozen=True, slots=True)
class AttackerProfile:
    """One parametric attacker; all values assumed until fitted to campaigns, ranges in brackets."""

    name: str
    tries_per_hour: float = 12.0  # tempo [2, 60]
    stealth: float = 0.5  # 0: likes sure steps only by their odds; 1: halves its taste for what sensors watch [0, 1]
    goal_drive: float = 1.0  # how much it prefers steps that lead towards crown jewels [0, 3]
    persistence: float = 0.2  # weight of steps that only make it harder to evict [0, 1]
    impact: float = 0.5  # weight of encrypting, stopping and manipulating [0, 2]
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


class Parameters(NamedTuple):
    """Arrays over K attackers, O owners, C consent classes, S sensors, F places of false findings."""

    try_p: Float32  # [K] probability of a try per tick
    weight: Float32  # [K, E] taste for a step
    onset: Int32  # [K, 2] first and last tick of its coming
    absent: Float32  # [K]
    consent_mode: UInt8  # [O, C, 2] ConsentMode
    consent_latency: Int32  # [O, C, 2] ticks
    consent_refusal: Float32  # [O, C, 2]
    consent_hours: UInt8  # [O, C, 2, 2] UTC hours
    consent_quorum: UInt8  # [O, C, 2]
    hit: Float32  # [S, StepClass] finding given a try; PRESENCE: per tick held
    hit_mask: Float32  # [2, 16, StepClass] the same for a set of sensors, second row monitored
    false_rate: Float32  # [S] false findings per tick and asset
    false_mask: Float32  # [16]
    false_class: Float32  # [S, StepClass] distribution of a false finding over classes
    true_bins: Float32  # [3] distribution of a true finding over Confidence
    false_bins: Float32  # [3]
    false_total: float  # false findings per tick, whole twin
    false_cdf: npt.NDArray[np.float64]  # [F]
    false_asset: Int32  # [F]
    false_sensor: UInt8  # [F]
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
    total, cdf, places, sensors = _false_places(compiled, confusion, tick_h)
    return Parameters(
        try_p=np.array([-math.expm1(-a.tries_per_hour * tick_h) for a in attackers], np.float32),
        weight=np.array(weights, np.float32).reshape(len(attackers), len(compiled.steps)),
        onset=np.array([[round(s / compiled.tick_s) for s in a.onset_s] for a in attackers], np.int32),
        absent=np.array([attacker.absent for attacker in attackers], np.float32),
        **_consent(compiled),
        **_detection(confusion, tick_h),
        false_total=total,
        false_cdf=cdf,
        false_asset=places,
        false_sensor=sensors,
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
                f"attacker {attacker.name!r}: tries_per_hour >= 0, absent within 0..1 and onset_s from low to high needed"
            )
    if settings.repair_h <= 0 or not 0 <= settings.regain <= 1:
        raise ValueError("game settings: repair_h must be positive and regain within 0..1")


def _taste(compiled: Compiled, attacker: AttackerProfile, confusion: ConfusionTable) -> Float32:
    """Weight of each step: its odds, where it leads, and how well it is watched (assumed form)."""
    arrays = compiled.arrays
    leads = np.maximum(arrays.toward[arrays.dst], 1e-3)
    opened = np.flatnonzero(arrays.kind[arrays.dst] == AssetKind.IDENTITY)
    leads[opened] = np.maximum(arrays.toward[arrays.dst[opened]], 0.05)
    weight = arrays.probability * leads**attacker.goal_drive
    watched = confusion.hit_by_mask()[0][arrays.sensors[arrays.seen_at], arrays.step_class]
    weight = weight * (1.0 - 0.5 * attacker.stealth * watched)
    weight = np.where(arrays.gain == Gain.PERSISTENCE, attacker.persistence * weight, weight)
    weight = np.where(arrays.gain == Gain.IMPACT, attacker.impact * weight, weight)
    return weight.astype(np.float32)


def _consent(compiled: Compiled) -> dict[str, npt.NDArray[np.generic]]:
    shape = (len(compiled.twin.owners), len(ConsentClass), len(Proposer))
    mode = np.full(shape, ConsentMode.NEVER, np.uint8)  # deny by default
    latency = np.zeros(shape, np.int32)
    refusal = np.zeros(shape, np.float32)
    hours = np.zeros((*shape, 2), np.uint8)
    quorum = np.ones(shape, np.uint8)
    for rule in compiled.twin.consent:
        row = (compiled.owner_number[rule.owner], int(rule.consent_class), int(rule.proposer))
        mode[row] = rule.mode
        latency[row] = math.ceil(rule.latency_s / compiled.tick_s)
        refusal[row] = rule.refusal
        hours[row] = rule.hours
        quorum[row] = rule.quorum
    return {
        "consent_mode": mode,
        "consent_latency": latency,
        "consent_refusal": refusal,
        "consent_hours": hours,
        "consent_quorum": quorum,
    }


def _detection(confusion: ConfusionTable, tick_h: float) -> dict[str, npt.NDArray[np.generic]]:
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
) -> tuple[float, npt.NDArray[np.float64], Int32, UInt8]:
    """Where false findings fall: every (asset, sensor) pair, weighted by the sensor's rate."""
    rates = np.asarray(confusion.false_per_hour) * tick_h
    watched = (compiled.arrays.sensors[:, None] >> np.arange(len(rates))) & 1
    assets, sensors = np.nonzero(watched)
    weights = rates[sensors]
    total = float(weights.sum())
    cdf = np.cumsum(weights) / total if total > 0 else np.zeros(0)
    return total, cdf.astype(np.float64), assets.astype(np.int32), sensors.astype(np.uint8)
