"""Contenders that plan: a planner alone, and each learned policy with a planner on top.

Flows in: the contenders of a cell. Flows out: the same with those that plan, before the one that sees the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..twin.analysis.planner import PlanSettings
from .contenders import CLAIRVOYANT, NOTHING, THRESHOLD, Contender
from .planning import Planned, Suspects

PLANNER = "planner alone"
SETTINGS = PlanSettings(horizon_ticks=120, worlds=32, most_worlds=64)  # assumed: two hours, what 0.1 s is enough for


def with_planner(policies: Sequence[str]) -> Callable[[Mapping[str, Contender]], dict[str, Contender]]:
    """A function that adds `PLANNER` and, for each policy (or the tuned threshold if there is none), it with a planner.

    Args:
        policies: names of learned policies.
    """
    bases = list(policies) or [THRESHOLD]

    def add(field: Mapping[str, Contender]) -> dict[str, Contender]:
        found = {name: one for name, one in field.items() if name != CLAIRVOYANT}
        game = field[NOTHING].game
        found[PLANNER] = Contender(game, Planned(game, Suspects(game), settings=SETTINGS))
        for name in bases:
            rule = field[name].policy
            found[f"{name}, with planner"] = Contender(game, Planned(game, Suspects(game, rule), settings=SETTINGS))
        found[CLAIRVOYANT] = field[CLAIRVOYANT]
        return found

    return add
