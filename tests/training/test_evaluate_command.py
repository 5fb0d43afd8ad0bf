"""`tocsin evaluate`: table, JSON, chart, and bad input in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tocsin.orchestrator.cli import BAD_INPUT, load_command, main
from tocsin.training import evaluate as module
from tocsin.training.evaluate import BOOK, CLAIRVOYANT, CUT_OFF, ISOLATE, NOTHING, RANDOM, THRESHOLD

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
    assert list(told["policies"]) == [NOTHING, RANDOM, ISOLATE, BOOK, CUT_OFF, THRESHOLD, CLAIRVOYANT]
    for row in told["policies"].values():
        assert row["low"] <= row["mean"] <= row["high"] and row["episodes"] == 6
    assert {row["reference"] for row in told["differences"]} == {THRESHOLD} and told["threshold"] in (0.3, 0.6)


def test_the_table_marks_the_upper_bound(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """People see that the clairvoyant is no competitor."""
    run("--scenario", str(scenario), "--episodes", "4")
    assert "upper bound" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--episodes", "1"), "--episodes 1"),
        (("--policy", "absent.tocsin"), "absent.tocsin"),
        (("--scenario", "absent.yaml"), "absent.yaml"),
        (("--chart", "absent/chart.png"), "absent"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, one line that names what is wrong, before anything is played."""
    with pytest.raises(SystemExit) as left:
        main(["evaluate", *arguments])
    out, err = capsys.readouterr()
    assert left.value.code == BAD_INPUT and out == ""
    assert len(err.strip().splitlines()) == 1 and named in err
