"""Training on real Ray: a killed worker is replaced, and a whole run writes a policy file that plays."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.systems


@pytest.fixture(scope="module")
def own_ray() -> Iterator[None]:
    from tocsin.training.workers import start_ray, stop_ray

    started = start_ray(2)
    yield
    if started:
        stop_ray()


def test_a_killed_worker_is_replaced(own_ray: None) -> None:
    """When a worker's process dies the others' rollout counts, and the next round has all workers again."""
    import ray
    from tocsin.envs.game import load_game
    from tocsin.envs.scenario import read_scenario
    from tocsin.training.network import PairNetwork
    from tocsin.training.settings import TrainSettings
    from tocsin.training.workers import Crew

    scenario = read_scenario()
    crew = Crew(scenario, TrainSettings(worlds=4, steps=3))
    weights = PairNetwork(load_game(scenario).effects).state_dict()
    try:
        assert len(crew.collect(weights, 0.1)) == 2
        os.kill(ray.get(crew.actors[0].process.remote()), signal.SIGKILL)
        assert len(crew.collect(weights, 0.1)) == 1
        assert crew.replaced == 1
        assert len(crew.collect(weights, 0.1)) == 2
        began = time.monotonic()
        assert crew.collect(weights, 0.1, until=began) in ([], None) or time.monotonic() - began < 5
    finally:
        crew.stop()


def test_a_run_writes_a_policy_that_plays(own_ray: None, tmp_path: Path) -> None:
    """A short run comes back with a file whose policy loses less than doing nothing does."""
    from tocsin.envs.game import load_game
    from tocsin.envs.policy_file import load_policy
    from tocsin.envs.scenario import read_scenario
    from tocsin.training.baselines import Learned, nothing
    from tocsin.training.settings import TrainSettings
    from tocsin.training.train import train
    from tocsin.training.validate import validation_losses

    out = tmp_path / "policy.tocsin"
    scenario = read_scenario()
    report = train(scenario, TrainSettings(seconds=240, worlds=8, validation_worlds=16), out)
    assert report.iterations > 0
    game, policy = load_game(scenario), load_policy(out)
    assert policy.card["scenario"] == scenario.name
    worlds = range(1000, 1032)
    learned = validation_losses(game, Learned(game, policy), worlds).mean()
    assert learned < validation_losses(game, nothing, worlds).mean()
