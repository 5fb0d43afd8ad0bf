"""A planner: roll worlds drawn from the belief forward under each candidate, and choose by what they come to.

Flows in: the game as assumed, one belief lane, the public state, candidate actions, and a base policy as a plain
function. Flows out: a `Plan`. This is a rollout algorithm (Bertsekas 2019, "Reinforcement Learning and Optimal
Control", section 2.4): each candidate is proposed once and the base policy decides from then on, so where it is judged
well the plan is no worse than the base. All candidates share the drawn worlds and their draws (common random numbers),
and those that are told apart from the best drop out (racing; Maron and Moore 1994). The truth of no world but the drawn
ones is read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from ..compiled import Compiled
from ..rulebook.effects import EffectTable
from ..rulebook.parameters import Parameters
from ..rulebook.state import WorldState
from ..sensing.belief import BeliefState
from .rollouts import Base, Following, roll_options
from .sampling import draw_worlds

__all__ = ["Base", "Plan", "PlanSettings", "Prospect", "plan"]

Float64 = npt.NDArray[np.float64]

UNSURE = 0.05  # chance that a plan leaves the first candidate though none is better
Z95 = 1.959964  # two-sided 95 % of the normal distribution
MOST_CANDIDATES, MOST_WORLDS, MOST_SEED = 64, 4096, 2**31


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """How far and how wide a planner looks."""

    horizon_ticks: int = 60  # ticks, 1 or more
    every: int = 2  # ticks between decisions of the base policy, 1 or more
    worlds: int = 64  # drawn per round, 2 or more
    most_worlds: int = 256  # drawn at most
    budget_s: float = math.inf  # wall time, seconds; no round but the first begins after it; results then depend on it

    def __post_init__(self) -> None:
        """Refuse what cannot be planned with.

        Raises:
            ValueError: names the setting and the mend.
        """
        for name, low in (("horizon_ticks", 1), ("every", 1), ("worlds", 2), ("most_worlds", 2)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} {getattr(self, name)}: give {low} or more")
        if self.most_worlds > MOST_WORLDS:
            raise ValueError(f"most_worlds {self.most_worlds}: give at most {MOST_WORLDS}")
        if not self.budget_s > 0:
            raise ValueError(f"budget_s {self.budget_s}: give more than 0 seconds")


@dataclass(frozen=True, slots=True)
class Prospect:
    """What one candidate came to."""

    action: int
    mean: float  # loss over the horizon, in owners' units
    gain: float  # paired: loss of the first candidate less this one's
    error: float  # standard error of `gain`
    worlds: int  # it was rolled out in before it dropped out


@dataclass(frozen=True, slots=True)
class Plan:
    """The chosen action and how it was chosen."""

    action: int
    prospects: tuple[Prospect, ...]  # in the order of the candidates
    worlds: int  # drawn
    seconds: float  # wall time


def plan(
    compiled: Compiled,
    effects: EffectTable,
    parameters: Parameters,
    *,
    belief: BeliefState,
    view: int,
    state: WorldState,
    world: int,
    candidates: Sequence[int],
    base: Base | None = None,
    settings: PlanSettings | None = None,
    seed: int = 0,
) -> Plan:
    """Choose among candidates; the first stays chosen unless another is better at 95 %.

    Args:
        compiled: the twin.
        effects: what playbooks do.
        parameters: the assumed game, with the consent that is expected.
        belief: beliefs; lane `view` is used.
        view: which lane.
        state: worlds; the public part of row `world` is used.
        world: which row.
        candidates: actions 0..P*T, the policy's own choice first, 1 to `MOST_CANDIDATES`; repeats are left out.
        base: decides after the first step; nobody does if left out.
        settings: how far to look.
        seed: 0 to `MOST_SEED` - 1; equal seeds draw equal worlds.

    Raises:
        ValueError: no candidate, too many, or one that is no action; a seed out of range.
    """
    chosen, rules = settings or PlanSettings(), list(dict.fromkeys(int(action) for action in candidates))
    most = len(effects.playbook) * compiled.targets
    if not 1 <= len(rules) <= MOST_CANDIDATES or not all(0 <= action <= most for action in rules):
        raise ValueError(f"candidates {rules[:8]}: give 1 to {MOST_CANDIDATES} actions, each 0..{most}")
    if not 0 <= seed < MOST_SEED:
        raise ValueError(f"seed {seed}: give 0 to {MOST_SEED - 1}")
    began = time.monotonic()
    race = _Race(rules, math.ceil(chosen.most_worlds / chosen.worlds))
    while race.is_open and race.drawn < chosen.most_worlds:
        if race.drawn and time.monotonic() - began >= chosen.budget_s:
            break
        drawn = draw_worlds(
            compiled,
            effects,
            parameters,
            belief=belief,
            view=view,
            state=state,
            world=world,
            count=min(chosen.worlds, chosen.most_worlds - race.drawn),
            seed=seed * MOST_WORLDS + race.drawn,
        )
        following = None if base is None else Following(base, belief, view, chosen.every)
        race.add(roll_options(drawn, [(action,) for action in race.running], [chosen.horizon_ticks], following)[0])
    return Plan(race.best, race.prospects(), race.drawn, time.monotonic() - began)


class _Race:
    """Losses of the candidates in the worlds drawn so far; lives for one plan."""

    def __init__(self, actions: list[int], rounds: int) -> None:
        self._actions = actions
        looks = max(1, (len(actions) - 1) * rounds)  # Bonferroni: each could seem better by chance, at each look
        self._sure = NormalDist().inv_cdf(1.0 - UNSURE / 2 / looks)
        self._losses: dict[int, Float64] = {action: np.zeros(0) for action in actions}
        self._running = list(actions)
        self.drawn = 0

    @property
    def running(self) -> tuple[int, ...]:
        """Candidates that are not told apart from the best, the first one always among them."""
        return tuple(self._running)

    @property
    def is_open(self) -> bool:
        """Whether more worlds can change the choice."""
        return len(self._running) > 1

    @property
    def best(self) -> int:
        """The first candidate, or the one with the least loss among those better than it at 95 %."""
        first, found = self._actions[0], self._actions[0]
        for action in self._running:
            gain, error = self._gain(action)
            if (
                action != first
                and gain > self._sure * error
                and self._losses[action].mean() < self._losses[found].mean()
            ):
                found = action
        return found

    def add(self, losses: Float64) -> None:
        """Add losses float64[running, worlds] and drop those that are worse than the best at 95 %."""
        for action, more in zip(self._running, losses, strict=True):
            self._losses[action] = np.concatenate([self._losses[action], more])
        self.drawn += losses.shape[1]
        best = min(self._running, key=lambda action: float(self._losses[action].mean()))
        self._running = [
            action for action in self._running if action == self._actions[0] or self._may_win(action, best)
        ]

    def _may_win(self, action: int, best: int) -> bool:
        difference = self._losses[action] - self._losses[best]
        return action == best or float(difference.mean()) <= Z95 * _error(difference)

    def _gain(self, action: int) -> tuple[float, float]:
        """Loss of the first candidate less this one's over the worlds in which both ran, and its standard error."""
        mine = self._losses[action]
        difference = self._losses[self._actions[0]][: len(mine)] - mine
        return (float(difference.mean()), _error(difference)) if len(mine) else (0.0, math.inf)

    def prospects(self) -> tuple[Prospect, ...]:
        """What each came to."""
        return tuple(
            Prospect(
                action, float(self._losses[action].mean()) if self.drawn else math.nan, *self._gain(action), len(losses)
            )
            for action, losses in self._losses.items()
        )


def _error(sample: Float64) -> float:
    return float(sample.std(ddof=1) / math.sqrt(len(sample))) if len(sample) > 1 else math.inf
