"""How fast one world is through the interfaces of Gymnasium and PettingZoo, on a generated chain of 100 assets.

`make bench` prints it; nothing here fails for being slow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numba
import numpy as np
import pytest
from tocsin.envs.attack import AttackEnv
from tocsin.envs.game import Game, load_game
from tocsin.envs.gymnasium_vector import ResponseVectorEnv
from tocsin.envs.parallel import OwnersEnv
from tocsin.envs.response import ResponseEnv
from tocsin.envs.scenario import Generator, Scenario
from tocsin.tests.benchmarks.figures import Figures

STEPS, REPEATS, LANES = 500, 9, 256


@pytest.fixture(scope="module")
def game() -> Game:
    return load_game(Scenario(name="hundred", generate=Generator(assets=100, owners=6), decide_every=1))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """One world has no use for more."""
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(before)


def rate(step: Callable[[], bool], reset: Callable[[], object]) -> float:
    """Steps per second of the quickest of several stretches; `step` says whether the episode is over."""
    reset()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        for _ in range(STEPS):
            if step():
                reset()
        times.append(time.perf_counter() - started)
    return STEPS / min(times)


def test_one_world_through_gymnasium(game: Game, figures: Figures) -> None:
    """`ResponseEnv.step` with legal actions at random, and waiting; `AttackEnv.step` with open steps at random."""
    env, rng = ResponseEnv(game=game), np.random.default_rng(0)
    attack = AttackEnv(game=game, defender="nothing")

    def acts(one: ResponseEnv | AttackEnv) -> bool:
        legal = np.flatnonzero(one.action_masks())
        return one.step(int(legal[rng.integers(len(legal))]))[3]

    what, wanted = f"one world through Gymnasium, {game.compiled.sizes[0]} assets", "20,000 or more"
    figures.add(f"{what}, acting in every step", f"{rate(lambda: acts(env), env.reset):,.0f} steps/s", wanted)
    figures.add(f"{what}, waiting", f"{rate(lambda: env.step(0)[3], env.reset):,.0f} steps/s", wanted)
    figures.add(f"{what}, attacking", f"{rate(lambda: acts(attack), attack.reset):,.0f} steps/s")
    painted = ResponseEnv(game=game, render_mode="rgb_array")
    painted.reset()
    figures.add("pictures of it", f"{rate(lambda: painted.render() is None, lambda: None):,.0f}/s")


def test_many_lanes_and_many_owners(game: Game, figures: Figures) -> None:
    """`VectorEnv` on one thread, and `ParallelEnv` with a view for each of six owners."""
    lanes, owners = ResponseVectorEnv(LANES, game=game), OwnersEnv(game=game)
    wait, waits = np.zeros(LANES, np.int64), dict.fromkeys(owners.possible_agents, 0)
    lanes.reset()
    together = LANES * rate(lambda: lanes.step(wait) is None, lambda: None)
    figures.add(f"Gymnasium vector of {LANES} lanes, one thread", f"{together:,.0f} steps/s")
    ended = rate(lambda: any(owners.step(waits)[3].values()), owners.reset)
    figures.add(f"PettingZoo, {len(waits)} owners", f"{ended:,.0f} steps/s")
