"""The audit log: records chained by hash, so that no past record can be changed unseen.

Flows in: kind and body of what happened, in the SQL transaction of the state change itself. Flows out: records, and a
verdict that names the first broken one, or one that the tables contradict. It cannot see that a whole log was replaced
by another consistent one: for that the head (`seq`, `hash`) must be kept elsewhere too, which `GET /v1/health` and
`tocsin audit verify` give out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import rfc8785
import sqlalchemy as sa

from .attest import PROPOSED, Said, contradiction, rows_digest
from .store import GENESIS, audit_head, audit_last, audit_records


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the log; `hash` covers all other fields."""

    seq: int  # 1, 2, 3, ...
    time: str  # UTC, ISO 8601
    kind: str
    body: str  # canonical JSON; its "owners" says whose business it is
    previous: str  # hash of the record before
    hash: str

    @property
    def content(self) -> dict[str, Any]:
        """The body, read."""
        content: dict[str, Any] = json.loads(self.body)
        return content

    @property
    def is_itself(self) -> bool:
        """Whether its hash is that of its content."""
        return record_hash(self.seq, self.time, self.kind, self.body, self.previous) == self.hash


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log ends."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found: how many records, and the first broken one if any."""

    records: int
    head: Head
    broken_seq: int | None = None
    reason: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is broken."""
        return self.broken_seq is None


def record_hash(seq: int, time: str, kind: str, body: str, previous: str) -> str:
    """SHA-256, 64 hex digits, over the canonical JSON (RFC 8785) of a record's other fields, body as stored text."""
    text: bytes = rfc8785.dumps({"seq": seq, "time": time, "kind": kind, "body": body, "previous": previous})
    return hashlib.sha256(text).hexdigest()


def append(conn: sa.Connection, *, time: str, kind: str, owners: Sequence[str], body: Mapping[str, Any]) -> Record:
    """Add a record in the transaction of `conn`; it appears if and only if that transaction commits.

    Args:
        conn: an open transaction on the node's store.
        time: UTC, ISO 8601.
        kind: what happened, in one word.
        owners: whose business it is; they may read it.
        body: JSON values; floats must be finite.
    """
    head = conn.execute(sa.select(audit_head).where(audit_head.c.id == 1).with_for_update()).one()
    text = rfc8785.dumps({**body, "owners": sorted(owners)}).decode()
    seq = head.seq + 1
    digest = record_hash(seq, time, kind, text, head.hash)
    record = Record(seq=seq, time=time, kind=kind, body=text, previous=head.hash, hash=digest)
    conn.execute(
        sa.insert(audit_records).values(seq=seq, time=time, kind=kind, body=text, previous=record.previous, hash=digest)
    )
    conn.execute(sa.update(audit_head).where(audit_head.c.id == 1).values(seq=seq, hash=digest))
    return record


def append_about(
    conn: sa.Connection, response: str, *, time: str, kind: str, owners: Sequence[str], body: Mapping[str, Any]
) -> Record:
    """Add a record about a response, after its rows were written: it carries their digest, see `attest.py`.

    It names the record about the response before it, so that `verify` sees which one the node knew.
    """
    before = last_about(conn, response) if kind != PROPOSED else None
    about = {"response": response, "rows": rows_digest(conn, response), "follows": before.seq if before else 0}
    record = append(conn, time=time, kind=kind, owners=owners, body={**body, **about})
    known = sa.update(audit_last).where(audit_last.c.response == response).values(seq=record.seq)
    if conn.execute(known).rowcount == 0:
        conn.execute(sa.insert(audit_last).values(response=response, seq=record.seq))
    return record


def lock(conn: sa.Connection) -> None:
    """Let nobody else add a record until the transaction of `conn` ends."""
    conn.execute(sa.select(audit_head.c.seq).where(audit_head.c.id == 1).with_for_update()).one()


def last_about(conn: sa.Connection, response: str) -> Record | None:
    """Give the last record about a response."""
    query = sa.select(audit_records)
    seq = conn.execute(sa.select(audit_last.c.seq).where(audit_last.c.response == response)).scalar()
    if seq is not None:
        row = conn.execute(query.where(audit_records.c.seq == seq)).first()
    else:  # by a node of an earlier release
        named = audit_records.c.body.contains(f'"response":"{response}"', autoescape=True)
        row = conn.execute(query.where(named).order_by(audit_records.c.seq.desc()).limit(1)).first()
    return Record(*row) if row else None


def read(conn: sa.Connection, *, after: int = 0) -> list[Record]:
    """Give all records in order, from the one after `after`."""
    query = sa.select(audit_records).where(audit_records.c.seq > after).order_by(audit_records.c.seq)
    return [Record(*row) for row in conn.execute(query)]


def read_of(conn: sa.Connection, owner: str, *, after: int, limit: int) -> list[Record]:
    """Give up to `limit` records that are the owner's business, in order, from the one after `after`."""
    named = audit_records.c.body.contains(f'"{owner}"', autoescape=True)  # leaves most of a long log to the database
    query = sa.select(audit_records).where(audit_records.c.seq > after, named).order_by(audit_records.c.seq)
    rows = (Record(*row) for row in conn.execute(query.execution_options(yield_per=200)))
    own = (record for record in rows if owner in record.content["owners"])
    return list(islice(own, limit))


def read_head(conn: sa.Connection) -> Head:
    """Give where the log says that it ends."""
    row = conn.execute(sa.select(audit_head.c.seq, audit_head.c.hash).where(audit_head.c.id == 1)).first()
    return Head(row.seq, row.hash) if row else Head(0, GENESIS)


def verify(conn: sa.Connection) -> Verdict:
    """Check the whole log of a store, then the tables against it; what the database cannot read is broken too."""
    head, last = read_head(conn), 0
    try:
        for (last,) in conn.execute(sa.select(audit_records.c.seq).order_by(audit_records.c.seq)):
            conn.execute(sa.select(audit_records).where(audit_records.c.seq == last)).one()
        rows = conn.execute(sa.select(audit_records).order_by(audit_records.c.seq))
        verdict = verify_chain((Record(*row) for row in rows), head)
        return _verify_tables(conn, verdict) if verdict.is_whole else verdict
    except (sa.exc.DBAPIError, sa.exc.NoResultFound) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        return Verdict(last, head, last, f"the database cannot read it: {reason}")


def _verify_tables(conn: sa.Connection, verdict: Verdict) -> Verdict:
    said = Said()
    rows = conn.execute(sa.select(audit_records).order_by(audit_records.c.seq).execution_options(yield_per=200))
    for record in (Record(*row) for row in rows):
        said.note(record.seq, record.time, record.kind, record.content)
    found = contradiction(conn, said, verdict.head.seq)
    return verdict if found is None else replace(verdict, broken_seq=found[0], reason=found[1])


def verify_chain(records: Iterable[Record], head: Head) -> Verdict:
    """Check records against each other and against the head; name the first that is broken."""
    previous, count = GENESIS, 0
    for record in records:
        count += 1
        reason = _fault(record, count, previous)
        if reason:
            return Verdict(count, head, record.seq if isinstance(record.seq, int) else count, reason)
        previous = record.hash
    if (count, previous) != (head.seq, head.hash):
        missing = f"the log ends at record {count}, its head names record {head.seq} ({head.hash[:12]}...)"
        return Verdict(count, head, count + 1 if head.seq > count else max(count, 1), missing)
    return Verdict(count, head)


def _fault(record: Record, expected_seq: int, previous: str) -> str:
    if record.seq != expected_seq:
        return f"record {expected_seq} is missing or out of place"
    if record.previous != previous:
        return "it does not follow the record before it"
    try:
        digest = record_hash(record.seq, record.time, record.kind, record.body, record.previous)
    except (rfc8785.CanonicalizationError, UnicodeError):
        return "its content is no text any more"
    return "" if digest == record.hash else "its content does not match its hash"
