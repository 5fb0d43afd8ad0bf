"""How fast the rulebook, belief, masks and policies are: world-ticks per second and ratios, all in one run.

`make bench` prints them; nothing here fails for being slow.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numba
import numpy as np
import pytest
import torch
from tocsin.agents.model import ChainModel
from tocsin.envs.active_worlds import ActiveWorlds
from tocsin.envs.game import Game, load_game
from tocsin.envs.policy_file import NumpyPolicy
from tocsin.envs.scenario import read_scenario
from tocsin.envs.scripted import Threshold
from tocsin.envs.vector import ResponseWorlds, UnseenWorlds
from tocsin.tests.benchmarks.figures import Figures
from tocsin.training.network import PairNetwork

WORLDS, TICKS, REPEATS = 256, 120, 5


@pytest.fixture(scope="module")
def game() -> Game:
    return load_game(read_scenario())


def best(run: Callable[[], object]) -> float:
    """Seconds of the quickest of several runs after one to warm up."""
    run()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


def attacked(game: Game, kind: type[ResponseWorlds] = ResponseWorlds) -> ResponseWorlds:
    """Worlds an hour into their attacks, defended by the threshold rule where they are seen."""
    worlds = kind(game, range(WORLDS))
    worlds.reset()
    rule = Threshold(game, 0.4)
    for _ in range(30):
        worlds.step(rule(worlds) if kind is ResponseWorlds else np.zeros(WORLDS, np.int32))
    return worlds


def test_ticks(game: Game, figures: Figures) -> None:
    """The kernel against a Mesa model, one thread against all, and what belief and observation add."""
    worlds = attacked(game)
    kernel = best(lambda: worlds.worlds.fork(range(WORLDS)).roll(TICKS)) / (WORLDS * TICKS)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    single = best(lambda: worlds.worlds.fork(range(WORLDS)).roll(TICKS)) / (WORLDS * TICKS)
    numba.set_num_threads(threads)
    model = ChainModel(game.compiled, game.effects, game.parameters)
    mesa = best(lambda: [model.step() for _ in range(TICKS)]) / TICKS
    what = f"the shipped chain, {WORLDS} worlds"
    figures.add(f"kernel, {what}, {threads} threads", f"{1 / kernel:,.0f} world-ticks/s")
    figures.add("the same beside one thread", f"{single / kernel:.1f} times")
    figures.add("Mesa, the shipped chain", f"{1 / mesa:,.0f} ticks/s")
    figures.add("kernel beside Mesa", f"{mesa / kernel:,.0f} times")


def test_decisions(game: Game, figures: Figures) -> None:
    """A decision with mask, belief and observation against one without any of them."""
    wait = np.zeros(WORLDS, np.int32)
    seen, unseen = attacked(game), attacked(game, UnseenWorlds)
    with_belief = best(lambda: [seen.step(wait) for _ in range(5)]) / 5
    without = best(lambda: [unseen.step(wait) for _ in range(5)]) / 5
    masks = best(seen.masks)
    figures.add("decisions with belief and observation", f"{WORLDS / with_belief:,.0f}/s")
    figures.add("decisions without", f"{WORLDS / without:,.0f}/s")
    figures.add("dense masks beside a decision", f"{masks / with_belief:.1%}")


def test_policies(game: Game, figures: Figures) -> None:
    """The same network from the policy file in numpy, and in torch."""
    worlds = attacked(game)
    network = PairNetwork(game.effects)
    policy = NumpyPolicy(network.numpy_weights(), {})
    active = ActiveWorlds(worlds).active
    rows, legal = torch.from_numpy(active.rows), torch.from_numpy(active.legal)
    in_numpy = best(lambda: policy.act_on(active, game.effects))
    with torch.no_grad():
        in_torch = best(lambda: network(rows, legal))
    figures.add("policy in numpy", f"{WORLDS / in_numpy:,.0f} decisions/s")
    figures.add("policy in torch", f"{WORLDS / in_torch:,.0f} decisions/s")
