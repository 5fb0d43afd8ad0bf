"""Contenders that plan: a planner alone, and each learned policy with a planner on top.

Flows in: the contenders of a cell. Flows out: the same with those that plan, before the one that sees the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..envs.policy_file import NumpyPolicy
from ..twin.analysis.planner import PlanSettings
from .contenders import CLAIRVOYANT, NOTHING, THRESHOLD, Contender, Tuned
from .planning import LearnedBase, Planned, RestoringBase, Suspects

PLANNER = "planner alone"
# Chosen on six attacks of two cells of the benchmark, to cost about 0.05 s of processor a plan at 100 assets: nobody
# decides after the first step for four hours (120 ticks lost 5.7 where 240 lost 1.9), or a policy does for two, every
# ten minutes.
ALONE = PlanSettings(horizon_ticks=240, worlds=32, most_worlds=64)
BASED = PlanSettings(horizon_ticks=120, worlds=16, most_worlds=32, every=10)
MOVED, PATIENCE = 0.05, 15  # change of belief from which to plan again, and decisions after which to do so all the same


def with_planner(
    tuned: Tuned, policies: Mapping[str, NumpyPolicy]
) -> Callable[[Mapping[str, Contender]], dict[str, Contender]]:
    """A function that adds `PLANNER` and each policy (the tuned threshold if there is none) as prior and base of one.

    Args:
        tuned: numbers of the baselines.
        policies: learned policies by name.
    """

    def add(field: Mapping[str, Contender]) -> dict[str, Contender]:
        found = {name: one for name, one in field.items() if name != CLAIRVOYANT}
        game = field[NOTHING].game
        found[PLANNER] = Contender(game, Planned(game, Suspects(game), None, ALONE, MOVED, PATIENCE))
        for name in list(policies) or [THRESHOLD]:
            base = LearnedBase(game, policies[name]) if name in policies else RestoringBase(game, tuned.restore)
            prior = Suspects(game, field[name].policy)
            planned = Planned(game, prior, base, BASED, MOVED, PATIENCE)
            found[f"{name}, with planner"] = Contender(game, planned)
        found[CLAIRVOYANT] = field[CLAIRVOYANT]
        return found

    return add
