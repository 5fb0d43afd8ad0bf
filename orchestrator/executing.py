"""A response while it is carried out, and how it fails: then what it did is taken back.

Flows in: the office, a response as the store has it. Flows out: orders through `run.py`, transitions.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from . import audit
from .clock import iso, parse_iso
from .interpreting import Moment
from .lifecycle import Event
from .office import Office
from .progress import Phase
from .records import BY_NODE, Response, kill_switch, read_response, time_of, update_response
from .run import Ending, has_to_undo
from .starting import refusal_of
from .store import reading
from .writing import writing


def execute(office: Office, response: Response) -> None:
    """Send what is due of a response's playbook; end the run where it is over, or may not go on."""
    now = office.now()
    with reading(office.engine) as conn:
        if response.undo_wanted or kill_switch(conn):
            return
        refused = refusal_of(office, conn, response, now)
    if response.expires <= iso(now):
        _stop(office, response, "its time ran out before it was carried out whole")
        return
    if refused is not None and refused.name != "budget_spent":  # its own cost is booked already
        _stop(office, response, f"{refused.name}: {refused.reason}")
        return
    shelved = office.pinned.of(response)
    if shelved is None:
        fail(office, response, office.pinned.why_not(response))
        return
    result = office.run(shelved.document, response, Phase.DO, partial(_hindrance, office))
    if result.ending is Ending.DONE:
        hold_s = shelved.effect.hold_s
        until = iso(office.now() + timedelta(seconds=hold_s)) if hold_s > 0 else ""
        with writing(office.engine, response.id, office.clock) as conn:
            update_response(conn, response.id, holds_until=until)
            office.record_in(conn, response, Event.COMPLETE, {"holds_until": until})
            began = parse_iso(time_of(conn, response.id, Event.EXECUTE))
        office.advisor.applied(response.proposal, holds=True, since=began)
    elif result.ending is Ending.FAILED:
        fail(office, response, result.reason, shelved.document)
    elif result.fault is not None:
        raise result.fault


def _stop(office: Office, response: Response, reason: str) -> None:
    """End a run half-way: nobody vouches for what it did so far, so it is taken back."""
    shelved = office.pinned.of(response)
    fail(office, response, reason, None if shelved is None else shelved.document)


def fail(office: Office, response: Response, reason: str, document: Any = None) -> None:
    """End a response; what the run of a document did is taken back by the same way as an owner's wish.

    Both are written at once: a node that dies in between would never take it back.
    """
    office.give_up(response)
    takes_back = document is not None and _did_something(office, response, document)
    with writing(office.engine, response.id, office.clock) as conn:
        office.record_in(conn, response, Event.FAIL, {"reason": reason})
        office.call_person(conn, response, reason)
        if takes_back:
            update_response(conn, response.id, undo_wanted=BY_NODE)
            body, time = {"by": BY_NODE}, iso(office.now())
            audit.append_about(conn, response.id, time=time, kind="undo_wanted", owners=response.owners, body=body)


def _did_something(office: Office, response: Response, document: Any) -> bool:
    """Whether a run did something that is to be taken back."""
    with reading(office.engine) as conn:
        row = read_response(conn, response.id)
        began = parse_iso(time_of(conn, response.id, Event.EXECUTE))
    return has_to_undo(office.script, document, row, Moment(began, office.now()))


def _hindrance(office: Office, conn: sa.Connection, response: Response) -> str:
    """Why the next order of a response that is being carried out must not go out now; empty: it may."""
    office.lease.check()
    if response.undo_wanted:
        return f"{response.undo_wanted} wants it undone"
    refused = refusal_of(office, conn, response, office.now())
    return "" if refused is None or refused.name == "budget_spent" else refused.reason  # its cost is booked already
