"""The twin's store: versions written whole or not at all, and read back as they were."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.twin.facts import Fact, Merged, Provenance, merge
from tocsin.twin.graph import Asset, ConsentRule, Link, Owner, Sharing, TwinError, Weakness
from tocsin.twin.records import canonical, fact_from, fact_to, twin_from, twin_to
from tocsin.twin.sources import load_example
from tocsin.twin.store import TwinStore
from tocsin.twin.vocabulary import Access, AssetKind, ConsentClass, ConsentMode, LinkKind, Proposer, SensorClass

text = st.text(max_size=6)
number = st.floats(0, 1e6, allow_nan=False)
subjects = st.one_of(
    st.builds(Owner, text, text, number, text),
    st.builds(
        Asset,
        text,
        st.sampled_from(AssetKind),
        text,
        text,
        number,
        number,
        st.booleans(),
        st.lists(st.sampled_from(SensorClass), max_size=4).map(tuple),
        st.dictionaries(text, text, max_size=3),
    ),
    st.builds(
        Link,
        st.sampled_from(LinkKind),
        text,
        text,
        st.none() | st.integers(1, 65535),
        text,
        st.sampled_from(Access),
        text,
        st.integers(0, 9),
    ),
    st.builds(Weakness, text, text, text, st.none() | st.floats(0, 1), st.booleans(), st.sampled_from(Access)),
    st.builds(Sharing, text, text, st.lists(st.sampled_from(["findings", "assets"]), max_size=2).map(tuple)),
    st.builds(
        ConsentRule,
        text,
        st.sampled_from(ConsentClass),
        st.sampled_from(Proposer),
        st.sampled_from(ConsentMode),
        number,
        st.floats(0, 1),
        st.tuples(st.integers(0, 24), st.integers(0, 24)),
        st.integers(1, 5),
    ),
)
overlays = st.fixed_dictionaries(
    {},
    optional={
        "criticality": number,
        "crown_jewel": st.booleans(),
        "sensors": st.lists(st.sampled_from(SensorClass), max_size=3).map(tuple),
        "attributes": st.dictionaries(text, text, max_size=2),
    },
)
provenances = st.builds(Provenance, text, text, text, text)
facts = st.builds(Fact, subjects, provenances) | st.builds(Fact, text, provenances, overlays)


def small(name: str = "o/host/h") -> Merged:
    said = Provenance("test", "test.yaml:1", "o")
    return merge([Fact(Owner("o"), said), Fact(Asset(name, AssetKind.HOST, "o", "h"), said)])


@settings(max_examples=200, deadline=None)
@given(facts)
def test_every_fact_survives_the_round_trip(fact: Fact) -> None:
    """To JSON and back gives an equal value, and equal values give equal text."""
    again = fact_from(fact_to(fact))
    assert again == fact
    assert canonical(fact_to(again)) == canonical(fact_to(fact))


def test_the_example_survives_the_store(tmp_path: Path) -> None:
    """Twin, facts and digest come back equal."""
    merged = load_example()
    store = TwinStore(tmp_path / "twin.db")
    assert store.save(merged) == 1
    loaded = store.load()
    assert loaded.twin == merged.twin and loaded.twin.digest == merged.twin.digest
    assert dict(loaded.facts) == dict(merged.facts)
    assert twin_from(twin_to(merged.twin)) == merged.twin


def test_versions_are_kept_and_an_unchanged_twin_is_no_new_one(tmp_path: Path) -> None:
    """Each version can be read; saving the newest again gives its number."""
    store = TwinStore(tmp_path / "deep" / "twin.db")
    assert store.versions() == ()
    assert [store.save(small()), store.save(small()), store.save(small("o/host/i")), store.save(small())] == [
        1,
        1,
        2,
        3,
    ]
    assert [one.number for one in store.versions()] == [1, 2, 3]
    assert store.load(1).twin == small().twin and store.load(2).twin == small("o/host/i").twin


def test_a_failure_while_writing_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """The transaction is rolled back, bytes and all."""
    path = tmp_path / "twin.db"
    TwinStore(path).save(small())
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TRIGGER stop BEFORE INSERT ON twin_fact BEGIN SELECT RAISE(ABORT, 'full'); END")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(TwinError, match="full"):
        TwinStore(path).save(small("o/host/i"))
    assert path.read_bytes() == before
    assert [one.number for one in TwinStore(path).versions()] == [1]


def test_a_changed_version_is_refused(tmp_path: Path) -> None:
    """Whoever edits the file is found out by the digest."""
    path = tmp_path / "twin.db"
    TwinStore(path).save(small())
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE twin_fact SET body = replace(body, 'test.yaml', 'else.yaml')")
    connection.close()
    with pytest.raises(TwinError, match="version 1 was changed after it was saved"):
        TwinStore(path).load()


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    """No store, no such version, no store at all."""
    with pytest.raises(TwinError, match="no store is there"):
        TwinStore(tmp_path / "none.db").load()
    store = TwinStore(tmp_path / "twin.db")
    store.save(small())
    with pytest.raises(TwinError, match="version 7 is not there; the newest is 1"):
        store.load(7)
    (tmp_path / "text.db").write_text("this is a text, and a text is no database, however long it may be\n" * 40)
    with pytest.raises(TwinError, match="not a database"):
        TwinStore(tmp_path / "text.db").save(small())
    (tmp_path / "empty.db").write_bytes(b"")
    with pytest.raises(TwinError, match="holds no twin"):
        TwinStore(tmp_path / "empty.db").load()
    assert TwinStore(tmp_path / "empty.db").versions() == ()


OTHERS = {
    "a table": ("CREATE TABLE mine (x)",),
    "in WAL mode": ("PRAGMA journal_mode=WAL", "CREATE TABLE mine (x)"),
    "a table that is called as ours": ("CREATE TABLE twin_version (number, title)",),
    "a mark": ("PRAGMA application_id = 1196444487",),  # GeoPackage
    "a filter of ours": ("PRAGMA application_id = 1413677057",),
}


@pytest.mark.parametrize("kind", sorted(OTHERS))
def test_a_file_of_another_program_is_refused_as_it_is(tmp_path: Path, kind: str) -> None:
    """No table is added, no file laid beside it, whether the twin is written or read."""
    path = tmp_path / "other.db"
    _execute(path, *OTHERS[kind])
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    store = TwinStore(path)
    for use in (lambda: store.save(small()), store.load, store.versions):
        with pytest.raises(TwinError, match="other.db: is another program's file"):
            use()
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before


def test_a_store_of_an_earlier_release_is_taken_over(tmp_path: Path) -> None:
    """It bears no mark: it is read as it is, and marked when it is written."""
    path = tmp_path / "twin.db"
    TwinStore(path).save(small())
    marked = path.read_bytes()[68:72]
    assert marked[:2] == b"TC"
    _execute(path, "PRAGMA application_id = 0", "CREATE TABLE mine (x)")  # what its owner added stays
    assert TwinStore(path).load().twin == small().twin and path.read_bytes()[68:72] == bytes(4)
    assert TwinStore(path).save(small("o/host/i")) == 2 and path.read_bytes()[68:72] == marked


def test_a_pipe_is_no_store(tmp_path: Path) -> None:
    """Nobody waits for who writes into it."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TwinError, match="pipe: is no regular file"):
        TwinStore(tmp_path / "pipe").save(small())


def _execute(path: Path, *statements: str) -> None:
    file = sqlite3.connect(path)
    for statement in statements:
        file.execute(statement)
    file.commit()
    file.close()
