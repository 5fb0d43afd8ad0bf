"""Whose a SQLite file is: ours are marked in their header, another program's is refused before a byte of it changes.

Flows in: a path, and what we keep in a file of that kind. Flows out: nothing, or `NotOurs`. The mark is SQLite's own
`application_id` (the pragma of that name, sqlite.org/fileformat2.html, section 1.3.12). Files of earlier releases bear
none; they are told by their tables.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

Tables = Mapping[str, frozenset[str]]  # names of columns by table
BASE: Final = 0x54430000  # "TC" and a number of the kind
AS_IT_LIES: Final = "mode=ro&immutable=1"  # no file beside it counts


class NotOurs(ValueError):  # noqa: N818
    """A file that another program or another part of ours keeps, or that is none; the caller names it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of file."""

    number: int  # 1 and up; never given twice
    holds: str  # what a file of this kind holds, for the message
    is_earlier: Callable[[Tables], bool]  # whether a file without a mark is one of an earlier release, by its tables

    @property
    def mark(self) -> int:
        """Its `application_id`."""
        return BASE | self.number


def only_of(**tables: str) -> Callable[[Tables], bool]:
    """Whether a file has these tables, with these columns each (names with a blank between), and no other."""
    known = {name: frozenset(columns.split()) for name, columns in tables.items()}
    return lambda there: all(known.get(name) == columns for name, columns in there.items())


def check_ours(path: Path, kind: Kind) -> None:
    """Refuse a file of somebody else's, as it is; none and an empty one may be ours.

    Only a log without its index, of a copy, gets one: SQLite cannot read it else. Call it where no thread of this
    process is in the middle of a change of the file.

    Raises:
        NotOurs: it is not of this kind, no regular file, or cannot be read.
        sqlite3.Error: it is no SQLite file.
    """
    real = Path(os.path.realpath(path))
    try:
        there = real.stat()
        if not stat.S_ISREG(there.st_mode):  # a pipe would be waited on for ever
            raise NotOurs("is a folder" if stat.S_ISDIR(there.st_mode) else "is no regular file")
        if there.st_size == 0:
            return
        how = _way_to_read(real)
    except FileNotFoundError:
        return
    except OSError as error:
        raise NotOurs(error.strerror or str(error)) from None
    mark, tables = _read(real, how)
    if mark == kind.mark or (mark == 0 and (not tables or kind.is_earlier(tables))):
        return
    have = f"it has tables {', '.join(sorted(tables))[:80]}" if tables else "its application_id is another"
    raise NotOurs(f"is another program's file, not one of {kind.holds} ({have})")


def mark_ours(path: Path, kind: Kind) -> None:
    """Write the mark into the header of a file that `check_ours` let pass, made where it is not.

    Raises:
        sqlite3.Error: it cannot be written.
    """
    file = sqlite3.connect(str(path), isolation_level=None)
    try:
        if file.execute("PRAGMA application_id").fetchone()[0] != kind.mark:
            file.execute(f"PRAGMA application_id = {kind.mark}")
    finally:
        file.close()


def _way_to_read(real: Path) -> str:
    """How SQLite reads a file without making files beside it, as parameters of its URI.

    Who closes a file drops every lock of this process on it (POSIX; sqlite.org/howtocorrupt.html, section 2.2), also
    those of an open connection. So what may be in use is read by SQLite alone, which knows of its other connections.
    """
    has_log, has_index, has_journal = (Path(f"{real}{end}").exists() for end in ("-wal", "-shm", "-journal"))
    if has_log and has_index:
        return "mode=ro&readonly_shm=1"
    if not has_journal and not has_log:
        with real.open("rb") as raw:
            if raw.read(19)[18:] == b"\x02":  # in WAL mode, and closed: SQLite would lay a log beside it
                return AS_IT_LIES
    return "mode=ro"


def _read(real: Path, how: str) -> tuple[int, Tables]:
    """Mark and tables. A change that was cut off is ended by who makes it: its file is read as it lies."""
    try:
        return _read_in(real, how)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
    return _read_in(real, AS_IT_LIES)


def _read_in(real: Path, how: str) -> tuple[int, Tables]:
    file = sqlite3.connect(f"{real.as_uri()}?{how}", uri=True)
    try:
        mark = file.execute("PRAGMA application_id").fetchone()[0]
        names = [row[0] for row in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = "SELECT name FROM pragma_table_info(?)"
        return mark, {
            name: frozenset(row[0] for row in file.execute(columns, (name,)))
            for name in names
            if not name.startswith("sqlite_")
        }
    finally:
        file.close()
