"""What tests of a node do again and again: who calls, the one response, a signed answer, the log."""

from __future__ import annotations

from datetime import timedelta

from tocsin.orchestrator import audit
from tocsin.orchestrator.client import binding_of
from tocsin.orchestrator.consent import Decision, sign
from tocsin.orchestrator.identity import Caller, Role
from tocsin.orchestrator.records import Response, list_responses
from tocsin.tests.orchestrator.fakes import (
    House,
)


def caller(owner: str) -> Caller:
    """Give a caller who may do what owners may."""
    return Caller(owner, frozenset({Role.SENSOR, Role.VIEWER, Role.APPROVER}))


def only(home: House) -> Response:
    """Give the one response there is."""
    with home.engine.begin() as conn:
        (row,) = list_responses(conn)
    return row


def signed(home: House, owner: str, decision: Decision = Decision.APPROVE, *, by: str | None = None) -> str:
    """Sign an answer to the one response as an owner would, from what it is shown."""
    by = by or owner
    row, now = only(home), home.node.clock.now()
    binding = binding_of(home.node.view(caller(row.owners[0])).response(row))
    hour = timedelta(hours=1)
    return sign(binding, decision, home.key(by), owner=owner, person=f"approver@{by}", time=now, expiry=now + hour)


def kinds(home: House) -> list[str]:
    """Give the kinds of all audit records."""
    with home.engine.begin() as conn:
        assert audit.verify(conn).is_whole
        return [record.kind for record in audit.read(conn)]


def calls(home: House) -> list[str]:
    """Why persons were called."""
    with home.engine.begin() as conn:
        assert audit.verify(conn).is_whole
        return [record.content["reason"] for record in audit.read(conn) if record.kind == "person_called"]
