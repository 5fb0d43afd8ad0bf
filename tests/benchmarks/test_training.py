"""Decisions per second of training, by shape and workers, interleaved; where the time goes. Prints, asserts little."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tocsin.envs.game import load_game
from tocsin.envs.scenario import read_scenario
from tocsin.training.family import single
from tocsin.training.settings import CENTRAL, DECENTRALISED, TrainSettings
from tocsin.training.workers import FIRST_LIFE

ROUNDS = 5
KINDS = [(DECENTRALISED, 1), (CENTRAL, 1), (DECENTRALISED, 2), (CENTRAL, 2)]


@pytest.fixture(scope="module")
def shapes() -> Iterator[dict[tuple[str, int], Any]]:
    from tocsin.training.cluster import start_ray, stop_ray
    from tocsin.training.ppo import make_learner
    from tocsin.training.train import SHAPES

    game = load_game(read_scenario())
    started = start_ray(TrainSettings(workers=len(KINDS) * 3))
    state = make_learner(game, TrainSettings()).state()
    made = {}
    for shape, workers in KINDS:
        made[shape, workers] = SHAPES[shape](
            single(game), TrainSettings(workers=workers, patience_s=600), 0, FIRST_LIFE
        )
        made[shape, workers].begin(state, 0.1, {})
    yield made
    for one in made.values():
        one.stop()
    if started:
        stop_ray()


def test_decisions_per_second(shapes: dict[tuple[str, int], Any]) -> None:
    """Each kind learns one iteration in turn; the fastest of its rounds is told, with its shares of time."""
    best: dict[tuple[str, int], tuple[float, Any]] = {}
    for number in range(ROUNDS + 1):  # the first warms up
        for kind, shape in shapes.items():
            began = time.perf_counter()
            told = shape.iterate(1.0)
            seconds = time.perf_counter() - began
            if number and (kind not in best or seconds < best[kind][0]):
                best[kind] = seconds, told
    print(f"\nload {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, fastest of {ROUNDS} rounds")
    for (shape, workers), (seconds, told) in best.items():
        shares = ", ".join(f"{name} {spent / seconds:.0%}" for name, spent in told.seconds.items())
        rate = f"{told.samples / seconds:.0f} decisions/s"
        print(f"{shape} {workers}: {rate}, {seconds:.2f} s an iteration: {shares}")
        assert told.samples == workers * 48 * 30
