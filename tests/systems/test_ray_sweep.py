"""Sweeps on real Ray Tune: trials are runs with checkpoints, the best settings can be trained with, a sweep goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tocsin.training.checkpoint import Shelf
from tocsin.training.settings import read_settings

pytestmark = pytest.mark.systems

SETTINGS = """
settings:
  scenario: short.yaml
  iterations: 6
  worlds: 4
  steps: 6
  minibatches: 2
  epochs: 1
  imitation_worlds: 2
  imitation_passes: 1
  validation_worlds: 4
every: 2
search:
  learning_rate: {loguniform: [1.0e-4, 1.0e-2]}
  entropy: {uniform: [0.0, 0.01]}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "short.yaml").write_text("name: short\nhorizon_ticks: 20\n")
    path = tmp_path / "sweep.yaml"
    path.write_text(SETTINGS)
    return path


def _sweep(config: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tocsin", "sweep", "--config", str(config), "--out", str(out), "--json", *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)


@pytest.mark.parametrize(("scheduler", "samples"), [("asha", 4), ("pbt", 4)])
def test_a_sweep_finds_settings(config: Path, tmp_path: Path, scheduler: str, samples: int) -> None:
    """Every trial has its row; some run to the end; the best row's settings are written as a file that reads."""
    out = tmp_path / "out"
    done = _sweep(config, out, "--scheduler", scheduler, "--samples", str(samples), "--concurrent", "2")
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    rows = told["trials"]
    assert len(rows) == samples and all(row["loss"] is not None and row["iterations"] in (2, 4, 6) for row in rows)
    assert any(row["ended"] == "done" for row in rows) and not any(row["ended"] == "failed" for row in rows)
    assert [row["loss"] for row in rows] == sorted(row["loss"] for row in rows)
    best = read_settings(Path(told["best"]))
    assert best.learning_rate == pytest.approx(rows[0]["chosen"]["learning_rate"]) and best.iterations == 6
    kept = max(out.rglob(f"{rows[0]['name']}/checkpoint_*/checkpoint-*.tocsin"), key=lambda path: path.name)
    assert Shelf.at(str(kept.parent)).newest()["report"]["iterations"] == rows[0]["iterations"]
    again = _sweep(config, out, "--scheduler", scheduler, "--samples", str(samples))
    assert again.returncode == 2 and "--resume" in again.stderr


def test_a_sweep_that_was_killed_goes_on(config: Path, tmp_path: Path) -> None:
    """Killed after its first reports and resumed, it ends with all trials; another sweep is refused in its folder."""
    import os
    import signal
    import time

    out = tmp_path / "out"
    command = [sys.executable, "-m", "tocsin", "sweep", "--config", str(config), "--out", str(out), "--samples", "3"]
    process = subprocess.Popen([*command, "--concurrent", "1"], start_new_session=True)
    last = time.monotonic() + 300
    while not list(out.rglob("checkpoint-*.tocsin")) and time.monotonic() < last:
        time.sleep(0.2)
    time.sleep(1.0)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list(out.rglob("checkpoint-*.tocsin"))
    other = _sweep(config, out, "--resume", "--samples", "4")
    assert other.returncode == 2 and "another sweep" in other.stderr
    done = _sweep(config, out, "--resume", "--samples", "3", "--concurrent", "1")
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads(done.stdout.strip().splitlines()[-1])["trials"]
    assert len(rows) == 3 and all(row["loss"] is not None for row in rows)
