"""What was sent and what came of it, by idempotency key: for actuators whose other side removes no duplicates.

Flows in: keys, outcomes. Flows out: the first outcome. The law: a key is written down before its order leaves, so that
after a crash nobody sends it again unknowing; what was begun and never ended is not repeated, a person looks. One
SQLite file per actuator, used by the threads that send.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ...twin.own_file import Kind, NotOurs, only_of
from .base import Malformed, Order, Outcome, Refused, Unavailable
from .private_file import open_private

MADE_NO_SENSE: Final = "malformed"  # in place of an outcome
FILE: Final = Kind(2, "orders of an actuator", only_of(orders="key outcome refusal"))
NOT_KNOWN: Final = "not known"  # in place of an outcome: why nobody knows it


class JournalError(ValueError):
    """A file that cannot hold the journal; the message names it."""


class NotSent(Unavailable):
    """The order surely had no effect: it never left, or the other side turned it away before doing anything."""


class Journal:
    """Orders by key; lives as long as its actuator."""

    def __init__(self, path: Path) -> None:
        """Open the file, make it where it is not.

        Raises:
            JournalError: it cannot be opened as such.
        """
        try:
            self._file = open_private(
                path,
                FILE,
                "PRAGMA journal_mode=WAL",
                "PRAGMA synchronous=FULL",
                "CREATE TABLE IF NOT EXISTS orders (key TEXT PRIMARY KEY, outcome TEXT, refusal TEXT)",
            )
        except (sqlite3.Error, OSError, NotOurs) as error:
            raise JournalError(f"{path}: {error}; give the node a home that it may write") from None

    def once(self, order: Order, send: Callable[[], Outcome], *, repeatable: bool = False) -> Outcome:
        """Send an order unless its end is known; give its outcome.

        Args:
            order: its key is the one that counts.
            send: carries it out.
            repeatable: sending it again is harmless (the other side knows the key, or it changes nothing twice).

        Raises:
            Refused, Unavailable, Malformed: as `send` does; Refused or Malformed again for what ended so before;
                Unavailable for what was begun, is not repeatable, and never came to an end, with the reason where one
                was told.
        """
        known = self.read(order)
        if known is not None:
            return known
        # RETURNING, not rowcount: that is of the connection's last change, which may be another thread's.
        new = self._file.execute("INSERT OR IGNORE INTO orders (key) VALUES (?) RETURNING 1", (order.key,)).fetchall()
        begun = not new
        if begun and not repeatable:
            raise Unavailable(f"{self._why_not_known(order)}; it is not repeated, look there")
        try:
            outcome = send()
        except Refused as error:
            self._file.execute("UPDATE orders SET refusal = ? WHERE key = ?", (str(error), order.key))
            raise
        except Malformed as error:  # an end, but what it did is not known: nobody sends it again
            self._end(order, {MADE_NO_SENSE: str(error)})
            raise
        except NotSent:
            if not begun:
                self._file.execute("DELETE FROM orders WHERE key = ?", (order.key,))
            raise
        except Unavailable as error:
            self._end(order, {NOT_KNOWN: str(error)})
            raise
        self._end(order, asdict(outcome))
        return outcome

    def _why_not_known(self, order: Order) -> str:
        row = self._file.execute("SELECT outcome FROM orders WHERE key = ?", (order.key,)).fetchone()
        told = json.loads(row[0]).get(NOT_KNOWN) if row is not None and row[0] is not None else None
        return str(told) if told else f"order {order.key}: sent before, its end is not known"

    def _end(self, order: Order, content: dict[str, Any]) -> None:
        self._file.execute("UPDATE orders SET outcome = ? WHERE key = ?", (json.dumps(content), order.key))

    def read(self, order: Order) -> Outcome | None:
        """Give the outcome of an order that was carried out; None where none is known.

        Raises:
            Refused: it was refused.
            Malformed: it ended with an answer that made no sense, or a program failed; it may have done a part.
        """
        row = self._file.execute("SELECT outcome, refusal FROM orders WHERE key = ?", (order.key,)).fetchone()
        if row is None:
            return None
        if row[1] is not None:
            raise Refused(row[1])
        content = json.loads(row[0]) if row[0] is not None else {NOT_KNOWN: ""}
        if MADE_NO_SENSE in content:
            raise Malformed(content[MADE_NO_SENSE])
        return None if NOT_KNOWN in content else Outcome(**content)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()
