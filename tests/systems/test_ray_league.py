"""A league on real Ray: both sides learn with two workers, a killed one is replaced, a killed league goes on."""

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
from tocsin.envs.scripted import Threshold
from tocsin.tests.training.duels import TICKS, some_attacker, the_game
from tocsin.training.attacker_file import load_attacker
from tocsin.training.contest import Attack, Defence, Side
from tocsin.training.league_settings import LeagueSettings, league_yaml
from tocsin.training.settings import CENTRAL, DECENTRALISED, TrainSettings
from tocsin.training.workers import FIRST_LIFE

pytestmark = pytest.mark.systems

LITTLE = TrainSettings(worlds=4, steps=6, minibatches=2, epochs=1, validation_worlds=4, imitation_worlds=2)
ALL = 2 * LITTLE.worlds * LITTLE.steps  # samples of two workers
COMES_S = 240.0  # until a replacement has come, on a loaded machine
LEAGUE = LeagueSettings(
    rounds=1,
    attacks=2,
    presets_of_attackers="apt",
    attackers=TrainSettings(
        seconds=0, iterations=3, worlds=4, steps=6, minibatches=2, validation_worlds=4, checkpoint_every=1
    ),
    defenders=TrainSettings(
        seconds=0,
        iterations=3,
        worlds=4,
        steps=6,
        minibatches=2,
        validation_worlds=4,
        checkpoint_every=1,
        imitation_worlds=2,
        imitation_passes=1,
    ),
)


@pytest.fixture(scope="module")
def own_ray() -> Iterator[None]:
    from tocsin.training.cluster import start_ray, stop_ray

    started = start_ray(TrainSettings(workers=3))
    yield
    if started:
        stop_ray()


def _contest(side: str) -> Any:
    if side == "attackers":
        return Attack(the_game(), {"restore above belief": Threshold}, LITTLE, 0.5)
    return Defence(the_game(), {"learned": Side(the_game(), some_attacker(), 0.5)}, LITTLE, 0.5)


@pytest.mark.parametrize(("side", "shape"), [("attackers", DECENTRALISED), ("defenders", CENTRAL)])
def test_a_killed_worker_of_a_league_is_replaced(own_ray: None, side: str, shape: str) -> None:
    """The next iteration counts what the other worker did; when the replacement has loaded, both count again."""
    import ray
    from tocsin.training.ppo import make_learner
    from tocsin.training.train import SHAPES

    chains = _contest(side).chains(0)
    made = SHAPES[shape](chains, replace(LITTLE, shape=shape), 0, FIRST_LIFE)
    try:
        made.begin(make_learner(chains[0].game, LITTLE, chains[0].player).state(), 0.1, {})
        assert made.iterate(1.0).samples == ALL  # type: ignore[union-attr]
        os.kill(ray.get(made.crew.members[0].actor.process.remote()), signal.SIGKILL)
        assert made.iterate(1.0).samples == ALL // 2  # type: ignore[union-attr]
        last = time.monotonic() + COMES_S
        while (told := made.iterate(1.0)).samples < ALL:  # type: ignore[union-attr]
            assert time.monotonic() < last, "no replacement came"
            time.sleep(0.2)
        assert told is not None and made.crew.replaced == 1
    finally:
        made.stop()


def _league(folder: Path, name: str, *more: str) -> list[str]:
    scenario, config = folder / "hour.yaml", folder / "league.yaml"
    scenario.write_text(f"name: hour\nhorizon_ticks: {TICKS}\n")
    config.write_text(league_yaml(LEAGUE))
    given = ["--scenario", str(scenario), "--config", str(config), "--out", str(folder / name), "--json", *more]
    return [sys.executable, "-m", "tocsin", "league", *given]


def test_a_killed_league_goes_on_with_the_same_table(tmp_path: Path) -> None:
    """Killed while its defender learned on two workers, and resumed, it tells what one left alone tells."""
    alone = subprocess.run(_league(tmp_path, "alone"), capture_output=True, text=True, timeout=900, check=True)
    killed = subprocess.Popen(_league(tmp_path, "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoint, last = tmp_path / "killed" / "defender-1" / "checkpoint-000000001.tocsin", time.monotonic() + 900
    while not checkpoint.exists() and time.monotonic() < last:
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    assert not (tmp_path / "killed" / "defender-1.tocsin").exists(), "it was killed before that one's end"
    resumed = subprocess.run(
        _league(tmp_path, "killed", "--resume"), capture_output=True, text=True, timeout=900, check=True
    )
    assert json.loads(resumed.stdout) == json.loads(alone.stdout)
    assert load_attacker(tmp_path / "killed" / "exploiter.npz").card["against"] == ["defender 1"]
    assert load_policy(tmp_path / "killed" / "defender-1.tocsin").card["against"] == ["as written", "apt", "attacker 1"]
