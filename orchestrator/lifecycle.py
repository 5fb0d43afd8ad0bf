"""The life cycle of a response: one table of transitions, and the write that records one.

Flows in: a state and an event. Flows out: the next state, or a named refusal; on record, the state and its audit
record in the caller's SQL transaction. It decides nothing: guard and node ask for transitions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from . import audit
from .store import responses, transitions


class State(StrEnum):
    """Where a response is on its way from proposal to verified outcome."""

    PROPOSED = "proposed"
    REHEARSED = "rehearsed"
    AWAITING_CONSENT = "awaiting_consent"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    EXECUTING = "executing"
    VERIFYING = "verifying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNDONE = "undone"


class Event(StrEnum):
    """What happens to a response."""

    REHEARSE = "rehearse"
    REQUEST_CONSENT = "request_consent"
    APPROVE = "approve"
    DENY = "deny"
    EXPIRE = "expire"  # time ran out, or what the consents were bound to has changed
    EXECUTE = "execute"
    COMPLETE = "complete"  # every step of the playbook was carried out
    FAIL = "fail"
    CONFIRM = "confirm"  # later telemetry shows the effect
    UNDO = "undo"
    UNDO_FAIL = "undo_fail"  # a person is called


TABLE: Mapping[tuple[State, Event], State] = {
    (State.PROPOSED, Event.REHEARSE): State.REHEARSED,
    (State.PROPOSED, Event.EXPIRE): State.EXPIRED,
    (State.REHEARSED, Event.REQUEST_CONSENT): State.AWAITING_CONSENT,
    (State.REHEARSED, Event.EXPIRE): State.EXPIRED,
    (State.AWAITING_CONSENT, Event.APPROVE): State.APPROVED,
    (State.AWAITING_CONSENT, Event.DENY): State.DENIED,
    (State.AWAITING_CONSENT, Event.EXPIRE): State.EXPIRED,
    (State.APPROVED, Event.EXECUTE): State.EXECUTING,
    (State.APPROVED, Event.DENY): State.DENIED,  # an owner takes its consent back in time
    (State.APPROVED, Event.EXPIRE): State.EXPIRED,
    (State.EXECUTING, Event.COMPLETE): State.VERIFYING,
    (State.EXECUTING, Event.FAIL): State.FAILED,
    (State.EXECUTING, Event.UNDO): State.UNDONE,
    (State.EXECUTING, Event.UNDO_FAIL): State.FAILED,
    (State.VERIFYING, Event.CONFIRM): State.SUCCEEDED,
    (State.VERIFYING, Event.FAIL): State.FAILED,
    (State.VERIFYING, Event.UNDO): State.UNDONE,
    (State.VERIFYING, Event.UNDO_FAIL): State.FAILED,
    (State.SUCCEEDED, Event.UNDO): State.UNDONE,
    (State.SUCCEEDED, Event.UNDO_FAIL): State.FAILED,
    (State.FAILED, Event.UNDO): State.UNDONE,
    (State.FAILED, Event.UNDO_FAIL): State.FAILED,
}

TERMINAL = frozenset({State.DENIED, State.EXPIRED, State.UNDONE})


class LifecycleError(ValueError):
    """A transition that must not be. Subclasses name which rule speaks against it."""


class IllegalTransition(LifecycleError):  # noqa: N818  (named for what it is; the tree above says Error)
    """The table has no such row."""


class StaleState(LifecycleError):  # noqa: N818
    """The response moved on since its state was read."""


class UnknownResponse(LifecycleError):  # noqa: N818
    """There is no response of that id."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One recorded step of a response."""

    response: str
    event: Event
    attempt: int
    before: State
    after: State
    time: str
    is_new: bool  # False: it had been recorded before, and nothing was written now


def next_state(state: State, event: Event) -> State:
    """Give the state that `event` leads to.

    Raises:
        IllegalTransition: the table has no such row; the message lists what is possible.
    """
    try:
        return TABLE[state, event]
    except KeyError:
        possible = ", ".join(known.value for (at, known) in TABLE if at is state) or "nothing: it is final"
        raise IllegalTransition(f"a response that is {state} cannot {event}; possible: {possible}") from None


def record_transition(
    conn: sa.Connection, response: str, event: Event, *, attempt: int, time: str, body: Mapping[str, Any]
) -> Transition:
    """Write the new state and its audit record in the transaction of `conn`; a repetition writes nothing.

    Args:
        conn: an open transaction on the node's store.
        response: id of the response.
        event: what happened.
        attempt: 1 for the first time this event happens to this response, counted up by the caller on a retry.
        time: UTC, ISO 8601, from the node's clock.
        body: what else the audit record says; JSON values.

    Raises:
        UnknownResponse: no such response.
        IllegalTransition: the table has no such row.
        StaleState: another writer moved the response meanwhile.
    """
    earlier = conn.execute(
        sa.select(transitions).where(
            transitions.c.response == response, transitions.c.event == event.value, transitions.c.attempt == attempt
        )
    ).first()
    if earlier is not None:
        return Transition(
            response, event, attempt, State(earlier.before), State(earlier.after), earlier.time, is_new=False
        )
    row = conn.execute(sa.select(responses.c.state, responses.c.owners).where(responses.c.id == response)).first()
    if row is None:
        raise UnknownResponse(f"response {response!r} is not in the store; list responses and mend the id")
    before = State(row.state)
    after = next_state(before, event)
    moved = conn.execute(
        sa.update(responses)
        .where(responses.c.id == response, responses.c.state == before.value)
        .values(state=after.value, updated=time)
    )
    if moved.rowcount != 1:
        raise StaleState(f"response {response} is no longer {before}; read it again and decide anew")
    conn.execute(
        sa.insert(transitions).values(
            response=response, event=event.value, attempt=attempt, before=before.value, after=after.value, time=time
        )
    )
    record = {"event": event.value, "attempt": attempt, "from": before.value, "to": after.value}
    audit.append_about(conn, response, time=time, kind="transition", owners=row.owners, body={**body, **record})
    return Transition(response, event, attempt, before, after, time, is_new=True)
