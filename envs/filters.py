"""Filters: what says, from findings and public facts, with what probability each asset of B worlds is held.

Flows in: worlds after each tick, of which public fields and findings alone are read. Flows out: P(any access), per
world and asset. The belief that production uses is one of them; the others are what it is to be better than, and what
they must learn first comes from `filter_training.py`. Nothing here knows the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from ..twin.compiled import Compiled, Float32
from ..twin.rulebook.effects import EffectTable
from ..twin.rulebook.parameters import Parameters
from ..twin.rulebook.state import WorldState
from ..twin.sensing.arriving import held_shares
from ..twin.sensing.belief import new_belief, update_beliefs
from ..twin.vocabulary import AssetKind

HALF_LIVES: Final = (10, 45, 180)  # ticks: of a try, of an attack's stage, of an attack
SPREADS: Final = (0.05, 0.2, 0.5)  # share of a count that a link passes on; training chooses


class Filter(Protocol):
    """Follows B worlds from their first tick on."""

    def update(self, state: WorldState) -> None:
        """Take in what the last tick showed."""
        ...

    def held(self) -> Float32:
        """P(any access), float32[B, N]."""
        ...


class BeliefFilter:
    """The belief of production and training, one view a world that sees every finding."""

    def __init__(self, compiled: Compiled, effects: EffectTable, assumed: Parameters, worlds: int) -> None:
        self._compiled, self._effects, self._assumed = compiled, effects, assumed
        self._which = np.arange(worlds)
        self._belief = new_belief(compiled, worlds)

    def update(self, state: WorldState) -> None:
        """One tick of every view."""
        update_beliefs(self._which, self._compiled.arrays, self._effects, self._assumed, state, self._belief)

    def held(self) -> Float32:
        """P(any access), float32[B, N]."""
        return held_shares(self._assumed, self._belief)

    @property
    def mean_active(self) -> float:
        """Assets looked at in a tick, mean over worlds."""
        return float(self._belief.active_n.mean())


class Counts:
    """Decayed counts of findings, weighed by confidence 1 to 3; lives as long as its filter."""

    def __init__(self, worlds: int, assets: int, half_lives: Sequence[float]) -> None:
        self.tick = 0
        self.value = np.zeros((len(half_lives), worlds, assets), np.float32)
        self._kept = np.array([0.5 ** (1.0 / ticks) for ticks in half_lives], np.float32)[:, None, None]

    def add(self, state: WorldState) -> None:
        """Let older counts fade, and count the findings of the last tick."""
        self.tick += 1
        self.value *= self._kept
        world, row = np.nonzero(np.arange(state.finding.shape[1]) < state.world["finding_n"][:, None])
        asset, confidence = state.finding[world, row, 0], state.finding[world, row, 3]
        for counts in self.value:
            np.add.at(counts, (world, asset), (1.0 + confidence).astype(np.float32))


@dataclass(frozen=True)
class Surroundings:
    """What may be reached from what in one attack step, and what is fixed about assets."""

    before: Any  # csr_matrix[N, N]: 1 where a step leads from the column's asset to the row's
    after: Any  # its inverse
    fixed: Float32  # [N, 3]: sensors, steps to it and from it (logarithms)

    @classmethod
    def of(cls, compiled: Compiled) -> Surroundings:
        """Look them up; a step from a segment leads from each of its members."""
        asset, step = compiled.arrays.asset, compiled.arrays.step
        pairs: list[tuple[int, int]] = []
        for source, target in {(int(row["src"]), int(row["dst"])) for row in step}:
            row = asset[source]
            members = compiled.arrays.part[row["part_first"] : row["part_last"]]
            sources = members if row["kind"] == AssetKind.SEGMENT else [source]
            pairs += [(target, int(one)) for one in sources if one != target]
        rows, columns = np.array(sorted(set(pairs)), np.int64).reshape(-1, 2).T
        before = csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(len(asset), len(asset)))
        sensors = ((asset["sensors"][:, None] >> np.arange(8)) & 1).sum(axis=1)
        steps = [np.log1p(asset[f"{way}_last"] - asset[f"{way}_first"]) for way in ("in", "out")]
        return cls(before, csr_matrix(before.T), np.stack([sensors, *steps], axis=1).astype(np.float32))

    def spread(self, counts: Float32, share: float) -> Float32:
        """Counts float32[B, N] with a share of the neighbours', and a share of that of the next ones."""
        once = self._around(counts)
        spread: Float32 = counts + share * once + share * share * self._around(once)
        return spread

    def linked(self, counts: Float32) -> tuple[Float32, Float32, Float32]:
        """Counts of what leads to each asset, of what it leads to, and of what leads to what leads to it."""
        before = self._times(self.before, counts)
        return before, self._times(self.after, counts), self._times(self.before, before)

    def _around(self, counts: Float32) -> Float32:
        around: Float32 = self._times(self.before, counts) + self._times(self.after, counts)
        return around

    @staticmethod
    def _times(links: Any, counts: Float32) -> Float32:
        product: Float32 = (links @ counts.T).T
        return product


@dataclass(frozen=True)
class Calibration:
    """How often assets with a score were held at that time of an attack, in training worlds."""

    score_edges: npt.NDArray[np.float64]  # inner edges of bins of scores
    tick_edges: npt.NDArray[np.float64]  # inner edges of bins of time
    rate: Float32  # [time, score]

    def __call__(self, score: Float32, tick: int) -> Float32:
        """P(held) of each score."""
        rates: Float32 = self.rate[np.searchsorted(self.tick_edges, tick, side="right")]
        return rates[np.searchsorted(self.score_edges, score, side="right")]


@dataclass
class BaseRateFilter:
    """Nothing but how often anything was held at that time in training worlds."""

    calibration: Calibration
    shape: tuple[int, int]
    tick: int = 0

    def update(self, state: WorldState) -> None:
        """Time passes."""
        self.tick += 1

    def held(self) -> Float32:
        """P(any access), float32[B, N]."""
        return self.calibration(np.zeros(self.shape, np.float32), self.tick)


@dataclass
class CountFilter:
    """Decayed counts of an asset's own findings, or spread along steps where `share` is positive; calibrated."""

    counts: Counts  # of one half-life
    calibration: Calibration
    around: Surroundings
    share: float = 0.0
    _held: Float32 = field(init=False)

    def update(self, state: WorldState) -> None:
        """Count, spread, look up."""
        self.counts.add(state)
        own = self.counts.value[0]
        score = self.around.spread(own, self.share) if self.share > 0.0 else own
        self._held = self.calibration(score, self.counts.tick)

    def held(self) -> Float32:
        """P(any access), float32[B, N]."""
        return self._held


@dataclass
class Recalibrated:
    """Another filter's probabilities as scores, calibrated: what it knows apart from how sure it is."""

    inner: Filter
    calibration: Calibration
    tick: int = 0

    def update(self, state: WorldState) -> None:
        """The other's update."""
        self.tick += 1
        self.inner.update(state)

    def held(self) -> Float32:
        """P(any access), float32[B, N]."""
        return self.calibration(self.inner.held(), self.tick)


@dataclass
class LogisticFilter:
    """A logistic regression on counts of three half-lives, own and linked, what is fixed, and what is usual."""

    counts: Counts
    around: Surroundings
    usual: Float32  # [time, N] log-odds of being held in training worlds
    tick_edges: npt.NDArray[np.float64]
    weight: Float32  # [features], of `features`
    _held: Float32 = field(init=False)

    def update(self, state: WorldState) -> None:
        """Count, put features together, weigh them."""
        self.counts.add(state)
        usual = self.usual[np.searchsorted(self.tick_edges, self.counts.tick, side="right")]
        odds = features(self.counts, self.around, usual) @ self.weight
        self._held = (1.0 / (1.0 + np.exp(-odds))).astype(np.float32)

    def held(self) -> Float32:
        """P(any access), float32[B, N]."""
        return self._held


def features(counts: Counts, around: Surroundings, usual: Float32) -> Float32:
    """Public features of every asset, float32[B, N, features]: evidence of it and around it, time, what is usual.

    Args:
        counts: of `HALF_LIVES`.
        around: what leads where.
        usual: float32[N] log-odds of being held at this time in training worlds.
    """
    shape = counts.value.shape[1:]
    rows = [np.ones(shape, np.float32), np.broadcast_to(usual, shape), np.full(shape, np.log1p(counts.tick))]
    rows += [np.broadcast_to(column, shape) for column in around.fixed.T]
    for own in counts.value:
        linked = [np.log1p(one) for one in around.linked(own)]
        rows += [np.log1p(own), *linked, np.log1p(own) * linked[0], np.log1p(own) * usual]
    return np.stack(rows, axis=-1).astype(np.float32)
