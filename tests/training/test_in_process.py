"""A run of one peer in this process is a run: it goes on from its checkpoint to the same end, bit by bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from tocsin.envs.policy_file import load_policy
from tocsin.envs.rule_numbers import RuleNumbers
from tocsin.envs.scenario import Scenario
from tocsin.tests.envs.games import short_game
from tocsin.training import family
from tocsin.training import train as module
from tocsin.training.checkpoint import CheckpointError
from tocsin.training.course import Defence
from tocsin.training.imitate import FACTORS
from tocsin.training.in_process import InProcess
from tocsin.training.rule_file import shipped_numbers
from tocsin.training.settings import TrainError, TrainSettings

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


def test_a_rule_whose_file_goes_in_the_run_is_kept_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its numbers are read when the run begins: checkpoints and policy file say them, whatever became of the file."""
    monkeypatch.setattr(family, "load_game", lambda scenario: short_game())
    monkeypatch.setattr(module, "start_ray", lambda settings: False)
    rule, numbers = tmp_path / "rule.yaml", {**shipped_numbers().as_dict(), "level": 2.0}
    rule.write_text(yaml.safe_dump({"numbers": numbers}))

    def look(report: module.Report) -> None:
        if report.iterations:
            rule.unlink(missing_ok=True)

    settings = replace(SMALL, rule=str(rule), run=str(tmp_path / "run"))
    module.train(Scenario(name="short"), settings, None, look, make_shape=InProcess)
    assert not rule.exists()
    policy = load_policy(tmp_path / "run" / "policy.tocsin")
    told = policy.card["rule"]
    assert policy.weights["rule.sharpness"][0] > 0
    assert {**told, "level": 2.0} == numbers and told["level"] / 2.0 in FACTORS
    np.testing.assert_allclose(RuleNumbers(**told).as_array(), policy.weights["rule.numbers"], rtol=1e-5)
    with pytest.raises(TrainError, match=r"rule\.yaml"):
        module.train(Scenario(name="short"), settings, None, resume=True, make_shape=InProcess)


def test_a_checkpoint_of_another_version_is_refused_by_what_it_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    """That its rule had other numbers too is no news; where only the rule differs, it says in which numbers."""
    monkeypatch.setattr(family, "load_game", lambda scenario: short_game())
    bound = Defence(Scenario(name="short"), SMALL).bound_to()
    old = {**bound, "observation version": "0" * 16, "rule": {"toward": 1.0}}
    with pytest.raises(CheckpointError, match="observation version '0000"):
        module._check_same(old, bound, "first")
    level = bound["rule"]["level"]
    with pytest.raises(CheckpointError, match=rf"has rule {{'level': 9\.0}}, this run {{'level': {level}}}; go on"):
        module._check_same({**bound, "rule": {**bound["rule"], "level": 9.0}}, bound, "first")


def test_owners_networks_never_ask_the_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the warm start, PPO, checkpoints, going on and the file it stays off."""
    monkeypatch.setattr(family, "load_game", lambda scenario: short_game())
    monkeypatch.setattr(module, "start_ray", lambda settings: False)
    settings = replace(SMALL, seats="owners", run=str(tmp_path / "run"))
    for iterations, resume in ((1, False), (2, True)):
        part = replace(settings, iterations=iterations, checkpoint_every=1)
        module.train(Scenario(name="short"), part, None, resume=resume, make_shape=InProcess)
    policy = load_policy(tmp_path / "run" / "policy.tocsin")
    assert policy.weights["rule.sharpness"].tolist() == [0.0] and policy.card["rule"] == {}


def test_owners_runs_are_bound_to_no_rule_that_they_do_not_play(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the coalition's rule may get other numbers between two parts of a run."""
    monkeypatch.setattr(family, "load_game", lambda scenario: short_game())
    assert "rule" not in Defence(Scenario(name="short"), replace(SMALL, seats="owners")).bound_to()
    assert Defence(Scenario(name="short"), SMALL).bound_to()["rule"] == shipped_numbers().as_dict()
