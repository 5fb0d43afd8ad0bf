"""A search for the rule's numbers: it finds what is better, tells it on fresh attacks, and writes nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.envs.rule_numbers import RuleNumbers
from tocsin.orchestrator.cli import BAD_INPUT, main
from tocsin.tests.training.small_suites import small_suite
from tocsin.training import cluster, rule_search
from tocsin.training.rule_file import read_numbers, shipped_numbers
from tocsin.training.rule_search import FRESH, SearchSettings, numbers_at, play_numbers, search
from tocsin.training.settings import TrainError, TrainSettings

SHIPPED = shipped_numbers()
SIZE = len(fields(RuleNumbers))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidates are played in this process in place of Ray's; systems tests have it for real."""

    def each(work: Callable[..., Any], given: Sequence[tuple[Any, ...]], settings: TrainSettings) -> Iterator[Any]:
        return (work(*one, settings) for one in given)

    monkeypatch.setattr(rule_search, "each", each)
    monkeypatch.setattr(cluster, "start_ray", lambda settings: False)


def quick(suite: str, **changed: Any) -> SearchSettings:
    told = {"generations": 3, "candidates": 5, "attacks": 2, "judged_attacks": 20, **changed}
    return SearchSettings(suite=suite, **told)


@given(st.lists(st.floats(-30, 30), min_size=SIZE, max_size=SIZE))
def test_every_point_is_numbers_in_range_and_nothing_moved_is_the_start(point: list[float]) -> None:
    found = numbers_at(SHIPPED, np.array(point))  # RuleNumbers refuses what is out of range
    for place, one in zip(point, fields(RuleNumbers), strict=True):
        if place == 0:
            assert getattr(found, one.name) == pytest.approx(getattr(SHIPPED, one.name))
        moved = getattr(found, one.name) - getattr(SHIPPED, one.name)
        assert moved * place >= -1e-12


def test_a_search_from_bad_numbers_loses_less_in_the_end(here: None, tmp_path: Path) -> None:
    """A rule that evicts whatever is suspected at all is made better, by far; the curve falls below the start."""
    suite = small_suite(tmp_path)
    bad = replace(SHIPPED, level=0.001, wrong=0.0, always=0.0, watched=1.0, cut=500.0, cut_wrong=0.0, cut_always=0.0)
    found = search(bad, quick(suite, generations=12, candidates=8, attacks=6, judged_attacks=30))
    assert found.loss < found.begun
    assert found.gain[0] == pytest.approx(found.begun - found.loss)
    assert found.gain[1] < found.gain[0] < found.gain[2]
    assert len(found.curve) == 12
    assert found.curve[0] == pytest.approx(1.0)
    assert min(found.curve) < 1.0


def test_generations_play_other_attacks_and_judging_plays_fresh_ones(
    here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    real = play_numbers

    def noted(suite: str, cell: int, numbers: Sequence[RuleNumbers], first: int, *rest: Any) -> Any:
        asked.append((first, len(numbers)))
        return real(suite, cell, numbers, first, *rest)

    monkeypatch.setattr(rule_search, "play_numbers", noted)
    search(SHIPPED, quick(small_suite(tmp_path)))
    assert {first for first, _ in asked} == {0, 2, 4, FRESH}
    assert {rules for first, rules in asked if first == FRESH} == {2}
    assert {rules for first, rules in asked if first == 0} == {7}  # the start, the mean and five candidates


def test_rules_lose_side_by_side_what_they_lose_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a batch does not hold all of them."""
    suite, settings = small_suite(tmp_path), TrainSettings()
    others = (replace(SHIPPED, level=0.5), replace(SHIPPED, cut=50.0, look_ahead=0.0), replace(SHIPPED, level=900.0))
    rules = (SHIPPED, *others)
    alone = [play_numbers(suite, 0, [one], 3, 4, settings)[0] for one in rules]
    assert (play_numbers(suite, 0, rules, 3, 4, settings) == np.stack(alone)).all()
    monkeypatch.setattr(rule_search, "LANES", 12)
    assert (play_numbers(suite, 0, rules, 3, 4, settings) == np.stack(alone)).all()
    assert len({losses.tobytes() for losses in alone}) > 1


def test_a_seed_decides_what_is_found(here: None, tmp_path: Path) -> None:
    suite = small_suite(tmp_path)
    first, again, other = (search(SHIPPED, quick(suite, seed=seed)).numbers for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(("name", "value"), [("generations", 0), ("candidates", 3), ("workers", 0), ("attacks", 1.5)])
def test_settings_that_cannot_run_are_named(name: str, value: float) -> None:
    with pytest.raises(TrainError, match=name):
        SearchSettings(**{name: value})  # type: ignore[arg-type]


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Exit code of the command line."""
    monkeypatch.setattr(sys, "argv", ["tocsin", "policy", "search", *words])
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_the_command_writes_a_file_that_reads_back_and_says_how_it_came(
    here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start, out = tmp_path / "start.yaml", tmp_path / "rule.yaml"
    bad = replace(SHIPPED, level=0.001, wrong=0.0, always=0.0, watched=1.0, cut=500.0, cut_wrong=0.0, cut_always=0.0)
    start.write_text("numbers:\n" + "".join(f"  {name}: {value}\n" for name, value in bad.as_dict().items()))
    words = ["--out", str(out), "--start", str(start), "--suite", small_suite(tmp_path), "--candidates", "8"]
    code = run(monkeypatch, *words, "--generations", "12", "--attacks", "6", "--judged-attacks", "60", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert code == 0
    assert answer["less"]["low"] > 0
    kept = read_numbers(out)
    assert all(getattr(kept, name) == pytest.approx(value, rel=1e-5) for name, value in answer["numbers"].items())
    assert "digest" in out.read_text()


def test_what_is_not_surely_better_is_not_written(
    here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a rule that never acts all that is near it is as good."""
    start, out = tmp_path / "start.yaml", tmp_path / "rule.yaml"
    idle = replace(SHIPPED, level=1000.0, cut=0.0, cut_toward=0.0, cut_stake=0.0, look_room=1.0, room_size=0.0)
    start.write_text("numbers:\n" + "".join(f"  {name}: {value}\n" for name, value in idle.as_dict().items()))
    words = ["--out", str(out), "--start", str(start), "--suite", small_suite(tmp_path), "--generations", "1"]
    words += ["--candidates", "4"]
    assert run(monkeypatch, *words, "--attacks", "1", "--judged-attacks", "20") == 1
    assert "not surely better" in capsys.readouterr().out
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--suite", "no-such"), "no-such"),
        (("--generations", "0"), "generations"),
        (("--generations", "10000", "--attacks", "1000"), "generations 10000"),
        (("--start", "none.yaml"), "none.yaml"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(
    here: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    named: str,
) -> None:
    out = tmp_path / "rule.yaml"
    assert run(monkeypatch, "--out", str(out), *words) == BAD_INPUT
    assert named in capsys.readouterr().err
    assert not out.exists()
