"""Means, interquartile means and probabilities of improvement over several chains, with intervals.

Flows in: losses of policies on the same attacks, a table per chain. Flows out: `Estimate`s. After Agarwal et al. 2021,
"Deep Reinforcement Learning at the Edge of the Statistical Precipice" (NeurIPS): the bootstrap is stratified, every
chain keeps its number of attacks, and percentile intervals of 95 % are given (Efron and Tibshirani 1993, "An
Introduction to the Bootstrap", chapter 13). Attacks that share their draws are drawn together. A resample is a weight
per attack, the same for all policies, as all play the same attacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Statistic = Callable[[Float64], Float64]  # float64[R, n] weights of attacks -> float64[R]

RESAMPLES, COVERAGE, BOOTSTRAP_SEED = 2000, 0.95, 20261
BLOCK = 4_000_000  # weights held at once


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Losses:
    """Losses of policies on the attacks of several chains."""

    table: Float64  # [n, policies], chain after chain
    sizes: tuple[int, ...]  # attacks of each chain

    @classmethod
    def of(cls, chains: Sequence[Float64]) -> Losses:
        """Put together float64[n, policies] of each chain."""
        return cls(np.concatenate(chains), tuple(len(chain) for chain in chains))

    def of_chain(self, values: Float64) -> list[Float64]:
        """Cut the last axis of an array over all attacks into one array per chain."""
        return np.split(values, np.cumsum(self.sizes)[:-1], axis=-1)


def estimates(losses: Losses, statistics: Sequence[Statistic]) -> list[Estimate]:
    """Each statistic on the attacks as they are, with the central `COVERAGE` of it on resamples."""
    plain = np.ones((1, len(losses.table)))
    resampled: list[list[Float64]] = [[] for _ in statistics]
    for weights in _resamples(losses.sizes):
        for values, statistic in zip(resampled, statistics, strict=True):
            values.append(statistic(weights))
    return [
        Estimate(float(statistic(plain)[0]), *interval(np.concatenate(values)))
        for statistic, values in zip(statistics, resampled, strict=True)
    ]


def interval(values: Float64) -> tuple[float, float]:
    """The central `COVERAGE` of resampled figures float64[R]."""
    low, high = np.quantile(values, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)


def mean(losses: Losses, policy: int) -> Statistic:
    """Mean over chains of a policy's mean loss on each."""
    return mean_of(losses, losses.table[:, policy])


def mean_of(losses: Losses, values: Float64) -> Statistic:
    """Mean over chains of the mean on each of float64[n], a value per attack."""

    def statistic(weights: Float64) -> Float64:
        parts = zip(losses.of_chain(weights), losses.of_chain(values), strict=True)
        return np.mean([weight @ value / len(value) for weight, value in parts], axis=0)

    return statistic


def interquartile_mean(losses: Losses, policy: int) -> Statistic:
    """Mean of the middle half of all attacks' losses: neither the worst nor the most harmless quarter moves it."""
    order = np.argsort(losses.table[:, policy], kind="stable")
    ordered = losses.table[order, policy]

    def statistic(weights: Float64) -> Float64:
        total = weights.sum(axis=1, keepdims=True)
        below = np.clip(np.cumsum(weights[:, order], axis=1), 0.25 * total, 0.75 * total)
        within = np.diff(below, axis=1, prepend=0.25 * total)
        return (within @ ordered) / (0.5 * total[:, 0])

    return statistic


def probability_of_improvement(losses: Losses, policy: int, other: int) -> Statistic:
    """P(loss of `policy` < loss of `other`) on attacks drawn from one chain, ties half, mean over chains.

    The Mann-Whitney U statistic over both numbers of attacks, as in Agarwal et al. 2021.
    """
    chains = np.split(losses.table, np.cumsum(losses.sizes)[:-1])
    ranked = [_Ranks.of(chain[:, policy], chain[:, other]) for chain in chains]

    def statistic(weights: Float64) -> Float64:
        parts = zip(losses.of_chain(weights), ranked, strict=True)
        return np.mean([ranks.share_below(weight) for weight, ranks in parts], axis=0)

    return statistic


@dataclass(frozen=True, slots=True)
class _Ranks:
    """Where each loss of one policy falls among the sorted losses of another."""

    order: npt.NDArray[np.int64]  # [n] sorts the other's losses
    left: npt.NDArray[np.int64]  # [n] losses of the other below this one
    right: npt.NDArray[np.int64]  # [n] losses of the other below it or equal to it

    @classmethod
    def of(cls, mine: Float64, other: Float64) -> _Ranks:
        order = np.argsort(other, kind="stable")
        ordered = other[order]
        return cls(order, np.searchsorted(ordered, mine, "left"), np.searchsorted(ordered, mine, "right"))

    def share_below(self, weights: Float64) -> Float64:
        """float64[R]: share of pairs in which this policy loses less, by weights float64[R, n]."""
        below = np.cumsum(weights[:, self.order], axis=1)
        below = np.concatenate([np.zeros((len(weights), 1)), below], axis=1)
        total = below[:, -1:]
        more = total - 0.5 * (below[:, self.left] + below[:, self.right])
        return np.einsum("rn,rn->r", weights, more) / total[:, 0] ** 2


def _resamples(sizes: Sequence[int]) -> Iterator[Float64]:
    """Blocks float64[r, n] of how often each attack is drawn, with replacement, as many on each chain as it has.

    Attacks of equal number have equal draws on every chain (whether anybody comes, when), so chains with as many
    attacks draw the same numbers: drawn apart, chance that all chains share would seem to even out.
    """
    rng, rows = np.random.default_rng(BOOTSTRAP_SEED), max(1, BLOCK // sum(sizes))
    for start in range(0, RESAMPLES, rows):
        count = min(rows, RESAMPLES - start)
        drawn = [
            {size: np.bincount(rng.integers(size, size=size), minlength=size) for size in dict.fromkeys(sizes)}
            for _ in range(count)
        ]
        yield np.array([np.concatenate([one[size] for size in sizes]) for one in drawn], np.float64)
