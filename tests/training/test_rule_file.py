"""Files of the rule's numbers: they read back, and what cannot be is named."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from tocsin.envs.learned import Learned
from tocsin.envs.rule_layer import RulePolicy
from tocsin.envs.rule_numbers import RuleNumbers
from tocsin.tests.envs.games import short_game
from tocsin.training.imitate import FACTORS, rule_of
from tocsin.training.rule_file import read_numbers, shipped_numbers
from tocsin.training.settings import TrainError, TrainSettings

SHIPPED = shipped_numbers()


def text(**changed: object) -> str:
    said = {**SHIPPED.as_dict(), **changed}
    return "numbers:\n" + "".join(f"  {name}: {value}\n" for name, value in said.items() if value is not None)


def test_a_file_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "rule.yaml"
    path.write_text(text())
    assert read_numbers(path) == SHIPPED


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (text(toward=-1), "toward"),
        (text(clean=1.5), "clean"),
        (text(cut="much"), "cut"),
        (text(watched=None), "watched"),
        (text(more=1), "may not hold more;"),
        (text(room_size=None, more=1), "lacks room_size and may not hold more;"),
        ("numbers: {1: 2, more: 3}\n", "may not hold 1, more;"),
        (text(level=float("nan")), "level"),
        ("numbers: 3\n", "numbers"),
        ("- a\n", "numbers"),
        ("", "numbers"),
    ],
)
def test_numbers_that_cannot_be_are_named(tmp_path: Path, content: str, named: str) -> None:
    path = tmp_path / "rule.yaml"
    path.write_text(content)
    with pytest.raises(TrainError, match=named) as refused:
        read_numbers(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("level", [1e-3, 1e3])
def test_a_level_at_an_end_of_its_range_teaches(level: float, tmp_path: Path) -> None:
    """A search may end there; training tries factors of it, and no factor leads out of the range."""
    path = tmp_path / "rule.yaml"
    path.write_text(text(level=level))
    for factor in FACTORS:
        rule = rule_of(short_game(), factor, TrainSettings(rule=str(path)))
        assert isinstance(rule, Learned) and isinstance(rule.policy, RulePolicy)
        assert rule.policy.numbers.level == pytest.approx(min(1e3, max(1e-3, level * factor)))
        assert replace(rule.policy.numbers, level=level) == read_numbers(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"none\.yaml.*policy search"):
        read_numbers(tmp_path / "none.yaml")


def test_a_file_of_fewer_numbers_says_which_it_lacks(tmp_path: Path) -> None:
    """As searches of before wrote them."""
    path = tmp_path / "old.yaml"
    path.write_text(text(room_size=None, watched_size=None, level_size=None, ahead_size=None))
    with pytest.raises(TrainError, match=r"lacks ahead_size, level_size, room_size, watched_size; .*policy search.*26"):
        read_numbers(path)


def test_every_number_has_a_meaning_and_a_range_that_holds_the_shipped_one() -> None:
    for one in fields(RuleNumbers):
        assert one.metadata["meaning"]
        assert one.metadata["low"] <= getattr(SHIPPED, one.name) <= one.metadata["high"]
