"""What filters beside the belief learn, from training worlds with ids and a stream of their own.

Flows in: a game. Flows out: filters ready to follow other worlds of it. Truth is read here, and in `bench_belief.py`
to judge; filters never see it. Calibration is by bins of score and time; the logistic filter is fitted by Newton steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..twin.compiled import Float32
from ..twin.rulebook.state import WorldState
from ..twin.rulebook.worlds import STREAM_ENVIRONMENT, Worlds
from .filters import (
    HALF_LIVES,
    SPREADS,
    BaseRateFilter,
    BeliefFilter,
    Calibration,
    CountFilter,
    Counts,
    Filter,
    LogisticFilter,
    Recalibrated,
    Surroundings,
    features,
)
from .game import Game

FIRST_ID = 1_000_000  # training worlds: far from the ids of those that are judged, and in another stream too
SNAPSHOT = 5  # ticks between those learned from
ROWS = 400_000  # asset-ticks of what is not held that are learned from, at most
TIMES, SCORES = 8, 48  # bins of a calibration
RIDGE = 1.0  # prior of the logistic weights: normal, variance 1
NEWTON = 30  # steps at most

Say = Callable[[int], None]  # told how many ticks were made
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Asset-ticks of training worlds; what is not held stands for `1 / chance` of its like."""

    tick: npt.NDArray[np.int64]
    truth: npt.NDArray[np.bool_]
    weight: Floats
    own: Float32  # [rows, half-lives]
    spread: Float32  # [rows, half-lives, SPREADS]
    belief: Float32
    features: Float32  # [rows, features]


def truth_of(state: WorldState) -> npt.NDArray[np.bool_]:
    """bool[B, N]: which assets some attacker holds."""
    held: npt.NDArray[np.bool_] = (state.asset["user"] | state.asset["admin"]) != 0
    return held


def train(game: Game, counted: npt.NDArray[np.bool_], *, worlds: int, ticks: int, say: Say) -> Trained:
    """Learn from `worlds` worlds what is usual, and from as many others how evidence is to be weighed.

    Args:
        game: played with what is assumed, and with nobody who responds.
        counted: bool[N], the assets that are judged.
        worlds: training worlds of each half.
        ticks: length of an attack.
        say: told after every tick.
    """
    edges = np.linspace(0, ticks, TIMES + 1)[1:-1]
    usual = _usual(game, worlds, ticks, edges, say)
    around = Surroundings.of(game.compiled)
    parts = list(_snapshots(game, counted, around, usual, edges, (worlds, ticks), say))
    sample = Sample(*(np.concatenate([getattr(part, name) for part in parts]) for name in Sample.__dataclass_fields__))
    return Trained(game, around, usual, edges, sample)


@dataclass(frozen=True)
class Trained:
    """What was learned; makes filters."""

    game: Game
    around: Surroundings
    usual: Float32  # [TIMES, N] log-odds
    edges: Floats
    sample: Sample

    def filters(self, worlds: int) -> dict[str, Filter]:
        """New filters over so many worlds, by name."""
        return {
            "belief_calibrated": self._recalibrated(worlds),
            "counts": self._counts(worlds, spread=False),
            "counts_spread": self._counts(worlds, spread=True),
            "logistic": self._logistic(worlds),
            "base_rate": BaseRateFilter(
                self._calibrate(np.zeros(len(self.sample.tick), np.float32)), (worlds, len(self.usual[0]))
            ),
        }

    def _recalibrated(self, worlds: int) -> Filter:
        return Recalibrated(belief_of(self.game, worlds), self._calibrate(self.sample.belief))

    def _counts(self, worlds: int, *, spread: bool) -> Filter:
        """The half-life and the share that do best in training."""
        best = (np.inf, 0, 0.0, self._calibrate(self.sample.own[:, 0]))
        for number in range(len(HALF_LIVES)):
            for place, share in enumerate(SPREADS if spread else (0.0,)):
                score = self.sample.spread[:, number, place] if spread else self.sample.own[:, number]
                calibration = self._calibrate(score)
                loss = self._loss(calibration, score)
                if loss < best[0]:
                    best = (loss, number, share, calibration)
        _, number, share, calibration = best
        counts = Counts(worlds, len(self.usual[0]), HALF_LIVES[number : number + 1])
        return CountFilter(counts, calibration, self.around, share)

    def _logistic(self, worlds: int) -> Filter:
        counts = Counts(worlds, len(self.usual[0]), HALF_LIVES)
        weight = fit_logistic(self.sample.features, self.sample.truth, self.sample.weight)
        return LogisticFilter(counts, self.around, self.usual, self.edges, weight)

    def _calibrate(self, score: Float32) -> Calibration:
        return calibrate(score, self.sample.tick, self.sample.truth, self.sample.weight, self.edges)

    def _loss(self, calibration: Calibration, score: Float32) -> float:
        time = np.searchsorted(calibration.tick_edges, self.sample.tick, side="right")
        held = calibration.rate[time, np.searchsorted(calibration.score_edges, score, side="right")]
        losses = np.where(self.sample.truth, -np.log(held), -np.log1p(-held))
        return float(np.average(losses, weights=self.sample.weight))


def belief_of(game: Game, worlds: int) -> BeliefFilter:
    """The belief that assumes what the game says is assumed."""
    return BeliefFilter(game.compiled, game.effects, game.assumed, worlds)


def calibrate(
    score: Float32,
    tick: npt.NDArray[np.int64],
    truth: npt.NDArray[np.bool_],
    weight: Floats,
    tick_edges: Floats,
) -> Calibration:
    """Share held per bin of score and time, drawn a little towards the share held at that time."""
    positive = score[score > 0]
    quantiles = np.quantile(positive, np.linspace(0, 1, SCORES)[:-1] ** 0.5) if len(positive) else np.zeros(0)
    edges = np.unique(np.concatenate([[np.finfo(np.float32).tiny], quantiles]))
    place = np.searchsorted(edges, score, side="right")
    time = np.searchsorted(tick_edges, tick, side="right")
    shape = (len(tick_edges) + 1, len(edges) + 1)
    flat = time * shape[1] + place
    total = np.bincount(flat, weight, minlength=shape[0] * shape[1]).reshape(shape)
    held = np.bincount(flat, weight * truth, minlength=shape[0] * shape[1]).reshape(shape)
    usual = (held.sum(axis=1, keepdims=True) + 0.5) / (total.sum(axis=1, keepdims=True) + 1.0)
    return Calibration(edges, tick_edges, ((held + 2.0 * usual) / (total + 2.0)).astype(np.float32))


def fit_logistic(rows: Float32, truth: npt.NDArray[np.bool_], weight: Floats) -> Float32:
    """Weights of a ridge-penalised logistic regression, by Newton steps on standardised features; first column is 1."""
    mean, spread = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
    mean[0], spread[spread < 1e-9] = 0.0, 1.0
    x = (rows - mean) / spread
    beta = np.zeros(x.shape[1])
    for _ in range(NEWTON):
        held = 1.0 / (1.0 + np.exp(-np.clip(x @ beta, -30, 30)))
        slope = x.T @ (weight * (truth - held)) - RIDGE * beta
        curve = (x * (weight * np.maximum(held * (1 - held), 1e-9))[:, None]).T @ x + RIDGE * np.eye(len(beta))
        step = np.linalg.solve(curve, slope)
        beta += step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-6:
            break
    plain = beta / spread
    plain[0] -= float((beta * mean / spread).sum())
    return plain.astype(np.float32)


def _usual(game: Game, worlds: int, ticks: int, edges: Floats, say: Say) -> Float32:
    """Log-odds per time and asset of being held, each drawn towards the share of all assets at that time."""
    played = _play(game, range(FIRST_ID, FIRST_ID + worlds))
    held, count = np.zeros((TIMES, game.compiled.sizes[0])), np.zeros((TIMES, 1))
    for tick in range(1, ticks + 1):
        played.roll(1)
        time = np.searchsorted(edges, tick, side="right")
        held[time] += truth_of(played.state).mean(axis=0)
        count[time] += 1
        say(1)
    share = held / np.maximum(count, 1)
    share = (share * worlds + share.mean(axis=1, keepdims=True)) / (worlds + 1.0)
    share = np.clip(share, 1e-6, 1 - 1e-6)
    return np.log(share / (1 - share)).astype(np.float32)


def _snapshots(
    game: Game,
    counted: npt.NDArray[np.bool_],
    around: Surroundings,
    usual: Float32,
    edges: Floats,
    size: tuple[int, int],
    say: Say,
) -> Iterator[Sample]:
    worlds, ticks = size
    played = _play(game, range(FIRST_ID + worlds, FIRST_ID + 2 * worlds))
    counts, belief = Counts(worlds, len(counted), HALF_LIVES), belief_of(game, worlds)
    rng = np.random.Generator(np.random.Philox(key=[game.scenario.generate.seed if game.scenario.generate else 0, 7]))
    chance = min(1.0, ROWS / (worlds * counted.sum() * max(1, ticks // SNAPSHOT)))
    for tick in range(1, ticks + 1):
        played.roll(1)
        counts.add(played.state)
        belief.update(played.state)
        if tick % SNAPSHOT == 0:
            truth = truth_of(played.state)
            kept = (truth | (rng.random(truth.shape) < chance)) & counted
            yield _sample(
                tick, kept, truth, chance, counts, belief, around, usual[np.searchsorted(edges, tick, "right")]
            )
        say(1)


def _sample(
    tick: int,
    kept: npt.NDArray[np.bool_],
    truth: npt.NDArray[np.bool_],
    chance: float,
    counts: Counts,
    belief: BeliefFilter,
    around: Surroundings,
    usual: Float32,
) -> Sample:
    spread = [[around.spread(own, share)[kept] for share in SPREADS] for own in counts.value]
    return Sample(
        tick=np.full(int(kept.sum()), tick),
        truth=truth[kept],
        weight=np.where(truth[kept], 1.0, 1.0 / chance),
        own=counts.value[:, kept].T,
        spread=np.moveaxis(np.array(spread, np.float32), 2, 0),
        belief=belief.held()[kept],
        features=features(counts, around, usual)[kept],
    )


def _play(game: Game, ids: range) -> Worlds:
    return Worlds.make(
        game.compiled, game.effects, game.assumed, world_ids=ids, stream=game.scenario.stream(STREAM_ENVIRONMENT)
    )
