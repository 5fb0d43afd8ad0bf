"""Rules on belief alone that evict where it is worth most: what a policy starts from, and baselines to beat.

Flows in: worlds. Flows out: an action per world. They know what is at stake in the twin, never hidden truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..envs.game import Game
from ..envs.scripted import MONITOR, RESTORE, REVOKE
from ..envs.target_graph import hourly_scale
from ..envs.vector import ResponseWorlds
from ..playbooks.actions import encode
from ..twin.compiled import NANO, Int32
from ..twin.rulebook.defenders import service_at_stake
from ..twin.vocabulary import AssetKind

# Weights of what can be reached and of what stands still; of some thirty pairs tried over 100 attacks of the charging
# scenario, on the stream by which training keeps its best weights; evaluation plays another.
REACHED, INTERRUPTED = 20.0, 4.0


@dataclass(frozen=True)
class Worth:
    """Restore the asset, or revoke the identity, where it is worth most in expectation, from a gain of `level` on.

    Gain: belief x (1 + `REACHED` x odds of the best way from there to a crown jewel) less (1 - belief) x
    `INTERRUPTED` x share of an owner's value that stands still while the asset alone does not serve.
    """

    game: Game
    level: float

    @cached_property
    def evictions(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], Int32]:
        """Worth of an eviction that was due, cost of one that was not, number of the action, each [N]."""
        worth = 1.0 + REACHED * np.asarray(self.game.compiled.arrays.asset["toward"], np.float64)
        return worth, INTERRUPTED * stake_of(self.game), evicting(self.game)

    @property
    def actions(self) -> Int32:
        """int32[N] the action that evicts from each asset, legal or not."""
        return self.evictions[2]

    def gains(self, worlds: ResponseWorlds) -> npt.NDArray[np.float64]:
        """float64[B, N] expected gain of evicting from each asset, in no unit; -inf where that is not legal."""
        worth, cost, actions = self.evictions
        held = worlds.held().astype(np.float64)
        gains = held * worth - (1.0 - held) * cost
        return np.where(worlds.legal[:, actions], gains, -np.inf)

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        return best_of(self.gains(worlds), self.actions, self.level)


# Weights of `Watchful`, found by a search of some 60 sets over 10 generated chains of 40 to 200 assets, seeds 100 to
# 109, 40 attacks each on the training stream (a script that is not kept).
TOWARD, STAKE, ALWAYS, WRONG = 11.0, 1.9, 1.4, 14.0
WATCHED = 0.08  # belief from which to look closer; found with them
PULL = 0.5  # gain of looking closer where belief is e times `WATCHED`, less the level; for lessons alone
AFTER = 1.0  # gain by which an eviction that is due goes before looking; for lessons alone


@dataclass(frozen=True)
class Watchful:
    """Evict where it is worth most, from a gain of `level` on; else raise monitoring where most is believed held.

    Gain of an eviction: belief x (1 + `TOWARD` x odds of the best way from there to a crown jewel + `STAKE` x stake)
    less `ALWAYS` x stake less (1 - belief) x `WRONG` x stake; stake: share of an owner's value that stands still while
    the asset alone does not serve. Looking closer costs a few minutes of work, and sensors there look more often.
    """

    game: Game
    level: float
    watched: float = WATCHED  # belief from which to look closer

    @cached_property
    def _assets(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], Int32]:
        """Gain by belief, gain at no belief, each [N]; numbers of the actions [2 * N]: evict, then look."""
        game, asset = self.game, self.game.compiled.arrays.asset
        first = encode(game.library.index_of(MONITOR), 0, game.compiled.targets)
        looking = np.arange(first, first + len(asset), dtype=np.int32)
        stake = stake_of(game)
        rise = 1.0 + TOWARD * np.asarray(asset["toward"], np.float64) + (STAKE + WRONG) * stake
        return rise, -(ALWAYS + WRONG) * stake, np.concatenate([evicting(game), looking])

    @property
    def actions(self) -> Int32:
        """int32[2 * N] the action that evicts from each asset, then the one that looks closer there; legal or not."""
        return self._assets[2]

    def gains(self, worlds: ResponseWorlds) -> npt.NDArray[np.float64]:
        """float64[B, 2 * N] gain of each of `actions`, in no unit; -inf where it is not legal."""
        rise, base, actions = self._assets
        held = worlds.held().astype(np.float64)
        legal = worlds.legal[:, actions]
        evict = np.where(legal[:, : len(rise)], held * rise + base, -np.inf)
        best = evict.max(axis=1, keepdims=True)
        look = self.level + PULL * np.log(np.maximum(held, 1e-9) / self.watched)
        look = np.where(best >= self.level, np.minimum(look, best - AFTER), look)
        return np.concatenate([evict, np.where(legal[:, len(rise) :], look, -np.inf)], axis=1)

    def __call__(self, worlds: ResponseWorlds) -> Int32:
        """An action per world."""
        return best_of(self.gains(worlds), self.actions, self.level)


def stake_of(game: Game) -> npt.NDArray[np.float64]:
    """float64[N] share of an owner's value that stands still while an asset alone does not serve."""
    t = game.compiled.arrays
    hour = NANO * game.compiled.tick_s / 3600.0 * hourly_scale(t)
    return service_at_stake(t).astype(np.float64) / hour


def evicting(game: Game) -> Int32:
    """int32[N] the action that evicts from each asset: restore it, or revoke an identity; legal or not."""
    restore, revoke = (game.library.index_of(name) for name in (RESTORE, REVOKE))
    kinds = game.compiled.arrays.asset["kind"]
    playbook = np.where(kinds == AssetKind.IDENTITY, revoke, restore)
    return (1 + playbook * game.compiled.targets + np.arange(len(kinds))).astype(np.int32)


def best_of(gains: npt.NDArray[np.float64], actions: Int32, level: float) -> Int32:
    """int32[B] the action with the most gain of float64[B, M]; waiting where that is below the level."""
    best = gains.argmax(axis=1)
    acts = gains[np.arange(len(gains)), best] >= level
    return np.where(acts, actions[best], 0).astype(np.int32)
