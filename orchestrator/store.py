"""The node's store: tables, and an engine that keeps what it was told to keep.

Flows in: a SQLAlchemy URL (SQLite or PostgreSQL). Flows out: an engine with the tables made. Rows are written by the
modules that own their meaning: `lifecycle`, `audit`, `records`. No SQL of one dialect only, but for the settings of a
SQLite connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ..twin.own_file import Kind, NotOurs, check_ours, mark_ours

metadata = sa.MetaData()

Text = sa.Text
Json = sa.JSON

responses = sa.Table(
    "responses",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("state", Text, nullable=False),
    sa.Column("playbook", Text, nullable=False),
    sa.Column("playbook_index", sa.Integer, nullable=False),
    sa.Column("playbook_digest", Text, nullable=False),
    sa.Column("consent_class", Text, nullable=False),
    sa.Column("targets", Json, nullable=False),  # list of target names, sorted
    sa.Column("owners", Json, nullable=False),  # list of owner ids whose consent is needed
    sa.Column("notified", Json, nullable=False),  # list of owner ids in the dependency closure
    sa.Column("criticality", Json, nullable=False),  # owner id to the share 0..1 of its criticality touched
    sa.Column("twin_part", Text, nullable=False),  # digest of the targets' part of the twin
    sa.Column("proposer", Text, nullable=False),  # "node" or the owner id of the person
    sa.Column("person", Text, nullable=False),
    sa.Column("reason", Text, nullable=False),
    sa.Column("evidence", Json, nullable=False),
    sa.Column("confidence", sa.Float, nullable=False),
    sa.Column("sources", sa.Integer, nullable=False),
    sa.Column("forecast", Json, nullable=False),  # empty until rehearsed
    sa.Column("run", Json, nullable=False),  # progress of the playbook, empty until executed
    sa.Column("blocked", Text, nullable=False),  # name of the guard's last refusal, empty: none
    sa.Column("undo_wanted", Text, nullable=False),  # who wants it undone, empty: nobody
    sa.Column("holds_until", Text, nullable=False),  # UTC, empty: until undone
    sa.Column("created", Text, nullable=False),
    sa.Column("updated", Text, nullable=False),
    sa.Column("expires", Text, nullable=False),
)

transitions = sa.Table(
    "transitions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("response", Text, sa.ForeignKey("responses.id"), nullable=False),
    sa.Column("event", Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("before", Text, nullable=False),
    sa.Column("after", Text, nullable=False),
    sa.Column("time", Text, nullable=False, index=True),
    sa.UniqueConstraint("response", "event", "attempt"),
)

consents = sa.Table(
    "consents",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("response", Text, sa.ForeignKey("responses.id"), nullable=False),
    sa.Column("owner", Text, nullable=False),
    sa.Column("person", Text, nullable=False),
    sa.Column("decision", Text, nullable=False),  # approve, deny
    sa.Column("basis", Text, nullable=False),  # signed, rule
    sa.Column("time", Text, nullable=False),
    sa.Column("expiry", Text, nullable=False),
    sa.Column("jws", Text, nullable=False),  # empty where the basis is a rule
    sa.Column("binding", Json, nullable=False),  # what it was given for
    sa.UniqueConstraint("response", "owner", "person", "decision"),
)

switches = sa.Table(
    "switches",
    metadata,
    sa.Column("name", Text, primary_key=True),  # kill
    sa.Column("value", Text, nullable=False),  # on, off
)

findings = sa.Table(
    "findings",
    metadata,
    sa.Column("uid", Text, primary_key=True),
    sa.Column("time", Text, nullable=False, index=True),
    sa.Column("asset", Text, nullable=False),
    sa.Column("body", Json, nullable=False),
)

inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("owner", Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),  # of events
    sa.Column("payload", Text, nullable=False),  # JSON list of checked events, see twin.sensing.events
    sqlite_autoincrement=True,  # ids are not used again
)

event_counts = sa.Table(
    "event_counts",
    metadata,
    sa.Column("owner", Text, primary_key=True),
    sa.Column("received", sa.Integer, nullable=False),
)

audit_records = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("time", Text, nullable=False),
    sa.Column("kind", Text, nullable=False),
    sa.Column("body", Text, nullable=False),  # canonical JSON (RFC 8785)
    sa.Column("previous", Text, nullable=False),
    sa.Column("hash", Text, nullable=False),
)

audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # one row, id 1
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("hash", Text, nullable=False),
)

audit_last = sa.Table(
    "audit_last",
    metadata,
    sa.Column("response", Text, primary_key=True),
    sa.Column("seq", sa.Integer, nullable=False),  # of the last record about it; only to find it quickly
)

policy_windows = sa.Table(  # what a promoted policy met, in counts; see watching
    "policy_windows",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("policy", Text, nullable=False),  # SHA-256 of its file
    sa.Column("begun", Text, nullable=False),  # UTC
    sa.Column("body", Json, nullable=False),  # envs.profile.Window
    sqlite_autoincrement=True,
)

outlooks = sa.Table(  # of rehearsals: lost service expected, and what came
    "outlooks",
    metadata,
    sa.Column("response", Text, primary_key=True),
    sa.Column("policy", Text, nullable=False),  # SHA-256 of the file of the policy in use, empty: the rule
    sa.Column("option", Text, nullable=False),  # nothing, this
    sa.Column("state", Text, nullable=False),  # open, came, disturbed
    sa.Column("due", Text, nullable=False),  # UTC
    sa.Column("before", sa.Float, nullable=False),  # service lost until the option began
    sa.Column("came", sa.Float, nullable=False),  # service lost from then until due
    sa.Column("body", Json, nullable=False),  # proposals.Outlook
)

playbooks = sa.Table(  # every version that the node has met; see versions
    "playbooks",
    metadata,
    sa.Column("digest", Text, primary_key=True),  # SHA-256 of the content that is signed
    sa.Column("playbook", Text, nullable=False),
    sa.Column("modified", Text, nullable=False),
    sa.Column("body", Text, nullable=False),  # canonical JSON
)

FILE = Kind(4, "a node's store", lambda tables: {audit_records.name, audit_head.name} <= set(tables))
GENESIS = "0" * 64
READS = "tocsin_reads"  # execution option of connections that only read


class StoreError(ValueError):
    """The store cannot be opened; the message names it and the mend."""


def open_store(url: str) -> sa.Engine:
    """Open the store at `url`, making what is missing.

    Raises:
        StoreError: it cannot be reached, or is no database.
    """
    try:
        engine = sa.create_engine(url)
        if engine.dialect.name == "sqlite":
            _mark(engine)
            _settle_sqlite(engine)
        metadata.create_all(engine)
        with engine.begin() as conn:
            if conn.execute(sa.select(audit_head.c.id)).first() is None:
                conn.execute(sa.insert(audit_head).values(id=1, seq=0, hash=GENESIS))
    except (sa.exc.SQLAlchemyError, ImportError, sqlite3.Error, NotOurs) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise StoreError(f"store {shown_url(url)}: {reason}; give a SQLite file or the URL of a database") from None
    return engine


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a transaction that sees the store as it is now, cannot write, and neither waits nor holds writers up."""
    with engine.connect() as conn:
        conn.execution_options(**{READS: True})
        if engine.dialect.name == "postgresql":
            conn.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with conn.begin():
            yield conn


def open_existing(place: Path | str) -> sa.Engine:
    """Open a store to read it, making nothing; `place` is a SQLite file or a URL.

    Raises:
        StoreError: there is none.
    """
    url = sqlite_url(place) if isinstance(place, Path) else place
    try:
        path = sa.make_url(url).database if url.startswith("sqlite") else None
        if path is not None and not Path(path).is_file():
            raise StoreError(f"store {path}: no such file; name the store of a node that ran")
        if path is not None:
            check_ours(Path(path), FILE)
        engine = sa.create_engine(url)
    except (sa.exc.SQLAlchemyError, sqlite3.Error, ImportError, OSError, NotOurs) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(f"store {shown_url(url)}: {reason}; give a SQLite file or the URL of a database") from None
    if engine.dialect.name == "sqlite":
        _say_begin(engine)
    try:
        with reading(engine) as conn:
            missing = {audit_records.name, audit_head.name} - set(sa.inspect(conn).get_table_names())
    except sa.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise StoreError(f"store {shown_url(url)}: {reason}; name the store of a node") from None
    if missing:
        raise StoreError(f"store {shown_url(url)}: holds no audit log; name the store of a node")
    return engine


def shown_url(url: str) -> str:
    """Give a store's URL without its password."""
    return sa.make_url(url).render_as_string(hide_password=True) if "://" in url else url


def sqlite_url(path: Path) -> str:
    """Give the URL of a SQLite file."""
    return f"sqlite:///{path}"


def _mark(engine: sa.Engine) -> None:
    """Refuse a file of another program, mark one of ours."""
    place = engine.url.database
    if place and place != ":memory:" and not place.startswith("file:"):
        check_ours(Path(place), FILE)
        mark_ours(Path(place), FILE)


def _settle_sqlite(engine: sa.Engine) -> None:
    """Write-ahead log, full synchronisation (no commit is lost at power loss), writers one after the other."""
    _say_begin(engine)

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
            connection.execute(f"PRAGMA {pragma}")


def _say_begin(engine: sa.Engine) -> None:
    """Begin transactions ourselves: those that write take the lock at once, those that read take none."""

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def _on_begin(conn: sa.Connection) -> None:
        reads = bool(conn.get_execution_options().get(READS))
        conn.exec_driver_sql(f"PRAGMA query_only={int(reads)}")
        conn.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
