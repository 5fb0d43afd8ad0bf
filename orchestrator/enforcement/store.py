"""Every producer's list of rules, kept in one SQLite file: what was ordered survives restarts of process and machine.

Flows in: rules and answers. Flows out: the same. One process writes, so the lists are read once and kept as values; a
change of rules and the answer to the order that asked for it are one transaction, which is committed only after the
kernel took the rules.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from bisect import insort
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from ...twin.own_file import NotOurs, check_ours, mark_ours
from ..openc2.memory import FILE, KEPT_S
from .nft import Place
from .rules import TOP, Rule

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS lists (producer TEXT, number INTEGER, content TEXT NOT NULL,"
    " PRIMARY KEY (producer, number))",
    "CREATE TABLE IF NOT EXISTS lowest (producer TEXT PRIMARY KEY, number INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS done (key TEXT PRIMARY KEY, answer TEXT NOT NULL, at REAL NOT NULL)",
    "CREATE INDEX IF NOT EXISTS done_at ON done (at)",
    "CREATE TABLE IF NOT EXISTS place (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), content TEXT NOT NULL)",
)
EVERYBODY: Final = ""  # in `lowest`: of producers without a number there; no producer has this name
USED_UP: Final = 10_000  # who has no lower numbers left than so many begins anew when its rules are lifted; assumed
_RULE: Final = TypeAdapter(Rule)
_PLACE: Final = TypeAdapter(Place)
_OF_LISTS = "SELECT content FROM lists ORDER BY producer, number"
_OF_RULES = "SELECT content FROM rules ORDER BY number"  # of an earlier release


class StoreError(ValueError):
    """A state file that cannot be used; the message names it."""


class RuleStore:
    """Rules and answers; lives as long as the enforcement point."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the file, or keep it in memory where there is none (tests).

        Raises:
            StoreError: it cannot be opened as such.
        """
        if path:
            check_state(path)
        self._lock = threading.RLock()
        try:
            if path:
                mark_ours(path, FILE)
            self._file = sqlite3.connect(
                str(path) if path else ":memory:", check_same_thread=False, isolation_level=None
            )
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=FULL")
            for statement in SCHEMA:
                self._file.execute(statement)
            _take_over(self._file)
            found = _grouped(_read(row[0]) for row in self._file.execute(_OF_LISTS))
        except sqlite3.Error as error:
            raise StoreError(f"--state {path}: {error}; name a file that can be written, or a new one") from None
        self._lists: dict[str, tuple[Rule, ...]] = found
        self._ends = {producer: _end_of(rules) for producer, rules in found.items()}

    @contextmanager
    def change(self) -> Iterator[None]:
        """One transaction: kept at the end of the block, taken back where it raises.

        Raises:
            StoreError: it cannot be kept, e.g. on a full disk; then nothing of it is.
        """
        with self._lock:
            before = dict(self._lists), dict(self._ends)
            try:
                self._file.execute("BEGIN IMMEDIATE")
                yield
                self._file.execute("COMMIT")
            except BaseException as error:
                self._lists, self._ends = before
                if self._file.in_transaction:  # some faults, as a full disk, end it by themselves
                    self._file.execute("ROLLBACK")
                if not isinstance(error, sqlite3.Error):
                    raise
                told = "make room, or end who else writes to it, then try again"
                raise StoreError(f"the state file: {error}; {told}") from None

    def lists(self) -> Mapping[str, tuple[Rule, ...]]:
        """Every list by its producer, top-down; a list that has not changed is the same object."""
        with self._lock:
            return dict(self._lists)

    def of(self, producer: str) -> tuple[Rule, ...]:
        """The list of one producer, top-down."""
        with self._lock:
            return self._lists.get(producer, ())

    def rules(self) -> list[Rule]:
        """The rules of all, one list after the other."""
        return [rule for _, rules in sorted(self.lists().items()) for rule in rules]

    def over(self, now_ms: int) -> list[Rule]:
        """Rules whose time is up."""
        with self._lock:
            ended = [producer for producer, end in self._ends.items() if end is not None and end <= now_ms]
            return [rule for producer in ended for rule in self._lists[producer] if rule.is_over(now_ms)]

    def add(self, rule: Rule) -> None:
        """Put a rule in; its producer has no other of that number."""
        producer = rule.producer
        self._file.execute("INSERT INTO lists VALUES (?, ?, ?)", (producer, rule.number, json.dumps(asdict(rule))))
        rules = list(self._lists.get(producer, ()))
        insort(rules, rule, key=lambda one: one.number)
        self._hold(producer, tuple(rules))

    def remove(self, rules: Iterable[Rule]) -> None:
        """Take rules out."""
        for producer, gone in _grouped(rules).items():
            numbers = {rule.number for rule in gone}
            self._file.executemany(
                "DELETE FROM lists WHERE producer = ? AND number = ?", [(producer, number) for number in numbers]
            )
            self._hold(producer, tuple(rule for rule in self.of(producer) if rule.number not in numbers))

    def forget(self, producer: str) -> None:
        """Take out all rules of a producer; its numbers go on, so that a late undo hits no newer rule.

        Only where they are used up they begin anew.
        """
        self.remove(self.of(producer))
        if self.lowest(producer) <= USED_UP:
            self.lower(producer, TOP + 1)

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

    def lowest(self, producer: str) -> int:
        """The lowest number ever given to a rule of a producer that came without one."""
        found = dict(
            self._file.execute("SELECT producer, number FROM lowest WHERE producer IN (?, ?)", (producer, EVERYBODY))
        )
        return int(found.get(producer, found.get(EVERYBODY, TOP + 1)))

    def lower(self, producer: str, number: int) -> None:
        """Remember a number as given."""
        self._file.execute("INSERT OR REPLACE INTO lowest VALUES (?, ?)", (producer, number))

    def place(self) -> Place | None:
        """Where the rules were written last; None where no actuator has served this file yet."""
        return _place(self._file)

    def note_place(self, place: Place) -> None:
        """Remember where rules are written."""
        self._file.execute("INSERT OR REPLACE INTO place VALUES (1, ?)", (json.dumps(asdict(place)),))

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _hold(self, producer: str, rules: tuple[Rule, ...]) -> None:
        if rules:
            self._lists[producer], self._ends[producer] = rules, _end_of(rules)
        else:
            self._lists.pop(producer, None)
            self._ends.pop(producer, None)


def check_state(path: Path) -> None:
    """Refuse a file of another program, before anything is written to it or beside it.

    Raises:
        StoreError: it is one, or cannot be read.
    """
    try:
        check_ours(path, FILE)
    except NotOurs as error:
        raise StoreError(f"--state {path}: {error}; name a new file, or the one that the actuator had before") from None
    except sqlite3.Error as error:
        raise StoreError(f"--state {path}: {error}; name a file that can be written, or a new one") from None


def read_rules(path: Path) -> list[Rule]:
    """Give the rules of a state file, top-down, without writing to it; also of an earlier release's.

    Raises:
        StoreError: it is none.
    """
    with _only_read(path) as file:  # a file that was not taken over to its end holds both
        rows = file.execute(_OF_LISTS if not _has(file, "rules") and _has(file, "lists") else _OF_RULES).fetchall()
    return [_read(row[0]) for row in rows]


def read_place(path: Path) -> Place | None:
    """Give where the rules of a state file were written last, without writing to it; None where it does not say.

    Raises:
        StoreError: it is none.
    """
    with _only_read(path) as file:
        return _place(file) if _has(file, "place") else None


@contextmanager
def _only_read(path: Path) -> Iterator[sqlite3.Connection]:
    check_state(path)
    try:
        file = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            yield file
        finally:
            file.close()
    except sqlite3.Error as error:
        raise StoreError(f"--state {path}: {error}; name the file that the actuator was started with") from None


def _take_over(file: sqlite3.Connection) -> None:
    """Make lists of the one list that earlier releases kept, with one space of numbers for all."""
    if not _has(file, "rules"):
        return
    file.execute("BEGIN IMMEDIATE")
    row = file.execute("SELECT lowest FROM numbers").fetchone() if _has(file, "numbers") else None
    if row is not None:  # numbers below it were given to nobody: none of them is given twice
        file.execute("INSERT OR REPLACE INTO lowest VALUES (?, ?)", (EVERYBODY, row[0]))
    for rule in [_read(one[0]) for one in file.execute(_OF_RULES)]:
        file.execute("INSERT INTO lists VALUES (?, ?, ?)", (rule.producer, rule.number, json.dumps(asdict(rule))))
    file.execute("DROP TABLE rules")
    file.execute("DROP TABLE IF EXISTS numbers")
    file.execute("COMMIT")


def _has(file: sqlite3.Connection, table: str) -> bool:
    return bool(file.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchall())


def _grouped(rules: Iterable[Rule]) -> dict[str, tuple[Rule, ...]]:
    found: dict[str, list[Rule]] = {}
    for rule in rules:
        found.setdefault(rule.producer, []).append(rule)
    return {producer: tuple(one) for producer, one in found.items()}


def _end_of(rules: Iterable[Rule]) -> int | None:
    return min((rule.stop_ms for rule in rules if rule.stop_ms is not None), default=None)


def _place(file: sqlite3.Connection) -> Place | None:
    row = file.execute("SELECT content FROM place").fetchone()
    if row is None:
        return None
    try:
        return _PLACE.validate_json(row[0])
    except (ValueError, TypeError):
        told = f"{str(row[0])[:60]!r} is no place of rules; start the actuator with it once"
        raise StoreError(f"the state file: {told}") from None


def _read(text: str) -> Rule:
    try:
        rule = _RULE.validate_json(text)
        _ = rule.producer  # its key says whose it is
    except (ValueError, TypeError, LookupError):
        raise StoreError(f"the state file: {str(text)[:60]!r} is no rule; name another, or start a new one") from None
    return rule
