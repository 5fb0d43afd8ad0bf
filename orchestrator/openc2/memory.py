"""What a consumer answered, so that a repeated request changes nothing twice; survives restarts.

Flows in: a producer, a request id, the request's digest, the answer. Flows out: the first answer. One SQLite file; its
owner is the one process that serves. Only successes are kept: a refusal changed nothing and may be asked for again.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any, Final

import rfc8785

from ...twin.own_file import Kind, NotOurs, check_ours, mark_ours, only_of

KEPT_S: Final = 7 * 24 * 3600  # assumed; far longer than any producer tries again
FILE: Final = Kind(
    1,
    "rules and answers of an OpenC2 consumer",
    only_of(
        answers="producer request digest answer at",
        lists="producer number content",
        lowest="producer number",
        done="key answer at",
        place="only_row content",
        rules="number content",  # of earlier releases, as the next
        numbers="only_row lowest",
    ),
)


class NoMemory(ValueError):  # noqa: N818
    """A file that cannot hold the memory; the message names the mend."""


class Memory:
    """Answers by producer and request id; lives as long as the consumer."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the file, or keep it in memory where there is none (tests).

        Raises:
            NoMemory: the file cannot be opened as such.
        """
        self._lock = threading.Lock()
        try:
            if path:
                check_ours(path, FILE)
                mark_ours(path, FILE)
            self._file = sqlite3.connect(str(path) if path else ":memory:", check_same_thread=False)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=FULL")
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS answers (producer TEXT, request TEXT, digest TEXT, answer TEXT, at REAL,"
                " PRIMARY KEY (producer, request))"
            )
            self._file.execute("CREATE INDEX IF NOT EXISTS answers_at ON answers (at)")
            self._file.commit()
        except (sqlite3.Error, NotOurs) as error:
            raise NoMemory(f"{path}: {error}; name a file that can be written, or a new one") from None

    def recall(self, producer: str, request_id: str, digest: str) -> dict[str, Any] | None:
        """Give the first answer to this request; None where it is new.

        Raises:
            ReusedId: the id belongs to another request.
        """
        with self._lock:
            row = self._file.execute(
                "SELECT digest, answer FROM answers WHERE producer = ? AND request = ?", (producer, request_id)
            ).fetchone()
        if row is None:
            return None
        if row[0] != digest:
            raise ReusedId(f"request_id {request_id[:80]!r} was used for another command; use a new one")
        answer: dict[str, Any] = json.loads(row[1])
        return answer

    def keep(self, producer: str, request_id: str, digest: str, answer: dict[str, Any]) -> None:
        """Keep an answer; forget those that are too old to be asked for."""
        now = time.time()
        with self._lock, self._file:
            self._file.execute("DELETE FROM answers WHERE at < ?", (now - KEPT_S,))
            self._file.execute(
                "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)",
                (producer, request_id, digest, json.dumps(answer), now),
            )

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


class ReusedId(ValueError):  # noqa: N818
    """One request id for two different commands."""


def digest_of(content: Any) -> str:
    """The digest of a request's content in canonical form."""
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()
