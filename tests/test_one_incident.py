"""One incident, from finding to undo, over real processes and sockets: node, plant, OpenC2 over HTTP, owners' keys."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tocsin.orchestrator.audit import verify
from tocsin.orchestrator.demo.stages import Demo, Settings
from tocsin.orchestrator.store import open_store

TICKS = 45  # long enough for a person's response to be carried out, verified and undone


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("incident")
    demo = Demo(Settings(folder, ticks=TICKS), lambda _: None, {"seconds": {}, "quiet": True})
    demo.play_incident()  # too short for a policy to respond: the whole demonstration requires that
    return folder, demo.result


def test_a_response_is_carried_out_verified_and_undone(played: tuple[Path, dict[str, Any]]) -> None:
    """A person's response goes through consent, OpenC2, telemetry and undo."""
    _, result = played
    assert result["undone"]
    undone = [row for row in result["responses"] if row["id"] in result["undone"]]
    assert undone[0]["forecast"]["worlds"] >= 1000
    assert undone[0]["owners"] == ["csms"]
    assert (undone[0]["proposer"], undone[0]["verified"]) == ("csms", True)


def test_nobody_else_consents_for_an_owner(played: tuple[Path, dict[str, Any]]) -> None:
    """A consent signed by another owner's key is refused."""
    _, result = played
    assert result["refused_consent"]["status"] in (403, 404)
    assert result["refused_consent"]["attempt_by"] not in result["refused_consent"]["owners"]


def test_the_truth_is_told_for_both_runs(played: tuple[Path, dict[str, Any]]) -> None:
    """Loss per owner with and without the node, of the same attack."""
    _, result = played
    assert set(result["loss_with"]["per_owner"]) == set(result["loss_without"]["per_owner"])
    assert result["loss_with"]["loss_total"] >= 0


def test_a_changed_byte_breaks_the_audit_log(played: tuple[Path, dict[str, Any]]) -> None:
    """The log of the whole incident verifies; with one byte changed it does not."""
    folder, result = played
    assert result["audit_verified"]
    store = folder / "home" / "store.sqlite"
    with sqlite3.connect(store) as connection:
        seq, body = connection.execute("select seq, body from audit order by seq limit 1 offset 3").fetchone()
        connection.execute("update audit set body = ? where seq = ?", (body[:-2] + "x" + body[-1], seq))
    with open_store(f"sqlite:///{store}").begin() as conn:
        assert not verify(conn).is_whole
