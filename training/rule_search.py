"""Numbers of the rule that policies begin as, found by playing: evolution of a distribution over them (CMA-ES).

Flows in: a suite, whose tuning chains are played (never its judged ones), and settings. Flows out: `Found`. Method:
Hansen and Ostermeier 2001, "Completely Derandomized Self-Adaptation in Evolution Strategies". All candidates of a
generation play the same attacks (common random numbers), every generation others. Candidates are played side by side
in one batch, chains side by side on Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from cmaes import CMA

from ..envs.game import Game
from ..envs.learned import Learned
from ..envs.rule_layer import RulePolicy
from ..envs.rule_numbers import RuleNumbers
from ..twin.rulebook.worlds import STREAM_ENVIRONMENT
from .cluster import each
from .freezing import game_of
from .playing import LANES, lost
from .settings import TrainError, TrainSettings, check_field, number, word
from .suites import read_suite

STEP = 0.4  # a factor of e^0.4 for a number above 0, 0.24 for an exponent: one deviation at the start
LINEAR = 0.6  # of `STEP`, for numbers that may be below 0, and for those that begin at 0
FRESH = 1_000_000  # attacks that no generation plays, by which what was found is told


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """The settings of one search."""

    suite: str = word("tocsin-bench-1", "whose tuning chains are played, by name or file")
    generations: int = number(30, 1, 10_000, "of candidates")
    candidates: int = number(14, 4, 1000, "in a generation")
    attacks: int = number(10, 1, 1000, "that each plays on every tuning chain, by each attacker")
    judged_attacks: int = number(50, 20, 10_000, "fresh ones, by which the start and what was found are compared")
    workers: int = number(2, 1, 4096, "chains played side by side")
    seed: int = number(0, 0, 2**31 - 1, "of the draws of candidates")

    def __post_init__(self) -> None:
        """Refuse what cannot run.

        Raises:
            TrainError: names the setting and the mend.
        """
        for one in fields(self):
            check_field(one.name, getattr(self, one.name), type(one.default), one.metadata)
        if self.generations * self.attacks > FRESH:
            most = FRESH // self.attacks
            raise TrainError(f"generations {self.generations}: would play the fresh attacks too; give at most {most}")


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to; losses in owner-hours per attack, means over cells."""

    numbers: RuleNumbers
    begun: float  # of the numbers that it began from, on fresh attacks
    loss: float  # of those found, on the same
    gain: tuple[float, float, float]  # begun less loss, with a 95 % interval, attack by attack
    curve: tuple[float, ...]  # of the mean candidate over the first numbers, generation by generation, a ratio


def search(
    start: RuleNumbers, settings: SearchSettings, progress: Callable[[int, float], None] = lambda number, ratio: None
) -> Found:
    """Evolve numbers from a start; Ray has to be there.

    Args:
        start: where it begins.
        settings: of the search.
        progress: called with each generation's number and what its mean candidate loses over what the start loses.

    Raises:
        SuiteError: no such suite.
    """
    size = len(fields(RuleNumbers))
    evolution = CMA(np.zeros(size), 1.0, seed=settings.seed, population_size=settings.candidates)
    curve = []
    for generation in range(settings.generations):
        asked = [evolution.ask() for _ in range(settings.candidates)]
        first = generation * settings.attacks
        played = [numbers_at(start, point) for point in (np.zeros(size), evolution.mean, *asked)]
        means = _played(played, first, settings.attacks, settings).mean(axis=(1, 2))
        curve.append(float(means[1] / max(means[0], 1e-9)))
        evolution.tell(list(zip(asked, means[2:].tolist(), strict=True)))
        progress(generation, curve[-1])
    found = numbers_at(start, evolution.mean)
    before, after = _played([start, found], FRESH, settings.judged_attacks, settings)
    gains = (before - after).mean(axis=0)  # [attacks]: those of equal number have equal draws in every cell
    error = float(gains.std(ddof=1) / np.sqrt(len(gains)))
    gain = float(gains.mean())
    return Found(
        found, float(before.mean()), float(after.mean()), (gain, gain - 1.96 * error, gain + 1.96 * error), tuple(curve)
    )


def numbers_at(start: RuleNumbers, point: npt.NDArray[np.float64]) -> RuleNumbers:
    """The numbers at a point of the search, float64[numbers]; 0 is the start.

    Numbers above 0 that may not be below it move by factors, others by steps; all stay in range.
    """
    told = {}
    for one, place in zip(fields(RuleNumbers), point.tolist(), strict=True):
        low, high, value = one.metadata["low"], one.metadata["high"], getattr(start, one.name)
        moved = value * np.exp(STEP * place) if low >= 0 and value > 0 else value + STEP * LINEAR * place
        told[one.name] = float(np.clip(moved, low, high))
    return RuleNumbers(**told)


def _played(
    numbers: Sequence[RuleNumbers], first: int, attacks: int, settings: SearchSettings
) -> npt.NDArray[np.float64]:
    """float64[numbers, cells, attacks] losses."""
    cells = len(read_suite(settings.suite).tuned_on)
    given = [(settings.suite, cell, tuple(numbers), first, attacks) for cell in range(cells)]
    losses = np.stack(list(each(play_numbers, given, TrainSettings(workers=settings.workers))))
    return losses.transpose(1, 0, 2)


def play_numbers(
    suite: str, cell: int, numbers: Sequence[RuleNumbers], first: int, attacks: int, settings: TrainSettings
) -> npt.NDArray[np.float64]:
    """float64[numbers, attacks] what rules lose on one of a suite's tuning cells, attacks `first` and on, owner-hours.

    Rules play side by side in one batch: a decision of a batch costs little more than one of a world.
    """
    game, losses, at_once = _game(suite, cell), [], max(1, LANES // attacks)
    for place in range(0, len(numbers), at_once):
        rules = numbers[place : place + at_once]
        rule = RulePolicy(RuleNumbers.side_by_side(rules, attacks) if len(rules) > 1 else rules[0])
        losses.append(
            lost(game, Learned(game, rule), [*range(first, first + attacks)] * len(rules), stream=STREAM_ENVIRONMENT)
        )
    return np.concatenate(losses).reshape(len(numbers), attacks)


@lru_cache(maxsize=256)
def _game(suite: str, cell: int) -> Game:
    """Kept by the process: a worker plays many candidates."""
    return game_of(read_suite(suite).tuned_on[cell])
