"""A response that was carried out: later telemetry confirms it or not, and it may end what earlier ones hold.

Flows in: the office, a response as the store has it. Flows out: transitions; the advisor hears what holds.
"""

from __future__ import annotations

import sqlalchemy as sa

from .clock import parse_iso
from .executing import fail
from .holding import MAY_HOLD, ends
from .lifecycle import Event, State
from .office import Office
from .proposals import Verification
from .records import Response, list_responses, time_of, update_response
from .store import reading
from .writing import writing


def verify(office: Office, response: Response) -> None:
    """Look for telemetry that confirms the response; without it, in time, the response failed."""
    with reading(office.engine) as conn:
        began, ended = (parse_iso(time_of(conn, response.id, one)) for one in (Event.EXECUTE, Event.COMPLETE))
    found = office.advisor.verify(response.proposal, began)  # a playbook may wait for its own work
    waited_s, shelved = (office.now() - ended).total_seconds(), office.pinned.of(response)
    patience_s = office.terms.verify_s + (shelved.effect.work_s if shelved else 0.0)  # its work comes first
    if found is Verification.CONFIRMED:
        _confirm(office, response)
    elif found is Verification.CONTRADICTED:
        fail(office, response, "later telemetry shows that it did not take effect")
    elif waited_s > patience_s:
        fail(office, response, f"no telemetry confirmed it within {patience_s:.0f} s")
        office.advisor.applied(response.proposal, holds=False, since=office.now())  # no work goes on for good


def _confirm(office: Office, response: Response) -> None:
    """Note that a response took effect, and that what it took away or over holds no longer: no order is due."""
    with reading(office.engine) as conn:
        over = [row for row in list_responses(conn, *MAY_HOLD) if _is_over(office, conn, row, by=response)]
    for other in over:
        office.give_up(other)
    with writing(office.engine, response.id, office.clock) as conn:
        office.record_in(conn, response, Event.CONFIRM, {})
        ended = [row for row in list_responses(conn, *MAY_HOLD) if _is_over(office, conn, row, by=response)]
        for other in ended:
            update_response(conn, other.id, undo_wanted="", holds_until="")
            office.record_in(conn, other, Event.UNDO, {"why": f"response {response.id} took its place"})
    for other in ended:
        office.advisor.applied(other.proposal, holds=False, since=office.now())


def _is_over(office: Office, conn: sa.Connection, response: Response, *, by: Response) -> bool:
    """Whether `by`, with other later ones, ended a hold on every target; on some alone it goes on."""
    if not _ends(office, conn, by, response) or (response.state is State.FAILED and not response.holds_until):
        return False
    left = set(response.targets)
    for later in list_responses(conn, State.SUCCEEDED):
        if _ends(office, conn, later, response):
            left -= set(later.targets)
    return not left


def _ends(office: Office, conn: sa.Connection, later: Response, earlier: Response) -> bool:
    if not ends(later, earlier, office.pinned.of):
        return False
    completed = time_of(conn, earlier.id, Event.COMPLETE)
    return "" < completed <= time_of(conn, later.id, Event.EXECUTE)
