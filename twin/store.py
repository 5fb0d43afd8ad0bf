"""Versions of the twin in time, on SQLite.

Flows in: merged twins. Flows out: the same, by version. A version is written in one transaction or not at all, and
never changed: what is read back is checked against its digest. Nothing here merges or reads manifests.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from .facts import Fact, Merged
from .graph import TwinError
from .own_file import Kind, NotOurs, check_ours
from .records import canonical, fact_from, fact_to, twin_from, twin_to

WAIT_S = 60.0  # for another who writes the store; assumed: the biggest chain is merged in a few seconds
_METADATA = sa.MetaData()
_VERSION = sa.Table(
    "twin_version",
    _METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("time", sa.String, nullable=False),  # UTC, ISO 8601
    sa.Column("twin", sa.Text, nullable=False),  # canonical JSON
    sa.Column("digest", sa.String(64), nullable=False),  # SHA-256 of twin and facts
    sa.Column("assets", sa.Integer, nullable=False),
)
_FACT = sa.Table(
    "twin_fact",
    _METADATA,
    sa.Column("version", sa.Integer, sa.ForeignKey("twin_version.number"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("key", sa.String, nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # canonical JSON
)
_COLUMNS = {table.name: frozenset(table.columns.keys()) for table in _METADATA.tables.values()}
FILE = Kind(5, "a twin's versions", lambda there: all(there.get(name) == known for name, known in _COLUMNS.items()))
_ONE = threading.RLock()  # of this process looks whose a file is or has it open, see `own_file`


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the twin."""

    number: int  # from 1
    time: str  # when it was saved: UTC, ISO 8601
    digest: str
    assets: int


class TwinStore:
    """A file of versions; opened for each call, so it holds no lock in between."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, merged: Merged) -> int:
        """Write a version in one transaction and give its number; the newest again if nothing changed.

        Raises:
            TwinError: the file cannot be written or is no store; it is then as it was.
        """
        return self.change(lambda _: merged)[0]

    def change(self, change: Callable[[Merged | None], Merged]) -> tuple[int, Merged]:
        """Make a version of the newest in one transaction; two who change at once come one after the other.

        Args:
            change: gives the next version from the newest; from None where there is none.

        Raises:
            TwinError: `change` raised it, or the file cannot be written or is no store; it is then as it was.
        """
        self._make_folder()
        with self._connection() as connection:
            _mark(connection)
            _METADATA.create_all(connection)
            newest = _newest(connection)
            merged = change(None if newest is None else self._read(connection, newest.number))
            return _write(connection, merged, newest), merged

    def load(self, version: int | None = None) -> Merged:
        """Give a version, the newest by default.

        Raises:
            TwinError: the store or the version is not there, or its content was changed.
        """
        self._require_file()
        with self._connection() as connection:
            self._require_tables(connection)
            known = _newest(connection)
            wanted = version if version is not None else (known.number if known else 0)
            return self._read(connection, wanted)

    def _read(self, connection: sa.Connection, wanted: int) -> Merged:
        row = connection.execute(sa.select(_VERSION).where(_VERSION.c.number == wanted)).one_or_none()
        if row is None:
            known = _newest(connection)
            newest = known.number if known else "none"
            raise TwinError(f"{self.path}: version {wanted} is not there; the newest is {newest}")
        query = sa.select(_FACT.c.key, _FACT.c.body).where(_FACT.c.version == wanted).order_by(_FACT.c.position)
        facts = [(key, body) for key, body in connection.execute(query)]
        if _digest(row.twin, facts) != row.digest:
            raise TwinError(f"{self.path}: version {wanted} was changed after it was saved; restore the file")
        return Merged(twin_from(json.loads(row.twin)), _by_key(facts))

    def versions(self) -> tuple[Version, ...]:
        """Give all versions, the oldest first; none if there is no store yet, or an empty one.

        Raises:
            TwinError: the file is no store.
        """
        if not self._is_file():
            return ()
        with self._connection() as connection:
            if not sa.inspect(connection).has_table(_VERSION.name):
                return ()
            columns = (_VERSION.c.number, _VERSION.c.time, _VERSION.c.digest, _VERSION.c.assets)
            rows = connection.execute(sa.select(*columns).order_by(_VERSION.c.number))
            return tuple(Version(*row) for row in rows)

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        url = sa.URL.create("sqlite", database=str(self.path))
        engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": WAIT_S})
        sa.event.listen(engine, "connect", _manual_transactions)
        sa.event.listen(engine, "begin", _begin)
        try:
            with _ONE:
                check_ours(self.path, FILE)
                with engine.begin() as connection:
                    yield connection
        except (NotOurs, sqlite3.Error) as error:  # of the look; SQLAlchemy wraps those of the connection
            raise TwinError(f"{self.path}: {error}; give a file that is a store, or a new one") from None
        except sa.exc.DBAPIError as error:
            raise TwinError(f"{self.path}: {error.orig}; give a file that is a store, or a new one") from None
        finally:
            engine.dispose()

    def _require_file(self) -> None:
        if not self._is_file():
            raise TwinError(f"{self.path}: no store is there; make it with: tocsin twin import PATH")

    def _is_file(self) -> bool:
        try:
            return self.path.is_file()
        except OSError as error:
            raise TwinError(f"{self.path}: {error.strerror}; give another --store") from None

    def _require_tables(self, connection: sa.Connection) -> None:
        if not sa.inspect(connection).has_table(_VERSION.name):
            raise TwinError(f"{self.path}: holds no twin; make one with: tocsin twin import PATH")

    def _make_folder(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TwinError(f"{self.path.parent}: {error.strerror}; give another --store") from None


def _write(connection: sa.Connection, merged: Merged, newest: Version | None) -> int:
    """Insert a version behind the newest, unless it is equal to it; give its number."""
    twin = canonical(twin_to(merged.twin))
    facts = [(key, canonical(fact_to(fact))) for key, about in sorted(merged.facts.items()) for fact in about]
    digest = _digest(twin, facts)
    if newest is not None and newest.digest == digest:
        return newest.number
    number = 1 if newest is None else newest.number + 1
    now = datetime.now(UTC).isoformat(timespec="seconds")
    row = {"number": number, "time": now, "twin": twin, "digest": digest, "assets": len(merged.twin.assets)}
    connection.execute(_VERSION.insert(), row)
    rows = [{"version": number, "position": i, "key": key, "body": body} for i, (key, body) in enumerate(facts)]
    if rows:
        connection.execute(_FACT.insert(), rows)
    return number


def _mark(connection: sa.Connection) -> None:
    """Say in the header whose the file is, within the transaction; it was looked at when it was opened."""
    if connection.exec_driver_sql("PRAGMA application_id").scalar_one() != FILE.mark:
        connection.exec_driver_sql(f"PRAGMA application_id = {FILE.mark}")


def _newest(connection: sa.Connection) -> Version | None:
    columns = (_VERSION.c.number, _VERSION.c.time, _VERSION.c.digest, _VERSION.c.assets)
    row = connection.execute(sa.select(*columns).order_by(_VERSION.c.number.desc()).limit(1)).one_or_none()
    return None if row is None else Version(*row)


def _digest(twin: str, facts: list[tuple[str, str]]) -> str:
    return hashlib.sha256("\n".join([twin, *(f"{key} {body}" for key, body in facts)]).encode()).hexdigest()


def _by_key(facts: list[tuple[str, str]]) -> dict[str, tuple[Fact, ...]]:
    found: dict[str, tuple[Fact, ...]] = {}
    for key, body in facts:
        found[key] = (*found.get(key, ()), fact_from(json.loads(body)))
    return found


def _manual_transactions(connection: object, _record: object) -> None:
    """The driver commits before DDL of its own accord; without its help tables and rows are one transaction."""
    connection.isolation_level = None  # type: ignore[attr-defined]


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
