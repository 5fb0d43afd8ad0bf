"""Whose a SQLite file is: ours are marked in their header, another program's is refused before a byte of it changes.

Flows in: a path, and what we keep in a file of that kind. Flows out: nothing, or `NotOurs`. The mark is SQLite's own
`application_id` (the pragma of that name, sqlite.org/fileformat2.html, section 1.3.12). Files of earlier releases bear
none; they are told by their tables.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

Tables = Mapping[str, frozenset[str]]  # names of columns by table
BASE: Final = 0x54430000  # "TC" and a number of the kind


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
    """Refuse a file of somebody else's, without writing to it or beside it; none and an empty one may be ours.

    Raises:
        NotOurs: it is not of this kind, or cannot be read.
        sqlite3.Error: it is no SQLite file.
    """
    real = Path(os.path.realpath(path))
    try:
        with real.open("rb") as raw:
            header = raw.read(72)
    except FileNotFoundError:
        return
    except OSError as error:
        raise NotOurs(error.strerror or str(error)) from None
    if not header or header[68:] == kind.mark.to_bytes(4):
        return
    mark, tables = _read(real, in_wal=header[18:19] == b"\x02")
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


def _read(real: Path, *, in_wal: bool) -> tuple[int, Tables]:
    """Mark and tables. SQLite would make files beside one in WAL mode, or end somebody's cut-off change, only to read:
    so a file that has none of them, or a journal, is read as it lies.
    """
    has_log, has_journal = (Path(f"{real}{end}").exists() for end in ("-wal", "-journal"))
    as_it_lies = (in_wal and not has_log) or has_journal
    file = sqlite3.connect(f"{real.as_uri()}?mode=ro{'&immutable=1' if as_it_lies else ''}", uri=True)
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
