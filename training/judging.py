"""Policies judged on a suite: its baselines, tuned as it says, and learned policies on every cell.

Flows in: a suite and policies by name. Flows out: an `Evaluation`. A frozen suite is checked before it is played.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ..envs.policy_file import NumpyPolicy
from .contenders import THRESHOLD, Contender, Tuned, contenders, tune
from .costs import Budget
from .evaluate import UNBOUND, Cell, Evaluation, EvaluationError, Progress, check_episodes, check_names, evaluate_cells
from .freezing import check, game_of
from .planned_contenders import PlannerBase, check_planners, with_planner
from .suites import Place, Suite

TUNING_SHARE = 0.4  # of the time where baselines have to be tuned, for the progress bar


def judge(
    suite: Suite,
    learned: Mapping[str, NumpyPolicy],
    *,
    chains: int | None = None,
    episodes: int | None = None,
    budget: Budget = UNBOUND,
    planner: PlannerBase | None = None,
    progress: Progress = lambda name, share: None,
) -> Evaluation:
    """Let the suite's baselines and the learned policies play its cells.

    Args:
        suite: what is played.
        learned: policies by name.
        chains: the first so many alone; all if left out.
        episodes: attacks on each cell; as the suite says if left out.
        budget: what responses may cost.
        planner: who decides after a candidate, where planners play too, see `planned_contenders`.
        progress: called with what is done and how much of all is done, 0..1.

    Raises:
        EvaluationError: out of range, or a name is taken twice; SuiteError: the suite is not what it was frozen as.
    """
    attacks = suite.said.episodes if episodes is None else episodes
    check_episodes(attacks)
    check_names(learned)
    if planner:
        check_planners(learned)
    most = len(suite.said.judged.chains)
    if chains is not None and not 1 <= chains <= most:
        raise EvaluationError(f"--first {chains}: suite {suite.name} has {most} chains; give 1 to {most}")
    check(suite)
    known = suite.tuned
    share = TUNING_SHARE if known is None else 0.0
    tuned = known or tune_suite(suite, lambda done: progress("tuning", share * done))

    def cell(place: Place) -> Cell:
        def field() -> Mapping[str, Contender]:
            found = contenders(game_of(place), tuned, learned)
            return with_planner(learned, planner)(found) if planner else found

        return Cell(place.chain, place.attacker, field)

    result = evaluate_cells(
        [cell(place) for place in (suite.judged if chains is None else suite.first(chains))],
        episodes=attacks,
        reference=next(iter(learned), THRESHOLD),
        budget=budget,
        progress=lambda name, done: progress(name, share + (1 - share) * done),
    )
    return replace(result, scenario=suite.name, tuned={suite.name: tuned})


def tune_suite(suite: Suite, progress: Callable[[float], None] = lambda share: None) -> Tuned:
    """Tune the baselines on the suite's training chains, all its attackers together: a desk does not know who comes."""
    games = [game_of(place) for place in suite.tuned_on]
    return tune(games, worlds=suite.said.tuning_attacks * len(games), progress=progress)
