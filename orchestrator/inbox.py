"""Telemetry that waits for the next tick, kept in the store: what was acknowledged outlives the node that took it.

Flows in: an owner's checked events, in the transaction that acknowledges them. Flows out: the same events, once a tick
asks for them; they are dropped in the transaction that stores what was concluded from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from ..twin.sensing.events import Event
from .store import pending_events


def keep(conn: sa.Connection, owner: str, events: Sequence[Event]) -> None:
    """Write an owner's events."""
    if events:
        conn.execute(sa.insert(pending_events), [{"owner": owner, "body": asdict(event)} for event in events])


def waiting(conn: sa.Connection, after: int) -> tuple[int, list[Event]]:
    """Give the events that came after number `after`, in the order they came, and the number of the last."""
    query = sa.select(pending_events).where(pending_events.c.id > after).order_by(pending_events.c.id)
    rows = conn.execute(query).all()
    return (rows[-1].id if rows else after), [_event(row.body) for row in rows]


def count(conn: sa.Connection) -> Counter[str]:
    """Give how many events of each owner wait."""
    query = sa.select(pending_events.c.owner, sa.func.count()).group_by(pending_events.c.owner)
    return Counter({owner: int(number) for owner, number in conn.execute(query)})


def drop(conn: sa.Connection, last: int) -> None:
    """Forget events up to number `last`."""
    conn.execute(sa.delete(pending_events).where(pending_events.c.id <= last))


def _event(body: dict[str, Any]) -> Event:
    values: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in body.items()}
    return Event(**values)
