"""`tocsin bench training` without Ray: counts, shares, messages are what they say; SB3's loop plays the same worlds."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from tocsin.orchestrator.cli import main
from tocsin.tests.envs.games import short_game
from tocsin.training import bench as module
from tocsin.training.bench import PROCESS, Kind, bench, kinds_of
from tocsin.training.bench_sb3 import OneActive
from tocsin.training.settings import CENTRAL, DECENTRALISED, TrainSettings

SMALL = TrainSettings(iterations=1, seconds=0, worlds=4, steps=6, minibatches=2, epochs=2)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "chain_of", lambda assets: short_game())


def test_one_process_is_measured() -> None:
    """Decisions of an iteration, shares that sum to one, bytes by the size of what is sent."""
    rows, messages = bench([10], [Kind(PROCESS, 1, 1), Kind(PROCESS, 1, 2)], SMALL, rounds=1)
    assert [row.kind.threads for row in rows] == [1, 2]
    for row in rows:
        assert row.samples == 4 * 6 and row.rate > 0 and row.processor >= 0
        assert sum(row.shares.values()) == pytest.approx(1.0) and row.shares["gradient"] > 0.05
        assert row.shares["policy forward"] > 0 and row.shares["environment"] > 0
    told = messages[10]
    assert told.sums == 2 * 2 and told.samples == 24 and told.advantages == 4 * 24
    assert 80_000 < told.gradient < 200_000 and told.weights > told.gradient
    bigger = bench([10], [Kind(PROCESS, 1, 1)], replace(SMALL, worlds=8), rounds=1)[1][10]
    assert 1.8 < bigger.rollout / told.rollout < 2.2 and bigger.gradient == told.gradient


def test_kinds_are_one_worker_and_all() -> None:
    """One process with each number of threads, each shape with one worker and with all of them."""
    kinds = kinds_of(2, [DECENTRALISED, CENTRAL], [1, 2])
    assert [(one.shape, one.workers, one.threads) for one in kinds] == [
        (PROCESS, 1, 1),
        (PROCESS, 1, 2),
        (DECENTRALISED, 1, 1),
        (DECENTRALISED, 2, 1),
        (CENTRAL, 1, 1),
        (CENTRAL, 2, 1),
    ]
    assert len(kinds_of(1, [CENTRAL], [1])) == 2


def test_a_single_world_behind_gymnasium_is_the_batchs_world() -> None:
    """The environment that SB3 drives gives what the same world gives in a batch of ours."""
    from tocsin.envs.active_worlds import ActiveWorlds
    from tocsin.envs.vector import ResponseWorlds

    batch, one = ActiveWorlds(ResponseWorlds(short_game(), range(3))), OneActive(short_game(), 1)
    seen, rng = batch.reset(0), np.random.default_rng(0)
    alone, _ = one.reset()
    np.testing.assert_array_equal(alone, seen[1])
    for _ in range(8):
        masks = batch.masks()
        np.testing.assert_array_equal(one.action_masks(), masks[1])
        actions = np.array([rng.choice(np.flatnonzero(mask)) for mask in masks])
        step = batch.step(actions)
        alone, reward, terminated, truncated, _ = one.step(actions[1])
        np.testing.assert_array_equal(alone, step.observation[1])
        assert reward == pytest.approx(step.reward[1]) and not terminated and truncated == step.truncated[1]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(("--shape", "ring"), "ring"), (("--threads", "0"), "threads 0"), (("--epochs", "0"), "epochs")],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 before anything is measured."""
    with pytest.raises(SystemExit) as ended:
        main(["bench", "training", *arguments, "--json"])
        sys.exit(0)
    out, err = capsys.readouterr()
    assert ended.value.code == 2 and out == "" and named in err and len(err.strip().splitlines()) == 1


def test_the_command_prints_one_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows, shares, messages and the projection, as JSON."""
    monkeypatch.setattr(module, "kinds_of", lambda workers, shapes, threads: [Kind(PROCESS, 1, 1)])
    try:
        main(["bench", "training", "--worlds", "8", "--rounds", "1", "--json"])
    except SystemExit as ended:
        assert not ended.code
    told = json.loads(capsys.readouterr().out)
    assert told["rows"][0]["samples"] == 8 * 30 and set(told["projection"]["100"]) >= {
        "messages",
        "decentralised",
        "central",
    }
