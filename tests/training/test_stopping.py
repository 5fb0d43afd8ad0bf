"""Optimal stopping: how often it stops, and what tuning finds."""

from __future__ import annotations

import numpy as np
import pytest
from tocsin.envs.vector import ResponseWorlds
from tocsin.tests.envs.games import short_game
from tocsin.training.playing import play
from tocsin.training.stopping import OptimalStopping, intrusion, tune_stops
from tocsin.twin.rulebook.worlds import STREAM_EVALUATION


@pytest.mark.parametrize("stops", [0, 1, 3])
def test_it_stops_at_most_as_often_as_it_has_thresholds(stops: int) -> None:
    """Thresholds of 0 are passed at once: each is spent in every attack, and no more."""
    policy = OptimalStopping(short_game(), (0.0,) * stops)
    played = play(short_game(), policy, range(5), stream=STREAM_EVALUATION)
    assert played.proposed.sum() == stops


def test_it_waits_below_its_threshold() -> None:
    """A threshold of 1 is never reached."""
    policy = OptimalStopping(short_game(), (1.0,))
    assert play(short_game(), policy, range(5), stream=STREAM_EVALUATION).proposed.sum() == 0


def test_stops_come_back_with_the_next_episode() -> None:
    """The same attacks played twice by one policy give the same losses."""
    policy = OptimalStopping(short_game(), (0.0, 0.0))
    first, second = (play(short_game(), policy, range(5), stream=STREAM_EVALUATION) for _ in range(2))
    assert (first.loss == second.loss).all() and first.proposed.sum() == 2


def test_belief_in_an_intrusion_is_at_least_that_in_any_asset() -> None:
    """It is one minus the product of what is free."""
    worlds = ResponseWorlds(short_game(), range(4), stream=STREAM_EVALUATION)
    worlds.reset()
    for _ in range(8):
        worlds.step(np.zeros(4, np.int32))
    game = short_game()
    restored = game.always[1:].reshape(-1, game.compiled.targets)[game.library.index_of("restore-asset")]
    most = (worlds.held() * restored[: worlds.held().shape[1]]).max(axis=1)
    believed = intrusion(worlds, game)
    assert (believed >= most - 1e-6).all() and (believed <= 1.0).all() and believed.max() > 0.0


def test_tuning_finds_the_valley() -> None:
    """A loss that is least at thresholds of 0.9 and 0.2 leads there, from 0.5."""

    def loss(levels: tuple[float, ...]) -> float:
        odds = np.log(np.array(levels) / (1 - np.array(levels)))
        return 5.0 + float(((odds - np.log([9.0, 0.25])) ** 2).sum())

    found = tune_stops(loss, stops=2)
    assert loss(found) < 0.4 * (loss((0.5, 0.5)) - 5.0) + 5.0
