"""Every number that worlds rest on has a row: its value, a range, and a source or the word "assumed"."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from pydantic import BaseModel
from tocsin.envs.attackers import PRESETS, Attacker
from tocsin.envs.game import load_game
from tocsin.envs.generate import generate_twin
from tocsin.envs.ranges import ranges
from tocsin.envs.scenario import Calls, Generator, Load, Scenario, read_scenario
from tocsin.envs.scenario_commands import scenario
from tocsin.twin.rulebook.campaign import CampaignStage
from tocsin.twin.rulebook.parameters import AttackerProfile, GameSettings, Parameters, Phone
from typer.testing import CliRunner

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "numbers.md").read_text()
SETTINGS: dict[type[Any], tuple[str, ...]] = {  # where a field's row is looked for
    AttackerProfile: ("attacker",),
    Attacker: ("attacker",),
    CampaignStage: ("campaign",),
    GameSettings: ("game",),
    Phone: ("phone",),
    Calls: ("phone",),
    Generator: ("generate",),
    Scenario: ("scenario", "game"),
    Load: ("game.load",),
}
NAMED_BY_FILE = {"campaign.after_s"}  # when a stage is due is the script itself
BEHIND = {  # numbers of the compiled game: the rows that they are made of
    "repair": "game.repair_h",
    "regain": "game.regain",
    "tick_s": "scenario.tick_s",
    "start_hour": "game.start_hour",
    "load_amplitude": "game.load_amplitude",
    "load_peak": "game.load_peak_hour",
    "call": "phone.call_h",
    "told_part": "phone.part",
    "quiet": "attacker.inside.elsewhere",
    "false_total": "detectors.false_per_hour.host",
}


def numbers_of(kind: type[Any]) -> dict[str, Any]:
    """Fields of a dataclass or model that are numbers with a fraction, pairs of them too, with their defaults."""
    hints = get_type_hints(kind)
    if is_dataclass(kind):
        return {one.name: one.default for one in fields(kind) if _has_float(hints[one.name])}
    assert issubclass(kind, BaseModel)
    return {name: one.default for name, one in kind.model_fields.items() if _has_float(hints[name])}


def _has_float(hint: Any) -> bool:
    return hint is float or any(_has_float(part) for part in get_args(hint) if not isinstance(part, BaseModel))


@pytest.mark.parametrize("kind", SETTINGS)
def test_every_number_of_settings_has_its_row(kind: type[Any]) -> None:
    """Its default is the value that the table tells, and lies in the range."""
    rows, found = ranges(), numbers_of(kind)
    assert found
    for name, default in found.items():
        places = [f"{prefix}{'_' if '.' in prefix else '.'}{name}" for prefix in SETTINGS[kind]]
        if NAMED_BY_FILE.intersection(places):
            continue
        parts = [".first", ".last"] if isinstance(default, tuple) else [""]
        for part, value in zip(parts, default if isinstance(default, tuple) else [default], strict=True):
            row = next((rows[place + part] for place in places if place + part in rows), None)
            assert row is not None, f"{kind.__name__}.{name} has no row; add one to envs/ranges.py"
            assert value in (None, row.value), row.name


def test_every_number_of_the_compiled_game_rests_on_a_row() -> None:
    """Fields of `Parameters` that are single numbers are made of named ones."""
    numbers = {name for name, hint in get_type_hints(Parameters).items() if hint is float}
    assert numbers == set(BEHIND) and set(BEHIND.values()) <= set(ranges())


def test_rows_say_where_they_come_from_and_bracket_their_value() -> None:
    """No range is empty or inside out, no source silent, no probability beyond 0..1."""
    for row in ranges().values():
        assert row.low <= row.value <= row.high and row.low < row.high, row
        assert row.source.startswith(("assumed", "measured", "chosen")), row
        if row.name.startswith(("exploit.", "success.", "detectors.hit.", "generate.")) and "latency" not in row.name:
            assert row.low >= 0 and row.high <= 1, row


@pytest.mark.parametrize("name", PRESETS)
def test_presets_lie_in_the_ranges(name: str) -> None:
    """An attacker with a name is one of those that the table allows."""
    profile, rows = PRESETS[name].profile, ranges()
    for field in numbers_of(AttackerProfile):
        value = getattr(profile, field)
        for part, one in zip(
            (".first", ".last") if isinstance(value, tuple) else ("",), np.atleast_1d(value), strict=True
        ):
            assert rows[f"attacker.{field}{part}"].low <= one <= rows[f"attacker.{field}{part}"].high


def test_every_probability_of_a_step_names_a_row() -> None:
    """On the shipped chain and on a generated one, for every attack step."""
    for steps in (load_game(read_scenario()).compiled.steps, _generated_steps()):
        assert {step.parameter for step in steps} <= {*ranges(), "stated"}


def _generated_steps() -> Any:
    from tocsin.twin.attack.steps import derive_steps

    return derive_steps(generate_twin(Generator(assets=200)))


def test_machines_read_the_table() -> None:
    """`tocsin scenario numbers --json`: name to value, low, high, source."""
    done = CliRunner().invoke(scenario, ["numbers", "--json"])
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert list(told) == list(ranges())
    assert told["success.T1195"] == {
        "value": 0.25,
        "low": 0.05,
        "high": 0.5,
        "source": ranges()["success.T1195"].source,
    }


def test_the_page_has_every_number_of_worlds() -> None:
    """Value and range as the table has them; attack steps stand on a page of their own, detectors in their file."""
    for row in ranges().values():
        if not row.name.startswith(("exploit.", "success.", "detectors.", "playbook.")):
            assert f"| `{row.name}` | {row.value:g} | {row.low:g} to {row.high:g} | {row.source} |" in PAGE
