"""The audit log shows every change of its past."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from tocsin.orchestrator import audit
from tocsin.orchestrator.store import GENESIS, audit_records, open_store, sqlite_url


def filled(path: Path, number: int = 5) -> sa.Engine:
    """Make a store with so many audit records."""
    engine = open_store(sqlite_url(path))
    for i in range(number):
        with engine.begin() as conn:
            audit.append(conn, time=f"2026-11-01T12:00:0{i}.000000Z", kind="test", owners=["edge"], body={"i": i})
    return engine


def records() -> list[audit.Record]:
    """Make a whole chain in memory."""
    chain: list[audit.Record] = []
    for seq in range(1, 5):
        previous = chain[-1].hash if chain else GENESIS
        fields = (seq, "2026-11-01T12:00:00.000000Z", "test", f'{{"i":{seq}}}', previous)
        chain.append(audit.Record(*fields, hash=audit.record_hash(*fields)))
    return chain


def test_whole_log_verifies(tmp_path: Path) -> None:
    """A log as it was written is whole, and its head is the last record's hash."""
    engine = filled(tmp_path / "s.sqlite")
    with engine.begin() as conn:
        verdict, last = audit.verify(conn), audit.read(conn)[-1]
    assert verdict.is_whole and verdict.records == 5 and verdict.head.hash == last.hash


def test_changed_byte_in_the_file_is_named(tmp_path: Path) -> None:
    """One byte changed in the SQLite file breaks exactly the record it lies in."""
    path = tmp_path / "s.sqlite"
    filled(path).dispose()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    content = bytearray(path.read_bytes())
    place = content.index(b'{"i":2,')
    content[place + 5] = ord("7")
    path.write_bytes(content)
    with open_store(sqlite_url(path)).begin() as conn:
        verdict = audit.verify(conn)
    assert verdict.broken_seq == 3 and "hash" in verdict.reason


@pytest.mark.parametrize("value", [b"\xff\xfe", "\ud800".encode("utf-8", "surrogatepass")])
def test_byte_that_is_no_text_is_broken_not_a_crash(tmp_path: Path, value: bytes) -> None:
    """A record that the database cannot even read is named as broken."""
    path = tmp_path / "s.sqlite"
    filled(path).dispose()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE audit SET body = CAST(? AS TEXT) WHERE seq = 4", (value,))
    raw.close()
    with open_store(sqlite_url(path)).begin() as conn:
        assert audit.verify(conn).broken_seq == 4


def test_missing_tail_is_seen(tmp_path: Path) -> None:
    """Records cut off at the end are missed, since the head still names them."""
    engine = filled(tmp_path / "s.sqlite")
    with engine.begin() as conn:
        conn.execute(sa.delete(audit_records).where(audit_records.c.seq == 5))
        verdict = audit.verify(conn)
    assert verdict.broken_seq == 5 and "ends at record 4" in verdict.reason


def test_record_is_gone_with_its_transaction(tmp_path: Path) -> None:
    """A state change that is rolled back leaves no audit record."""
    engine = filled(tmp_path / "s.sqlite", 1)
    with pytest.raises(KeyboardInterrupt), engine.begin() as conn:
        audit.append(conn, time="2026-11-01T12:00:00.000000Z", kind="test", owners=[], body={})
        raise KeyboardInterrupt
    with engine.begin() as conn:
        assert audit.verify(conn).records == 1


@given(st.data())
def test_any_changed_character_of_any_record_is_seen(data: st.DataObject) -> None:
    """Whatever character of whatever field of whatever record changes, the chain does not verify."""
    chain = records()
    number = data.draw(st.integers(0, len(chain) - 1))
    field = data.draw(st.sampled_from(["time", "kind", "body", "previous", "hash"]))
    text = getattr(chain[number], field)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda c: c != text[place]))
    head = audit.Head(len(chain), chain[-1].hash)
    chain[number] = replace(chain[number], **{field: text[:place] + other + text[place + 1 :]})
    verdict = audit.verify_chain(chain, head)
    assert not verdict.is_whole
    assert verdict.broken_seq in (number + 1, number + 2)


@given(st.permutations(range(4)).filter(lambda order: order != [0, 1, 2, 3]))
def test_any_other_order_is_seen(order: list[int]) -> None:
    """Records in another order do not verify."""
    chain = records()
    head = audit.Head(len(chain), chain[-1].hash)
    assert not audit.verify_chain([chain[i] for i in order], head).is_whole
