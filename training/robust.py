"""What stands whatever the assumed numbers are: policies played under draws of all of them.

Flows in: a suite, policies by name, draws. Flows out: a `Robustness`: for each pair of policies the share of draws in
which the one loses less, and how far the order of policies stays (Kendall 1938, "A New Measure of Rank Correlation").
Baselines keep the numbers that they were tuned to, policies are not trained again: who defends does not know the draw.
Each draw plays a few chains of the suite in turn, so chance of attacks is in the shares too; that makes claims fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau

from ..envs.assumptions import Assumptions, game_under
from ..envs.game import Game
from ..envs.policy_file import NumpyPolicy
from ..envs.scripted import Defender
from ..twin.rulebook.worlds import STREAM_EVALUATION
from .contenders import BASELINES, CLAIRVOYANT, NOTHING, WATCHFUL, Contender, Tuned, calling_scenario, contenders
from .evaluate import EvaluationError
from .freezing import check, game_of
from .judging import tune_suite
from .playing import lost
from .robust_drivers import Driver, drivers, saved_by
from .suites import Place, Suite

STANDS = 0.95  # share of draws in which the sign of a claim has to hold
DEFAULT = -1  # number of the draw in which all is as assumed
SEED = 20263
MOST_DRAWS = 10_000

Means = Mapping[str, float]  # mean loss by policy, owner-hours per attack


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is played."""

    draws: int = 200
    chains: int = 2  # of the suite, in each draw
    attacks: int = 20  # on each, by each attacker
    seed: int = SEED

    def __post_init__(self) -> None:
        """Refuse what cannot be played or drawn.

        Raises:
            EvaluationError: names the setting and the mend.
        """
        ranges = (("draws", 2, MOST_DRAWS), ("chains", 1, 1000), ("attacks", 2, 100_000), ("seed", 0, 2**63 - 1))
        for name, low, high in ranges:
            if not low <= getattr(self, name) <= high:
                raise EvaluationError(f"--{name} {getattr(self, name)}: give {low} to {high}")


@dataclass(frozen=True, slots=True)
class Claim:
    """One policy loses less than another, with all as assumed."""

    better: str
    worse: str
    gap: float  # owner-hours per attack, with all as assumed
    holds: float  # share of draws in which the better one loses less

    @property
    def stands(self) -> bool:
        """Whether it may be said."""
        return self.holds >= STANDS


@dataclass(frozen=True, slots=True)
class Spread:
    """What a policy loses under the draws, owner-hours per attack."""

    policy: str
    assumed: float  # with all as assumed
    median: float
    low: float  # 5 % of draws are below
    high: float  # 5 % are above


@dataclass(frozen=True, slots=True)
class Robustness:
    """What came of all draws; policies in the order of their loss with all as assumed."""

    suite: str
    draws: int
    spreads: tuple[Spread, ...]
    claims: tuple[Claim, ...]  # of every pair
    tau: float | None  # mean over draws of Kendall's tau between the order there and the assumed one; None: all tie
    tau_low: float | None  # 5 % of draws are below
    judged: str = ""  # the policy of which `drivers` tells
    drivers: tuple[Driver, ...] = ()  # numbers that decide what it saves against doing nothing


def play_draw(
    suite: Suite, tuned: Tuned, learned: Mapping[str, NumpyPolicy], extent: Extent, number: int
) -> dict[str, float]:
    """Mean losses by policy under one draw; `DEFAULT` plays the whole suite with all as assumed."""
    losses: dict[str, list[float]] = {}
    for place in cells_of(suite, extent, number):
        for name, loss in _losses(_field(place, tuned, learned, extent, number), extent.attacks).items():
            losses.setdefault(name, []).append(loss)
    return {name: float(np.mean(values)) for name, values in losses.items()}


def _losses(field: Mapping[str, Contender], attacks: int) -> dict[str, float]:
    """Mean loss of each on one cell; the bound is the best of its scripts and the baselines, as in `play_field`."""

    def mean(game: Game, policy: Defender) -> float:
        return float(lost(game, policy, range(attacks), stream=STREAM_EVALUATION).mean())

    found: dict[str, float] = {}
    for name, one in field.items():
        scripts = [mean(one.game, policy) for policy in one.scripts.values()]
        known = [loss for other, loss in found.items() if other in BASELINES]
        found[name] = min(scripts + known) if scripts else mean(one.game, one.policy)
    return found


def cells_of(suite: Suite, extent: Extent, number: int) -> tuple[Place, ...]:
    """The cells that a draw plays: chains in turn."""
    if number == DEFAULT:
        return suite.judged
    names = list(dict.fromkeys(place.chain for place in suite.judged))
    chosen = {names[(number * extent.chains + i) % len(names)] for i in range(extent.chains)}
    return tuple(place for place in suite.judged if place.chain in chosen)


def _field(
    place: Place, tuned: Tuned, learned: Mapping[str, NumpyPolicy], extent: Extent, number: int
) -> Mapping[str, Contender]:
    if number == DEFAULT:
        return contenders(game_of(place), tuned, learned)
    assumptions = Assumptions(extent.seed, number)
    game = game_under(place.scenario, assumptions)
    return contenders(game, tuned, learned, calling=game_under(calling_scenario(game), assumptions))


def robustness(
    suite: Suite,
    learned: Mapping[str, NumpyPolicy],
    extent: Extent,
    *,
    tuned: Tuned | None = None,
    known: Mapping[int, Means] | None = None,
    keep: Callable[[int, Means], None] = lambda number, means: None,
    progress: Callable[[str, float], None] = lambda name, share: None,
) -> Robustness:
    """Play all draws that are not known yet, and say what stands.

    Args:
        suite: what is played.
        learned: policies by name.
        extent: how much.
        tuned: numbers of the baselines; the suite's, else tuned here, if left out.
        known: means of draws that were played before, by number.
        keep: called with each draw that was played now.
        progress: called with what is done and how much of all is done, 0..1.

    Raises:
        SuiteError: the suite is not what it was frozen as.
    """
    check(suite)
    tuned = tuned or suite.tuned or tune_suite(suite, lambda share: progress("tuning", 0.0))
    assumed, found = played(
        lambda number: play_draw(suite, tuned, learned, extent, number),
        extent.draws,
        known=known or {},
        keep=keep,
        progress=progress,
    )
    judged = next(iter(learned), WATCHFUL)
    decided = drivers(saved_by(judged, NOTHING, found), extent.seed)
    return replace(concluded(assumed, found), suite=suite.name, judged=judged, drivers=decided)


def played(
    play: Callable[[int], Means],
    draws: int,
    *,
    known: Mapping[int, Means],
    keep: Callable[[int, Means], None],
    progress: Callable[[str, float], None],
) -> tuple[Means, list[Means]]:
    """Mean losses with all as assumed, and of each draw; what is known is not played again.

    Args:
        play: gives the means of a draw by its number, `DEFAULT` with all as assumed.
        draws: how many.
        known: means of draws that were played before.
        keep: called with each draw that was played now.
        progress: called with what is played and how much of all is done, 0..1.
    """
    means = dict(known)
    for done, number in enumerate((*range(draws), DEFAULT)):
        progress("as assumed" if number == DEFAULT else f"draw {number}", done / (draws + 1))
        if number not in means:
            means[number] = play(number)
            keep(number, means[number])
    return means[DEFAULT], [means[number] for number in range(draws)]


def concluded(assumed: Means, draws: Sequence[Means]) -> Robustness:
    """What stands, of mean losses with all as assumed and under each draw."""
    names = sorted(assumed, key=lambda name: assumed[name])
    table = np.array([[one[name] for name in names] for one in draws])  # [draws, policies]
    competing = [column for column, name in enumerate(names) if name != CLAIRVOYANT]
    taus = _taus(np.array([assumed[names[column]] for column in competing]), table[:, competing])
    claims = [
        Claim(names[a], names[b], assumed[names[b]] - assumed[names[a]], float((table[:, a] < table[:, b]).mean()))
        for a in range(len(names))
        for b in range(a + 1, len(names))
    ]
    spreads = [
        Spread(name, assumed[name], *(float(q) for q in np.quantile(table[:, column], (0.5, 0.05, 0.95))))
        for column, name in enumerate(names)
    ]
    ordered = not np.isnan(taus).any()  # where all lose alike, there is no order to compare
    tau, low = (float(taus.mean()), float(np.quantile(taus, 0.05))) if ordered else (None, None)
    return Robustness("", len(draws), tuple(spreads), tuple(claims), tau, low)


def _taus(assumed: npt.NDArray[np.float64], table: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Kendall's tau of each draw's order of competitors with the assumed one; the clairvoyant is no competitor."""
    return np.array([kendalltau(assumed, row).statistic for row in table])
