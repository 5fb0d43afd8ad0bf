"""`tocsin attack paths` as its users run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tocsin.twin.attack_commands import attack
from typer.testing import CliRunner

RUN = CliRunner()


def test_the_shipped_example_has_paths_that_cross_owners_to_a_jewel() -> None:
    """As JSON: paths sorted, across owners, with techniques, parameters and facts that were read somewhere."""
    result = RUN.invoke(attack, ["paths", "--json", "--count", "3"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["twin"]["attack_steps"] > 0
    assert 1 <= len(told["paths"]) <= 3
    odds = [path["probability"] for path in told["paths"]]
    assert odds == sorted(odds, reverse=True) and all(0 < one <= 1 for one in odds)
    for path in told["paths"]:
        assert len(path["owners"]) >= 2
        assert path["steps"][-1]["technique"].startswith("T")
        assert all(step["parameter"] and step["facts"] for step in path["steps"])
        assert all(fact["places"] for fact in path["facts"])


def test_a_person_gets_text_and_a_picture(tmp_path: Path) -> None:
    """Steps with technique names, and a PNG where it was asked for."""
    file = tmp_path / "paths.png"
    result = RUN.invoke(attack, ["paths", "--count", "2", "--picture", str(file)])
    assert result.exit_code == 0, result.output
    assert "facts:" in result.stdout and "1. p " in result.stdout
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "nowhere is not there"),
        (["--store", "nowhere.db"], "store nowhere.db is not there"),
        (["x" * 300], "File name too long"),
        (["--store", "x" * 300], "File name too long"),
        ([".", "--store", "x.db"], "not both"),
        (["--picture", "paths.svg"], "ends in .png"),
    ],
)
def test_bad_input_is_one_line_with_the_mend(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, one line on stderr, nothing on stdout, no file made."""
    monkeypatch.chdir(tmp_path)
    result = RUN.invoke(attack, ["paths", *arguments])
    assert result.exit_code == 2
    assert told in result.stderr and result.stderr.count("\n") == 1 and result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A missing folder is no traceback."""
    result = RUN.invoke(attack, ["paths", "--picture", str(tmp_path / "missing" / "paths.png")])
    assert result.exit_code == 2
    assert "missing" in result.stderr and "Traceback" not in result.output


def test_help_loads_nothing_heavy() -> None:
    """Importing the command imports neither numpy, networkx nor matplotlib."""
    heavy = "('numpy', 'networkx', 'matplotlib')"
    code = f"import sys, tocsin.twin.attack_commands; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
