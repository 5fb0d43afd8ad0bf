"""Files that hold what is nobody else's business: orders, answers, values.

Flows in: a path. Flows out: the file, made where it is not, which its owner alone reads and writes. SQLite gives the
same rights to the files that it lays beside it.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from ...twin.own_file import Kind, check_ours, mark_ours


def make_private(path: Path) -> None:
    """Make a file, and its folder, for their owner alone; a file that is there gets these rights, a folder keeps its.

    Raises:
        OSError: it cannot be made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():  # not opened: to close it would drop the locks of who has it open here, see twin.own_file
        path.chmod(0o600)
        return
    made = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(made, 0o600)
    finally:
        os.close(made)


def open_private(path: Path, kind: Kind, *statements: str) -> sqlite3.Connection:
    """Open a private SQLite file, made where it is not; threads share it, every statement is its own transaction.

    Args:
        path: the file.
        kind: what it holds.
        statements: settings and tables that it has to have.

    Raises:
        OSError, sqlite3.Error: it cannot be opened as such.
        NotOurs: it is another program's.
    """
    check_ours(path, kind)
    make_private(path)
    mark_ours(path, kind)
    file = sqlite3.connect(str(path), check_same_thread=False, isolation_level=None)
    for statement in statements:
        file.execute(statement)
    return file
