"""A candidate for promotion on a suite: what an evaluation shows of it, and what it meets on the training chains.

Flows in: a suite, a policy. Flows out: `Shown` for the decision, and a profile of observations for the card. Baselines
and candidate play the same attacks of the suite; the profile is of training chains and training attacks, since that is
what production will be compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..envs.active_worlds import ActiveWorlds
from ..envs.policy_file import NumpyPolicy
from ..envs.profile import Profile, Window, counted, profile_of
from ..envs.vector import ResponseWorlds
from ..twin.rulebook.worlds import STREAM_ENVIRONMENT
from .contenders import BASELINES, CLAIRVOYANT
from .costs import Budget
from .evaluate import Evaluation
from .freezing import digest_of, game_of
from .judging import judge
from .promote import Bounds, Interval, Shown
from .scores import Score
from .suites import Place, Suite

CANDIDATE = "candidate"
WORLDS = 8  # attacks per chain and attacker that the profile is made of; assumed
Progress = Callable[[str, float], None]


def shown_on(suite: Suite, policy: NumpyPolicy, bounds: Bounds, progress: Progress = lambda name, share: None) -> Shown:
    """Let the candidate and all baselines play the whole suite.

    Raises:
        SuiteError: the suite is not what it was frozen as.
    """
    budget = Budget(downtime=bounds.downtime, false=bounds.false)
    return shown_of(judge(suite, {CANDIDATE: policy}, budget=budget, progress=progress), suite.name, digest_of(suite))


def shown_of(evaluation: Evaluation, suite: str, digest: str) -> Shown:
    """What an evaluation shows of its candidate; all other policies but the clairvoyant are to be beaten."""
    scores = {score.name: score for score in evaluation.scores}
    ours, best = scores[CANDIDATE], scores.get(CLAIRVOYANT)
    baselines = {name: score for name, score in scores.items() if name in BASELINES and name != CLAIRVOYANT}
    return Shown(
        suite=suite,
        suite_digest=digest,
        chains=tuple(ours.by_chain),
        attacks=ours.episodes,
        loss=_interval(ours),
        baselines={name: _interval(score) for name, score in baselines.items()},
        clairvoyant=None if best is None else _interval(best),
        downtime=ours.downtime,
        false=ours.false_containments,
        consents=ours.consents,
        baseline_costs={
            name: {"downtime": one.downtime, "false": one.false_containments, "consents": one.consents}
            for name, one in baselines.items()
        },
    )


def _interval(score: Score) -> Interval:
    return Interval(score.mean, score.low, score.high)


def met_in_training(suite: Suite, policy: NumpyPolicy, progress: Progress = lambda name, share: None) -> Profile:
    """What the policy meets on the suite's training chains, under its own responses."""
    chains: dict[str, list[Window]] = {}
    for number, place in enumerate(suite.tuned_on):
        progress("what it meets in training", number / len(suite.tuned_on))
        chains.setdefault(place.chain, []).extend(_windows(place, policy))
    return profile_of(list(chains.values()), game_of(suite.tuned_on[0]).decisions)


def _windows(place: Place, policy: NumpyPolicy) -> Sequence[Window]:
    game = game_of(place)
    seen = ActiveWorlds(ResponseWorlds(game, range(WORLDS), stream=STREAM_ENVIRONMENT), policy.view)
    seen.reset()
    windows = [Window.empty() for _ in range(WORLDS)]
    for _ in range(game.decisions):
        rows = seen.active.rows
        windows = [one + counted(rows[world : world + 1]) for world, one in enumerate(windows)]
        actions = policy.act_on(seen.active, game.effects)
        seen.advance(seen.dense(np.asarray(actions)))
    return windows
