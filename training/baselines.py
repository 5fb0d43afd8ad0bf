"""Policies to measure against: nothing, random, first finding, threshold on belief, and one that sees the truth.

Flows in: worlds as they stand. Flows out: an action per world, int32[B]. Each looks only at what its name says; the
clairvoyant alone reads hidden truth, and is an upper bound, not a competitor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..envs.game import Game
from ..envs.policy_file import NumpyPolicy
from ..envs.vector import ResponseWorlds
from ..twin.rulebook.state import IMPACTED

Int32 = npt.NDArray[np.int32]
BatchPolicy = Callable[[ResponseWorlds], Int32]
RANDOM_RATE = 0.1  # of a random action per decision; assumed


def nothing(worlds: ResponseWorlds) -> Int32:
    """Wait, always."""
    return np.zeros(worlds.count, np.int32)


@dataclass
class RandomPolicy:
    """A legal action at random in one decision of ten; lives for one run, as its draws go on."""

    seed: int

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        actions = np.zeros(worlds.count, np.int32)
        for world, mask in enumerate(worlds.masks()):
            if self._rng.random() < RANDOM_RATE:
                actions[world] = self._rng.choice(np.flatnonzero(mask))
        return actions


@dataclass(frozen=True)
class IsolateOnFinding:
    """Isolate the first asset of the latest findings that can be isolated."""

    game: Game

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        first = 1 + self.game.library.index_of("isolate-asset") * self.game.compiled.targets
        actions, masks = np.zeros(worlds.count, np.int32), worlds.masks()
        for world, findings in enumerate(worlds.fresh_findings):
            for asset in findings[:, 0]:
                if masks[world, first + asset]:
                    actions[world] = first + asset
                    break
        return actions


@dataclass(frozen=True)
class Threshold:
    """Restore the asset, or revoke the identity, most surely held, if above a threshold."""

    game: Game
    level: float

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        held = worlds.belief.asset["user"] + worlds.belief.asset["admin"]
        return _evict(self.game, worlds, np.where(held > self.level, held, 0.0))


@dataclass(frozen=True)
class Clairvoyant:
    """Sees what is held and evicts what is nearest to a crown jewel: an upper bound, no competitor."""

    game: Game

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        truth = worlds.worlds.state.asset
        held = ((truth["user"] | truth["admin"]) > 0) | ((truth["status"] & IMPACTED) > 0)
        return _evict(self.game, worlds, np.where(held, 1e-6 + self.game.compiled.arrays.asset["toward"], 0.0))


@dataclass(frozen=True)
class Learned:
    """A policy file."""

    game: Game
    policy: NumpyPolicy

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        return self.policy.act(worlds.observe(), self.game.static, worlds.masks(), self.game.effects)


def _evict(game: Game, worlds: ResponseWorlds, score: npt.NDArray[np.float64]) -> Int32:
    """Restore, or for identities revoke, the asset with the highest positive score."""
    assets, targets = score.shape[1], game.compiled.targets
    actions, best, masks = np.zeros(worlds.count, np.int32), np.zeros(worlds.count), worlds.masks()
    for name in ("restore-asset", "revoke-credentials"):
        first = 1 + game.library.index_of(name) * targets
        legal = np.where(masks[:, first : first + assets], score, 0.0)
        asset = legal.argmax(axis=1)
        top = legal[np.arange(worlds.count), asset]
        better = top > best
        actions[better] = first + asset[better]
        best = np.maximum(best, top)
    return actions
