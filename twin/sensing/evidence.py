"""What findings say of an asset, kept recursive and cheap: decayed counts, ages, kinds of sensor.

Flows in: the findings of a tick that a view may see. Flows out: one record per asset and view, written only where a
finding falls; decay is applied when it is read.
"""

from __future__ import annotations

import math

import numpy as np

from ..rulebook.jit import inlined
from ..vocabulary import Confidence

HALF_LIFE_TICKS = 30.0  # of a finding's weight; assumed, settled by the length of real incidents
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
    ],
    align=True,
)

assert len(WEIGHT) == len(Confidence)


@inlined
def decayed(count: float, age: int) -> float:
    """Weight `age` ticks later."""
    return count * math.exp2(-age / HALF_LIFE_TICKS)


@inlined
def add_finding(evidence: np.record, tick: int, sensor: int, confidence: int) -> None:
    """Count a finding of this tick into an asset's record."""
    evidence.count = decayed(evidence.count, tick - evidence.last) + WEIGHT[confidence]
    evidence.last = tick
    evidence.sensors |= 1 << sensor
    evidence.peak = max(evidence.peak, confidence + 1)
