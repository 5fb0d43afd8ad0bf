"""A run of one peer in this process is a run: it goes on from its checkpoint to the same end, bit by bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tocsin.envs.policy_file import load_policy
from tocsin.envs.scenario import Scenario
from tocsin.tests.envs.games import short_game
from tocsin.training import family
from tocsin.training import train as module
from tocsin.training.in_process import InProcess
from tocsin.training.settings import TrainSettings

SMALL = TrainSettings(
    iterations=4,
    seconds=0,
    worlds=4,
    steps=6,
    minibatches=2,
    epochs=1,
    imitation_worlds=2,
    imitation_passes=1,
    validation_worlds=4,
    validations=3,
    checkpoint_every=2,
)


def test_a_trial_that_stopped_ends_as_one_that_did_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four iterations in one go, and two and two with new objects between, give equal weights and curves."""
    monkeypatch.setattr(family, "load_game", lambda scenario: short_game())
    monkeypatch.setattr(module, "start_ray", lambda settings: False)
    scenario = Scenario(name="short")

    class Stopped(Exception):  # noqa: N818
        """As Tune ends a trial."""

    def run(folder: str, stop: int = 0, *, resume: bool = False) -> module.Report:
        def look(report: module.Report) -> None:
            if stop and report.iterations == stop:
                raise Stopped

        settings = replace(SMALL, run=str(tmp_path / folder))
        return module.train(scenario, settings, None, look, resume=resume, make_shape=InProcess)

    whole = run("whole")
    with pytest.raises(Stopped):
        run("parts", 2)
    parts = run("parts", resume=True)
    assert [loss for _, loss in parts.validation] == [loss for _, loss in whole.validation]
    one, other = (load_policy(tmp_path / folder / "policy.tocsin") for folder in ("whole", "parts"))
    assert all(np.array_equal(one.weights[name], other.weights[name]) for name in one.weights)
    assert one.card["made"]["commit"] and "sources" not in one.card["made"]
