"""Policies to measure against: nothing, random, first finding, by the book, on belief, and one that sees the truth.

Flows in: a batch of worlds as it stands. Flows out: an action per world, int32[B]. Each looks only at what its name
says: observation, masks, belief, findings. `Clairvoyant` alone reads hidden truth (`worlds.worlds.state`); it is an
upper bound, no competitor. The rules are the rulebook's own `decide_*` where it has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..envs.active import dense_actions, legal_active, new_active, sees_active
from ..envs.game import Game
from ..envs.policy_file import NumpyPolicy
from ..envs.target_graph import hourly_scale
from ..envs.vector import ResponseWorlds
from ..playbooks.actions import encode
from ..twin.compiled import NANO
from ..twin.rulebook.defenders import (
    decide_books,
    decide_clairvoyants,
    decide_randoms,
    decide_thresholds,
    service_at_stake,
)
from ..twin.vocabulary import AssetKind, Confidence, StepClass

Int32 = npt.NDArray[np.int32]
BatchPolicy = Callable[[ResponseWorlds], Int32]
RESTORE, REVOKE, ISOLATE, RELEASE = "restore-asset", "revoke-credentials", "isolate-asset", "release-asset"
REACHED, INTERRUPTED = 20.0, 4.0  # weights of `Worth`; of some thirty tried over 100 attacks of the charging scenario
BLOCK, MONITOR = "block-link", "raise-monitoring"

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
    least: Confidence = Confidence.MEDIUM  # assumed: a desk passes low ones over

    @cached_property
    def _book(self) -> Int32:
        names = self.game.library.names
        numbers = [names.index(BOOK[one]) if BOOK.get(one) in names else -1 for one in StepClass]
        return np.array(numbers, np.int32)

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        game, actions = self.game, np.zeros(worlds.count, np.int32)
        evidence, ticks = worlds.belief.evidence, game.scenario.decide_every
        compiled, state = game.compiled.arrays, worlds.worlds.state
        decide_books(evidence, ticks, self._book, int(self.least), compiled, game.effects, state, actions)
        return actions


@dataclass(frozen=True)
class Threshold:
    """Restore (or isolate) the asset, or revoke the identity, most surely held, from a probability `level` on."""

    game: Game
    level: float
    playbook: str = RESTORE

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        game, actions = self.game, np.zeros(worlds.count, np.int32)
        restore, revoke = game.library.index_of(self.playbook), game.library.index_of(REVOKE)
        compiled, state = game.compiled.arrays, worlds.worlds.state
        decide_thresholds(worlds.held(), self.level, restore, revoke, compiled, game.effects, state, actions)
        return actions


@dataclass(frozen=True)
class Worth:
    """Restore the asset, or revoke the identity, where it is worth most in expectation, from a gain of `level` on.

    Gain: belief x (1 + `REACHED` x odds of the best way from there to a crown jewel) less (1 - belief) x
    `INTERRUPTED` x share of an owner's value that stands still while the asset alone does not serve.
    """

    game: Game
    level: float

    @cached_property
    def _assets(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], Int32]:
        """Worth of an eviction that was due, cost of one that was not, number of the action, each [N]."""
        game, t = self.game, self.game.compiled.arrays
        hour = NANO * game.compiled.tick_s / 3600.0 * hourly_scale(t)
        names, targets = (RESTORE, REVOKE), game.compiled.targets
        restore, revoke = (game.library.index_of(name) for name in names)
        playbook = np.where(t.asset["kind"] == AssetKind.IDENTITY, revoke, restore)
        actions = (1 + playbook * targets + np.arange(len(t.asset))).astype(np.int32)
        worth = 1.0 + REACHED * np.asarray(t.asset["toward"], np.float64)
        return worth, INTERRUPTED * service_at_stake(t).astype(np.float64) / hour, actions

    @property
    def actions(self) -> Int32:
        """int32[N] the action that evicts from each asset, legal or not."""
        return self._assets[2]

    def gains(self, worlds: ResponseWorlds) -> npt.NDArray[np.float64]:
        """float64[B, N] expected gain of evicting from each asset, in no unit; -inf where that is not legal."""
        worth, cost, actions = self._assets
        held = worlds.held().astype(np.float64)
        gains = held * worth - (1.0 - held) * cost
        return np.where(worlds.legal[:, actions], gains, -np.inf)

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        gains = self.gains(worlds)
        best = gains.argmax(axis=1)
        acts = gains[np.arange(len(gains)), best] >= self.level
        return np.where(acts, self.actions[best], 0).astype(np.int32)


@dataclass(frozen=True)
class Clairvoyant:
    """Sees what is held, evicts, isolates and releases where it is worth most: an upper bound, no competitor."""

    game: Game

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


def is_blind(policy: BatchPolicy) -> bool:
    """Whether a policy reads neither belief nor observation, so that worlds need not keep them for it."""
    return policy is nothing or policy is at_random or isinstance(policy, Clairvoyant)


@dataclass(frozen=True)
class Learned:
    """A policy file."""

    game: Game
    policy: NumpyPolicy

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        game, policy = self.game, self.policy
        active = new_active(worlds.count, len(game.effects.playbook), policy.view)
        sees_active(worlds.observed, game.graph, settings=policy.view, into=active)
        lanes, state = np.arange(worlds.count), worlds.worlds.state
        legal_active(lanes, game.always, game.compiled.arrays, game.effects, state, active)
        return dense_actions(policy.act_on(active, game.effects), active, game.compiled.targets)
