"""The range for real: what the twin predicts, every probe finds; it goes up and down and touches nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tocsin.orchestrator.assemble import load_twin
from tocsin.orchestrator.range.machine import existing
from tocsin.orchestrator.range.probing import probe_all
from tocsin.orchestrator.range.running import describe, down, up
from tocsin.orchestrator.range.topology import Plan, RangeError
from tocsin.orchestrator.range.twin_of import predicted
from tocsin.tests.systems.real_range import opens
from tocsin.twin.graph import Twin

pytestmark = pytest.mark.systems


def test_predicted_reachability_is_what_every_probe_finds(plan: Plan, place: Path, twin: Twin) -> None:
    """All ordered pairs, both ports, both families: 120 probes, as the twin's links say."""
    assert load_twin(place / "chain").owner_by_id.keys() == {"shop", "edge", "cloud"}
    wanted = predicted(twin)
    assert len(wanted) == 12
    assert probe_all(plan) == {4: wanted, 6: wanted}


def test_up_twice_is_refused_and_down_takes_only_its_own(plan: Plan, place: Path, tmp_path: Path) -> None:
    """A second range stands beside the first, goes, goes again; the first stands as before."""
    with pytest.raises(RangeError, match="up already"):
        up(plan, place)
    other, folder = Plan(f"{plan.prefix}b"), tmp_path / "other"
    try:
        assert up(other, folder)["up"] and len(existing(other)) == 7
    finally:
        assert len(down(other, folder)) == 7
    assert down(other, folder) == [] and not folder.exists()
    assert describe(plan, place)["up"] and opens(plan, "shop/web", "edge/gateway")


def test_the_command_line_tells_machines(plan: Plan, tmp_path: Path) -> None:
    """`tocsin range up|status|down --json`, with exit codes; down of nothing is no fault."""
    words = ["--prefix", f"{plan.prefix}d", "--folder", str(tmp_path / "files"), "--json"]

    def run(*more: str) -> tuple[int, Any]:
        done = subprocess.run([sys.executable, "-m", "tocsin", "range", *more, *words], capture_output=True, text=True)
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    assert run("status")[0] == 1
    try:
        code, shown = run("up")
        assert code == 0 and shown["hosts"]["edge/host/gateway"]["ipv6"] == "fd77:0:0:3::2"
        code, again = run("up")
        assert code == 2 and "up already" in again
        code, shown = run("status", "--probe")
        assert code == 0 and shown["probes"]["ipv6"] == {"tried": 60, "reached": 12, "differs": []}
    finally:
        code, shown = run("down")
    assert code == 0 and len(shown["removed"]) == 7 and run("down") == (0, {"removed": []})


def test_a_folder_of_somebody_else_is_left_alone(plan: Plan, tmp_path: Path) -> None:
    """Files that are not a range's are neither overwritten nor removed."""
    (tmp_path / "thesis.txt").write_text("mine")
    other = Plan(f"{plan.prefix}c")
    with pytest.raises(RangeError, match="not a range's"):
        up(other, tmp_path)
    with pytest.raises(RangeError, match="not a range's"):
        down(other, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"
