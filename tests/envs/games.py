"""Short games on the shipped chain for tests: an attacker who comes at once and tries every tick."""

from __future__ import annotations

from functools import cache

import numpy as np
from tocsin.envs.attackers import Attacker
from tocsin.envs.game import Game, load_game
from tocsin.envs.scenario import Scenario
from tocsin.envs.vector import ResponseWorlds

TICKS, EVERY = 30, 2
STEPS = TICKS // EVERY


@cache
def short_game() -> Game:
    """Fifteen decisions of two ticks."""
    attacker = Attacker(tries_per_hour=300.0, onset_s=(0.0, 0.0), absent=0.0)
    return load_game(Scenario(name="short", attackers=(attacker,), horizon_ticks=TICKS, decide_every=EVERY))


def some_legal(worlds: ResponseWorlds, ids: list[int], step: int) -> np.ndarray:
    """int32[B] of legal actions that depend on a world's id and the step alone, a third of them waits."""
    actions = []
    for mask, world in zip(worlds.masks(), ids, strict=True):
        rng = np.random.default_rng((world, step))
        actions.append(0 if rng.random() < 1 / 3 else rng.choice(np.flatnonzero(mask)))
    return np.array(actions, np.int32)
