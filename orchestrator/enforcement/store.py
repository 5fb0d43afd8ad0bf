"""The list of rules, kept in one SQLite file: what was ordered survives restarts of this process and of the machine.

Flows in: rules and answers. Flows out: the same. One process writes; a change of rules and the answer to the order that
asked for it are one transaction, which is committed only after the kernel took the rules.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..openc2.memory import KEPT_S
from .rules import TOP, Flow, Rule

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS rules (number INTEGER PRIMARY KEY, content TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS done (key TEXT PRIMARY KEY, answer TEXT NOT NULL, at REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS numbers (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), lowest INTEGER NOT NULL)",
)


class StoreError(ValueError):
    """A state file that cannot be used; the message names it."""


class RuleStore:
    """Rules and answers; lives as long as the enforcement point."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the file, or keep it in memory where there is none (tests).

        Raises:
            StoreError: it cannot be opened as such.
        """
        self._lock = threading.RLock()
        try:
            self._file = sqlite3.connect(
                str(path) if path else ":memory:", check_same_thread=False, isolation_level=None
            )
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=FULL")
            for statement in SCHEMA:
                self._file.execute(statement)
        except sqlite3.Error as error:
            raise StoreError(f"--state {path}: {error}; name a file that can be written, or a new one") from None

    @contextmanager
    def change(self) -> Iterator[None]:
        """One transaction: kept at the end of the block, taken back where it raises.

        Raises:
            StoreError: it cannot be kept, e.g. on a full disk; then nothing of it is.
        """
        with self._lock:
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
            try:
                self._file.execute("COMMIT")
            except sqlite3.Error as error:
                self._file.execute("ROLLBACK")
                raise StoreError(f"the state file: {error}; make room, then try again") from None

    def rules(self) -> list[Rule]:
        """The list, top-down."""
        with self._lock:
            rows = self._file.execute("SELECT content FROM rules ORDER BY number").fetchall()
        return [_read(row[0]) for row in rows]

    def add(self, rule: Rule) -> None:
        """Put a rule in."""
        self._file.execute("INSERT INTO rules VALUES (?, ?)", (rule.number, json.dumps(asdict(rule))))

    def remove(self, numbers: list[int]) -> None:
        """Take rules out."""
        self._file.executemany("DELETE FROM rules WHERE number = ?", [(number,) for number in numbers])

    def answer(self, key: str) -> dict[str, Any] | None:
        """What was answered to an order; None where it is new."""
        with self._lock:
            row = self._file.execute("SELECT answer FROM done WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def keep(self, key: str, answer: dict[str, Any]) -> None:
        """Keep the answer to an order, as long as the consumer's memory does."""
        now = time.time()
        self._file.execute("DELETE FROM done WHERE at < ?", (now - KEPT_S,))
        self._file.execute("INSERT INTO done VALUES (?, ?, ?)", (key, json.dumps(answer), now))

    def lowest(self) -> int:
        """The lowest number ever given to a rule that came without one."""
        row = self._file.execute("SELECT lowest FROM numbers").fetchone()
        return int(row[0]) if row else TOP + 1

    def lower(self, number: int) -> None:
        """Remember a number as given."""
        self._file.execute("INSERT OR REPLACE INTO numbers VALUES (1, ?)", (number,))

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


def read_rules(path: Path) -> list[Rule]:
    """Give the rules of a state file, top-down, without writing to it.

    Raises:
        StoreError: it is none.
    """
    try:
        file = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            rows = file.execute("SELECT content FROM rules ORDER BY number").fetchall()
        finally:
            file.close()
    except sqlite3.Error as error:
        raise StoreError(f"--state {path}: {error}; name the file that the actuator was started with") from None
    return [_read(row[0]) for row in rows]


def _read(text: str) -> Rule:
    try:
        content = json.loads(text)
        content["flows"] = tuple(Flow(**flow) for flow in content["flows"])
        return Rule(**content)
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"the state file: {str(text)[:60]!r} is no rule; name another, or start a new one") from None
