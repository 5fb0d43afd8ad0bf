"""The shipped game is worth playing: knowing and acting save most of the loss, acting at random makes it worse."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from tocsin.envs.game import Game, load_game
from tocsin.envs.scenario import read_scenario
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.twin.rulebook.defenders import decide_clairvoyants, decide_randoms, service_at_stake
from tocsin.twin.rulebook.worlds import STREAM_EVALUATION, Worlds

ATTACKS = 96


def mean_loss(game: Game, decide: Callable[[Worlds, np.ndarray], None]) -> float:
    """Owner-hours per attack; belief is left out, as none of these policies reads it."""
    worlds = Worlds.make(
        game.compiled, game.effects, game.parameters, world_ids=range(ATTACKS), stream=STREAM_EVALUATION
    )
    for tick in range(game.scenario.horizon_ticks):
        actions = np.zeros(ATTACKS, np.int32)
        if tick % game.scenario.decide_every == 0:
            decide(worlds, actions)
        worlds.tick(actions[:, None])
    return float(worlds.losses().sum(axis=(1, 2)).mean())


def test_who_sees_the_truth_saves_most_of_the_loss_and_chance_saves_nothing() -> None:
    """The clairvoyant loses at most 40 % of what doing nothing loses, the random policy more than doing nothing."""
    game = load_game(read_scenario())
    numbers = [
        game.library.index_of(n) for n in ("restore-asset", "revoke-credentials", "isolate-asset", "release-asset")
    ]
    t, e, p = game.compiled.arrays, game.effects, game.parameters
    sees = partial(decide_clairvoyants, np.array(numbers, np.int32), service_at_stake(t), t, e, p)
    nothing = mean_loss(game, lambda worlds, actions: None)
    clairvoyant = mean_loss(game, lambda worlds, actions: sees(worlds.state, actions))
    chance = mean_loss(game, lambda worlds, actions: decide_randoms(worlds.legal, t, e, worlds.state, actions))
    assert clairvoyant < 0.4 * nothing < nothing < chance
