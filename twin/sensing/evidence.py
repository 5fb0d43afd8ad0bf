"""What findings say of an asset, kept recursive and cheap: decayed counts, ages, kinds of sensor.

Flows in: the findings of a tick that a view may see. Flows out: one record per asset and view, written only where a
finding falls; decay is applied when it is read.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ..compiled import Compiled
from ..rulebook.jit import inlined
from ..rulebook.parameters import Parameters
from ..rulebook.state import WorldState
from ..vocabulary import Confidence

HALF_LIFE_TICKS = 30.0  # of a finding's weight; assumed, settled by the length of real incidents
DECAY = np.exp2(-np.arange(255) / HALF_LIFE_TICKS)  # the commonest ages, looked up
WEIGHT = (0.5, 1.0, 2.0)  # of a finding by Confidence; assumed
NO_FINDING = -1_000_000
FORGOTTEN = 255  # ticks after which a finding's age is no more told; its weight is below 0.3 % then

EVIDENCE = np.dtype(
    [
        ("count", "f4"),  # decayed weight of findings, as of `last`
        ("last", "i4"),  # tick of the last finding
        ("sensors", "u1"),  # bit s: SensorClass s has found something
        ("peak", "u1"),  # highest Confidence seen, plus one
        ("recent", "u1"),  # 1: in the view's list of recent findings
        ("step_class", "u1"),  # StepClass of the last finding
        ("confidence", "u1"),  # Confidence of the last finding
    ],
    align=True,
)

assert len(WEIGHT) == len(Confidence)


@inlined
def decayed(count: float, age: int) -> float:
    """Weight `age` ticks later."""
    return count * (DECAY[int(age)] if age < FORGOTTEN else math.exp2(-age / HALF_LIFE_TICKS))


@inlined
def add_finding(evidence: np.record, tick: int, sensor: int, confidence: int, step_class: int) -> None:
    """Count a finding of this tick into an asset's record."""
    evidence.count = decayed(evidence.count, tick - evidence.last) + WEIGHT[confidence]
    evidence.last = tick
    evidence.sensors |= 1 << sensor
    evidence.peak = max(evidence.peak, confidence + 1)
    evidence.step_class = step_class
    evidence.confidence = confidence


def told_in_last_tick(b: int, seat: int, compiled: Compiled, parameters: Parameters, state: WorldState) -> Any:
    """Evidence, record[N], of nothing but the findings that a seat of world `b` was told of in the last tick."""
    world, evidence = state.world[b], np.zeros(compiled.sizes[0], EVIDENCE).view(np.recarray)
    evidence["last"] = NO_FINDING
    rows: npt.NDArray[np.int32] = state.finding[b, : world.finding_n]
    if parameters.is_by_phone:
        sitting = int(state.seat_owner[b, seat])
        own = compiled.arrays.asset["owner"][rows[:, 0]] == (sitting if sitting >= 0 else parameters.desk)
        rows = rows[own != (np.arange(len(rows)) >= len(rows) - world.late_n)]
    for asset, sensor, step_class, confidence in rows:
        evidence[asset] = (WEIGHT[confidence], world.tick - 1, 1 << sensor, confidence + 1, 1, step_class, confidence)
    return evidence
