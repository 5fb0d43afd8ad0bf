"""Who plays against whom: the baselines, tuned on training chains alone, and learned policies by name.

Flows in: games. Flows out: policies by name, each with the game that it plays: the same, or the same chain where owners
call each other by phone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..envs.game import Game, make_game
from ..envs.policy_file import NumpyPolicy
from ..envs.scenario import Calls
from ..twin.rulebook.worlds import STREAM_ENVIRONMENT
from .baselines import ISOLATE as ISOLATING
from .baselines import (
    RESTORE,
    BatchPolicy,
    ByTheBook,
    Clairvoyant,
    IsolateOnFinding,
    Learned,
    Threshold,
    at_random,
    nothing,
)
from .playing import play
from .stopping import OptimalStopping, tune_stops

NOTHING, RANDOM, ISOLATE = "do nothing", "random", "isolate on first finding"
BOOK, CUT_OFF = "by the book", "isolate above belief"
THRESHOLD, STOPPING, PHONE = "restore above belief", "optimal stopping", "restore, owners call"
TRAINED, CLAIRVOYANT = "trained", "clairvoyant (upper bound)"
LEVELS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8)  # of belief, tried for the policy that restores
CUT_LEVELS = (0.5, 0.8, 0.9, 0.95, 0.98)  # the same for the one that isolates
TUNING_WORLDS = 200  # attacks per candidate, shared out over the training chains

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was found on training chains."""

    restore: float  # belief from which to restore
    isolate: float  # belief from which to isolate
    stops: tuple[float, ...]  # thresholds of `OptimalStopping`


@dataclass(frozen=True, slots=True)
class Contender:
    """A policy on a chain."""

    game: Game
    policy: BatchPolicy


def tune(games: Sequence[Game], *, progress: Progress = lambda share: None) -> Tuned:
    """Tune every baseline that has a number on the training stream of the given chains."""
    share = 1.0 / 3.0
    restore = tune_threshold(games, RESTORE, LEVELS, progress=lambda done: progress(share * done))
    isolate = tune_threshold(games, ISOLATING, CUT_LEVELS, progress=lambda done: progress(share * (1 + done)))

    def loss(thresholds: tuple[float, ...]) -> float:
        return _loss(games, lambda game: OptimalStopping(game, thresholds))

    return Tuned(restore, isolate, tune_stops(loss, progress=lambda done: progress(share * (2 + done))))


def tune_threshold(
    games: Sequence[Game],
    playbook: str,
    levels: Sequence[float],
    *,
    progress: Progress = lambda share: None,
) -> float:
    """The level from which the threshold policy with this playbook loses least on worlds of the training stream."""
    losses = []
    for number, level in enumerate(levels):
        progress(number / len(levels))
        losses.append(_loss(games, lambda game, level=level: Threshold(game, level, playbook)))  # type: ignore[misc]
    return levels[int(np.argmin(losses))]


def _loss(games: Sequence[Game], policy: Callable[[Game], BatchPolicy]) -> float:
    worlds = range(-(-TUNING_WORLDS // len(games)))
    played = [play(game, policy(game), worlds, stream=STREAM_ENVIRONMENT) for game in games]
    return float(np.mean([one.loss.sum(axis=(1, 2)).mean() for one in played]))


def contenders(game: Game, tuned: Tuned, learned: Mapping[str, NumpyPolicy]) -> dict[str, Contender]:
    """All policies on a chain, the upper bound last."""
    calling = by_phone(game)
    policies: dict[str, BatchPolicy] = {
        NOTHING: nothing,
        RANDOM: at_random,
        ISOLATE: IsolateOnFinding(game),
        BOOK: ByTheBook(game),
        CUT_OFF: Threshold(game, tuned.isolate, ISOLATING),
        THRESHOLD: Threshold(game, tuned.restore),
        STOPPING: OptimalStopping(game, tuned.stops),
    }
    found = {name: Contender(game, policy) for name, policy in policies.items()}
    found[PHONE] = Contender(calling, Threshold(calling, tuned.restore))
    found.update({name: Contender(game, Learned(game, policy)) for name, policy in learned.items()})
    found[CLAIRVOYANT] = Contender(game, Clairvoyant(game))
    return found


def by_phone(game: Game) -> Game:
    """The same chain where owners call each other; the defender sits with the owner that has the most assets."""
    if game.scenario.between_owners == "phone":
        return game
    compiled = game.compiled
    desk = compiled.twin.owners[int(np.bincount(compiled.arrays.asset["owner"]).argmax())].id
    scenario = game.scenario.model_copy(update={"between_owners": "phone", "phone": Calls(desk=desk)})
    return make_game(scenario, game.compiled.twin, game.library)
