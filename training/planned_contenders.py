"""Contenders that plan: a planner alone, the rule that contains and each learned policy, with a planner on top.

Flows in: the contenders of a cell. Flows out: the same with those that plan, before the one that sees the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from ..envs.learned import Learned
from ..envs.policy_file import NumpyPolicy
from ..envs.rule_layer import RulePolicy
from ..twin.analysis.planner import PlanSettings
from .contenders import CLAIRVOYANT, NOTHING, Contender
from .evaluate import EvaluationError
from .planning import LearnedBase, Planned, Suspects
from .rule_file import shipped_numbers

PLANNER, PLANNING = "planner alone", ", with planner"
CONTAINING = "cut off, evict, open, look closer"  # the rule that policies begin as
# Chosen on six attacks of two cells of the benchmark, to cost about 0.05 s of processor a plan at 100 assets: nobody
# decides after the first step for four hours (120 ticks lost 5.7 where 240 lost 1.9), or somebody does for two, every
# ten minutes.
ALONE = PlanSettings(horizon_ticks=240, worlds=32, most_worlds=64)
BASED = PlanSettings(horizon_ticks=120, worlds=16, most_worlds=32, every=10)
MOVED, PATIENCE = 0.05, 15  # change of belief from which to plan again, and decisions after which to do so all the same


class PlannerBase(StrEnum):
    """Who decides after the candidate where a learned policy plans."""

    RULE = "rule"  # the rule that contains
    POLICY = "policy"  # the policy itself: some four times the work


def check_planners(policies: Mapping[str, NumpyPolicy]) -> None:
    """Refuse a policy under a planner's name.

    Raises:
        EvaluationError: names it.
    """
    for name in policies:
        if name in (PLANNER, CONTAINING) or name.endswith(PLANNING):
            raise EvaluationError(f"policy {name!r}: planners play under such names; name it differently")


def with_planner(
    policies: Mapping[str, NumpyPolicy], based_on: PlannerBase = PlannerBase.RULE
) -> Callable[[Mapping[str, Contender]], dict[str, Contender]]:
    """A function that adds `PLANNER`, `CONTAINING`, and that and each policy as prior of a planner.

    Args:
        policies: learned policies by name.
        based_on: who decides after the candidate; after the rule's own, the rule does.
    """

    def add(field: Mapping[str, Contender]) -> dict[str, Contender]:
        found = {name: one for name, one in field.items() if name != CLAIRVOYANT}
        game = field[NOTHING].game
        found[PLANNER] = Contender(game, Planned(game, Suspects(game), None, ALONE, MOVED, PATIENCE))
        rule = RulePolicy(shipped_numbers())
        found[CONTAINING] = Contender(game, Learned(game, rule))
        for name in (CONTAINING, *policies):
            is_own = name in policies and based_on == PlannerBase.POLICY
            base = LearnedBase(game, policies[name] if is_own else rule)
            prior = Suspects(game, found[name].policy)
            found[f"{name}{PLANNING}"] = Contender(game, Planned(game, prior, base, BASED, MOVED, PATIENCE))
        found[CLAIRVOYANT] = field[CLAIRVOYANT]
        return found

    return add
