"""Which of the assumed numbers decide whether a response pays: rank correlations over draws.

Flows in: losses by draw. Flows out: `Driver`s. Spearman's rho (1904, "The Proof and Measurement of Association between
Two Things") between a number's quantile and what a policy saves against another; many numbers are tested at once, so
only what passes Holm's correction (1979, "A Simple Sequentially Rejective Multiple Test Procedure") is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from ..envs.assumptions import CHOSEN, Assumptions
from ..envs.ranges import ranges

UNSURE = 0.05  # chance that anything at all is named by luck
LEAST_DRAWS = 10


@dataclass(frozen=True, slots=True)
class Driver:
    """One assumed number that moves what a policy saves."""

    number: str  # its name, see `tocsin scenario numbers`
    rho: float  # above 0: the higher the number, the more is saved
    chance: float  # of a correlation as large by luck alone, before correction


def drivers(saved: Sequence[float], seed: int) -> tuple[Driver, ...]:
    """Numbers that surely move what is saved, the strongest first; none where there are too few draws.

    Args:
        saved: by number of the draw, from 0 on: loss of one policy less that of another.
        seed: of the draws.
    """
    if len(saved) < LEAST_DRAWS or np.ptp(saved) == 0:
        return ()
    names = [name for name, row in ranges().items() if not row.source.startswith(CHOSEN)]
    found = []
    for name in names:
        quantiles = [Assumptions(seed, number).quantile(name) for number in range(len(saved))]
        told = spearmanr(quantiles, saved)
        found.append(Driver(name, float(told.statistic), float(told.pvalue)))
    found.sort(key=lambda one: one.chance)
    sure = 0
    while sure < len(found) and found[sure].chance <= UNSURE / (len(found) - sure):
        sure += 1
    return tuple(sorted(found[:sure], key=lambda one: -abs(one.rho)))


def saved_by(policy: str, other: str, draws: Sequence[Mapping[str, float]]) -> list[float]:
    """What a policy saves against another in each draw, owner-hours per attack."""
    return [one[other] - one[policy] for one in draws]
