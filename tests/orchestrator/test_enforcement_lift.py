"""`tocsin actuator lift`: an owner takes away the rules of a producer that cannot; state files of earlier releases."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tocsin.orchestrator.enforcement import lifting, serving
from tocsin.orchestrator.enforcement.commands import actuator
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
    assert place == PLACE and lines.count("rule 7") == 6 // 2 and "rule 9" not in lines


def test_where_the_table_was_taken_away_the_file_alone_changes(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tocsin actuator remove` came before: nothing is put back into the kernel."""
    monkeypatch.setattr(lifting, "stands", lambda _place: False)
    monkeypatch.setattr(lifting, "run", lambda *_: pytest.fail("the kernel was written"))
    assert "lifted 2 rules of gone, our table is not in the kernel" in lift(state, "--producer", "gone").output
    assert kept(state) == [("edge", 7)]


def test_what_cannot_be_lifted_is_named_and_changes_nothing(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's name, a kernel that says no, an actuator that runs, no file: one line each."""
    assert "edge, gone has" in str(lift(state, "--producer", "gnoe").exception)

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
    assert RuleStore(tmp_path / "s.db").place() == PLACE


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
