"""Which responses to one effect exclude each other, and how many a person may propose.

Flows in: a new response and those that live. Flows out: the one that stands in its way, if any. A proposal that is put
to the owners on worse terms never stands in the way of one on better terms: both wait, the first that all its owners
consent to is carried out, and the guard then lets the other expire. So nobody keeps an owner, or the node, from its own
response by proposing the same first. Pure but for one query.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import sqlalchemy as sa

from .clock import iso
from .guard import MIN_SOURCES
from .holding import PinnedOf, is_in_force
from .lifecycle import State
from .records import BY_NODE, Response, list_responses
from .store import responses

WAITING = (State.PROPOSED, State.REHEARSED, State.AWAITING_CONSENT, State.APPROVED)
STARTED = (State.EXECUTING, State.VERIFYING, State.SUCCEEDED)  # the last as long as `holding.is_in_force`
MAX_PROPOSED = 30  # by the persons of one owner within an hour, or waiting; assumed


def in_the_way(new: Response, others: Iterable[Response]) -> Response | None:
    """Give the response that makes a new one needless: it was started, or waits on terms at least as good."""
    for other in others:
        if does_the_same(other, new) and (other.state in STARTED or _is_as_good(other, new)):
            return other
    return None


def started_already(response: Response, others: Iterable[Response]) -> Response | None:
    """Give another response to the same effect that was started, while this one waited."""
    for other in others:
        if other.id != response.id and other.state in STARTED and does_the_same(other, response):
            return other
    return None


def does_the_same(one: Response, other: Response) -> bool:
    """Whether both carry out the same playbook on a target of both."""
    return one.playbook == other.playbook and bool(set(one.targets) & set(other.targets))


def is_own(proposer: str, owner: str) -> bool:
    """Whether a proposal counts as the owner's own: a person of its own made it, or the node, which serves it."""
    return proposer in (owner, BY_NODE)


def living(conn: sa.Connection, pinned: PinnedOf, now: datetime, *states: State) -> list[Response]:
    """Give the responses in the given states and those started, without those that no longer hold anything."""
    return [row for row in list_responses(conn, *states, *STARTED) if is_in_force(row, pinned, now)]


def proposed_lately(conn: sa.Connection, proposer: str, now: datetime) -> int:
    """Count an owner's proposals of the last hour and those of before that still wait."""
    recent = responses.c.created > iso(now - timedelta(hours=1))
    waits = responses.c.state.in_([state.value for state in WAITING])
    query = sa.select(sa.func.count()).select_from(responses)
    return int(conn.execute(query.where(responses.c.proposer == proposer, recent | waits)).scalar() or 0)


def in_turn(waiting: Iterable[Response]) -> list[Response]:
    """Give what is rehearsed in one tick: all of the node's own first, then the oldest of each owner's persons."""
    rows = sorted(waiting, key=lambda row: row.proposer != BY_NODE)
    oldest = {row.proposer: row for row in reversed(rows)}
    return [row for row in rows if row.proposer == BY_NODE or oldest[row.proposer] is row]


def _is_as_good(waiting: Response, new: Response) -> bool:
    """Whether the one that waits is on the same targets, by no worse rule and evidence."""
    return (
        set(waiting.targets) == set(new.targets)
        and all(is_own(waiting.proposer, owner) or not is_own(new.proposer, owner) for owner in new.owners)
        and waiting.sources >= min(new.sources, MIN_SOURCES)
    )
