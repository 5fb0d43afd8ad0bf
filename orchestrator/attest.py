"""Whether the tables are as the audit log says: its records carry digests of the rows of the response they are about.

Flows in: a connection; the records of a log, read from the first to the last. Flows out: digests, and the first record
that the tables contradict. A row changed by hand is seen even if a node went on with it: what was proposed, what became
of it (`replay.py`) and the consents it had must be those recorded. It writes nothing; the log is `audit.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import rfc8785
import sqlalchemy as sa

from .replay import Replay
from .store import consents, responses, switches, transitions

PROPOSED, STOPPED = "proposed", "stopped"  # kinds of the first record about a response, and of one that ends it
CHANGES = ("state", "forecast", "run", "blocked", "undo_wanted", "holds_until", "updated")  # while a response lives
_FIXED = [column for column in responses.c if column.name not in CHANGES]
_ANSWER = ("owner", "person", "decision", "basis", "expiry", "jws")


@dataclass(slots=True)
class _Said:
    """What a log said of one response."""

    seq: int
    proposal: str = ""  # digest of what was proposed; empty: written by a node that gave none
    rows: str = ""  # digest of all its rows, as last said
    replay: Replay = field(default_factory=Replay)
    answers: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    fault: str = ""


@dataclass(slots=True)
class Said:
    """What a log said; filled while it is read."""

    responses: dict[str, _Said] = field(default_factory=dict)
    switch: tuple[int, str] = (1, "off")

    def note(self, seq: int, time: str, kind: str, body: Mapping[str, Any]) -> None:
        """Take one record in."""
        if kind == "kill_switch":
            self.switch = (seq, str(body["value"]))
        if kind == PROPOSED:
            self.responses[body["response"]] = _Said(seq, body.get("proposal", ""))
        said = self.responses.get(str(body.get("response")))
        if said is None or said.fault:
            return
        if kind != PROPOSED and body.get("follows", said.seq) != said.seq:
            said.fault = f"record {seq} was written as if record {said.seq} were not there"
        said.seq, said.rows = seq, body.get("rows", "")
        said.fault = said.fault or (str(body["reason"]) if kind == STOPPED else said.replay.note(time, kind, body))
        if kind == "consent":
            answer = tuple(str(body[name]) for name in _ANSWER)
            said.answers[answer[:3]] = answer


def proposal_digest(conn: sa.Connection, response: str) -> str:
    """SHA-256, 64 hex digits, of what of a response never changes."""
    return _digest([list(row) for row in conn.execute(sa.select(*_FIXED).where(responses.c.id == response))])


def rows_digest(conn: sa.Connection, response: str) -> str:
    """SHA-256, 64 hex digits, of all that the tables hold of a response: itself, its transitions and its consents."""
    found = [list(row) for row in conn.execute(sa.select(responses).where(responses.c.id == response))]
    for table in (transitions, consents):
        columns = [column for column in table.c if not column.primary_key]
        query = sa.select(*columns).where(table.c.response == response).order_by(table.c.id)
        found += [list(row) for row in conn.execute(query)]
    return _digest(found)


def contradiction(conn: sa.Connection, said: Said, head: int) -> tuple[int, str] | None:
    """Give the record that the tables contradict, and how; None: they are as the log says."""
    known = [id_ for (id_,) in conn.execute(sa.select(responses.c.id).order_by(responses.c.created))]
    for response in known:
        if response not in said.responses:
            return max(head, 1), f"response {response} is in the store, but no record says that it was proposed"
        reason = _changed(conn, response, said.responses[response])
        if reason:
            return said.responses[response].seq, f"response {response}: {reason}; it was changed in the store by hand"
    for response in sorted(said.responses.keys() - set(known)):
        return said.responses[response].seq, f"response {response} is gone from the store"
    value = conn.execute(sa.select(switches.c.value).where(switches.c.name == "kill")).scalar() or "off"
    seq, last = said.switch
    return None if value == last else (seq, f"the kill switch was turned {last}, but is {value} in the store")


def _changed(conn: sa.Connection, response: str, said: _Said) -> str:
    if said.fault:
        return said.fault
    if not said.proposal:
        return ""
    if said.proposal != proposal_digest(conn, response):
        return "it is not what was proposed"
    columns = [consents.c[name] for name in _ANSWER]
    rows = conn.execute(sa.select(*columns).where(consents.c.response == response))
    if {tuple(row)[:3]: tuple(row) for row in rows} != said.answers:
        return "its consents are not those that were given"
    difference = said.replay.difference(conn, response)
    if difference:
        return difference
    return "" if said.rows == rows_digest(conn, response) else "it or its history is not as it was left"


def _digest(content: list[list[Any]]) -> str:
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()
