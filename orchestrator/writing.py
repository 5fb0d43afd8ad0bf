"""Write about a response only while the tables are as the audit log left them.

Flows in: a store and the id of a response. Flows out: an open transaction in which to write about it; or, where a row
of it was changed by hand, its end: it fails with a record of its own, and nothing is sent or written for it any more.
What was changed is compared with the log in the transaction that would have gone on with it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from . import audit
from .attest import STOPPED, rows_digest
from .clock import Clock, iso
from .lifecycle import LifecycleError, State
from .store import responses

log = logging.getLogger("tocsin.writing")
BLOCKED = "changed_by_hand"


class ChangedByHand(LifecycleError):  # noqa: N818  (named for what happened)
    """The store is not as the node left it; the node does not go on with the response."""


@contextmanager
def writing(engine: sa.Engine, response: str, clock: Clock) -> Iterator[sa.Connection]:
    """Open a transaction to write about a response, after its rows were compared with the last record about it.

    Raises:
        ChangedByHand: they differ, now or before; the response has failed, which the log says.
    """
    with engine.begin() as conn:
        audit.lock(conn)  # writers take turns from here on, so that no row is newer than the record about it
        last = audit.last_about(conn, response)
        reason = _difference(conn, response, last)
        if not reason:
            yield conn
            return
        if last is None or last.kind != STOPPED:
            _stop(conn, response, last, reason, time=iso(clock.now()))
    mend = "find out who writes to the store, then propose it anew"
    raise ChangedByHand(f"response {response} was changed in the store by hand: {reason}; {mend}")


def _difference(conn: sa.Connection, response: str, last: audit.Record | None) -> str:
    if last is None:
        return "no record says that it was proposed"
    if last.kind == STOPPED:
        return str(last.content["reason"])
    if last.content.get("response") != response or not last.is_itself:
        return "the last record about it is not itself"
    rows = last.content.get("rows")
    return "" if rows in (None, rows_digest(conn, response)) else f"its rows are not as record {last.seq} left them"


def _stop(conn: sa.Connection, response: str, last: audit.Record | None, reason: str, *, time: str) -> None:
    """Let it fail whatever its rows say, so that it is in nobody's way; the record vouches for none of them."""
    log.error("response %s failed: %s; nothing is sent for it any more", response, reason)
    values = {"state": State.FAILED.value, "blocked": BLOCKED, "undo_wanted": "", "holds_until": "", "updated": time}
    conn.execute(sa.update(responses).where(responses.c.id == response).values(**values))
    owners = last.content["owners"] if last is not None else []
    audit.append_about(conn, response, time=time, kind=STOPPED, owners=owners, body={"reason": reason})
