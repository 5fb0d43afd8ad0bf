"""The loop of a run, with workers that only count: when it validates, keeps, ends, and what it does if none comes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tocsin.envs.scenario import Scenario
from tocsin.tests.envs.games import short_game
from tocsin.training import family
from tocsin.training import train as module
from tocsin.training.checkpoint import CheckpointError
from tocsin.training.family import Chains
from tocsin.training.peer import GRADIENT, ROLLING, WAITING, Iteration
from tocsin.training.report import Report
from tocsin.training.settings import DECENTRALISED, TrainSettings
from tocsin.training.workers import Earlier

SMALL = TrainSettings(
    iterations=6, seconds=0, worlds=2, imitation_worlds=2, imitation_passes=0, validation_worlds=2, validations=3
)


class Counting:
    """A shape without workers: iterations take no time and change nothing."""

    lost = 0

    def __init__(self, chains: Chains, settings: TrainSettings, stage: int, earlier: Earlier) -> None:
        self.stages = [(stage, chains)]
        self.earlier = earlier
        kept = {"next": 2, "numbers": {"0": 0, "1": 1}}
        self.crew = SimpleNamespace(kept=lambda: kept, replaced=0)
        self.left: list[float] = []
        self.comes = True

    def begin(self, state: dict[str, Any], scale: float, played: Mapping[int, Any], until: float = 0.0) -> None:
        self.state, self.began_with = state, dict(played)

    def play(self, chains: Chains, stage: int) -> None:
        self.stages.append((stage, chains))

    def iterate(self, left: float, until: float = 0.0, prices: Any = None) -> Iteration | None:
        if not self.comes:
            time.sleep(max(0.0, until - time.monotonic()))
            return None
        self.left.append(left)
        return Iteration(10, np.array([3.0]), "", {ROLLING: 0.1, GRADIENT: 0.2, WAITING: 0.1}, {"loss": 0.5})

    def learned(self) -> dict[str, Any]:
        return self.state

    def played(self) -> dict[int, Any]:
        return {0: {"tick": np.zeros(2, np.int32)}}

    def stop(self) -> None:
        pass


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Counting]:
    """Shapes that runs make, in place of Ray; the short game in place of the scenario's."""
    shapes: list[Counting] = []

    def make(chains: Chains, settings: TrainSettings, stage: int, earlier: Earlier) -> Counting:
        shapes.append(Counting(chains, settings, stage, earlier))
        return shapes[-1]

    monkeypatch.setattr(module, "SHAPES", {DECENTRALISED: make})
    monkeypatch.setattr(family, "load_game", lambda scenario: short_game())
    monkeypatch.setattr(module, "start_ray", lambda settings: False)
    return shapes


def _run(settings: TrainSettings, **more: Any) -> Report:
    return module.train(Scenario(name="short"), settings, None, **more)


def test_validations_are_spread_evenly(made: list[Counting]) -> None:
    """Three validations of six iterations: after imitation, in the middle, at the end; the rate falls in between."""
    seen: list[tuple[int, int]] = []
    report = _run(SMALL, progress=lambda report: seen.append((report.iterations, len(report.validation))))
    assert report.iterations == 6 and report.samples == 60 and len(report.validation) == 3
    assert dict(seen) == {0: 1, 1: 1, 2: 1, 3: 2, 4: 2, 5: 2, 6: 3}
    assert made[0].left == pytest.approx([1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])
    assert report.spent == pytest.approx({ROLLING: 0.6, GRADIENT: 1.2, WAITING: 0.6})


def test_a_run_without_a_worker_ends_in_time_with_what_was_imitated(made: list[Counting]) -> None:
    """If no worker comes the policy file is that of the imitation, and the time given holds."""
    began = time.monotonic()

    def absent(report: Report) -> None:
        for one in made:
            one.comes = False

    settings = TrainSettings(seconds=6, imitation_worlds=2, imitation_passes=0, validation_worlds=2)
    report = _run(settings, progress=absent)
    assert report.iterations == 0 and len(report.validation) == 1 and time.monotonic() - began < 30


def test_a_run_goes_on_from_its_checkpoint(made: list[Counting], tmp_path: Path) -> None:
    """Counters, curves and worlds are those of the checkpoint; another game is refused, and nothing is overwritten."""
    from dataclasses import replace

    settings = replace(SMALL, run=str(tmp_path / "run"), iterations=4, checkpoint_every=2)
    first = _run(settings)
    again = _run(replace(settings, iterations=7), resume=True)
    assert (again.iterations, again.samples) == (7, 70) and len(made[1].left) == 3
    assert again.validation[: len(first.validation)] == first.validation
    assert set(made[1].began_with) == {0} and made[1].earlier == Earlier(2, {0: 0})
    names = sorted(path.name for path in (tmp_path / "run").glob("checkpoint-*"))
    before = (tmp_path / "run" / "settings.yaml").read_bytes()
    with pytest.raises(CheckpointError, match="worlds 2, this run 5"):
        _run(replace(settings, worlds=5), resume=True)
    assert sorted(path.name for path in (tmp_path / "run").glob("checkpoint-*")) == names
    assert (tmp_path / "run" / "settings.yaml").read_bytes() == before
