"""One node at a time acts on a store: a lock that the operating system or the database takes back when the node dies.

Flows in: the engine of a store. Flows out: a `Lease`, or one line that says who holds it. On SQLite it is a lock on a
file beside the store, on PostgreSQL an advisory lock of a session of its own; a crashed node's lock is gone with its
process (at most half a minute later where its whole machine died), so its restart is not held up.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from .store import StoreError, shown_url

LOCK = 8_443_177_207_553_900_147  # of a node on a PostgreSQL database; any number that nobody else uses
KEEPALIVES = {"tcp_keepalives_idle": 10, "tcp_keepalives_interval": 5, "tcp_keepalives_count": 3}  # seconds; assumed


class LeaseLost(RuntimeError):  # noqa: N818
    """Another node may act on the store now; this one must not."""


class Lease(Protocol):
    """The right to act on a store; lives as long as its node."""

    def check(self) -> None:
        """Make sure that it is still held.

        Raises:
            LeaseLost: it is not.
        """
        ...

    def release(self) -> None:
        """Give it up."""
        ...


def take_lease(engine: sa.Engine) -> Lease:
    """Take the right to act on a store.

    Raises:
        StoreError: another node has it, or the database has no such locks.
    """
    place = engine.url.database
    if engine.dialect.name == "postgresql":
        return DatabaseLease(engine)
    if engine.dialect.name != "sqlite":
        raise StoreError(f"store {shown_url(str(engine.url))}: is neither SQLite nor PostgreSQL; give one of those")
    if place in (None, "", ":memory:"):
        return NoLease()
    return FileLease(Path(f"{os.path.realpath(place)}.lock"))  # one store has one lock, by whatever path


class NoLease:
    """For a store that no other process can open."""

    def check(self) -> None:
        """Always held."""

    def release(self) -> None:
        """Nothing to give up."""


class FileLease:
    """A lock on a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror or error}; the store's folder must be writable") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise StoreError(_taken(str(path.with_suffix("")))) from None

    def check(self) -> None:
        """Make sure that the file is still the one that is locked.

        Raises:
            LeaseLost: it was removed, so that another node could lock a new one.
        """
        try:
            if os.path.samestat(os.fstat(self._file), os.stat(self._path)):
                return
        except OSError:
            pass
        raise LeaseLost(f"{self._path}: was removed under this node; end other nodes on its store and start it again")

    def release(self) -> None:
        """Give the lock up; the file stays."""
        os.close(self._file)


class DatabaseLease:
    """An advisory lock of a session of its own."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._conn: sa.Connection | None = self._lock()
        self._rival = ""  # what was said when another node had it

    def check(self) -> None:
        """Make sure that the session lives; if not, take the lock again, unless another node took it meanwhile.

        Raises:
            LeaseLost: another node has acted since, or the database is not reached.
        """
        try:
            if self._conn is not None:
                self._conn.execute(sa.text("SELECT 1"))
                return
        except sa.exc.DBAPIError:
            self.release()
        try:
            self._conn = None if self._rival else self._lock()
        except StoreError as error:
            self._rival = str(error)
        except sa.exc.DBAPIError as error:
            raise LeaseLost(f"the session that held the store broke off: {error.orig}") from None
        if self._rival:
            raise LeaseLost(f"{self._rival}; then start this one again")

    def release(self) -> None:
        """Give the lock up."""
        if self._conn is not None:
            self._conn.invalidate()
            self._conn.close()
            self._conn = None

    def _lock(self) -> sa.Connection:
        conn = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        for name, value in KEEPALIVES.items():
            conn.execute(sa.text(f"SET {name} = {value}"))
        if not conn.execute(sa.select(sa.func.pg_try_advisory_lock(LOCK))).scalar():
            conn.close()
            raise StoreError(_taken(shown_url(str(self._engine.url))))
        return conn


def _taken(place: str) -> str:
    return f"store {place}: another node acts on it; end that one, or give this one a store of its own (TOCSIN_STORE)"
