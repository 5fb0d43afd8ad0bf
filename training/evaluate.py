"""What policies are worth: all play the same attacks, none of them trained on; means come with intervals.

Flows in: a game and policies by name. Flows out: an `Evaluation`. Attacks are the worlds 0 to n-1 of
`STREAM_EVALUATION`, which no training uses. Intervals are 95 % percentile bootstraps over attacks (Efron and Tibshirani
1993, "An Introduction to the Bootstrap", chapter 13) with the same resamples for every policy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..envs.game import Game
from ..envs.policy_file import NumpyPolicy
from ..envs.vector import ResponseWorlds, UnseenWorlds
from ..twin.rulebook.worlds import STREAM_ENVIRONMENT, STREAM_EVALUATION
from ..twin.vocabulary import LossCause
from .baselines import ISOLATE as ISOLATING
from .baselines import (
    RESTORE,
    BatchPolicy,
    ByTheBook,
    Clairvoyant,
    IsolateOnFinding,
    Learned,
    Threshold,
    at_random,
    is_blind,
    nothing,
)

Float64 = npt.NDArray[np.float64]

NOTHING, RANDOM, ISOLATE = "do nothing", "random", "isolate on first finding"
BOOK, CUT_OFF = "by the book", "isolate above belief"
THRESHOLD, TRAINED, CLAIRVOYANT = "restore above belief", "trained", "clairvoyant (upper bound)"
RESAMPLES, COVERAGE, BOOTSTRAP_SEED = 2000, 0.95, 20261
LANES = 500  # attacks played side by side; no result depends on it
LEVELS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8)  # of belief, tried for the policy that restores
CUT_LEVELS = (0.5, 0.8, 0.9, 0.95, 0.98)  # the same for the one that isolates
TUNING_WORLDS = 200


class EvaluationError(ValueError):
    """An evaluation that cannot be made; the message names the fault and the mend."""


@dataclass(frozen=True, slots=True)
class Played:
    """What one policy's episodes came to."""

    loss: Float64  # [n, O, LossCause] owner-hours
    proposed: Float64  # [P] proposals per episode, by playbook


@dataclass(frozen=True, slots=True)
class Score:
    """One policy's loss per attack, in owner-hours."""

    name: str
    mean: float
    low: float  # 95 % interval of the mean
    high: float
    episodes: int
    by_cause: Mapping[str, float]
    by_owner: Mapping[str, float]
    responses: Mapping[str, float]  # proposals per episode, by playbook
    saved: float | None  # share of what the clairvoyant saves against doing nothing; None where it saves nothing


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean loss of a policy less that of the reference over the same attacks; above 0: the reference is better."""

    policy: str
    reference: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Policies side by side."""

    scenario: str
    threshold: float  # the tuned level from which the threshold policy restores
    isolate_threshold: float  # the same of the one that isolates
    scores: tuple[Score, ...]
    differences: tuple[Difference, ...]


def compare(
    game: Game,
    policy: NumpyPolicy | None,
    *,
    episodes: int = 500,
    progress: Callable[[str, float], None] = lambda name, share: None,
) -> Evaluation:
    """Evaluate the baselines and, if given, a learned policy.

    Args:
        game: what is played.
        policy: a learned policy.
        episodes: attacks, 2 or more.
        progress: called with what is played and how much of all is done, 0..1.
    """
    tuning, cutting = len(LEVELS) * TUNING_WORLDS, len(CUT_LEVELS) * TUNING_WORLDS
    parts = tuning + cutting + (7 + (policy is not None)) * episodes
    level = tune_threshold(game, RESTORE, LEVELS, progress=lambda share: progress("tuning", share * tuning / parts))
    cut_off = tune_threshold(
        game, ISOLATING, CUT_LEVELS, progress=lambda share: progress("tuning", (tuning + share * cutting) / parts)
    )
    policies: dict[str, BatchPolicy] = {
        NOTHING: nothing,
        RANDOM: at_random,
        ISOLATE: IsolateOnFinding(game),
        BOOK: ByTheBook(game),
        CUT_OFF: Threshold(game, cut_off, ISOLATING),
        THRESHOLD: Threshold(game, level),
    }
    if policy is not None:
        policies[TRAINED] = Learned(game, policy)
    policies[CLAIRVOYANT] = Clairvoyant(game)
    reference = THRESHOLD if policy is None else TRAINED
    done = [tuning + cutting]

    def note(name: str) -> None:
        progress(name, done[0] / parts)
        done[0] += episodes

    levels = (level, cut_off)
    return evaluate(game, policies, episodes=episodes, reference=reference, thresholds=levels, starts=note)


def evaluate(
    game: Game,
    policies: Mapping[str, BatchPolicy],
    *,
    episodes: int = 500,
    reference: str = THRESHOLD,
    thresholds: tuple[float, float] = (float("nan"), float("nan")),
    starts: Callable[[str], None] = lambda name: None,
) -> Evaluation:
    """Let every policy play the same attacks.

    Args:
        game: what is played.
        policies: by name; `NOTHING` and `CLAIRVOYANT` must be among them, as they bound what can be saved.
        episodes: attacks, 2 or more.
        reference: the policy that the others are compared with.
        thresholds: the levels from which the threshold policies restore and isolate, for the record.
        starts: called with each policy's name before it plays.

    Raises:
        EvaluationError: too few episodes, or a policy that is needed is missing.
    """
    missing = {NOTHING, CLAIRVOYANT, reference} - set(policies)
    if episodes < 2 or missing:
        raise EvaluationError(f"{episodes} episodes, without {sorted(missing)}: give 2 or more, and those policies")
    played: dict[str, Played] = {}
    for name, policy in policies.items():
        starts(name)
        played[name] = play(game, policy, range(episodes), stream=STREAM_EVALUATION)
    total = np.stack([one.loss.sum(axis=(1, 2)) for one in played.values()], axis=1)
    means = resampled_means(total)
    names = list(policies)
    return Evaluation(
        game.scenario.name,
        *thresholds,
        _scores(game, played, total, means),
        tuple(_difference(names, other, reference, total, means) for other in names if other != reference),
    )


def play(game: Game, policy: BatchPolicy, world_ids: Sequence[int], *, stream: int) -> Played:
    """One episode of every world under a policy, `LANES` at a time."""
    parts = [_play(game, policy, world_ids[i : i + LANES], stream) for i in range(0, len(world_ids), LANES)]
    proposed = np.sum([count for _, count in parts], axis=0) / len(world_ids)
    return Played(np.concatenate([loss for loss, _ in parts]), proposed)


def _play(game: Game, policy: BatchPolicy, world_ids: Sequence[int], stream: int) -> tuple[Float64, Float64]:
    worlds = (UnseenWorlds if is_blind(policy) else ResponseWorlds)(game, world_ids, stream=stream)
    worlds.reset()
    proposed = np.zeros(len(game.effects.playbook))
    for _ in range(decisions(game)):
        actions = policy(worlds)
        np.add.at(proposed, (actions[actions > 0] - 1) // game.compiled.targets, 1)
        step = worlds.step(actions)
    return step.terminal_loss, proposed


def decisions(game: Game) -> int:
    """Decisions in an episode."""
    return -(-game.scenario.horizon_ticks // game.scenario.decide_every)


def tune_threshold(
    game: Game,
    playbook: str,
    levels: Sequence[float],
    *,
    progress: Callable[[float], None] = lambda share: None,
) -> float:
    """The level from which the threshold policy with this playbook loses least on worlds of the training stream."""
    losses = []
    for number, level in enumerate(levels):
        progress(number / len(levels))
        policy = Threshold(game, level, playbook)
        losses.append(play(game, policy, range(TUNING_WORLDS), stream=STREAM_ENVIRONMENT).loss.sum())
    return levels[int(np.argmin(losses))]


def resampled_means(losses: Float64) -> Float64:
    """Means over attacks drawn with replacement: float64[RESAMPLES, policies] from float64[n, policies]."""
    rng, n = np.random.default_rng(BOOTSTRAP_SEED), len(losses)
    means = np.empty((RESAMPLES, losses.shape[1]))
    for row in means:
        row[:] = np.bincount(rng.integers(n, size=n), minlength=n) @ losses / n
    return means


def interval(means: Float64) -> tuple[float, float]:
    """The central `COVERAGE` of resampled means float64[RESAMPLES]."""
    low, high = np.quantile(means, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)


def _scores(game: Game, played: Mapping[str, Played], total: Float64, means: Float64) -> tuple[Score, ...]:
    mean = dict(zip(played, total.mean(axis=0).tolist(), strict=True))
    span = mean[NOTHING] - mean[CLAIRVOYANT]
    scores = []
    for column, (name, one) in enumerate(played.items()):
        by_owner, by_cause = one.loss.mean(axis=0).sum(axis=1), one.loss.mean(axis=0).sum(axis=0)
        scores.append(
            Score(
                name,
                mean[name],
                *interval(means[:, column]),
                episodes=len(total),
                by_cause={cause.word: float(by_cause[cause]) for cause in LossCause},
                by_owner={
                    owner.id: float(loss) for owner, loss in zip(game.compiled.twin.owners, by_owner, strict=True)
                },
                responses=dict(zip(game.library.names, one.proposed.tolist(), strict=True)),
                saved=(mean[NOTHING] - mean[name]) / span if span > 0 else None,
            )
        )
    return tuple(scores)


def _difference(names: Sequence[str], policy: str, reference: str, total: Float64, means: Float64) -> Difference:
    one, other = names.index(policy), names.index(reference)
    low, high = interval(means[:, one] - means[:, other])
    return Difference(policy, reference, float((total[:, one] - total[:, other]).mean()), low, high)
