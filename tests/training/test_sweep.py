"""What a sweep may search: every draw must make settings that can run, or the file is refused by name."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.envs.scenario import Scenario, read_scenario
from tocsin.training import trials
from tocsin.training.checkpoint import Shelf
from tocsin.training.report import Report
from tocsin.training.settings import TrainError, TrainSettings
from tocsin.training.sweep import ASHA, PBT, SweepError, parse_sweep, read_sweep
from tocsin.training.trials import Row, figures_of, ranked, within

GOOD: dict[str, Any] = {
    "settings": {"iterations": 40, "worlds": 8, "steps": 6},
    "every": 10,
    "search": {
        "learning_rate": {"loguniform": [1e-4, 1e-2]},
        "entropy": {"uniform": [0.0, 0.01]},
        "minibatches": {"choice": [2, 4]},
        "patience_s": {"uniform": [5, 9]},
    },
}


def _parsed(scheduler: str = ASHA, **change: Any) -> Any:
    return parse_sweep({**GOOD, **change}, "sweep.yaml", folder=None, scheduler=scheduler)


def test_a_trial_is_the_settings_with_what_was_drawn() -> None:
    """What is searched takes its value; each report is validated and kept; the rest is as the file says."""
    sweep = _parsed()
    made = sweep.of({"learning_rate": 1e-3, "minibatches": 4}, "somewhere")
    assert (made.learning_rate, made.minibatches, made.worlds, made.run) == (1e-3, 4, 8, "somewhere")
    assert (made.checkpoint_every, made.validations, sweep.reports) == (10, 5, 4)
    best = sweep.best({"learning_rate": 1e-3})
    assert (best.learning_rate, best.checkpoint_every, best.run) == (1e-3, sweep.settings.checkpoint_every, "")


def test_a_rule_that_is_not_there_is_named_before_the_folder_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a sweep would begin whose trials all fail; Tune is not reached, so it need not be installed."""
    monkeypatch.setattr(trials, "_tune", lambda: None)
    sweep = parse_sweep({**GOOD, "settings": {**GOOD["settings"], "rule": "none.yaml"}}, "sweep.yaml", folder=tmp_path)
    with pytest.raises(TrainError, match=r"none\.yaml"):
        trials.run_sweep(
            sweep, read_scenario(), scheduler=ASHA, samples=1, concurrent=1, folder=tmp_path / "out", resume=False
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"search": {}}, "search"),
        ({"search": {"learning_rat": {"choice": [1]}}}, "learning_rat"),
        ({"search": {"run": {"choice": ["a"]}}}, "run"),
        ({"search": {"entropy": {"normal": [0, 1]}}}, "entropy"),
        ({"search": {"entropy": {"uniform": [0.1]}}}, "two numbers"),
        ({"search": {"entropy": {"uniform": [0.1, 0.1]}}}, "growing"),
        ({"search": {"entropy": {"loguniform": [0, 0.1]}}}, "above 0"),
        ({"search": {"entropy": {"uniform": ["a", "b"]}}}, "choice"),
        ({"search": {"clip": {"choice": [0.2, 99]}}}, "clip 99"),
        ({"search": {"clip": {"choice": ["much"]}}}, "clip"),
        ({"search": {"minibatches": {"choice": [2, 999]}}}, "minibatches 999"),
        ({"search": {"worlds": {"choice": [4, 8]}, "minibatches": {"choice": [2, 24]}}}, "minibatches 24"),
        ({"every": 0}, "every 0"),
        ({"every": 41}, "every 41"),
        ({"settings": {"seconds": 60}}, "iterations"),
        ({"settings": {"iterations": 9, "run": "x"}}, "run"),
        ({"extra": 1}, "extra"),
    ],
)
def test_what_cannot_run_is_refused_by_name(change: dict[str, Any], named: str) -> None:
    """Before anything starts, also where only some combination of values is impossible."""
    with pytest.raises(Exception, match=named) as refused:
        _parsed(**change)
    assert isinstance(refused.value, SweepError) or "settings" in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        *("scenario", "chains", "smallest", "largest", "stages", "attackers", "unit", "judges", "validation_worlds"),
        *("seats", "cooperation", "own_share", "downtime_budget", "false_budget", "consents_budget"),
    ],
)
def test_the_yardstick_is_not_searched(name: str) -> None:
    """What trials are measured by is the same for all of them, or the easiest measure would win."""
    default = next(one.default for one in fields(TrainSettings) if one.name == name)
    with pytest.raises(SweepError, match=f"search: {name}: trials are compared by it"):
        _parsed(search={name: {"choice": [default]}})


def _row(name: str, loss: float | None, overrun: float = 0.0) -> Row:
    return Row(name, {}, loss, overrun, 1, "done")


def test_who_keeps_budgets_comes_first() -> None:
    """A small loss that was bought by overrunning budgets is no good one; without a result a trial is last."""
    rows = [_row("a", None), _row("b", 1.0, 0.2), _row("c", 9.0), _row("d", 2.0, 0.1), _row("e", 8.0)]
    assert [row.name for row in ranked(rows)] == ["e", "c", "d", "b", "a"]


def test_tune_is_told_of_overrun_budgets() -> None:
    """With budgets the weights that the run would keep count, by their overrun first; without, the last validation."""
    report = Report(validation=[(1.0, 5.0), (2.0, 6.0)], best_loss=5.0, best_overrun=0.5)
    assert figures_of(report, is_bound=False) == {"validation_loss": 6.0, "overrun": 0.0, "score": 6.0}
    told = figures_of(report, is_bound=True)
    assert told["validation_loss"] == 5.0 and told["overrun"] == 0.5
    kept = figures_of(Report(best_loss=1e6, best_overrun=0.0), is_bound=True)
    assert kept["score"] == 1e6 < told["score"]


def test_pbt_changes_only_what_a_run_can_change_midway() -> None:
    """The size of a rollout is bound to a run's checkpoints; the rate of learning is not."""
    assert _parsed(PBT, search={"learning_rate": {"uniform": [1e-4, 1e-3]}})
    with pytest.raises(SweepError, match="steps.*pbt"):
        _parsed(PBT, search={"steps": {"choice": [4, 6]}})
    with pytest.raises(SweepError, match="hyperband"):
        _parsed("hyperband")


@given(rate=st.floats(1e-9, 10), entropy=st.floats(-1, 1), patience=st.floats(0, 100))
def test_changes_stay_within_their_ranges(rate: float, entropy: float, patience: float) -> None:
    """Population-based training multiplies blindly; what comes of it is brought back, so that it can run."""
    sweep = _parsed()
    found = within(sweep, {"learning_rate": rate, "entropy": entropy, "minibatches": 4, "patience_s": patience})
    assert 1e-4 <= found["learning_rate"] <= 1e-2 and 0 <= found["entropy"] <= 0.01 and 5 <= found["patience_s"] <= 9
    sweep.of(found)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    """Missing, or no mapping."""
    with pytest.raises(SweepError, match=r"none\.yaml"):
        read_sweep(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(SweepError, match=r"list\.yaml"):
        read_sweep(tmp_path / "list.yaml")


def test_each_report_comes_with_the_checkpoint_of_its_own_iteration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Population based training copies what was reported: an older one would set trials back, for ever."""
    told: list[tuple[int, list[int]]] = []

    def note(figures: dict[str, Any], checkpoint: str) -> None:
        told.append((figures["iterations"], Shelf.at(checkpoint).numbers()))

    fake = SimpleNamespace(
        report=note, get_checkpoint=lambda: None, Checkpoint=SimpleNamespace(from_directory=lambda place: place)
    )
    monkeypatch.setattr(trials, "_tune", lambda: fake)
    settings = {"iterations": 6, "worlds": 2, "steps": 4, "minibatches": 2, "imitation_worlds": 2}
    small = {"imitation_passes": 1, "validation_worlds": 4}
    sweep = _parsed(settings={**settings, **small}, every=2, search={"entropy": {"choice": [0.0, 0.01]}})
    trials.trial({"entropy": 0.0}, sweep, Scenario(name="short", horizon_ticks=20))
    assert told == [(2, [2]), (4, [4]), (6, [6])]
