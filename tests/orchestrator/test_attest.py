"""A row changed by hand is seen by `audit.verify`, at once and after the node went on with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tocsin.orchestrator import audit
from tocsin.orchestrator.identity import Caller, Role
from tocsin.orchestrator.lifecycle import State
from tocsin.orchestrator.records import list_responses
from tocsin.orchestrator.store import reading
from tocsin.tests.orchestrator.fakes import CONTROLLER, House, at_once, chain, house, isolate

FORGED_YES = (
    "INSERT INTO consents (response, owner, person, decision, basis, time, expiry, jws, binding) "
    "SELECT id, 'edge', 'consent table', 'approve', 'rule', created, expires, '', '{}' FROM responses"
)
CHANGES = [
    ("UPDATE responses SET sources = 9", "not what was proposed"),
    ("UPDATE responses SET owners = '[\"meter\"]'", "not what was proposed"),
    ("UPDATE responses SET state = 'approved'", "not as it was left"),
    ("UPDATE responses SET forecast = '{}'", "not as it was left"),
    ("UPDATE responses SET holds_until = '2099'", "not as it was left"),
    ("UPDATE transitions SET time = '2020'", "not as it was left"),
    (FORGED_YES, "its consents"),
    ("DELETE FROM transitions; DELETE FROM responses", "is gone"),
    ("INSERT INTO switches VALUES ('kill', 'on')", "kill switch"),
]


def changed(home: House, statements: str) -> None:
    """Change the store behind the node's back."""
    with home.engine.begin() as conn:
        for statement in statements.split("; "):
            conn.exec_driver_sql(statement)


def verdict(home: House) -> audit.Verdict:
    """Verify log and tables."""
    with reading(home.engine) as conn:
        return audit.verify(conn)


@pytest.mark.parametrize(("statement", "said"), CHANGES)
def test_a_row_changed_by_hand_is_seen(tmp_path: Path, statement: str, said: str) -> None:
    """Whatever is changed of a response, its history, its consents or the kill switch, one sentence says so."""
    home = house(tmp_path)
    home.advisor.proposals = [isolate()]
    home.tick()
    assert verdict(home).is_whole
    changed(home, statement)
    found = verdict(home)
    assert not found.is_whole and said in found.reason and found.broken_seq is not None


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE responses SET sources = 9", "not what was proposed"),
        ("UPDATE responses SET state = 'approved'", "it was awaiting_consent, not approved"),
    ],
)
def test_what_the_node_went_on_with_is_seen_all_the_same(tmp_path: Path, statement: str, said: str) -> None:
    """Later records of the node do not make a forged row good."""
    home = house(tmp_path, twin=chain(at_once("edge")))
    home.advisor.proposals = [isolate(sources=1)]
    home.tick()
    changed(home, statement)
    home.advisor.proposals = []
    home.tick()
    home.tick(61)
    with reading(home.engine) as conn:
        assert all(row.state is not State.AWAITING_CONSENT for row in list_responses(conn))
    assert said in verdict(home).reason


def test_a_response_that_nobody_proposed_is_seen(tmp_path: Path) -> None:
    """A row copied in by hand has no record."""
    home = house(tmp_path)
    home.advisor.proposals = [isolate(CONTROLLER)]
    home.tick()
    with home.engine.begin() as conn:
        columns = [row[1] for row in conn.exec_driver_sql("PRAGMA table_info(responses)")]
        rest = ", ".join(columns[1:])
        conn.exec_driver_sql(f"INSERT INTO responses (id, {rest}) SELECT 'response--x', {rest} FROM responses")
    assert "no record says" in verdict(home).reason


def test_a_node_at_work_leaves_log_and_tables_in_one(tmp_path: Path) -> None:
    """All the way to undone, with the kill switch turned both ways."""
    home = house(tmp_path, twin=chain(at_once("edge")), hold_s=600)
    home.advisor.proposals = [isolate()]
    home.tick()
    operator = Caller("edge", frozenset({Role.OPERATOR}))
    for on in (True, False):
        home.node.set_kill_switch(operator, on=on)
        assert verdict(home).is_whole
    home.advisor.proposals = []
    home.tick(11)
    assert verdict(home).is_whole
