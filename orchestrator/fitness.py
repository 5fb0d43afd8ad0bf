"""Whether a promoted policy is still fit: what it meets against what it was trained on, forecasts against what came.

Flows in: the profile of a policy's card, windows of counts, outlooks with what came, responses with their outcome.
Flows out: a `Fitness`: parts that are fit, that call for training again, or that cannot tell for want of samples. Pure.

- Drift: the population stability index above what counts as a major shift *and* above what chance makes of so many
  windows; or more that was never seen than chance brings (see envs.profile).
- Forecasts: nine outlooks in ten should hold what came between their 5 % and 95 % quantiles. Fewer, by a one-sided
  binomial test at 1 %, call for training again. More do not: lost service is often nought in both.
- Outcomes: playbooks should succeed as often as they declare. Spiegelhalter's test of calibration (1986, "Probabilistic
  prediction in patient management and clinical trials", Statistics in Medicine 5) on the Brier score, two-sided at 1 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ..envs.profile import CHANGING, COUNTED, LITTLE, MAJOR, NOVEL, SIZES, STRATA, Profile, Window, indices, novelties

LEAST_OUTLOOKS, LEAST_OUTCOMES = 20, 20  # below them nothing is said; assumed
HELD = 0.9  # share of outlooks that should hold what came
DOUBT = 0.01  # of both tests
Z = 2.576  # two-sided 1 % of the normal distribution
SHOWN = 5  # features named per stratum


class Verdict(StrEnum):
    """What is to be done."""

    FIT = "fit"
    TRAIN_AGAIN = "train again"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Moved:
    """One feature whose distribution moved."""

    feature: str
    index: float  # population stability index
    novelty: float  # share never seen in training


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    says: str
    samples: float
    needed: int
    moved: tuple[Moved, ...] = ()


@dataclass(frozen=True, slots=True)
class Fitness:
    """All of them."""

    verdict: Verdict
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Came:
    """An outlook and the service lost that came."""

    low: float  # 5 % quantile
    high: float  # 95 %
    came: float


def fitness(
    profile: Profile, windows: Sequence[Window], outlooks: Sequence[Came], outcomes: Sequence[tuple[float, bool]]
) -> Fitness:
    """Judge a policy.

    Args:
        profile: of its card.
        windows: what it met.
        outlooks: undisturbed ones.
        outcomes: of its responses: the chance of success that the playbook declares, and whether it came.
    """
    drifts = [_drift(name, number, profile, windows) for number, name in enumerate(STRATA)]
    parts = (*drifts, forecasts(outlooks), success(outcomes))
    verdicts = {part.verdict for part in parts}
    for one in (Verdict.TRAIN_AGAIN, Verdict.CANNOT_TELL):
        if one in verdicts:
            return Fitness(one, parts)
    return Fitness(Verdict.FIT, parts)


def _drift(name: str, number: int, profile: Profile, windows: Sequence[Window]) -> Part:
    stratum, label = profile.strata.get(name), f"observations, {name}"
    if stratum is None or not stratum.index:
        return Part(label, Verdict.CANNOT_TELL, "training showed no such decisions", 0, SIZES[0])
    met = [one for one in windows if one.decisions[number]]
    decisions = sum(int(one.decisions[number]) for one in met)
    samples = min(len(met), decisions / stratum.decisions)  # windows as full as those of training
    if samples < SIZES[0]:
        says = f"{samples:.1f} windows' worth of decisions, {SIZES[0]} are needed"
        return Part(label, Verdict.CANNOT_TELL, says, round(samples, 1), SIZES[0])
    size = max(one for one in stratum.index if one <= samples)
    counts = np.sum([one.counts[number] for one in met], axis=0)
    index, novelty = indices(counts, stratum.counts), novelties(counts, stratum.counts)
    index[np.setdiff1d(np.arange(len(index)), CHANGING)] = 0.0  # what does not change is judged by novelty alone
    most, strange = max(MAJOR, stratum.index[size]), max(NOVEL, stratum.novelty[size])
    is_over = (index > most) | (novelty > strange)
    worst = np.argsort(-np.maximum(index / most, novelty / strange))[:SHOWN]
    moved = tuple(
        Moved(COUNTED[one], round(float(index[one]), 4), round(float(novelty[one]), 4))
        for one in worst
        if is_over[one] or index[one] > LITTLE
    )
    if is_over.any():
        names = ", ".join(COUNTED[one] for one in worst if is_over[one])
        says = f"{names} moved beyond an index of {most:.2f} or a novelty of {strange:.2f}"
        return Part(label, Verdict.TRAIN_AGAIN, says, round(samples, 1), SIZES[0], moved)
    says = f"greatest index {index.max():.2f} of {most:.2f}, greatest novelty {novelty.max():.2f} of {strange:.2f}"
    return Part(label, Verdict.FIT, says, round(samples, 1), SIZES[0], moved)


def forecasts(outlooks: Sequence[Came]) -> Part:
    """Whether outlooks hold what came as often as they should."""
    from scipy.stats import binom

    name, count = "forecasts", len(outlooks)
    if count < LEAST_OUTLOOKS:
        says = f"{count} undisturbed outlooks came due, {LEAST_OUTLOOKS} are needed"
        return Part(name, Verdict.CANNOT_TELL, says, count, LEAST_OUTLOOKS)
    held = sum(one.low - 1e-9 <= one.came <= one.high + 1e-9 for one in outlooks)
    above = sum(one.came > one.high + 1e-9 for one in outlooks)
    chance = float(binom.cdf(held, count, HELD))
    says = f"{held} of {count} hold what came ({above} times more came), {HELD:.0%} should"
    return Part(name, Verdict.TRAIN_AGAIN if chance < DOUBT else Verdict.FIT, says, count, LEAST_OUTLOOKS)


def success(outcomes: Iterable[tuple[float, bool]]) -> Part:
    """Whether responses succeed as often as their playbooks declare."""
    name, rows = "outcomes", [(p, came) for p, came in outcomes if 0.0 < p < 1.0]
    count = len(rows)
    if count < LEAST_OUTCOMES:
        says = f"{count} responses were verified, {LEAST_OUTCOMES} are needed"
        return Part(name, Verdict.CANNOT_TELL, says, count, LEAST_OUTCOMES)
    brier = sum((came - p) ** 2 for p, came in rows) / count
    gap = sum((came - p) * (1 - 2 * p) for p, came in rows)
    spread = math.sqrt(sum((1 - 2 * p) ** 2 * p * (1 - p) for p, _ in rows))
    z = gap / spread if spread > 0 else 0.0
    came, declared = sum(came for _, came in rows), sum(p for p, _ in rows)
    says = f"{came} of {count} succeeded, {declared:.1f} were declared; Brier score {brier:.3f}, z {z:+.2f}"
    return Part(name, Verdict.TRAIN_AGAIN if abs(z) > Z else Verdict.FIT, says, count, LEAST_OUTCOMES)
