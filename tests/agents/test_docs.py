"""The page on agents: its examples run, in order, and its words are the code's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tocsin.envs.attackers import PRESETS
from tocsin.envs.scenario_model import AS_WRITTEN, COALITION, DEFENDERS, OWNERS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "agents.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
TEN_LINES = 10


def test_the_examples_run_as_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    """One after another in one namespace, as a reader would paste them."""
    names: dict[str, Any] = {"__name__": "page"}
    for example in EXAMPLES:
        exec(compile(example, "docs/agents.md", "exec"), names)
    assert "believed" in capsys.readouterr().out
    model = names["model"]
    assert [type(agent).__name__ for agent in (model.attackers[0], model.owners[0], model.defenders[0])] == [
        "Gambler",
        "Sleeper",
        "GuardTheDoor",
    ]


def test_an_agent_of_ones_own_takes_ten_lines() -> None:
    """Every class on the page has at most ten lines."""
    classes = [part for example in EXAMPLES for part in re.findall(r"^class .*?(?=^\S|\Z)", example, re.DOTALL | re.M)]
    assert len(classes) == 3
    assert all(len(one.strip().splitlines()) <= TEN_LINES for one in classes)


def test_the_table_names_every_choice() -> None:
    """Attackers, defenders and seats are those that a model takes."""

    def told(parameter: str) -> set[str]:
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{parameter}`"))
        return set(re.findall(r"`([^`]+)`", row.split("|")[2]))

    assert told("attacker") == {AS_WRITTEN, *PRESETS}
    assert told("defender") == set(DEFENDERS)
    assert told("seats") == {COALITION, OWNERS}
