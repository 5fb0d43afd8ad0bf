"""`tocsin actuator lift`: an owner takes away the rules of a producer that cannot; state files of earlier releases."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tocsin.orchestrator.enforcement import lifting, serving
from tocsin.orchestrator.enforcement.commands import actuator
from tocsin.orchestrator.enforcement.names import MapError
from tocsin.orchestrator.enforcement.nft import NftError, Place
from tocsin.orchestrator.enforcement.rules import Flow, Rule, key_of
from tocsin.orchestrator.enforcement.serving import InUse, take
from tocsin.orchestrator.enforcement.store import RuleStore, StoreError, read_rules
from tocsin.tests.orchestrator.filter_bench import NET, bench_on, by_producer
from typer.testing import CliRunner

PLACE = Place("mine", "edge", ("lan0",))
FLOW = (Flow(4, src="10.1.0.1"),)


def rule(producer: str, number: int) -> Rule:
    return Rule(number, "deny", FLOW, key=key_of(producer, f"r{number}"))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Two rules of one that has left, one of another."""
    path = tmp_path / "filter.db"
    store = RuleStore(path)
    store.note_place(PLACE)
    with store.change():
        for one in (rule("gone", 7), rule("gone", 9), rule("edge", 7)):
            store.add(one)
    store.close()
    return path


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], Place]]:
    """What the kernel is told; our table stands in it."""
    found: list[tuple[dict[str, Any], Place]] = []
    monkeypatch.setattr(lifting, "stands", lambda _place: True)
    monkeypatch.setattr(lifting, "run", lambda commands, place: found.append((commands, place)))
    return found


def lift(state: Path, *words: str) -> Any:
    return CliRunner().invoke(actuator, ["lift", "--state", str(state), *words])


def kept(state: Path) -> list[tuple[str, int]]:
    return [(one.producer, one.number) for one in read_rules(state)]


def test_rules_of_a_producer_that_left_are_lifted(state: Path, told: list[tuple[dict[str, Any], Place]]) -> None:
    """All of them, from the file and from the kernel where they stood; those of others stay."""
    shown = lift(state, "--producer", "gone", "--json")
    assert json.loads(shown.output) == {"producer": "gone", "rules": [7, 9], "kernel": True}
    assert kept(state) == [("edge", 7)]
    ((commands, place),) = told
    lines = [one["add"]["rule"]["comment"] for one in commands["nftables"] if "rule" in one.get("add", {})]
    assert place == serving.place_of(state, PLACE) and lines.count("rule 7") == 6 // 2 and "rule 9" not in lines


def test_where_the_table_was_taken_away_the_file_alone_changes(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tocsin actuator remove` came before: nothing is put back into the kernel."""
    monkeypatch.setattr(lifting, "stands", lambda _place: False)
    monkeypatch.setattr(lifting, "run", lambda *_: pytest.fail("the kernel was written"))
    assert "lifted 2 rules of gone, our table is not in the kernel" in lift(state, "--producer", "gone").output
    assert kept(state) == [("edge", 7)]


def test_what_cannot_be_lifted_is_named_and_changes_nothing(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's name, a kernel that says no, an actuator that runs, no file: one line each."""
    assert "rules of edge, gone" in str(lift(state, "--producer", "gnoe").exception)

    def refuses(_commands: Any, _place: Place) -> None:
        raise NftError("nft refused: no")

    monkeypatch.setattr(lifting, "stands", lambda _place: True)
    monkeypatch.setattr(lifting, "run", refuses)
    assert isinstance(lift(state, "--producer", "gone").exception, NftError)
    lock = take(state)
    assert isinstance(lift(state, "--producer", "gone").exception, InUse)
    lock.close()
    assert isinstance(lift(state.with_name("none.db"), "--producer", "gone").exception, ValueError)
    assert not state.with_name("none.db").exists()
    assert kept(state) == [("edge", 7), ("gone", 7), ("gone", 9)]


def test_an_actuator_writes_down_where_its_rules_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that they can be lifted without it."""
    monkeypatch.setattr(serving, "run", lambda _commands, _place: None)
    (tmp_path / "token").write_text("0123456789abcdef")
    serving.build(PLACE, token_file=tmp_path / "token", state=tmp_path / "s.db")
    assert RuleStore(tmp_path / "s.db").place() == serving.place_of(tmp_path / "s.db", PLACE)


@pytest.mark.parametrize("fault", ["place", "map"])
def test_an_actuator_that_cannot_start_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """A namespace that there is not, a map that is none: neither state nor lock is made."""

    def nowhere(_commands: Any, _place: Place) -> None:
        raise NftError("nft refused: no such namespace")

    monkeypatch.setattr(serving, "run", nowhere if fault == "place" else lambda _commands, _place: None)
    (tmp_path / "token").write_text("0123456789abcdef")
    (tmp_path / "map.json").write_text("{}" if fault == "place" else "no map")
    before = sorted(tmp_path.iterdir())
    with pytest.raises((NftError, MapError)):
        serving.build(PLACE, token_file=tmp_path / "token", state=tmp_path / "s.db", names=tmp_path / "map.json")
    assert sorted(tmp_path.iterdir()) == before


def old_state(path: Path, *rules: Rule, lowest: int) -> Path:
    """A file as the release before wrote it: one list, one space of numbers."""
    file = sqlite3.connect(path)
    file.execute("CREATE TABLE rules (number INTEGER PRIMARY KEY, content TEXT NOT NULL)")
    file.execute("CREATE TABLE numbers (only_row INTEGER PRIMARY KEY, lowest INTEGER NOT NULL)")
    file.executemany("INSERT INTO rules VALUES (?, ?)", [(one.number, json.dumps(asdict(one))) for one in rules])
    file.execute("INSERT INTO numbers VALUES (1, ?)", (lowest,))
    file.commit()
    file.close()
    return path


def test_the_list_of_an_earlier_release_is_taken_over(tmp_path: Path) -> None:
    """Every rule with its number; a producer's next one goes on top of those that it has; it is listed before, too."""
    rules = [rule("a", 999_990), rule("b", 999_995), rule("a", 999_999)]
    path = old_state(tmp_path / "old.db", *rules, lowest=999_990)
    assert read_rules(path) == rules
    bench = bench_on(RuleStore(path))
    assert bench.point.store.lists() == {maker: tuple(one) for maker, one in by_producer(rules).items()}
    assert bench.send(NET, producer="b").results == {"slpf": {"rule_number": 999_989}}
    again = RuleStore(path)
    assert [one.number for one in again.of("b")] == [999_989, 999_995] and len(again.of("a")) == 2
    with pytest.raises(StoreError, match="start the actuator"):
        lifting.lift(path, "a")


def test_numbers_go_on_after_a_lift(state: Path, told: list[tuple[dict[str, Any], Place]]) -> None:
    """An undo of what was lifted comes late: it hits no newer rule of its producer."""
    delete = {"action": "delete", "target": {"slpf:rule_number": 0}, "args": NET["args"]}
    store = RuleStore(state)
    lifted = bench_on(store).send(NET, producer="a").results["slpf"]["rule_number"]
    store.close()
    assert lift(state, "--producer", "a").exit_code == 0
    bench = bench_on(RuleStore(state))
    assert bench.send(NET, key="new", producer="a").results["slpf"]["rule_number"] == lifted - 1
    with pytest.raises(ValueError, match="has no rule"):
        bench.send({**delete, "target": {"slpf:rule_number": lifted}}, producer="a")


def test_numbers_of_an_earlier_release_are_given_to_nobody(tmp_path: Path) -> None:
    """Also not to a producer whose rules were over when its list was taken over."""
    path = old_state(tmp_path / "old.db", rule("a", 999_990), lowest=999_990)
    assert bench_on(RuleStore(path)).send(NET, producer="b").results == {"slpf": {"rule_number": 999_989}}


def test_a_list_that_cannot_be_taken_over_is_still_seen(tmp_path: Path) -> None:
    """A row that is spoiled is named, after the start failed by it as before."""
    path = old_state(tmp_path / "old.db", rule("a", 7), lowest=7)
    file = sqlite3.connect(path)
    file.execute("INSERT INTO rules VALUES (8, '{}')")
    file.commit()
    file.close()
    for read in (read_rules, RuleStore, read_rules):
        with pytest.raises(StoreError, match="is no rule"):
            read(path)


@pytest.mark.parametrize("producer", ["gone", "edge"])
def test_a_lift_leaves_files_of_others_as_they_are(tmp_path: Path, producer: str) -> None:
    """Another database, an empty one, a list of an earlier release: not a byte is written before all is well."""
    other, empty = tmp_path / "other.db", tmp_path / "empty.db"
    file = sqlite3.connect(other)
    file.execute("CREATE TABLE rules (number, content)")
    file.commit()
    file.close()
    empty.touch()
    old = old_state(tmp_path / "old.db", rule("edge", 7), lowest=7)
    before = {path: path.read_bytes() for path in (other, empty, old)}
    for path in before:
        assert isinstance(lift(path, "--producer", producer).exception, StoreError)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def spoiled(**fields: Any) -> str:
    return json.dumps({**asdict(rule("gone", 7)), **fields})


@pytest.mark.parametrize(
    ("table", "content"),
    [
        *[("place", content) for content in ("{", "[]", '{"table": 7}')],
        *[("lists", content) for content in (spoiled(key="[x"), spoiled(key=None), spoiled(number="x"))],
    ],
)
def test_a_spoiled_row_is_named(state: Path, table: str, content: str) -> None:
    """One line with the mend, and nothing is lifted."""
    file = sqlite3.connect(state)
    file.execute(f"UPDATE {table} SET content = ?", (content,))  # noqa: S608
    file.commit()
    file.close()
    fault = lift(state, "--producer", "gone").exception
    assert isinstance(fault, StoreError) and "state file" in str(fault) and "start" in str(fault)


def test_a_state_that_another_writes_to_is_named(state: Path, told: list[tuple[dict[str, Any], Place]]) -> None:
    """A copy under way, a second tool: one line, and the kernel is not touched."""
    other = sqlite3.connect(state, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store = RuleStore(state)
    store._file.execute("PRAGMA busy_timeout = 1")
    with pytest.raises(StoreError, match="locked"):
        lifting._lift(store, PLACE, "gone")
    other.execute("ROLLBACK")
    assert len(kept(state)) == 3 and [place for _, place in told] == [PLACE]


def test_a_lift_that_cannot_be_kept_is_taken_back_from_the_kernel(
    state: Path, told: list[tuple[dict[str, Any], Place]]
) -> None:
    """The disk fills up after the kernel took it: in both or in neither."""
    store = RuleStore(state)
    store._file.execute("CREATE TABLE parent (x PRIMARY KEY)")
    store._file.execute("CREATE TABLE child (x REFERENCES parent (x) DEFERRABLE INITIALLY DEFERRED)")
    store._file.execute("PRAGMA foreign_keys = ON")
    store._file.execute("CREATE TRIGGER late AFTER DELETE ON lists BEGIN INSERT INTO child VALUES (7); END")
    with pytest.raises(StoreError, match="constraint"):
        lifting._lift(store, PLACE, "gone")
    lines = [
        [one["add"]["rule"]["comment"] for one in sent["nftables"] if "rule" in one.get("add", {})] for sent, _ in told
    ]
    assert ["rule 9" in one for one in lines] == [False, True] and len(kept(state)) == 3


KILLED_AFTER_THE_KERNEL = """
import json, os, signal, sys
from pathlib import Path
from tocsin.orchestrator.enforcement import lifting

def run(commands, place):
    Path(sys.argv[2]).write_text(json.dumps(commands))
    os.kill(os.getpid(), signal.SIGKILL)

lifting.stands, lifting.run = lambda place: True, run
lifting.lift(Path(sys.argv[1]), "gone")
"""


def test_a_lift_that_was_killed_between_kernel_and_file_is_done_again(
    state: Path, told: list[tuple[dict[str, Any], Place]]
) -> None:
    """The file still has the rules, its lock is free, and the second lift tells the kernel the same."""
    wanted = state.with_name("told.json")
    words = [sys.executable, "-c", KILLED_AFTER_THE_KERNEL, str(state), str(wanted)]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    assert kept(state) == [("edge", 7), ("gone", 7), ("gone", 9)]
    again = lift(state, "--producer", "gone", "--json")
    assert json.loads(again.output) == {"producer": "gone", "rules": [7, 9], "kernel": True}
    assert [commands for commands, _ in told] == [json.loads(wanted.read_text())] and kept(state) == [("edge", 7)]
    assert "has no rules" in str(lift(state, "--producer", "gone").exception) and len(told) == 1


def test_one_state_has_one_lock_by_any_name(state: Path) -> None:
    """A link to it is the same file: what an actuator serves is not lifted behind its back."""
    link = state.with_name("link.db")
    link.symlink_to(state.name)
    lock = take(state)
    assert isinstance(lift(link, "--producer", "gone").exception, InUse)
    lock.close()
