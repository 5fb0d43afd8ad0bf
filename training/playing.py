"""One policy plays attacks: what was lost, what it proposed, how long the attacker stayed, what it hit for nothing.

Flows in: a game, a policy, numbers of worlds. Flows out: `Played`. Truth is read to judge, after the policy has chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from ..envs.game import Game
from ..envs.scripted import Defender, is_blind
from ..envs.vector import ResponseWorlds, UnseenWorlds
from ..twin.vocabulary import AssetKind
from .costs import Meter, held

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
    downtime: Float64  # [n] owner-hours of service that responses alone cost, see `costs`
    consents: Float64  # [n] answers that people were asked for

    @property
    def total(self) -> Float64:
        """float64[n] loss of each attack, over owners and causes."""
        return self.loss.sum(axis=(1, 2))


def play(game: Game, policy: Defender, world_ids: Sequence[int], *, stream: int) -> Played:
    """One episode of every world under a policy, `LANES` at a time.

    Args:
        game: what is played.
        policy: gives an action per world.
        world_ids: one attack each.
        stream: of draws.
    """
    meter = Meter(game)
    parts = [_play(meter, policy, world_ids[i : i + LANES], stream) for i in range(0, len(world_ids), LANES)]
    whole = {one.name: np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Played)}
    whole["proposed"] = np.sum([part.proposed for part in parts], axis=0) / len(world_ids)
    return Played(**whole)


def lost(game: Game, policy: Defender, world_ids: Sequence[int], *, stream: int) -> Float64:
    """float64[n] what `play` would give as `total`, in two thirds of the time: nobody looks at conduct."""
    losses = []
    for i in range(0, len(world_ids), LANES):
        worlds = _begun(game, policy, world_ids[i : i + LANES], stream)
        for _ in range(game.decisions):
            step = worlds.step(policy(worlds))
        losses.append(step.terminal_loss.sum(axis=(1, 2)))
    return np.concatenate(losses)


def footing(game: Game) -> Bools:
    """bool[N]: assets from which an attacker works: not what it merely knows, or reaches through others."""
    return np.isin(game.compiled.arrays.asset["kind"], FOOTING)


def _begun(game: Game, policy: Defender, world_ids: Sequence[int], stream: int) -> ResponseWorlds:
    """Worlds at their start, with belief where the policy reads it."""
    worlds = (UnseenWorlds if is_blind(policy) else ResponseWorlds)(game, world_ids, stream=stream)
    worlds.reset()
    return worlds


def _play(meter: Meter, policy: Defender, world_ids: Sequence[int], stream: int) -> Played:
    game, count, standing = meter.game, len(world_ids), footing(meter.game)
    worlds = _begun(game, policy, world_ids, stream)
    proposed, sums = np.zeros(len(game.effects.playbook)), np.zeros((3, count))
    first, last = np.full(count, -1), np.full(count, -1)
    for decision in range(game.decisions):
        actions = policy(worlds)
        np.add.at(proposed, (actions[actions > 0] - 1) // game.compiled.targets, 1)
        sums += meter.false(actions, worlds), meter.downtime(worlds), meter.consents(actions)
        holds = (held(worlds.worlds.state) & standing).any(axis=1)
        first[holds & (first < 0)] = decision
        last[holds] = decision
        step = worlds.step(actions)
    breached = first >= 0
    contained = breached & (last < game.decisions - 1)
    minutes = (last - first + 1) * game.scenario.decide_every * game.scenario.tick_s / 60.0
    false, downtime, consents = sums
    downtime *= game.scenario.decide_every
    gone = np.where(breached, minutes, 0.0)
    return Played(step.terminal_loss, proposed, false, breached, contained, gone, downtime, consents)
