"""A row changed by hand is seen by `audit.verify`, at once and after the node went on with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tocsin.orchestrator import audit
from tocsin.orchestrator.api import create_app
from tocsin.orchestrator.consent import Decision, sign
from tocsin.orchestrator.identity import Caller, Role
from tocsin.orchestrator.lifecycle import State
from tocsin.orchestrator.records import Response, list_responses
from tocsin.orchestrator.store import reading
from tocsin.orchestrator.writing import ChangedByHand
from tocsin.tests.orchestrator.fakes import CONTROLLER, GATEWAY, House, at_once, chain, house, isolate
from tocsin.twin.graph import ConsentRule
from tocsin.twin.vocabulary import ConsentClass, ConsentMode, Proposer

EDGE = Caller("edge", frozenset({Role.VIEWER, Role.APPROVER}))
FORGED_YES = (
    "INSERT INTO consents (response, owner, person, decision, basis, time, expiry, jws, binding) "
    "SELECT id, 'edge', 'consent table', 'approve', 'rule', created, expires, '', '{}' FROM responses"
)
CHANGES = [
    ("UPDATE responses SET sources = 9", "not what was proposed"),
    ("UPDATE responses SET owners = '[\"meter\"]'", "not what was proposed"),
    ("UPDATE responses SET state = 'approved'", "its state is not what"),
    ("UPDATE responses SET forecast = '{}'", "its forecast is not what"),
    ("UPDATE responses SET holds_until = '2099'", "its holds_until is not what"),
    ("UPDATE transitions SET time = '2020'", "its history is not what"),
    ("UPDATE responses SET updated = '2020'", "not as it was left"),
    (FORGED_YES, "its consents"),
    ("DELETE FROM transitions; DELETE FROM responses", "is gone"),
    ("INSERT INTO switches VALUES ('kill', 'on')", "kill switch"),
]


def changed(home: House, statements: str) -> None:
    """Change the store behind the node's back."""
    with home.engine.begin() as conn:
        for statement in statements.split("; "):
            conn.exec_driver_sql(statement)


def rows(home: House) -> list[Response]:
    """Give the responses as the store has them."""
    with reading(home.engine) as conn:
        return list_responses(conn)


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


def waiting(home: House) -> None:
    """A response that waits for the yes of edge."""
    home.advisor.proposals = [isolate()]
    home.tick()
    home.advisor.proposals = []


def under_way(home: House) -> None:
    """A response whose first order found nobody."""
    home.actuator.away = 1
    waiting(home)


SENT = [{"step": f"step-{i}:{GATEWAY}", "succeeded": True, "text": "done", "perhaps": False} for i in (0, 1)]
RUN = json.dumps({"do": SENT, "undo": [], "begun": "", "tries": 0})


def in_run(old: str, new: str) -> str:
    """A statement that changes a word of what is kept of a run."""
    return f"UPDATE responses SET run = replace(CAST(run AS TEXT), '{old}', '{new}')"


SLOW = ConsentRule("edge", ConsentClass.CONTAIN, Proposer.OWN, ConsentMode.VETO_WINDOW, latency_s=3000.0)
Case = tuple[ConsentRule | None, Callable[[House], None], str, str]
FORGED: dict[str, Case] = {
    "sources": (None, waiting, "UPDATE responses SET sources = 9", "proposed"),
    "state": (None, waiting, "UPDATE responses SET state = 'approved'", "state"),
    "forecast": (
        None,
        waiting,
        "UPDATE responses SET forecast = replace(CAST(forecast AS TEXT), '10.0', '9e9')",
        "forecast",
    ),
    "veto window": (SLOW, waiting, "UPDATE transitions SET time = '2020-01-01T00:00:00.000000Z'", "history"),
    "orders not sent": (at_once("edge"), under_way, f"UPDATE responses SET run = '{RUN}'", "run"),
    "times sent": (at_once("edge"), under_way, in_run('"tries": 1', '"tries": 0'), "run"),
    "playbooks called": (at_once("edge"), under_way, in_run('"met": []', '"met": ["x"]'), "run"),
    "undo wanted": (at_once("edge"), waiting, "UPDATE responses SET undo_wanted = 'edge'", "undo_wanted"),
}


def forged(path: Path, name: str, store_url: str = "") -> House:
    """Give a home with a response of which something was forged."""
    rule, scene, statement, _said = FORGED[name]
    home = house(path, twin=chain(*([rule] if rule else [])), store_url=store_url)
    scene(home)
    assert verdict(home).is_whole
    changed(home, statement)
    return home


def consent(home: House) -> None:
    """Say yes as edge to what the store says now."""
    (row,) = rows(home)
    now = home.node.clock.now()
    names = {"owner": "edge", "person": "approver@edge", "time": now, "expiry": now + timedelta(hours=1)}
    home.node.consent(EDGE, row.id, sign(row.binding, Decision.APPROVE, home.key("edge"), **names))


def refuses(home: House) -> None:
    """The node does not go on with the one response, and the log and the row say so."""
    sent = list(home.actuator.actions)
    for _ in range(3):
        home.tick()
    with pytest.raises(ChangedByHand, match="by hand"):
        consent(home)
    (row,) = rows(home)
    assert (row.state, row.blocked, home.actuator.actions) == (State.FAILED, "changed_by_hand", sent)
    with reading(home.engine) as conn:
        assert [record.kind for record in audit.read(conn)].count("stopped") == 1
    assert "its rows are not as record" in verdict(home).reason


@pytest.mark.parametrize("name", FORGED)
def test_a_node_does_not_go_on_with_what_was_forged(tmp_path: Path, name: str) -> None:
    """Seen before; then the response fails, once, with a record of its own, nothing is sent, and it stays seen."""
    home = forged(tmp_path, name)
    assert FORGED[name][3] in verdict(home).reason
    refuses(home)


def test_a_person_is_told_before_anything_is_written(tmp_path: Path) -> None:
    """A consent, and a wish to undo, that come before the next tick are refused by name."""
    with pytest.raises(ChangedByHand, match="by hand"):
        consent(forged(tmp_path / "a", "forecast"))
    home = forged(tmp_path / "b", "undo wanted")
    with TestClient(create_app(home.node)) as http:
        headers = {"Authorization": f"Bearer {home.token('edge', 'approver')}"}
        answer = http.post(f"/v1/responses/{rows(home)[0].id}/undo", headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (409, "changed_by_hand")


@pytest.mark.parametrize("name", FORGED)
def test_a_record_written_over_a_forged_row_does_not_make_it_good(tmp_path: Path, name: str) -> None:
    """Even a node that went on, and so vouched for the row, leaves a log that contradicts it."""
    home = forged(tmp_path, name)
    with home.engine.begin() as conn:
        (row,) = list_responses(conn)
        audit.append_about(conn, row.id, time=row.updated, kind="person_called", owners=row.owners, body={})
    assert FORGED[name][3] in verdict(home).reason


def test_rows_set_back_together_with_the_index_of_the_log_are_seen(tmp_path: Path) -> None:
    """Where the node is made to take an older record for the last one, its next record tells."""
    home = house(tmp_path)
    waiting(home)
    consent(home)
    changed(home, "DELETE FROM consents; UPDATE audit_last SET seq = 3")
    home.tick()
    consent(home)
    assert "as if record 4 were not there" in verdict(home).reason


def test_a_store_of_an_earlier_release_goes_on(tmp_path: Path) -> None:
    """Without the index the last record about a response is searched in the log."""
    home = house(tmp_path)
    waiting(home)
    changed(home, "DROP TABLE audit_last")
    home = house(tmp_path)
    consent(home)
    home.tick()
    assert home.actuator.actions == ["deny", "set"] and verdict(home).is_whole


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
