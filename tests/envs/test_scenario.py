"""Scenario files: what is shipped, what is refused and how."""

from __future__ import annotations

from pathlib import Path

import pytest
from tocsin.envs.game import load_game
from tocsin.envs.scenario import Scenario, ScenarioError, read_scenario


def test_the_shipped_scenario_is_the_charging_chain() -> None:
    """Four hours, a decision every two minutes."""
    scenario = read_scenario()
    assert (scenario.name, scenario.chain) == ("charging", "charging")
    assert scenario.horizon_ticks * scenario.tick_s == 4 * 3600
    assert scenario.decide_every * scenario.tick_s == 120


def test_a_scenario_becomes_a_game() -> None:
    """Masks and static observation fit the targets and playbooks."""
    game = load_game(read_scenario())
    assert game.actions == 1 + len(game.library.names) * game.compiled.targets
    assert game.always.shape == (game.actions,) and game.static.shape[0] == game.compiled.targets


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name: x\nhorizon: 3\n", "horizon"),
        ("name: x\nhorizon_ticks: 0\n", "horizon_ticks"),
        ("name: x\nattacker: {absent: 2}\n", "attacker.absent"),
        ("name: x\nattacker: {onset_s: [60, 0]}\n", "onset_s"),
        ("name: x\ntick_s: .nan\n", "tick_s"),
        ("name: [\n", "s.yaml"),
        ("name: !!python/object:os.system {}\n", "s.yaml"),
        ("- 1\n", "top"),
        ("name: a\n---\nname: b\n", "one"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path: Path, text: str, fault: str) -> None:
    """One line: the file, the place."""
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match="s.yaml") as caught:
        read_scenario(path)
    assert fault in str(caught.value)


def test_a_missing_file_or_chain_is_named(tmp_path: Path) -> None:
    """Both the scenario and the chain it names."""
    with pytest.raises(ScenarioError, match="absent.yaml"):
        read_scenario(tmp_path / "absent.yaml")
    with pytest.raises(ScenarioError, match="elsewhere"):
        load_game(Scenario(name="x", chain="elsewhere", folder=tmp_path))
