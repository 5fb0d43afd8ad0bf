"""The page on attack steps says what the code does."""

from __future__ import annotations

from pathlib import Path

from tocsin.twin.attack.techniques import PARAMETERS, TECHNIQUES
from tocsin.twin.rulebook.parameters import GameSettings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "attack-steps.md").read_text()


def test_the_table_names_every_technique_with_its_parameter() -> None:
    """Id, name, value and range, and no other technique."""
    table = [[cell.strip() for cell in row.strip("|").split("|")] for row in PAGE.splitlines() if row.startswith("| T")]
    assert [row[0] for row in table] == list(TECHNIQUES)
    for identifier, name, *_, success in table:
        assert name == TECHNIQUES[identifier].name
        parameter = PARAMETERS.get(f"success.{identifier}")
        said = f"{parameter.value:.2f} [{parameter.low:.2f}, {parameter.high:.2f}]" if parameter else "the weakness's"
        assert success == said


def test_the_numbers_of_the_text_are_the_defaults() -> None:
    """Hours of harm of data carried out, and how quickly persistence wins admin back."""
    text = " ".join(PAGE.split())
    assert f"hours ({GameSettings().carried_out_h:g}, assumed" in text
    assert f"({100 * GameSettings().regain:g} % a tick" in text
