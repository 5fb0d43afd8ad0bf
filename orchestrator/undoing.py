"""A response taken back: by somebody's wish, by its time, or after it failed; a person is called where that fails.

Flows in: the office, a response as the store has it. Flows out: orders through `run.py`, transitions.
"""

from __future__ import annotations

from functools import partial

import sqlalchemy as sa

from . import audit
from .clock import iso
from .lifecycle import Event
from .office import Office
from .progress import Phase
from .records import BY_NODE, Response, update_response
from .run import Ending, note_overdue, note_person_called, note_undo_failed
from .writing import writing


def undo(office: Office, response: Response) -> None:
    """Take back what somebody wants undone or what has held long enough; on failure call a person, once."""
    is_over = "" < response.holds_until <= iso(office.now())
    if not response.undo_wanted and not is_over:
        return
    why = "it failed" if response.undo_wanted == BY_NODE else response.undo_wanted or "its time to hold is over"
    shelved = office.pinned.of(response)
    if shelved is None:
        _undo_failed(office, response, office.pinned.why_not(response))
        return
    say_late = partial(_undo_overdue, office, response)
    result = office.run(shelved.document, response, Phase.UNDO, partial(_hindrance, office), say_late)
    if result.ending is Ending.DONE:
        with writing(office.engine, response.id, office.clock) as conn:
            update_response(conn, response.id, undo_wanted="", holds_until="")
            office.record_in(conn, response, Event.UNDO, {"why": why})
        office.advisor.applied(response.proposal, holds=False, since=office.now())
    elif result.ending is Ending.FAILED:
        _undo_failed(office, response, result.reason)
    elif result.is_overdue:
        _undo_overdue(office, response, result.reason)
    elif result.is_stuck:
        with writing(office.engine, response.id, office.clock) as conn:
            note_person_called(conn, response.id)
            office.call_person(conn, response, f"it could not be undone yet, and is tried on: {result.reason}")
    if result.fault is not None:
        raise result.fault


def _undo_overdue(office: Office, response: Response, reason: str) -> None:
    """Say, once, that an undo takes too long; call a person if none was called for it before."""
    told = f"its undo takes longer than {office.terms.undo_s:.0f} s, and goes on: {reason}"
    with writing(office.engine, response.id, office.clock) as conn:
        is_told = note_overdue(conn, response.id)
        body, time = {"reason": told}, iso(office.now())
        audit.append_about(conn, response.id, time=time, kind="undo_overdue", owners=response.owners, body=body)
        if not is_told:
            office.call_person(conn, response, told)


def _undo_failed(office: Office, response: Response, reason: str) -> None:
    office.give_up(response)
    with writing(office.engine, response.id, office.clock) as conn:
        note_undo_failed(conn, response.id)
        update_response(conn, response.id, undo_wanted="", holds_until="")
        office.record_in(conn, response, Event.UNDO_FAIL, {"reason": reason})
        office.call_person(conn, response, f"it could not be undone: {reason}")


def _hindrance(office: Office, _conn: sa.Connection, _response: Response) -> str:
    office.lease.check()
    return ""
