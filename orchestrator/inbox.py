"""Telemetry that waits for the next tick, kept in the store: what was acknowledged outlives the node that took it.

Flows in: an owner's checked events, a payload of them as one row, in the transaction that acknowledges them. Flows
out: the same events, once a tick asks for them; they go in the transaction that stores what was concluded from them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from ..twin.sensing.events import Event
from .store import inbox

_FIELDS = tuple((field.name, field.default) for field in fields(Event))


def packed(events: Sequence[Event]) -> str:
    """Give events as JSON, without what says nothing."""
    return json.dumps(
        [{name: said for name, none in _FIELDS if (said := getattr(one, name)) != none} for one in events]
    )


def keep(conn: sa.Connection, owner: str, number: int, payload: str) -> None:
    """Write so many packed events of an owner."""
    conn.execute(sa.insert(inbox).values(owner=owner, number=number, payload=payload))


def waiting(conn: sa.Connection, after: int) -> tuple[int, list[Event]]:
    """Give the events of the rows after row `after`, in the order they came, and the id of the last row."""
    events: list[Event] = []
    for row in conn.execute(sa.select(inbox).where(inbox.c.id > after).order_by(inbox.c.id)):
        events += [_event(one) for one in json.loads(row.payload)]
        after = row.id
    return after, events


def count(conn: sa.Connection) -> Counter[str]:
    """Give how many events of each owner wait."""
    query = sa.select(inbox.c.owner, sa.func.sum(inbox.c.number)).group_by(inbox.c.owner)
    return Counter({owner: int(number) for owner, number in conn.execute(query)})


def drop(conn: sa.Connection, last: int) -> None:
    """Forget rows up to `last`."""
    conn.execute(sa.delete(inbox).where(inbox.c.id <= last))


def _said(event: Event) -> dict[str, Any]:
    return {name: said for name, none in _FIELDS if (said := getattr(event, name)) != none}


def _event(said: Mapping[str, Any]) -> Event:
    values: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in said.items()}
    return Event(**values)
