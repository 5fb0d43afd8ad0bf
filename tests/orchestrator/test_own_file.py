"""Our SQLite files bear a mark: another program's are refused, and not a byte of them changes."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tocsin.orchestrator.actuators.journal import Journal, JournalError
from tocsin.orchestrator.actuators.manual import TaskError, Tasks
from tocsin.orchestrator.enforcement.commands import actuator
from tocsin.orchestrator.enforcement.store import RuleStore, StoreError, read_place, read_rules
from tocsin.orchestrator.openc2.memory import Memory, NoMemory
from tocsin.orchestrator.store import StoreError as NodeStoreError
from tocsin.orchestrator.store import open_existing, open_store, sqlite_url
from typer.testing import CliRunner


def _node_store(path: Path) -> None:
    open_store(sqlite_url(path)).dispose()


OPENERS: dict[str, tuple[Callable[[Path], object], type[Exception]]] = {
    "filter": (lambda path: RuleStore(path).close(), StoreError),
    "answers": (lambda path: Memory(path).close(), NoMemory),
    "journal": (lambda path: Journal(path).close(), JournalError),
    "tasks": (lambda path: Tasks(path).close(), TaskError),
    "node": (_node_store, NodeStoreError),
}
SHARED = ("filter", "answers")  # they lie in one file
opener = pytest.mark.parametrize("name", sorted(OPENERS))


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _others(path: Path, *statements: str) -> Path:
    file = sqlite3.connect(path)
    for statement in statements:
        file.execute(statement)
    file.commit()
    file.close()
    return path


FOREIGN: dict[str, tuple[str, ...]] = {
    "a table": ("CREATE TABLE mine (x)",),
    "in WAL mode": ("PRAGMA journal_mode=WAL", "CREATE TABLE mine (x)"),
    "tables that are called as ours": (
        "CREATE TABLE rules (id, text)", "CREATE TABLE answers (x)", "CREATE TABLE orders (number, customer)",
        "CREATE TABLE tasks (id, title)", "CREATE TABLE audit (x)",
    ),
    "ours among others": (
        "CREATE TABLE orders (key, outcome, refusal)", "CREATE TABLE rules (number, content)", "CREATE TABLE mine (x)",
    ),
    "a mark": ("PRAGMA application_id = 1196444487",),  # GeoPackage, without a table yet
}  # fmt: skip


@opener
@pytest.mark.parametrize("kind", sorted(FOREIGN))
def test_a_file_of_another_program_is_refused_as_it_is(tmp_path: Path, name: str, kind: str) -> None:
    """One line that names it; also by a link to it."""
    open_it, error = OPENERS[name]
    path = _others(tmp_path / "other.db", *FOREIGN[kind])
    (tmp_path / "link.db").symlink_to(path)
    before = _files(tmp_path)
    for one in (path, tmp_path / "link.db"):
        with pytest.raises(error, match="another program's file") as fault:
            open_it(one)
        assert str(one) in str(fault.value) and len(str(fault.value).splitlines()) == 1
    assert _files(tmp_path) == before


@opener
@pytest.mark.parametrize("other", sorted(OPENERS))
def test_each_kind_is_told_from_the_others(tmp_path: Path, name: str, other: str) -> None:
    """A node's store is no state of a filter; rules and answers of one filter lie together."""
    open_it, error = OPENERS[name]
    path = tmp_path / "one.db"
    OPENERS[other][0](path)
    if name == other or {name, other} == set(SHARED):
        open_it(path)
        return
    before = _files(tmp_path)
    with pytest.raises(error, match="another program's file"):
        open_it(path)
    assert _files(tmp_path) == before


@opener
def test_a_file_of_an_earlier_release_is_taken_over(tmp_path: Path, name: str) -> None:
    """It bears no mark; from then on it does. So does an empty one."""
    open_it, _ = OPENERS[name]
    path = tmp_path / "one.db"
    path.touch()
    open_it(path)
    marked = path.read_bytes()[68:72]
    assert marked[:2] == b"TC"
    _others(path, "PRAGMA application_id = 0")
    assert path.read_bytes()[68:72] == bytes(4)
    open_it(path)
    assert path.read_bytes()[68:72] == marked


@opener
@pytest.mark.parametrize("is_marked", [True, False])
def test_what_a_killed_process_left_is_opened(tmp_path: Path, name: str, is_marked: bool) -> None:
    """With its log or its journal beside it: a crash makes nobody's file of ours."""
    open_it, _ = OPENERS[name]
    path = tmp_path / "one.db"
    open_it(path)
    if not is_marked:
        _others(path, "PRAGMA application_id = 0")
    table = {"filter": "lowest", "answers": "answers", "journal": "orders", "tasks": "tasks", "node": "switches"}[name]
    code = f"""
import os, signal, sqlite3
file = sqlite3.connect({str(path)!r}, isolation_level=None)
file.execute("PRAGMA cache_size = 1")
file.execute("PRAGMA cache_spill = 1")
for number in range(2):
    file.execute("BEGIN IMMEDIATE")
    for row in range(200):
        keys = [one[1] for one in file.execute("PRAGMA table_info({table})")]
        file.execute("INSERT INTO {table} VALUES (" + ", ".join("?" for _ in keys) + ")",
                     [row + 1000 * number for _ in keys])
    if number == 0:
        file.execute("COMMIT")
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert any(one.name.endswith(("-wal", "-journal")) for one in tmp_path.iterdir())
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for one in tmp_path.glob("one.db*"):
        shutil.copy(one, crashed)
    with pytest.MonkeyPatch.context() as patch:  # rows are no rules or tasks; only whether it opens is asked
        patch.setattr("tocsin.orchestrator.enforcement.store._read", lambda text: text)
        open_it(crashed / "one.db")
    file = sqlite3.connect(crashed / "one.db")
    assert file.execute(f"SELECT count(*) FROM {table}").fetchone() == (200,)  # noqa: S608
    file.close()


def _crashed(path: Path, *statements: str) -> None:
    """A process writes to a file and is killed."""
    code = "import os, signal, sqlite3, sys\nfile = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    code += "for one in sys.argv[2:]: file.execute(one)\nos.kill(os.getpid(), signal.SIGKILL)"
    done = subprocess.run([sys.executable, "-c", code, str(path), *statements], check=False)
    assert done.returncode == -signal.SIGKILL


@opener
@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_what_another_killed_program_left_stays_as_it_is(tmp_path: Path, name: str, mode: str) -> None:
    """Its log, the index of that, its journal: all is its own to mend."""
    open_it, error = OPENERS[name]
    spilled = (
        "PRAGMA cache_size = 1",
        "BEGIN IMMEDIATE",
        "INSERT INTO mine SELECT randomblob(9999) FROM sqlite_master",
    )
    several = ("CREATE TABLE mine (x)", *(f"CREATE TABLE mine{number} (x)" for number in range(9)))
    _crashed(tmp_path / "other.db", f"PRAGMA journal_mode={mode}", *several, *spilled)
    before = _files(tmp_path)
    assert any(one.endswith(("-wal", "-journal")) for one in before)
    with pytest.raises(error, match="another program's file"):
        open_it(tmp_path / "other.db")
    assert _files(tmp_path) == before


@opener
def test_a_second_look_takes_no_lock_away(tmp_path: Path, name: str) -> None:
    """To close a file drops the locks of the process on it, and another would then delete the log that is written."""
    open_it, _ = OPENERS[name]
    path = tmp_path / "one.db"
    open_it(path)
    used = sqlite3.connect(path, isolation_level=None)
    used.execute("PRAGMA journal_mode=WAL")
    used.execute("CREATE TABLE more (x)")
    open_it(path)
    words = "import sqlite3, sys; file = sqlite3.connect(sys.argv[1]); file.execute('SELECT * FROM more'); file.close()"
    subprocess.run([sys.executable, "-c", words, str(path)], check=True)
    used.execute("INSERT INTO more VALUES (7)")
    words = words.replace("file.close()", "print(file.execute('SELECT * FROM more').fetchall())")
    seen = subprocess.run([sys.executable, "-c", words, str(path)], check=True, capture_output=True, text=True)
    used.close()
    assert seen.stdout == "[(7,)]\n"


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    """Nobody waits for who writes into it."""
    os.mkfifo(tmp_path / "pipe")
    for open_it, error in OPENERS.values():
        with pytest.raises(error, match="is no regular file"):
            open_it(tmp_path / "pipe")


def test_an_actuator_refuses_another_programs_file_before_it_serves(tmp_path: Path) -> None:
    """No table, no lock beside it; the mend is told."""
    path = _others(tmp_path / "other.db", "CREATE TABLE mine (x)")
    (tmp_path / "token").write_text("0123456789abcdef")
    before = _files(tmp_path)
    words = ["nftables", "--token-file", str(tmp_path / "token"), "--state", str(path), "--listen", "127.0.0.1:0"]
    fault = CliRunner().invoke(actuator, words).exception
    assert isinstance(fault, StoreError) and "other.db" in str(fault) and "name a new file" in str(fault)
    assert _files(tmp_path) == before


@pytest.mark.parametrize("read", [read_rules, read_place, open_existing], ids=lambda one: one.__name__)
def test_to_read_leaves_another_programs_file_as_it_is(tmp_path: Path, read: Callable[[Path], object]) -> None:
    """No file is laid beside it, no log of it written into it."""
    _others(tmp_path / "other.db", *FOREIGN["in WAL mode"])
    _crashed(tmp_path / "killed.db", "PRAGMA journal_mode=WAL", "CREATE TABLE mine (x)")
    before = _files(tmp_path)
    for name in ("other.db", "killed.db"):
        with pytest.raises((StoreError, NodeStoreError), match=f"{name}: is another program's file"):
            read(tmp_path / name)
    assert _files(tmp_path) == before


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    """A folder, a text."""
    (tmp_path / "text.db").write_text("no database, but long enough to be taken for a file of some kind" * 20)
    (tmp_path / "folder.db").mkdir()
    for open_it, error in OPENERS.values():
        for name in ("text.db", "folder.db"):
            with pytest.raises(error, match=name) as fault:
                open_it(tmp_path / name)
            assert "Errno" not in str(fault.value)
    assert os.listdir(tmp_path / "folder.db") == []
