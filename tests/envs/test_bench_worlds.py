"""`tocsin bench worlds`: what it prints for machines, and what it refuses."""

from __future__ import annotations

import json

import pytest
from tocsin.envs.bench_commands import bench
from tocsin.envs.bench_worlds import PARTS, Settings, check
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from typer.testing import CliRunner

SMALL = ["worlds", "--assets", "30", "--worlds", "3", "--threads", "1", "--ticks", "10"]
KEYS = [
    "world_ticks_per_s",
    "bytes_per_world",
    "bytes_written_per_tick",
    "shared_bytes",
    "compile_s",
    "mean_active",
    "seed",
]


@pytest.mark.parametrize("part", PARTS)
def test_figures_are_one_json_object(part: str) -> None:
    """Every key that a machine reads is there; a defender that acts in every tick has responses running."""
    result = CliRunner().invoke(bench, [*SMALL, "--with", part, "--act-every", "1", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert all(found[key] >= 0 for key in (*KEYS, "tick_ns", "reset_us", "findings_per_tick", "findings_dropped"))
    assert found["act_every"] == 1 and found["mean_running"] > 3 and found["world_ticks_per_s"] > 0


def test_no_more_is_held_than_active_says() -> None:
    """`--active 2` bounds what attackers have at once."""
    result = CliRunner().invoke(bench, [*SMALL, "--active", "2", "--json"])
    assert 0 < json.loads(result.output)["mean_active"] <= 2


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"act_every": 0}, "--act-every 0: give 1 to"),
        ({"worlds": 0}, "--worlds 0: give 1 to"),
        ({"active": 5000}, "--active 5000: give 1 to 4096"),
        ({"part": "everything"}, "--with 'everything': give one of rules"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object], fault: str) -> None:
    """By the option's name, with what it may be; nothing is made before."""
    with pytest.raises(ValueError, match=fault):
        check(Settings(**wrong))  # type: ignore[arg-type]
