"""Comparing policies on the same attacks: mean loss with bootstrap intervals, a table, a chart.

Flows in: a game, named policies, a number of episodes. Flows out: an `Evaluation`. Every policy plays the same worlds of
a stream that training never touches (common random numbers).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..envs.game import Game
from ..envs.vector import ResponseWorlds
from ..twin.rulebook.worlds import STREAM_EVALUATION
from ..twin.vocabulary import LossCause
from .baselines import BatchPolicy, Clairvoyant, IsolateOnFinding, RandomPolicy, Threshold, nothing

RESAMPLES = 2_000  # of the bootstrap (Efron and Tibshirani 1993, percentile intervals)
STREAM_TUNING = 13  # where the threshold is tuned: neither training's nor evaluation's worlds
LEVELS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
TUNING_WORLDS = 128
BATCH = 128  # worlds side by side
UPPER_BOUND = "clairvoyant (upper bound)"


@dataclass(frozen=True, slots=True)
class Score:
    """One policy's losses over the episodes."""

    mean: float
    low: float  # 95 % interval
    high: float
    episodes: int
    by_cause: Mapping[str, float]  # mean loss by LossCause
    saved: float  # mean paired difference to doing nothing
    losses: npt.NDArray[np.float64]  # [episodes]


def evaluate(
    game: Game, policies: Mapping[str, BatchPolicy], episodes: int, note: Callable[[str], None] = lambda _: None
) -> dict[str, Score]:
    """Play every policy on the same episodes."""
    causes: dict[str, npt.NDArray[np.float64]] = {}
    for name, policy in policies.items():
        note(name)
        causes[name] = play(game, policy, episodes, stream=STREAM_EVALUATION)
    base = next(iter(causes.values())).sum(axis=1)
    return {name: _score(rows, base) for name, rows in causes.items()}


def baselines(game: Game, note: Callable[[str], None] = lambda _: None) -> dict[str, BatchPolicy]:
    """The baselines in the order of the table; the threshold is tuned on worlds of its own."""
    note("tuning the threshold")
    losses = {
        level: play(game, Threshold(game, level), TUNING_WORLDS, stream=STREAM_TUNING).sum(axis=1).mean()
        for level in LEVELS
    }
    level = min(losses, key=lambda one: losses[one])
    return {
        "do nothing": nothing,
        "random": RandomPolicy(0),
        "isolate on first finding": IsolateOnFinding(game),
        f"restore above belief {level}": Threshold(game, level),
        UPPER_BOUND: Clairvoyant(game),
    }


def play(game: Game, policy: BatchPolicy, episodes: int, *, stream: int) -> npt.NDArray[np.float64]:
    """float64[episodes, LossCause] coalition loss; episode `n` is world `n` of the stream."""
    parts = []
    for first in range(0, episodes, BATCH):
        worlds = ResponseWorlds(game, range(first, min(first + BATCH, episodes)), stream=stream)
        worlds.reset()
        loss = np.zeros((worlds.count, len(LossCause)))
        for _ in range(-(-game.scenario.horizon_ticks // game.scenario.decide_every)):
            step = worlds.step(policy(worlds))
            loss[step.ended] = step.terminal_loss.sum(axis=1)
        parts.append(loss)
    return np.concatenate(parts)


def interval(losses: npt.NDArray[np.float64], seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean."""
    rng = np.random.default_rng(seed)
    means = losses[rng.integers(0, len(losses), (RESAMPLES, len(losses)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _score(rows: npt.NDArray[np.float64], base: npt.NDArray[np.float64]) -> Score:
    losses = rows.sum(axis=1)
    low, high = interval(losses)
    by_cause = {cause.word: float(rows[:, cause].mean()) for cause in LossCause}
    return Score(float(losses.mean()), low, high, len(losses), by_cause, float((base - losses).mean()), losses)


def to_json(scores: Mapping[str, Score]) -> dict[str, Any]:
    """What `--json` prints of each policy."""
    return {
        name: {
            "mean": round(score.mean, 4),
            "low": round(score.low, 4),
            "high": round(score.high, 4),
            "episodes": score.episodes,
            "by_cause": {cause: round(loss, 4) for cause, loss in score.by_cause.items()},
            "saved": round(score.saved, 4),
        }
        for name, score in scores.items()
    }


def draw(scores: Mapping[str, Score], chart: Path) -> None:
    """Write a chart of means with their intervals."""
    from matplotlib.figure import Figure

    names = list(scores)[::-1]
    means = [scores[name].mean for name in names]
    spread = [[scores[n].mean - scores[n].low for n in names], [scores[n].high - scores[n].mean for n in names]]
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.add_subplot()
    colours = ["#9aa5b1" if "upper bound" in name else "#2f6f9f" for name in names]
    axes.barh(names, means, xerr=spread, color=colours, capsize=4)
    axes.set(
        xlabel="loss per attack, owner-hours (mean, 95 % bootstrap interval)", title="Policies on the same attacks"
    )
    figure.savefig(chart, dpi=120)
