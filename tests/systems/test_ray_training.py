"""Training on real Ray: workers, learner and driver are killed or hang; training goes on, a run writes its policy."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tocsin.envs.policy_file import load_policy
from tocsin.tests.envs.games import short_game
from tocsin.training.family import single
from tocsin.training.settings import CENTRAL, DECENTRALISED, TrainSettings
from tocsin.training.workers import FIRST_LIFE

pytestmark = pytest.mark.systems

TINY = TrainSettings(worlds=4, steps=6, minibatches=2, epochs=1, validation_worlds=4, imitation_worlds=2, patience_s=5)
ALL = 2 * TINY.worlds * TINY.steps  # samples of two workers
COMES_S = 120.0  # until a replacement has come, on a loaded machine


@pytest.fixture(scope="module")
def own_ray() -> Iterator[None]:
    from tocsin.training.cluster import start_ray, stop_ray

    started = start_ray(TrainSettings(workers=3))
    yield
    if started:
        stop_ray()


def begun(shape: str, settings: TrainSettings = TINY) -> Any:
    """A shape on the short game, ready to iterate."""
    from tocsin.training.ppo import make_learner
    from tocsin.training.train import SHAPES

    made = SHAPES[shape](single(short_game()), settings, 0, FIRST_LIFE)
    made.begin(make_learner(short_game(), settings).state(), 0.1, {})
    return made


def iterate_until(shape: Any, samples: int) -> Any:
    """Iterate until an iteration brings so many samples; gives it."""
    last = time.monotonic() + COMES_S
    while time.monotonic() < last:
        told = shape.iterate(1.0)
        if told.samples == samples:
            return told
        time.sleep(0.2)
    raise AssertionError(f"no iteration of {samples} samples in {COMES_S} s")


@pytest.mark.parametrize("shape", [DECENTRALISED, CENTRAL])
def test_a_killed_worker_is_left_out_and_replaced(own_ray: None, shape: str) -> None:
    """The next iteration counts what the other worker did; when the replacement has loaded, both count again."""
    import ray

    made = begun(shape)
    try:
        assert made.iterate(1.0).samples == ALL
        first = made.crew.members[0]
        os.kill(ray.get(first.actor.process.remote()), signal.SIGKILL)
        began = time.monotonic()
        assert made.iterate(1.0).samples == ALL // 2
        stall = time.monotonic() - began
        iterate_until(made, ALL)
        again = time.monotonic() - began
        sys.stdout.write(f"{shape}: {stall:.1f} s to the next iteration, {again:.1f} s until two workers again\n")
        assert made.crew.replaced == 1 and made.diverged == 0
        assert {one.number for one in made.crew.members} == {1, 2}, "the replacement plays worlds of its own"
        assert made.learned()["iterations"] >= 3
    finally:
        made.stop()


def test_a_worker_that_hangs_costs_no_more_than_the_patience(own_ray: None) -> None:
    """A stopped process neither answers nor dies; it is ended, and the other goes on."""
    import ray

    made = begun(DECENTRALISED)
    try:
        assert made.iterate(1.0).samples == ALL
        os.kill(ray.get(made.crew.members[1].actor.process.remote()), signal.SIGSTOP)
        began = time.monotonic()
        assert made.iterate(1.0).samples == ALL // 2
        assert time.monotonic() - began < 6 * TINY.patience_s + 30
        assert made.lost == 1 and made.crew.replaced == 1
    finally:
        made.stop()


def test_a_killed_learner_is_replaced(own_ray: None) -> None:
    """The central learner's successor begins with the state the driver knows last."""
    import ray

    made = begun(CENTRAL)
    try:
        made.iterate(1.0)
        assert made.learned()["iterations"] == 1
        made.iterate(1.0)
        os.kill(ray.get(made.learner.members[0].actor.process.remote()), signal.SIGKILL)
        assert made.iterate(1.0).samples == ALL
        assert made.learned()["iterations"] == 2, "one that the driver knew of, and this one"
    finally:
        made.stop()


def test_both_shapes_learn_the_same(own_ray: None) -> None:
    """From one state and equal worlds, gradients of two workers summed and one learner on both's data agree."""
    import torch

    states = {}
    for shape in (DECENTRALISED, CENTRAL):
        made = begun(shape)
        try:
            assert made.iterate(1.0).samples == ALL
            states[shape] = made.learned()["policy"]
        finally:
            made.stop()
    for name, parameter in states[CENTRAL].items():
        torch.testing.assert_close(states[DECENTRALISED][name], parameter, rtol=1e-3, atol=1e-4)


CONFIG = {
    "iterations": 6,
    "seconds": 0,
    "worlds": 4,
    "steps": 6,
    "minibatches": 2,
    "imitation_worlds": 4,
    "imitation_passes": 1,
    "validation_worlds": 4,
    "validations": 3,
    "checkpoint_every": 2,
}


def _train(folder: Path, name: str, *more: str) -> list[str]:
    config = folder / "train.yaml"
    config.write_text(json.dumps(CONFIG))
    out, run = str(folder / f"{name}.tocsin"), str(folder / name)
    return [
        sys.executable,
        "-m",
        "tocsin",
        "train",
        "--config",
        str(config),
        "--out",
        out,
        "--run",
        run,
        "--json",
        *more,
    ]


def _curve(run: Path) -> list[dict[str, float]]:
    """Figures by iteration, without those that the clock makes."""
    by_clock = {"seconds", "rolling out", "gradient", "group"}
    lines = [json.loads(line) for line in (run / "figures.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in by_clock} for line in lines]


def test_a_killed_run_goes_on_with_the_same_curve(tmp_path: Path) -> None:
    """A driver killed after its second checkpoint and resumed gives the figures and the policy of one left alone."""
    alone = subprocess.run(_train(tmp_path, "alone"), capture_output=True, text=True, timeout=400, check=True)
    assert json.loads(alone.stdout)["iterations"] == CONFIG["iterations"]

    killed = subprocess.Popen(_train(tmp_path, "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoint = tmp_path / "killed" / "checkpoint-000000002.tocsin"
    last = time.monotonic() + 300
    while not checkpoint.exists() and time.monotonic() < last:
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    assert not (tmp_path / "killed.tocsin").exists(), "it was killed before its end"
    resumed = _train(tmp_path, "killed", "--resume")
    told = subprocess.run(resumed, capture_output=True, text=True, timeout=400, check=True)
    assert json.loads(told.stdout)["iterations"] == CONFIG["iterations"]

    assert _curve(tmp_path / "killed") == _curve(tmp_path / "alone")
    policies = [load_policy(tmp_path / f"{name}.tocsin") for name in ("alone", "killed")]
    assert all((policies[0].weights[name] == policies[1].weights[name]).all() for name in policies[0].weights)
    assert (tmp_path / "killed" / "policy.tocsin").read_bytes() == (tmp_path / "killed.tocsin").read_bytes()
    again = subprocess.run(_train(tmp_path, "killed"), capture_output=True, text=True, timeout=100, check=False)
    assert again.returncode == 2 and "--resume" in again.stderr


def test_a_run_writes_a_policy_that_plays(own_ray: None, tmp_path: Path) -> None:
    """A short run comes back with a file whose policy loses less than doing nothing does."""
    from tocsin.envs.game import load_game
    from tocsin.envs.learned import Learned
    from tocsin.envs.scenario import read_scenario
    from tocsin.envs.scripted import nothing
    from tocsin.training.family import mean_loss
    from tocsin.training.train import train
    from tocsin.twin.rulebook.worlds import STREAM_EVALUATION

    out, scenario = tmp_path / "policy.tocsin", read_scenario()
    settings = TrainSettings(iterations=3, seconds=0, worlds=8, validation_worlds=16, validations=2)
    report = train(scenario, settings, out)
    assert report.iterations == 3 and report.samples == 3 * 2 * 8 * settings.steps
    assert [at > 0 for at, _ in report.validation] == [True, True], "after imitation and at the end"
    game, policy = load_game(scenario), load_policy(out)
    assert policy.card["scenario"] == scenario.name
    learned, idle = (mean_loss(game, rule, STREAM_EVALUATION, 32) for rule in (Learned(game, policy), nothing))
    assert learned < idle


@pytest.mark.parametrize("shape", [DECENTRALISED, CENTRAL])
def test_workers_go_over_to_the_chains_of_another_stage(own_ray: None, shape: str) -> None:
    """After `play` the worker's worlds are those of the new chains; learning goes on from the same weights."""
    from tocsin.envs.scenario import Generator, Scenario
    from tocsin.training.family import Curriculum
    from tocsin.training.peer import make_roller
    from tocsin.training.ppo import make_learner
    from tocsin.training.train import SHAPES

    settings = replace(TINY, chains=2, stages=2, smallest=30, largest=40, workers=1, judges=1)
    curriculum = Curriculum(Scenario(name="family", generate=Generator(seed=3), horizon_ticks=30), settings)
    chains = curriculum.chains(0)
    made = SHAPES[shape](chains, settings, 0, FIRST_LIFE)
    made.begin(make_learner(chains[0].game, settings).state(), 0.1, {})
    assert made.iterate(1.0).samples == TINY.worlds * TINY.steps
    before = made.learned()
    made.play(curriculum.chains(1), 1)
    assert made.iterate(1.0).samples == TINY.worlds * TINY.steps
    assert made.learned()["iterations"] == before["iterations"] + 1 and made.crew.replaced == 0
    make_roller(curriculum.chains(1), settings, 0, 1).restore(made.played()[0])
    with pytest.raises(ValueError, match="snapshot"):
        make_roller(chains, settings, 0, 0).restore(made.played()[0])
    made.stop()


def _told(one: int, two: str, settings: TrainSettings) -> tuple[int, str, int]:
    return os.getpid(), f"{one}{two}", settings.workers


def test_work_beside_the_workers_comes_back_in_order_from_other_processes(own_ray: None) -> None:
    """As many side by side as the run has workers, with its settings; also where all processors are set aside."""
    from tocsin.training.cluster import each

    given = [(number, "x") for number in range(7)]
    answers = list(each(_told, given, replace(TINY, workers=2)))
    assert [text for _, text, _ in answers] == [f"{number}x" for number in range(7)]
    assert {workers for _, _, workers in answers} == {2}
    assert os.getpid() not in {process for process, _, _ in answers}
