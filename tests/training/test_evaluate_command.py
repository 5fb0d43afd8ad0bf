"""`tocsin evaluate`: table, JSON, chart, and bad input in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tocsin.orchestrator.cli import BAD_INPUT, load_command, main
from tocsin.tests.training.small_suites import small_suite
from tocsin.training import contenders as module
from tocsin.training.contenders import (
    BOOK,
    CLAIRVOYANT,
    CUT_OFF,
    ISOLATE,
    NOTHING,
    PHONE,
    RANDOM,
    STOPPING,
    THRESHOLD,
    WATCHFUL,
    WORTH,
)

SHORT = "name: short\nhorizon_ticks: 20\nattackers: [{tries_per_hour: 300, onset_s: [0, 0], absent: 0}]\n"


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "LEVELS", (0.3, 0.6))
    monkeypatch.setattr(module, "TUNING_WORLDS", 4)
    path = tmp_path / "short.yaml"
    path.write_text(SHORT)
    return path


def run(*arguments: str) -> None:
    command = load_command("evaluate", "tocsin.training.evaluate_commands:evaluate")
    command.main(args=list(arguments), standalone_mode=False)


def test_json_has_every_policy_with_its_interval(
    scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One object on stdout, nothing else; the chart is a PNG."""
    chart = tmp_path / "chart.png"
    run("--scenario", str(scenario), "--episodes", "6", "--chart", str(chart), "--json")
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert err == "" and chart.read_bytes().startswith(b"\x89PNG")
    names = [NOTHING, RANDOM, ISOLATE, BOOK, CUT_OFF, THRESHOLD, WORTH, WATCHFUL, STOPPING, PHONE, CLAIRVOYANT]
    assert list(told["policies"]) == names
    for row in told["policies"].values():
        assert row["low"] <= row["mean"] <= row["high"] and row["episodes"] == 6
    assert told["tuned"]["short"]["restore"] in (0.3, 0.6)
    assert {row["reference"] for row in told["differences"]} == {THRESHOLD}


def test_the_table_marks_the_upper_bound(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """People see that the clairvoyant is no competitor."""
    run("--scenario", str(scenario), "--episodes", "4")
    assert "no proven bound" in " ".join(capsys.readouterr().out.split())


def test_several_chains_are_judged_at_once(tmp_path: Path, scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file twice under two names, and generated chains that are kept apart; a mean for each."""
    made = tmp_path / "made.yaml"
    made.write_text(SHORT.replace("short", "made") + "generate: {assets: 12, owners: 2}\n")
    run("--scenario", str(scenario), "--scenario", str(made), "--chains", "2", "--episodes", "4", "--json")
    told = json.loads(capsys.readouterr().out)
    assert list(told["policies"][NOTHING]["by_chain"]) == ["short", "made #0", "made #1"]
    assert told["policies"][NOTHING]["episodes"] == 12


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--episodes", "1"), "--episodes 1"),
        (("--policy", "absent.tocsin"), "absent.tocsin"),
        (("--scenario", "absent.yaml"), "absent.yaml"),
        (("--policy", "=absent.tocsin"), "=absent.tocsin"),
        (("--chart", "absent/chart.png"), "absent"),
        (("--chart", "chart.xyz"), "chart.xyz"),
        (("--chains", "2"), "--chains 2"),
        (("--suite", "none-such"), "none-such"),
        (("--suite", "charging", "--scenario", "x.yaml"), "--scenario"),
        (("--suite", "charging", "--first", "2"), "--first 2"),
        (("--planner",), "--suite"),
        (("--budget-false", "-1"), "false"),
        (("--policies", "a=absent.tocsin,b=other.tocsin"), "absent.tocsin"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, one line that names what is wrong, before anything is played."""
    with pytest.raises(SystemExit) as left:
        main(["evaluate", *arguments])
    out, err = capsys.readouterr()
    assert left.value.code == BAD_INPUT and out == ""
    assert len(err.strip().splitlines()) == 1 and named in err


def test_a_suite_is_told_per_policy_and_chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whole or in part, with what machines ask for, and whether a budget is kept; people get tables."""
    suite = small_suite(tmp_path)
    run("--suite", suite, "--first", "1", "--episodes", "2", "--budget-false", "0.5", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["suite"] == "small" and told["whole"] is False and told["digest"] is None
    assert told["tuned"]["small"]["restore"] == 0.4 and len(told["clairvoyant"]) == 2
    for policy in told["policies"].values():
        (row,) = policy["chains"].values()
        wanted = {"mean", "iqm", "low", "high", "episodes", "by_cause", "false_containments", "downtime", "consents"}
        assert set(row) == wanted and row["episodes"] == 4
        assert (policy["over_budget"] == ["false"]) == (policy["false_containments"] > 0.5)
    run("--suite", suite, "--budget-false", "0.5")
    out = " ".join(capsys.readouterr().out.split())
    assert " over " in out and " kept " in out and "insider" in out


def test_shipped_suites_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """With what they are for, and the digest of those that are frozen."""
    run("--list-suites")
    assert "tocsin-bench-1: 20 generated chains" in capsys.readouterr().out
    run("--list-suites", "--json")
    told = json.loads(capsys.readouterr().out)
    assert len(told["tocsin-bench-1"]["digest"]) == 64 and told["charging"]["digest"] is None
