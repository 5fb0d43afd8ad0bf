"""The scripted defenders: each is one rule with one name, for environments, replays, models and evaluations.

Flows in: a batch of worlds as it stands. Flows out: an action per world, int32[B]. Each looks only at what its name
says: masks, belief, findings. `Clairvoyant` alone reads hidden truth (`worlds.worlds.state`); it is no competitor.
The rules are the rulebook's own `decide_*` where it has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from ..playbooks.actions import Library, encode
from ..twin.rulebook.defenders import (
    decide_books,
    decide_clairvoyants,
    decide_randoms,
    decide_thresholds,
    service_at_stake,
)
from ..twin.vocabulary import Confidence, StepClass
from .checks import EnvError
from .game import Game
from .vector import ResponseWorlds, UnseenWorlds

Int32 = npt.NDArray[np.int32]
Defender = Callable[[ResponseWorlds], Int32]  # int32[B], an action per world

RESTORE, REVOKE, ISOLATE, RELEASE = "restore-asset", "revoke-credentials", "isolate-asset", "release-asset"
BLOCK, MONITOR = "block-link", "raise-monitoring"
LEVEL = 0.4  # belief from which `threshold` restores: best of 0.2 to 0.9 over 1,000 attacks of the charging scenario
CUT_LEVEL = 0.95  # belief from which `isolate-on-belief` isolates: assumed; `tocsin evaluate` tunes it for a game
LEAST = Confidence.MEDIUM  # of findings that `book` answers; assumed: a desk passes low ones over

# One playbook per technique class, as a runbook of a security desk has them. Assumed; settled by such runbooks.
BOOK: Mapping[StepClass, str] = {
    StepClass.EXPLOIT: RESTORE,
    StepClass.VALID_ACCOUNT: REVOKE,
    StepClass.CREDENTIAL_ACCESS: REVOKE,
    StepClass.PRIVILEGE_ESCALATION: RESTORE,
    StepClass.ESCAPE: RESTORE,
    StepClass.TRUST: BLOCK,
    StepClass.PERSISTENCE: RESTORE,
    StepClass.COLLECTION: ISOLATE,
    StepClass.IMPACT: RESTORE,
    StepClass.PRESENCE: MONITOR,
    StepClass.DISCOVERY: MONITOR,
}


def nothing(worlds: ResponseWorlds) -> Int32:
    """Wait, always."""
    return np.zeros(worlds.count, np.int32)


def at_random(worlds: ResponseWorlds) -> Int32:
    """A legal action at random in one decision of ten, by the rulebook's keyed draws: the same in every batch."""
    actions = np.zeros(worlds.count, np.int32)
    lanes = worlds.worlds
    decide_randoms(lanes.legal, lanes.compiled.arrays, lanes.effects, lanes.state, actions)
    return actions


@dataclass(frozen=True)
class IsolateOnFinding:
    """Isolate the asset of the first finding of the last step that may be isolated.

    Not the rulebook's `decide_isolate_on_finding`: that one decides every tick and sees one tick's findings, this one
    decides every few ticks and must not miss those between.
    """

    game: Game

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        found = worlds.last_finding()
        first = encode(self.game.library.index_of(ISOLATE), 0, self.game.compiled.targets)
        may = (found >= 0) & worlds.masks()[:, first : first + found.shape[1]]
        earliest = np.where(may, found, np.iinfo(np.int32).max).argmin(axis=1)
        return np.where(may.any(axis=1), first + earliest, 0).astype(np.int32)


@dataclass(frozen=True)
class ByTheBook:
    """Answer the earliest finding of the last step by `BOOK`, from a confidence on; nobody asks what it costs."""

    game: Game
    least: Confidence = LEAST

    @cached_property
    def _book(self) -> Int32:
        answers = book_of(self.game.library)
        return np.array([answers.get(one, -1) for one in StepClass], np.int32)

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        game, actions = self.game, np.zeros(worlds.count, np.int32)
        evidence, ticks = worlds.belief.evidence, game.scenario.decide_every
        compiled, state = game.compiled.arrays, worlds.worlds.state
        decide_books(evidence, ticks, self._book, int(self.least), compiled, game.effects, state, actions)
        return actions


def book_of(library: Library) -> dict[StepClass, int]:
    """`BOOK` in a library's numbers, without the classes whose playbook it does not have."""
    return {one: library.names.index(name) for one, name in BOOK.items() if name in library.names}


@dataclass(frozen=True)
class Threshold:
    """Restore (or isolate) the asset, or revoke the identity, most surely held, from a probability `level` on."""

    game: Game
    level: float = LEVEL
    playbook: str = RESTORE

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        game, actions = self.game, np.zeros(worlds.count, np.int32)
        restore, revoke = game.library.index_of(self.playbook), game.library.index_of(REVOKE)
        compiled, state = game.compiled.arrays, worlds.worlds.state
        decide_thresholds(worlds.held(), self.level, restore, revoke, compiled, game.effects, state, actions)
        return actions


@dataclass(frozen=True)
class Clairvoyant:
    """Sees what is held, evicts, isolates and releases where it is worth most: no competitor, and no proven bound."""

    game: Game

    is_blind = True  # of belief and observation: it reads the truth instead

    @cached_property
    def _playbooks(self) -> Int32:
        names = (RESTORE, REVOKE, ISOLATE, RELEASE)
        return np.array([self.game.library.index_of(name) for name in names], np.int32)

    @cached_property
    def _at_stake(self) -> npt.NDArray[np.int64]:
        stake: npt.NDArray[np.int64] = service_at_stake(self.game.compiled.arrays)
        return stake

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        game, actions = self.game, np.zeros(worlds.count, np.int32)
        truth, compiled = worlds.worlds.state, game.compiled.arrays
        decide_clairvoyants(self._playbooks, self._at_stake, compiled, game.effects, game.parameters, truth, actions)
        return actions


DEFENDERS: Mapping[str, Callable[[Game], Defender]] = {
    "nothing": lambda game: nothing,
    "random": lambda game: at_random,
    "isolate-on-finding": IsolateOnFinding,
    "isolate-on-belief": partial(Threshold, level=CUT_LEVEL, playbook=ISOLATE),
    "threshold": Threshold,
    "book": ByTheBook,
    "clairvoyant": Clairvoyant,
}


def defender(game: Game, name: str) -> Defender:
    """Give the scripted defender of this name.

    Raises:
        EnvError: there is none; names those that there are.
    """
    if name not in DEFENDERS:
        raise EnvError(f"defender {name!r} is unknown; take one of {', '.join(DEFENDERS)}")
    return DEFENDERS[name](game)


def is_blind(rule: Defender) -> bool:
    """Whether a defender reads neither belief nor observation, so that worlds need not keep them for it."""
    return rule is nothing or rule is at_random or getattr(rule, "is_blind", False)


def worlds_for(rule: Defender) -> type[ResponseWorlds]:
    """The worlds that a defender needs: with belief only where it reads it."""
    return UnseenWorlds if is_blind(rule) else ResponseWorlds
