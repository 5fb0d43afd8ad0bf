"""One node at a time acts on a store; a node that died does not keep its successor waiting."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tocsin.orchestrator import assemble
from tocsin.orchestrator.assemble import Parts, Supply, build_node
from tocsin.orchestrator.keys import make_home
from tocsin.orchestrator.lease import LeaseLost, take_lease
from tocsin.orchestrator.settings import home_of
from tocsin.orchestrator.store import StoreError, open_store, sqlite_url
from tocsin.tests.orchestrator.fakes import OWNERS, FakeAdvisor, ListScript, chain, shelf
from tocsin.tests.orchestrator.postgres import postgres


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.systems)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of an empty database of either kind."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "test.sqlite")
        return
    with postgres() as place:
        yield place


def test_the_second_is_refused_until_the_first_has_ended(url: str) -> None:
    """In one line that names the store and the mend."""
    engine, other = open_store(url), open_store(url)
    first = take_lease(engine)
    first.check()
    with pytest.raises(StoreError, match="another node acts on it; end that one"):
        take_lease(other)
    first.release()
    second = take_lease(other)
    second.check()
    second.release()
    engine.dispose()
    other.dispose()


HOLDER = """
import sys, time
from tocsin.orchestrator.lease import take_lease
from tocsin.orchestrator.store import open_store
lease = take_lease(open_store(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_killed_node_does_not_keep_its_successor_waiting(url: str) -> None:
    """Its lock is gone with its process."""
    engine = open_store(url)
    with subprocess.Popen([sys.executable, "-c", HOLDER, url], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(StoreError):
            take_lease(engine)
        holder.kill()
    for _ in range(50):  # a database needs a moment to see that a client is gone
        try:
            take_lease(engine).release()
            break
        except StoreError:
            subprocess.run(["sleep", "0.1"], check=True)
    else:
        pytest.fail("the lock of a killed process was still held")
    engine.dispose()


def test_two_nodes_of_one_home_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `tocsin serve` builds them; and a node whose lock file was taken away from under it ticks no more."""

    def supplier(*_: Any) -> Supply:
        return Supply(shelf(), lambda _playbook, _owner: True, FakeAdvisor(), ListScript())

    monkeypatch.setattr(assemble, "load_twin", lambda _chain: chain())
    home = home_of(tmp_path / "home", {})
    make_home(home.path, OWNERS, operator="edge")
    node = build_node(home, Parts(lockstep=True), supplier)
    with pytest.raises(StoreError, match="another node"):
        build_node(home, Parts(lockstep=True), supplier)
    node.tick()
    (home.path / "store.sqlite.lock").unlink()
    with pytest.raises(LeaseLost):
        node.tick()
    node.lease.release()


@pytest.mark.systems
def test_a_session_that_broke_off_is_taken_up_again_unless_another_node_came() -> None:
    """On PostgreSQL: the node goes on after a broken connection, but not beside another."""
    with postgres() as url:
        engine, other = open_store(url), open_store(url)
        lease = take_lease(engine)
        kill = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        with other.begin() as conn:
            conn.exec_driver_sql(kill)
        lease.check()
        with other.begin() as conn:
            conn.exec_driver_sql(kill)
        rival = take_lease(other)
        for _ in range(2):
            with pytest.raises(LeaseLost, match="another node"):
                lease.check()
            rival.release()  # it has acted: this one stays out
        engine.dispose()
        other.dispose()


def test_one_store_by_two_paths_is_one_store(tmp_path: Path) -> None:
    """A link to the store's folder is no way around its lock."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    engines = [open_store(sqlite_url(tmp_path / name / "s.sqlite")) for name in ("real", "link")]
    lease = take_lease(engines[0])
    with pytest.raises(StoreError, match="another node"):
        take_lease(engines[1])
    lease.release()
