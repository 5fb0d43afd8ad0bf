"""What policies are worth: all play the same attacks, none of them trained on; figures come with intervals.

Flows in: trials and learned policies by name. Flows out: an `Evaluation`. Attacks are the worlds 0 to n-1 of
`STREAM_EVALUATION` on each judged chain, which no training uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..envs.policy_file import NumpyPolicy
from ..twin.rulebook.worlds import STREAM_EVALUATION
from ..twin.vocabulary import LossCause
from .chains import Trial
from .contenders import BASELINES, CLAIRVOYANT, NOTHING, THRESHOLD, Contender, Tuned, contenders, tune
from .intervals import (
    Estimate,
    Losses,
    estimates,
    interquartile_mean,
    mean,
    mean_of,
    probability_of_improvement,
)
from .playing import Played, play

MOST_EPISODES = 100_000
TUNING_SHARE = 0.4  # of the time, for the progress bar


class EvaluationError(ValueError):
    """An evaluation that cannot be made; the message names the fault and the mend."""


@dataclass(frozen=True, slots=True)
class Score:
    """One policy over all chains; losses in owner-hours per attack, means over chains."""

    name: str
    mean: float
    low: float  # 95 % interval of the mean
    high: float
    iqm: Estimate  # mean of the middle half of all attacks
    episodes: int  # attacks on all chains together
    by_cause: Mapping[str, float]
    by_owner: Mapping[str, float]  # owners of equal id on several chains are taken together, mean over chains
    by_chain: Mapping[str, float]
    responses: Mapping[str, float]  # proposals per episode, by playbook
    saved: float | None  # share of what the clairvoyant saves against doing nothing; None where it saves nothing
    breached: float  # share of attacks in which something was held
    contained: float | None  # share of those in which nothing was held at the end; None where none was breached
    minutes: float | None  # mean time of those from first to last hold, at most to the horizon; None as before
    false_containments: float  # per attack: proposals that contain what no attacker held


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean loss of a policy less that of the reference over the same attacks; above 0: the reference is better."""

    policy: str
    reference: str
    mean: float
    low: float
    high: float
    improvement: Estimate  # probability that the reference loses less than the policy, ties half


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Policies side by side."""

    scenario: str  # names of the chains judged on
    tuned: Mapping[str, Tuned]  # by chain
    scores: tuple[Score, ...]
    differences: tuple[Difference, ...]


def compare(
    trials: Sequence[Trial],
    learned: Mapping[str, NumpyPolicy],
    *,
    episodes: int = 500,
    progress: Callable[[str, float], None] = lambda name, share: None,
) -> Evaluation:
    """Tune the baselines on training chains, then let them and the learned policies play on the judged ones.

    Args:
        trials: chains.
        learned: policies by name.
        episodes: attacks on each chain, 2 to `MOST_EPISODES`.
        progress: called with what is done and how much of all is done, 0..1.

    Raises:
        EvaluationError: out of range, or a name is taken twice.
    """
    if not 2 <= episodes <= MOST_EPISODES:
        raise EvaluationError(f"--episodes {episodes}: give 2 to {MOST_EPISODES}")
    taken = set(learned) & set(BASELINES)
    if taken:
        raise EvaluationError(f"policy name {sorted(taken)[0]!r} is a baseline's; give another")
    tuned = _tune(trials, progress)
    fields = [contenders(trial.judged, tuned[trial.name], learned) for trial in trials]
    reference = next(iter(learned), THRESHOLD)
    names = [trial.name for trial in trials]
    result = evaluate(
        dict(zip(names, fields, strict=True)),
        episodes=episodes,
        reference=reference,
        progress=lambda name, share: progress(name, TUNING_SHARE + (1 - TUNING_SHARE) * share),
    )
    return Evaluation(result.scenario, tuned, result.scores, result.differences)


def _tune(trials: Sequence[Trial], progress: Callable[[str, float], None]) -> dict[str, Tuned]:
    """Tune once for each set of training chains."""
    known: dict[tuple[int, ...], Tuned] = {}
    tuned = {}
    for number, trial in enumerate(trials):
        key = tuple(id(game) for game in trial.tuned)
        if key not in known:
            known[key] = tune(
                trial.tuned,
                progress=lambda share, n=number: progress("tuning", TUNING_SHARE * (n + share) / len(trials)),  # type: ignore[misc]
            )
        tuned[trial.name] = known[key]
    return tuned


def evaluate(
    chains: Mapping[str, Mapping[str, Contender]],
    *,
    episodes: int = 500,
    reference: str = THRESHOLD,
    progress: Callable[[str, float], None] = lambda name, share: None,
) -> Evaluation:
    """Let every policy play the same attacks on every chain.

    Args:
        chains: policies by name, by name of the chain; the same names on each; `NOTHING` and `CLAIRVOYANT` must be
            among them, as they bound what can be saved.
        episodes: attacks on each chain, 2 or more.
        reference: the policy that the others are compared with.
        progress: called with each policy's name before it plays, and how much is done, 0..1.

    Raises:
        EvaluationError: too few episodes, or a policy that is needed is missing.
    """
    names = list(next(iter(chains.values())))
    missing = {NOTHING, CLAIRVOYANT, reference} - set(names)
    if episodes < 2 or missing:
        raise EvaluationError(f"{episodes} episodes, without {sorted(missing)}: give 2 or more, and those policies")
    played: dict[str, list[Played]] = {name: [] for name in names}
    for number, field in enumerate(chains.values()):
        for place, (name, one) in enumerate(field.items()):
            progress(name, (number + place / len(field)) / len(chains))
            played[name].append(play(one.game, one.policy, range(episodes), stream=STREAM_EVALUATION))
    losses = Losses.of(
        [
            np.stack([played[name][chain].loss.sum(axis=(1, 2)) for name in names], axis=1)
            for chain in range(len(chains))
        ]
    )
    means = estimates(losses, [mean(losses, policy) for policy in range(len(names))])
    return Evaluation(
        ", ".join(chains),
        {},
        _scores(chains, played, losses, means),
        _differences(names, reference, losses),
    )


def _scores(
    chains: Mapping[str, Mapping[str, Contender]],
    played: Mapping[str, list[Played]],
    losses: Losses,
    means: Sequence[Estimate],
) -> tuple[Score, ...]:
    names = list(played)
    middle = estimates(losses, [interquartile_mean(losses, policy) for policy in range(len(names))])
    worst, best = (means[names.index(name)].value for name in (NOTHING, CLAIRVOYANT))
    scores = []
    for name, mean_loss, iqm in zip(names, means, middle, strict=True):
        parts, games = played[name], [field[name].game for field in chains.values()]
        by_cause = np.mean([part.loss.mean(axis=0).sum(axis=0) for part in parts], axis=0)
        by_owner: dict[str, float] = {}
        for part, game in zip(parts, games, strict=True):
            for owner, loss in zip(game.compiled.twin.owners, part.loss.mean(axis=0).sum(axis=1), strict=True):
                by_owner[owner.id] = by_owner.get(owner.id, 0.0) + float(loss) / len(parts)
        breached = np.concatenate([part.breached for part in parts])
        any_breach = bool(breached.any())
        proposed = np.mean([part.proposed for part in parts], axis=0)
        scores.append(
            Score(
                name,
                mean_loss.value,
                mean_loss.low,
                mean_loss.high,
                iqm=iqm,
                episodes=len(losses.table),
                by_cause={cause.word: float(by_cause[cause]) for cause in LossCause},
                by_owner=by_owner,
                by_chain={
                    chain: float(part.loss.sum(axis=(1, 2)).mean()) for chain, part in zip(chains, parts, strict=True)
                },
                responses=dict(zip(games[0].library.names, proposed.tolist(), strict=True)),
                saved=(worst - mean_loss.value) / (worst - best) if worst > best else None,
                breached=float(breached.mean()),
                contained=_share(parts, "contained", breached) if any_breach else None,
                minutes=_share(parts, "minutes", breached) if any_breach else None,
                false_containments=float(np.mean([part.false.mean() for part in parts])),
            )
        )
    return tuple(scores)


def _share(parts: Sequence[Played], column: str, breached: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    return float(np.concatenate([getattr(part, column) for part in parts])[breached].mean())


def _differences(names: Sequence[str], reference: str, losses: Losses) -> tuple[Difference, ...]:
    other = names.index(reference)
    rest = [column for column in range(len(names)) if column != other]
    gaps = estimates(losses, [mean_of(losses, losses.table[:, one] - losses.table[:, other]) for one in rest])
    better = estimates(losses, [probability_of_improvement(losses, other, one) for one in rest])
    return tuple(
        Difference(names[one], reference, gap.value, gap.low, gap.high, improvement)
        for one, gap, improvement in zip(rest, gaps, better, strict=True)
    )
