"""The store keeps what it was told, with many writers at once, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tocsin.orchestrator import audit
from tocsin.orchestrator.clock import iso
from tocsin.orchestrator.lifecycle import State
from tocsin.orchestrator.records import list_responses
from tocsin.orchestrator.store import open_store, sqlite_url
from tocsin.tests.orchestrator.fakes import START, at_once, chain, house, isolate
from tocsin.tests.orchestrator.postgres import postgres


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
