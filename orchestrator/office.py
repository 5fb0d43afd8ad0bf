"""What every step of a response's life needs, and the few things that all of them do.

Flows in: a node's parts. Flows out: records in the store, calls of persons, runs of playbooks. Which step comes when is
`workflow.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..twin.graph import Twin
from . import audit
from .actuators.base import Actuator
from .clock import Clock, iso
from .identity import Signers
from .interpreting import Script
from .lease import Lease
from .lifecycle import Event, record_transition
from .pinned import Pinned
from .progress import Phase
from .proposals import Advisor
from .records import Response, attempts
from .run import Hindrance, Result, SayLate, carry_out, give_up_orders
from .shelf import IsActive, Shelf
from .terms import Terms
from .watching import Watcher
from .writing import writing


@dataclass(frozen=True, slots=True)
class Office:
    """A node's parts, as the life of responses needs them; lives as long as its node, used by one thread at a time."""

    twin: Twin
    shelf: Shelf
    pinned: Pinned
    is_active: IsActive
    terms: Terms
    trust: Signers
    engine: sa.Engine
    clock: Clock
    advisor: Advisor
    actuator: Actuator
    script: Script
    lease: Lease
    watcher: Watcher | None = None

    def now(self) -> datetime:
        """The time by the node's clock."""
        return self.clock.now()

    def record(self, response: Response, event: Event, **body: Any) -> None:
        """Bring a response to its next state, in a transaction of its own."""
        with writing(self.engine, response.id, self.clock) as conn:
            self.record_in(conn, response, event, body)

    def record_in(self, conn: sa.Connection, response: Response, event: Event, body: Mapping[str, Any]) -> None:
        """Bring a response to its next state, in the transaction of `conn`; the watcher hears of it."""
        attempt = attempts(conn, response.id, event) + 1
        record_transition(conn, response.id, event, attempt=attempt, time=iso(self.now()), body=body)
        if self.watcher is not None and event is Event.EXECUTE:
            self.watcher.started(conn, response.id, self.now())
        elif self.watcher is not None and event in (Event.UNDO, Event.UNDO_FAIL):
            self.watcher.undone(conn)

    def call_person(self, conn: sa.Connection, response: Response, reason: str) -> None:
        """Write that the owners' contacts are to be called, and why."""
        contacts = {owner: self.twin.owner_by_id[owner].contact for owner in response.owners}
        body, time = {"reason": reason, "contacts": contacts}, iso(self.now())
        audit.append_about(conn, response.id, time=time, kind="person_called", owners=response.owners, body=body)

    def give_up(self, response: Response) -> None:
        """End what is under way of a run that ends; before that is written, so that a crash leaves nothing open."""
        give_up_orders(self.engine, self.clock, self.actuator, response.id)

    def run(
        self,
        document: Any,
        response: Response,
        phase: Phase,
        hindrance: Hindrance,
        say_late: SayLate | None = None,
    ) -> Result:
        """Carry a document's orders out as far as they go now, see `run.carry_out`."""
        return carry_out(
            self.engine,
            self.clock,
            self.actuator,
            self.script,
            document,
            response.id,
            phase,
            hindrance=hindrance,
            is_active=self.is_active,
            in_flight=self.terms.in_flight,
            undo_s=self.terms.undo_s,
            order_s=self.terms.order_s,
            say_late=say_late,
        )
