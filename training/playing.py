"""One policy plays attacks: what was lost, what it proposed, how long the attacker stayed, what it hit for nothing.

Flows in: a game, a policy, numbers of worlds. Flows out: `Played`. Truth is read to judge, after the policy has chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..envs.game import Game
from ..envs.scripted import Defender, is_blind
from ..envs.vector import ResponseWorlds, UnseenWorlds
from ..twin.rulebook.effects import NO_CEILING
from ..twin.rulebook.rules import BITS, BLOCKING
from ..twin.vocabulary import AssetKind

Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_NO_FOOTING = (AssetKind.PROCESS, AssetKind.DATA_STORE, AssetKind.SEGMENT, AssetKind.EXTERNAL)
FOOTING = [kind for kind in AssetKind if kind not in _NO_FOOTING]
LANES = 500  # attacks played side by side; no result depends on it


@dataclass(frozen=True, slots=True)
class Played:
    """What one policy's episodes came to; n attacks."""

    loss: Float64  # [n, O, LossCause] owner-hours
    proposed: Float64  # [P] proposals per episode, by playbook
    false: Float64  # [n] containments proposed for what no attacker held
    breached: Bools  # [n] an attacker held a machine, service or identity at some decision
    contained: Bools  # [n] breached, and none was held at the last decision
    minutes: Float64  # [n] from the first such decision to the last one, at most to the horizon; 0 if not breached


def play(game: Game, policy: Defender, world_ids: Sequence[int], *, stream: int) -> Played:
    """One episode of every world under a policy, `LANES` at a time.

    Args:
        game: what is played.
        policy: gives an action per world.
        world_ids: one attack each.
        stream: of draws.
    """
    judge = _Judge(game)
    parts = [_play(judge, policy, world_ids[i : i + LANES], stream) for i in range(0, len(world_ids), LANES)]
    proposed = np.sum([part.proposed for part in parts], axis=0) / len(world_ids)
    columns = ("false", "breached", "contained", "minutes")
    return Played(
        np.concatenate([part.loss for part in parts]),
        proposed,
        *(np.concatenate([getattr(part, name) for part in parts]) for name in columns),
    )


@dataclass(frozen=True)
class _Judge:
    """Looks at the truth of worlds of one game."""

    game: Game

    @cached_property
    def footing(self) -> Bools:
        """bool[N]: assets from which an attacker works: not what it merely knows, or reaches through others."""
        return np.isin(self.game.compiled.arrays.asset["kind"], FOOTING)

    @cached_property
    def containing(self) -> Bools:
        """bool[1 + P]: playbooks that stop, cut or clean, by number; the first stands for waiting."""
        rows = self.game.effects.playbook
        blocks = np.zeros(len(rows), np.bool_)
        for name in ("mode", "mode_during"):
            modes = rows[name].astype(np.int64)
            blocks |= (modes >= 0) & ((BLOCKING >> (BITS * np.maximum(modes, 0))) & 1 == 1)
        return np.concatenate([[False], blocks | (rows["cut"] == 1) | (rows["ceiling"] != NO_CEILING)])

    @cached_property
    def ends(self) -> npt.NDArray[np.int64]:
        """int64[T, 2]: the assets that a target stands for; owners stand for none: N."""
        arrays = self.game.compiled.arrays
        assets = np.repeat(np.arange(len(arrays.asset)), 2).reshape(-1, 2)
        owners = np.full((self.game.compiled.targets - len(assets) - len(arrays.link), 2), len(assets))
        return np.concatenate([assets, arrays.link_end, owners])

    @staticmethod
    def held(worlds: ResponseWorlds) -> Bools:
        """bool[B, N]: what any attacker holds, or would regain."""
        asset = np.asarray(worlds.worlds.state.asset)
        held: Bools = (asset["user"] | asset["admin"] | asset["persist"]) != 0
        return held

    def is_false(self, actions: npt.NDArray[np.integer], held: Bools) -> Bools:
        """bool[B]: the action contains, and nothing it acts on is held."""
        playbook, target = np.divmod(np.maximum(actions - 1, 0), self.game.compiled.targets)
        contains = self.containing[np.where(actions > 0, 1 + playbook, 0)]
        known = np.concatenate([held, np.zeros((len(held), 1), np.bool_)], axis=1)
        hit = np.take_along_axis(known, self.ends[target], axis=1).any(axis=1)
        return contains & ~hit


def _play(judge: _Judge, policy: Defender, world_ids: Sequence[int], stream: int) -> Played:
    game, count = judge.game, len(world_ids)
    worlds = (UnseenWorlds if is_blind(policy) else ResponseWorlds)(game, world_ids, stream=stream)
    worlds.reset()
    proposed, false = np.zeros(len(game.effects.playbook)), np.zeros(count)
    first, last = np.full(count, -1), np.full(count, -1)
    for decision in range(game.decisions):
        actions = policy(worlds)
        np.add.at(proposed, (actions[actions > 0] - 1) // game.compiled.targets, 1)
        held = judge.held(worlds)
        false += judge.is_false(actions, held)
        holds = (held & judge.footing).any(axis=1)
        first[holds & (first < 0)] = decision
        last[holds] = decision
        step = worlds.step(actions)
    breached = first >= 0
    contained = breached & (last < game.decisions - 1)
    minutes = (last - first + 1) * game.scenario.decide_every * game.scenario.tick_s / 60.0
    return Played(step.terminal_loss, proposed, false, breached, contained, np.where(breached, minutes, 0.0))
