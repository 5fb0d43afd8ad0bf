"""Files of the enforcement point: tokens, names, state; read or refused by name, and its rules listed."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from tocsin.orchestrator.enforcement.commands import actuator
from tocsin.orchestrator.enforcement.names import MapError, read_map
from tocsin.orchestrator.enforcement.rules import Flow, Rule, key_of
from tocsin.orchestrator.enforcement.serving import InUse, take
from tocsin.orchestrator.enforcement.store import RuleStore, StoreError
from tocsin.orchestrator.enforcement.tokens import TokenFileError, read_token_file
from tocsin.tests.orchestrator.filter_bench import (
    WEB,
)
from typer.testing import CliRunner

HASH = "0123456789abcdef" * 4


def listed(*entries: tuple[str, ...]) -> str:
    """A token file: (producer, hash, addresses...)."""
    return json.dumps([{"producer": one, "sha256": two, "addresses": rest} for one, two, *rest in entries])


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """Tokens, names, state: one line each, and no token in it."""
    path = tmp_path / "file"
    for content in (
        "",
        "short",
        '{"a": "0123456789abcdef"}',
        "[]",
        "[7]",
        "[",
        listed(("a", HASH, "10.0.0.1/8")),
        listed(("a", HASH, "nowhere")),
        listed(("a", HASH), ("b", HASH)),
        listed(("a", HASH), ("a", HASH[::-1], "10.0.0.0/8")),
        listed(("a b", HASH)),
        listed(("a", "0123456789abcdef")),
    ):
        path.write_text(content)
        with pytest.raises(TokenFileError) as fault:
            read_token_file(path)
        assert "0123456789abcdef" not in str(fault.value) and len(str(fault.value).splitlines()) == 1
    for content in ("[1]", "assets: {a: []}", "assets: {a: [nowhere]}", "{", "assets: {a: [10.0.0.1]}\n---\n{}"):
        path.write_text(content)
        with pytest.raises(MapError):
            read_map(path)
    path.write_text("no database, but long enough to be taken for a file of some kind" * 20)
    with pytest.raises(StoreError):
        RuleStore(path)


def test_one_state_is_served_by_one_process(tmp_path: Path) -> None:
    """A second one is told, and the lock goes with its holder."""
    lock = take(tmp_path / "state.db")
    with pytest.raises(InUse, match="another actuator"):
        take(tmp_path / "state.db")
    lock.close()
    take(tmp_path / "state.db").close()
    with pytest.raises(StoreError, match="folder"):
        take(tmp_path / "no" / "state.db")


def test_rules_are_listed(tmp_path: Path) -> None:
    """`tocsin actuator rules` reads the state file."""
    store = RuleStore(tmp_path / "state.db")
    with store.change():
        store.add(Rule(7, "deny", (Flow(6, dst="fd77::/64", dport=22),), key=key_of("edge", "r"), subject=WEB))
    store.close()
    shown = CliRunner().invoke(actuator, ["rules", "--state", str(tmp_path / "state.db")])
    assert shown.output.split() == ["7", "edge", "deny", "any", "->", "fd77::/64:22", WEB]
    shown = CliRunner().invoke(actuator, ["rules", "--state", str(tmp_path / "state.db"), "--json"])
    told = json.loads(shown.output)[0]
    assert told["flows"][0]["dport"] == 22 and told["producer"] == "edge"
    assert isinstance(
        CliRunner().invoke(actuator, ["rules", "--state", str(tmp_path / "none.db")]).exception, ValueError
    )


@pytest.mark.parametrize("content", ["{}", "[]", "no JSON", '{"number": 1, "verb": "deny", "flows": [{"from": 1}]}'])
def test_a_file_of_others_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    """Listing writes nothing; another database, and a broken row, are one line."""
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE mine (x)")
    other.commit()
    before = path.read_bytes()
    shown = CliRunner().invoke(actuator, ["rules", "--state", str(path)])
    assert isinstance(shown.exception, StoreError) and path.read_bytes() == before
    other.execute("DROP TABLE mine")
    other.execute("CREATE TABLE rules (number INTEGER PRIMARY KEY, content TEXT)")
    other.execute("INSERT INTO rules VALUES (1, ?)", (content,))
    other.commit()
    shown = CliRunner().invoke(actuator, ["rules", "--state", str(path)])
    assert isinstance(shown.exception, StoreError) and "is no rule" in str(shown.exception)
