"""Training on a real Ray on this machine: a killed worker is replaced and training goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
import ray
from tocsin.envs.game import load_game
from tocsin.envs.scenario import read_scenario
from tocsin.training.settings import TrainSettings
from tocsin.training.train import make_learner
from tocsin.training.workers import Crew, start_ray

pytestmark = pytest.mark.systems
SETTINGS = TrainSettings(workers=2, worlds=2, steps=2, minibatches=1, epochs=1)


@pytest.fixture
def crew() -> Iterator[Crew]:
    start_ray(2)
    made = Crew(read_scenario(), SETTINGS)
    yield made
    made.stop()
    ray.shutdown()


def test_a_killed_worker_is_replaced(crew: Crew) -> None:
    """After a worker's process is killed the others' data is used, and the next time all answer again."""
    weights = make_learner(load_game(read_scenario()), SETTINGS).policy.network.state_dict()
    assert len(crew.collect(weights, 0.1)) == 2
    os.kill(ray.get(crew.actors[0].process.remote()), signal.SIGKILL)
    assert len(crew.collect(weights, 0.1)) == 1
    assert crew.replaced == 1
    assert len(crew.collect(weights, 0.1)) == 2
