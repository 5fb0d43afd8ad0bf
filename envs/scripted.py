"""Scripted defenders by name, for the other seat of an environment and for replays.

Flows in: a game and a name. Flows out: a function of worlds as they stand that gives an action per world. The rules are
the rulebook's own `decide_*`; `clairvoyant` alone reads hidden truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt

from ..twin.rulebook.defenders import (
    decide_clairvoyants,
    decide_isolates_on_finding,
    decide_randoms,
    decide_thresholds,
    service_at_stake,
)
from .checks import EnvError
from .game import Game
from .vector import ResponseWorlds, UnseenWorlds

Int32 = npt.NDArray[np.int32]
Defender = Callable[[ResponseWorlds], Int32]  # int32[B], an action per world
READS_BELIEF = ("threshold",)
LEVEL = 0.4  # of belief at which `threshold` acts; best of 0.2 to 0.9 over 1,000 attacks of the charging scenario
_RESTORE, _REVOKE, _ISOLATE, _RELEASE = "restore-asset", "revoke-credentials", "isolate-asset", "release-asset"


def defender(game: Game, name: str) -> Defender:
    """Give the scripted defender of this name.

    Raises:
        EnvError: there is none; names those that there are.
    """
    if name not in DEFENDERS:
        raise EnvError(f"defender {name!r} is unknown; take one of {', '.join(DEFENDERS)}")
    return DEFENDERS[name](game)


def worlds_for(name: str) -> type[ResponseWorlds]:
    """The worlds that a defender needs: with belief only where it reads it."""
    return ResponseWorlds if name in READS_BELIEF else UnseenWorlds


def _number(game: Game, playbook: str) -> int:
    """Number of a playbook, -1 where the library has none of this name."""
    names = game.library.names
    return names.index(playbook) if playbook in names else -1


def _nothing(game: Game) -> Defender:
    return lambda worlds: np.zeros(worlds.count, np.int32)


def _random(game: Game) -> Defender:
    def decide(worlds: ResponseWorlds) -> Int32:
        actions = np.zeros(worlds.count, np.int32)
        decide_randoms(worlds.worlds.legal, game.compiled.arrays, game.effects, worlds.worlds.state, actions)
        return actions

    return decide


def _isolating(game: Game) -> Defender:
    isolate = _number(game, _ISOLATE)

    def decide(worlds: ResponseWorlds) -> Int32:
        actions = np.zeros(worlds.count, np.int32)
        state = worlds.worlds.state
        decide_isolates_on_finding(isolate, game.compiled.arrays, game.effects, game.parameters, state, actions)
        return actions

    return decide


def _threshold(game: Game) -> Defender:
    restore, revoke = _number(game, _RESTORE), _number(game, _REVOKE)

    def decide(worlds: ResponseWorlds) -> Int32:
        actions, compiled = np.zeros(worlds.count, np.int32), game.compiled.arrays
        state = worlds.worlds.state
        decide_thresholds(worlds.held(), LEVEL, restore, revoke, compiled, game.effects, state, actions)
        return actions

    return decide


def _clairvoyant(game: Game) -> Defender:
    playbooks = np.array([_number(game, name) for name in (_RESTORE, _REVOKE, _ISOLATE, _RELEASE)], np.int32)
    rule = partial(decide_clairvoyants, playbooks, service_at_stake(game.compiled.arrays), game.compiled.arrays)

    def decide(worlds: ResponseWorlds) -> Int32:
        actions = np.zeros(worlds.count, np.int32)
        rule(game.effects, game.parameters, worlds.worlds.state, actions)
        return actions

    return decide


DEFENDERS: Mapping[str, Callable[[Game], Defender]] = {
    "nothing": _nothing,
    "random": _random,
    "isolate-on-finding": _isolating,
    "threshold": _threshold,
    "clairvoyant": _clairvoyant,
}
