"""Chance is keyed: batch, order, threads and forks change nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.tests.twin.random_twins import (
    FEW,
    RandomGame,
    one_thread,  # noqa: F401  (a fixture of the module)
    random_game,
    random_games,
)
from tocsin.tests.twin.world_checks import live
from tocsin.twin.rulebook.state import bytes_per_world
from tocsin.twin.rulebook.worlds import STREAM_FORECAST, Worlds

TICKS = 25


def decide(worlds: Worlds) -> np.ndarray:
    """int32[B, 1]: now and then a legal action, drawn by world id and tick alone."""
    actions = np.zeros((worlds.count, 1), np.int32)
    for row, mask in enumerate(worlds.masks()):
        world = worlds.state.world[row]
        rng = np.random.default_rng([int(world.id), int(world.tick)])
        if rng.random() < 0.4:
            actions[row] = rng.choice(np.flatnonzero(mask))
    return actions


def play(game: RandomGame, ids: Sequence[int]) -> dict[int, list[dict[str, object]]]:
    """What each world looked like after each tick, by world id."""
    worlds = game.worlds(list(ids))
    seen: dict[int, list[dict[str, object]]] = {one: [] for one in ids}
    for _ in range(TICKS):
        worlds.tick(decide(worlds))
        for row, one in enumerate(ids):
            seen[one].append(live(worlds.state, row))
    return seen


@given(random_games(), st.permutations([0, 1, 2, 3, 4]))
@FEW
def test_batch_and_order_do_not_matter(game: RandomGame, order: list[int]) -> None:
    """A world alone, in a batch and in a batch of another order is the same world."""
    together = play(game, [0, 1, 2, 3, 4])
    assert play(game, order) == together
    assert play(game, [3]) == {3: together[3]}


@given(random_games())
@FEW
def test_threads_do_not_matter(game: RandomGame) -> None:
    """One thread and all threads give the same worlds, on every random twin."""
    alone = play(game, range(5))
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    try:
        assert play(game, range(5)) == alone
    finally:
        numba.set_num_threads(1)


def test_worlds_differ_by_id_episode_and_stream() -> None:
    """Other keys, other futures: a forecast does not see that of an environment."""
    game = random_game(7)

    def future(*, first: int = 0, **key: int) -> list[bytes]:
        worlds = game.worlds([first, first + 1, first + 2])
        for name, value in key.items():
            worlds.state.world[name] = value
        worlds.reset(np.arange(3))
        seen = []
        for _ in range(40):
            worlds.roll(1)
            seen += [worlds.state.trace[b, : worlds.state.world[b].trace_n].tobytes() for b in range(3)]
        return seen

    assert future() == future()
    assert future() not in (future(first=3), future(episode=1), future(stream=STREAM_FORECAST))


@given(random_games())
@FEW
def test_a_fork_has_the_future_of_its_world(game: RandomGame) -> None:
    """Stepped alike, fork and original stay equal; stepping the fork leaves the original alone."""
    worlds = game.worlds([0, 1])
    for _ in range(12):
        worlds.tick(decide(worlds))
    before = live(worlds.state, 1)
    fork = worlds.fork([1, 1])
    for _ in range(8):
        fork.tick(decide(fork))
    assert live(worlds.state, 1) == before
    for _ in range(8):
        worlds.tick(decide(worlds))
    assert live(fork.state, 0) == live(fork.state, 1) == live(worlds.state, 1)


@given(random_games())
@FEW
def test_a_reset_world_is_a_new_world(game: RandomGame) -> None:
    """Nothing of an episode is left in the next."""
    worlds = game.worlds([4])
    first = []
    for _ in range(2):
        worlds.reset(np.array([0]))
        for _ in range(TICKS):
            worlds.tick(decide(worlds))
        first.append(live(worlds.state, 0))
    assert first[0] == first[1]


def test_rolling_is_ticking_while_all_wait() -> None:
    """`roll` gives what ticks without actions give."""
    one, other = random_game(5).worlds([0, 1]), random_game(5).worlds([0, 1])
    one.roll(30)
    for _ in range(30):
        other.tick(np.zeros((2, 1), np.int32))
    assert [live(one.state, b) for b in range(2)] == [live(other.state, b) for b in range(2)]


def test_a_wrong_decision_changes_no_world() -> None:
    """Shape and range are checked before any world moves."""
    worlds = random_game(5).worlds([0, 1])
    before = [live(worlds.state, b) for b in range(2)]
    for wrong in (np.zeros((3, 1), np.int32), np.full((2, 1), worlds.actions), np.full((2, 1), -1)):
        with pytest.raises(ValueError, match="decision"):
            worlds.tick(wrong.astype(np.int32))
    assert [live(worlds.state, b) for b in range(2)] == before


def test_an_asset_takes_seven_bytes() -> None:
    """The state of an asset is small: a world at a million assets, lists and all, takes less than eight million."""
    worlds = random_game(5).worlds([0])
    assert worlds.state.asset.dtype.itemsize == 7
    assert bytes_per_world(worlds.state) < 64_000
