"""The demonstration as a newcomer runs it: one command, one JSON object, every stage did its work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.systems
OWNERS = {"fleet", "shop", "csms", "telecom", "energy", "cloud"}


def demo(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run `tocsin demo --json` with little of everything."""
    small = ("--seconds", "30", "--episodes", "60", "--pairs", "20")
    command = [sys.executable, "-m", "tocsin", "demo", "--folder", str(folder), *small, "--json", *more]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = demo(tmp_path_factory.mktemp("demo"))
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def test_the_object_names_the_twin_and_every_stage(result: dict[str, Any]) -> None:
    """Six owners, and as much twin as a chain of six owners has."""
    assert result["twin"]["owners"] == len(OWNERS)
    assert all(result["twin"][name] > 20 for name in ("assets", "links", "weaknesses", "attack_steps"))
    assert set(result["seconds"]) == {"twin", "attack_paths", "train", "evaluate", "incident", "worth"}


def test_policies_come_with_intervals_and_the_learned_one_beats_the_simple_ones(result: dict[str, Any]) -> None:
    """Doing nothing, acting at random and isolating on sight lose more, with intervals apart."""
    policies = result["policies"]
    for row in policies.values():
        assert row["low"] <= row["mean"] <= row["high"] and row["episodes"] == 60
    for simple in ("do nothing", "random", "isolate on first finding"):
        assert policies["trained"]["high"] < policies[simple]["low"]
    assert policies["clairvoyant (sees the truth)"]["high"] < policies["trained"]["low"]


def test_responses_are_rehearsed_consented_and_carried_out(result: dict[str, Any]) -> None:
    """Those that succeeded have every owner's consent, and a forecast of at least 1,000 worlds.

    Consent is signed; a closer look, which an owner's own table may allow, may be by rule.
    """
    succeeded = [row for row in result["responses"] if row["state"] == "succeeded"]
    assert succeeded
    for row in succeeded:
        bases = ("signed", "rule") if row["playbook"] == "raise-monitoring" else ("signed",)
        assert {given["owner"] for given in row["consents"] if given["basis"] in bases} >= set(row["owners"])
        assert row["forecast"]["worlds"] >= 1000
        assert row["forecast"]["this"]["mean"] != row["forecast"]["nothing"]["mean"]
    assert any(given["basis"] == "signed" for row in succeeded for given in row["consents"])
    assert any(row["proposer"] == "node" and row["verified"] for row in result["responses"])
    assert result["refused_consent"]["status"] in (403, 404)
    assert result["undone"]
    assert result["audit_verified"] is True


def test_the_attack_cost_less_with_than_without(result: dict[str, Any]) -> None:
    """On the plant, and over other attacks in simulation with an interval that excludes nothing saved."""
    assert set(result["loss_with"]["per_owner"]) >= OWNERS
    assert result["loss_with"]["loss_total"] < result["loss_without"]["loss_total"]
    assert result["pairs"]["n"] == 20 and result["pairs"]["low"] > 0


def test_a_folder_that_is_in_use_is_refused(tmp_path: Path) -> None:
    """Nothing of a user's is overwritten."""
    (tmp_path / "mine").write_text("mine")
    done = demo(tmp_path)
    assert done.returncode == 2 and "not empty" in done.stderr and "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
