"""Who plays against whom: the baselines, tuned on training chains alone, and learned policies by name.

Flows in: games. Flows out: policies by name, each with the game that it plays: the same, or the same chain where owners
call each other by phone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..envs.game import Game, make_game
from ..envs.learned import Learned
from ..envs.policy_file import NumpyPolicy
from ..envs.scenario import Calls, Scenario
from ..envs.scripted import ISOLATE as ISOLATING
from ..envs.scripted import RESTORE, ByTheBook, Clairvoyant, Defender, IsolateOnFinding, Threshold, at_random, nothing
from ..twin.rulebook.worlds import STREAM_ENVIRONMENT
from .clairvoyants import seers
from .playing import lost
from .stopping import OptimalStopping, tune_stops
from .worth import Watchful, Worth

NOTHING, RANDOM, ISOLATE = "do nothing", "random", "isolate on first finding"
BOOK, CUT_OFF = "by the book", "isolate above belief"
THRESHOLD, STOPPING, PHONE = "restore above belief", "optimal stopping", "restore, owners call"
WORTH, WATCHFUL = "evict by worth", "look closer, evict by worth"
TRAINED, CLAIRVOYANT = "trained", "clairvoyant (sees the truth)"
BASELINES = (NOTHING, RANDOM, ISOLATE, BOOK, CUT_OFF, THRESHOLD, WORTH, WATCHFUL, STOPPING, PHONE, CLAIRVOYANT)
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)  # of belief, tried for the policy that restores
CUT_LEVELS = (0.3, 0.5, 0.8, 0.9, 0.95, 0.98)  # the same for the one that isolates
WORTH_LEVELS = (0.5, 1.0, 2.0, 4.0, 8.0)  # gains from which the rule by worth acts
TUNING_WORLDS = 200  # attacks per candidate at least, shared out over the training chains

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was found on training chains."""

    restore: float  # belief from which to restore
    isolate: float  # belief from which to isolate
    worth: float  # gain from which to evict, see `Worth`
    watchful: float  # the same for `Watchful`, from which policies begin
    stops: tuple[float, ...]  # thresholds of `OptimalStopping`


@dataclass(frozen=True, slots=True)
class Contender:
    """A policy on a chain."""

    game: Game
    policy: Defender
    scripts: Mapping[str, Defender] = field(default_factory=dict)  # of the bound, which takes the best in hindsight


def tune(games: Sequence[Game], *, worlds: int = TUNING_WORLDS, progress: Progress = lambda share: None) -> Tuned:
    """Tune every baseline that has a number on the training stream of the given chains.

    Args:
        games: what is tuned on.
        worlds: attacks per candidate at least, shared out over the games.
        progress: called with how much is done, 0..1.
    """
    share = 1.0 / 5.0

    def part(number: int) -> Progress:
        return lambda done: progress(share * (number + done))

    def best(number: int, levels: Sequence[float], rule: Callable[[Game, float], Defender]) -> float:
        return best_level(games, levels, rule, worlds=worlds, progress=part(number))

    restore = best(0, LEVELS, lambda game, level: Threshold(game, level, RESTORE))
    isolate = best(1, CUT_LEVELS, lambda game, level: Threshold(game, level, ISOLATING))
    worth = best(2, WORTH_LEVELS, Worth)
    watchful = best(3, WORTH_LEVELS, Watchful)

    def loss(thresholds: tuple[float, ...]) -> float:
        return _loss(games, lambda game: OptimalStopping(game, thresholds), worlds)

    return Tuned(restore, isolate, worth, watchful, tune_stops(loss, progress=part(4)))


def best_level(
    games: Sequence[Game],
    levels: Sequence[float],
    rule: Callable[[Game, float], Defender],
    *,
    worlds: int = TUNING_WORLDS,
    progress: Progress = lambda share: None,
) -> float:
    """The level with which the rule loses least on worlds of the training stream."""
    losses = []
    for number, level in enumerate(levels):
        progress(number / len(levels))
        losses.append(_loss(games, lambda game, level=level: rule(game, level), worlds))  # type: ignore[misc]
    return levels[int(np.argmin(losses))]


def _loss(games: Sequence[Game], policy: Callable[[Game], Defender], worlds: int) -> float:
    each = range(-(-worlds // len(games)))
    losses = [lost(game, policy(game), each, stream=STREAM_ENVIRONMENT) for game in games]
    return float(np.mean([one.mean() for one in losses]))


def contenders(
    game: Game, tuned: Tuned, learned: Mapping[str, NumpyPolicy], *, calling: Game | None = None
) -> dict[str, Contender]:
    """All policies on a chain, the one that sees the truth last.

    Args:
        game: the chain.
        tuned: numbers of the baselines.
        learned: policies by name.
        calling: the same chain where owners call each other; `by_phone` of it if left out.
    """
    calling = calling or by_phone(game)
    policies: dict[str, Defender] = {
        NOTHING: nothing,
        RANDOM: at_random,
        ISOLATE: IsolateOnFinding(game),
        BOOK: ByTheBook(game),
        CUT_OFF: Threshold(game, tuned.isolate, ISOLATING),
        THRESHOLD: Threshold(game, tuned.restore),
        WORTH: Worth(game, tuned.worth),
        WATCHFUL: Watchful(game, tuned.watchful),
        STOPPING: OptimalStopping(game, tuned.stops),
    }
    found = {name: Contender(game, policy) for name, policy in policies.items()}
    found[PHONE] = Contender(calling, Threshold(calling, tuned.restore))
    found.update({name: Contender(game, Learned(game, policy)) for name, policy in learned.items()})
    found[CLAIRVOYANT] = Contender(game, Clairvoyant(game), seers(game))
    return found


def by_phone(game: Game) -> Game:
    """The same chain where owners call each other; the defender sits with the owner that has the most assets."""
    if game.scenario.between_owners == "phone":
        return game
    return make_game(calling_scenario(game), game.compiled.twin, game.library)


def calling_scenario(game: Game) -> Scenario:
    """The scenario of `by_phone`."""
    compiled = game.compiled
    desk = compiled.twin.owners[int(np.bincount(compiled.arrays.asset["owner"]).argmax())].id
    return game.scenario.model_copy(update={"between_owners": "phone", "phone": Calls(desk=desk)})
