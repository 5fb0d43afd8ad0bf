"""The store keeps what it was told, with many writers at once, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tocsin.orchestrator import audit
from tocsin.orchestrator.clock import iso
from tocsin.orchestrator.lifecycle import State
from tocsin.orchestrator.records import list_responses, read_response
from tocsin.orchestrator.store import open_store, responses, sqlite_url, transitions
from tocsin.tests.orchestrator.fakes import GATEWAY, START, at_once, chain, house, isolate
from tocsin.tests.orchestrator.postgres import postgres
from tocsin.twin.graph import ConsentRule
from tocsin.twin.vocabulary import ConsentClass, ConsentMode, Proposer


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.systems)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of an empty database of either kind."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "test.sqlite")
        return
    with postgres() as place:
        yield place


def test_many_writers_make_one_chain(url: str) -> None:
    """Records appended by many threads at once stand in one unbroken chain, none lost."""
    engine = open_store(url)

    def write(who: int) -> None:
        for number in range(10):
            with engine.begin() as conn:
                audit.append(conn, time=iso(START), kind="test", owners=["edge"], body={"who": who, "n": number})

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.begin() as conn:
        verdict = audit.verify(conn)
    engine.dispose()
    assert verdict.is_whole and verdict.records == 40


def test_response_lives_through_on_either_database(url: str, tmp_path: Path) -> None:
    """A response goes from proposal to success and back to undone, and the log is whole."""
    home = house(tmp_path / "home", twin=chain(at_once("edge")), hold_s=600, store_url=url)
    home.advisor.proposals = [isolate()]
    home.tick()
    home.advisor.proposals = []
    home.tick(11)
    with home.engine.begin() as conn:
        (row,) = list_responses(conn)
        assert row.state is State.UNDONE and audit.verify(conn).is_whole
    home.engine.dispose()


def test_sqlite_commits_survive_power_loss(tmp_path: Path) -> None:
    """SQLite writes ahead and synchronises fully on every commit."""
    with open_store(sqlite_url(tmp_path / "s.sqlite")).begin() as conn:
        assert conn.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert conn.exec_driver_sql("PRAGMA synchronous").scalar() == 2


SENT = [{"step": f"step-{i}:{GATEWAY}", "succeeded": True, "text": "done", "perhaps": False} for i in (0, 1)]
SLOW = ConsentRule("edge", ConsentClass.CONTAIN, Proposer.OWN, ConsentMode.VETO_WINDOW, latency_s=3000.0)
FORGED: dict[str, tuple[ConsentRule, sa.Update]] = {
    "forecast": (SLOW, sa.update(responses).values(forecast={})),
    "veto window": (SLOW, sa.update(transitions).values(time="2020-01-01T00:00:00.000000Z")),
    "run": (at_once("edge"), sa.update(responses).values(run={"do": SENT, "undo": [], "begun": "", "tries": 0})),
    "undo wanted": (at_once("edge"), sa.update(responses).values(undo_wanted="edge")),
}


def test_a_forged_row_stops_its_response_on_either_database(url: str, tmp_path: Path) -> None:
    """Whatever was forged is seen by verification; then the response fails and nothing more is sent for it."""
    for name, (rule, forge) in FORGED.items():
        home = house(tmp_path / name, twin=chain(rule), store_url=url)
        home.actuator.away = 1 if name == "run" else 0
        home.advisor.proposals = [isolate()]
        home.tick()
        home.advisor.proposals, sent = [], list(home.actuator.actions)
        with home.engine.begin() as conn:
            (last,) = [row.id for row in list_responses(conn) if row.state is not State.FAILED]
            conn.execute(forge.where((transitions.c.response if name == "veto window" else responses.c.id) == last))
            assert not audit.verify(conn).is_whole
        home.tick()
        with home.engine.begin() as conn:
            row = read_response(conn, last)
            assert not audit.verify(conn).is_whole
        assert (row.state, row.blocked, home.actuator.actions) == (State.FAILED, "changed_by_hand", sent)
        home.engine.dispose()
