"""Tocsin's rules beside NASim's step, in one run, on networks of as many hosts: a peer that pip installs.

`pip install nasim prettytable` beside the project, then `make bench`; without it the table says so. NASim
takes valid actions (those on discovered hosts), its step alone, as its own action mask raises in 0.12.0. Tocsin plays
1,024 worlds side by side, which NASim cannot: a NASim process has one.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
from tocsin.envs.bench_worlds import Settings, bench
from tocsin.tests.benchmarks.figures import Figures

HOSTS, STEPS = 100, 5_000


def test_world_ticks_beside_nasim(figures: Figures) -> None:
    """Both rates and their ratio."""
    nasim = pytest.importorskip("nasim", reason="NASim is absent: pip install nasim prettytable to compare with it")
    env = nasim.generate(HOSTS, 5, seed=0)
    env.reset(seed=0)
    rng, spent, done = np.random.default_rng(0), 0.0, 0
    while done < STEPS:
        actions = [action for action in env.action_space.actions if env.current_state.host_discovered(action.target)]
        for action in rng.permutation(len(actions))[:200]:
            number = env.action_space.actions.index(actions[action])
            started = time.perf_counter()
            _, _, over, cut, _ = env.step(number)
            spent += time.perf_counter() - started
            done += 1
            if over or cut:
                env.reset()
                break
    ours = bench(Settings(assets=HOSTS, ticks=100))
    theirs, rate = done / spent, ours["world_ticks_per_s"]
    figures.add(f"NASim, {HOSTS} hosts, its step alone, one process", f"{theirs:,.0f} steps/s")
    figures.add(f"rules at {ours['assets']} assets in the same run", f"{rate / theirs:,.0f} times NASim", "aim 100")
