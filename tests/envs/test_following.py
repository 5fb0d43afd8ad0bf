"""One world alone and one among others go through different compiled code: they must play alike."""

from __future__ import annotations

import numpy as np
from tocsin.envs.vector import ResponseWorlds
from tocsin.tests.envs.games import STEPS, short_game, some_legal
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)


def test_a_world_alone_sees_and_may_do_what_it_would_among_others() -> None:
    """The single call for one world gives the observation, losses and legal actions that the parallel kernels give."""
    alone, pair = ResponseWorlds(short_game(), [7]), ResponseWorlds(short_game(), [7, 8])
    alone.reset(), pair.reset()
    for step in range(STEPS + 3):
        actions = some_legal(pair, [7, 8], step)
        one, two = alone.step(actions[:1]), pair.step(actions)
        assert (one.observation[0] == two.observation[0]).all() and (one.loss[0] == two.loss[0]).all()
        assert (alone.legal[0] == pair.legal[0]).all() and (alone.legal == alone.masks()).all()
        assert (alone.legal_pairs() == pair.legal_pairs(0)).all()


def test_legal_pairs_are_the_mask_in_another_form() -> None:
    """Every pair is a legal action, every legal action but waiting is a pair."""
    worlds = ResponseWorlds(short_game(), [7])
    worlds.reset()
    pairs, targets = worlds.legal_pairs(), worlds.game.compiled.targets
    assert pairs.dtype == np.int32 and len(pairs)
    assert (1 + pairs[:, 0] * targets + pairs[:, 1] == np.flatnonzero(worlds.masks()[0])[1:]).all()
