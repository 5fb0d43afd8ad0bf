"""The page on conformance names tests and rules that are there, and leaves out no type of the standard."""

from __future__ import annotations

import re
from pathlib import Path

from tocsin.playbooks.cacao_words import CommandType, PartyType, StepType
from tocsin.playbooks.execute import Bounds
from tocsin.playbooks.lint_rules import RULES

TESTS = Path(__file__).resolve().parents[1]
PAGE = (TESTS.parent / "docs" / "conformance.md").read_text("utf-8")
EXECUTION = (TESTS.parent / "docs" / "execution.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| line |", "|---"))
]


def test_every_line_is_shown_by_a_test_or_a_rule() -> None:
    """Both by name; there are more than fifty."""
    assert len(ROWS) > 50
    for line, shown in ROWS:
        assert "::" in shown or "lint: " in shown, line


def test_every_test_that_is_named_is_there() -> None:
    """In the file that is named, and collected by its name."""
    named = set(re.findall(r"`([a-z_/]+\.py)::(\w+)`", " ".join(shown for _, shown in ROWS)))
    assert len(named) > 70
    missing = [name for name in named if f"\ndef {name[1]}(" not in (TESTS / name[0]).read_text("utf-8")]
    assert missing == []


def test_every_rule_that_is_named_is_there() -> None:
    """As the linter calls it."""
    for line, shown in ROWS:
        told = re.search(r"lint: ([a-z0-9, -]+)", shown)
        assert set(told[1].replace(" ", "").split(",") if told else ()) <= set(RULES), line


def test_no_step_or_command_type_is_left_out() -> None:
    """Nor a type of target that only a twin resolves."""
    for kind in (*StepType.__args__, *CommandType.__args__):  # type: ignore[attr-defined]
        assert kind in PAGE, kind
    assert {"security-category", "sector", "group", "location"} <= set(PartyType.__args__)  # type: ignore[attr-defined]


def test_the_bounds_told_are_those_in_force() -> None:
    """With their numbers."""
    table = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+)", EXECUTION, re.MULTILINE))
    bounds = Bounds()
    assert {name: int(number.replace(",", "")) for name, number in table.items()} == {
        name: getattr(bounds, name) for name in Bounds.__dataclass_fields__
    }
