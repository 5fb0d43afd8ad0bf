"""Bring every response one step further: rehearse, ask, approve, carry out, verify, undo, expire.

Flows in: the store, the advisor, the clock. Flows out: transitions in the store, orders through `run.py`. Each step
reads the store anew and is safe to repeat, so a crash loses nothing. Proposals come in through `proposing.py`; it knows
neither callers nor HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ..twin.graph import Twin
from . import audit, forecasts
from .actuators.base import Actuator
from .asking import case_of, quorums, rule_consents
from .clock import Clock, iso, parse_iso
from .competing import WAITING, in_turn, living
from .consent import Decision
from .guard import Basis, GivenConsent, Refusal, refusal
from .holding import MAY_HOLD, ends, holds
from .identity import Signers
from .interpreting import Moment, Script
from .lease import Lease
from .lifecycle import Event, State, record_transition
from .pinned import Pinned
from .progress import Phase
from .proposals import Advisor, Verification
from .records import (
    BY_NODE,
    Response,
    attempts,
    kill_switch,
    list_consents,
    list_responses,
    read_response,
    record_consent,
    spent_since,
    time_of,
    update_response,
)
from .run import (
    Ending,
    Hindrance,
    Result,
    carry_out,
    give_up_orders,
    has_to_undo,
    note_overdue,
    note_person_called,
    note_undo_failed,
)
from .shelf import IsActive, Shelf
from .store import reading
from .terms import Terms
from .watching import Watcher
from .writing import ChangedByHand, writing

HOLDING = (State.VERIFYING, State.SUCCEEDED)
ENDS = {
    "consent_lapsed": Event.EXPIRE,
    "consent_expired": Event.EXPIRE,
    "already_there": Event.EXPIRE,
    "denied": Event.DENY,
}


@dataclass(frozen=True, slots=True)
class Workflow:
    """The life of responses; lives as long as its node and is used by one thread at a time."""

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

    def advance(self) -> None:
        """Bring every response as far as it can go at this time.

        Raises:
            ExceptionGroup: faults of single responses, after all others were brought on.
        """
        faults: list[Exception] = []
        for states, step in self._steps():
            with reading(self.engine) as conn:
                found = list_responses(conn, *states)
            for response in in_turn(found) if states == (State.PROPOSED,) else found:
                try:
                    step(response)
                except ChangedByHand:
                    continue  # it has failed, and the log says so
                except Exception as fault:  # noqa: BLE001  (one response's fault must not hold up another's; raised below)
                    faults.append(fault)
        if faults:
            raise ExceptionGroup("responses that could not be brought on", faults)

    def recall(self) -> None:
        """After a start, tell the advisor which responses were sent and are not verified yet, and which hold."""
        with reading(self.engine) as conn:
            sent = [(row, time_of(conn, row.id, Event.EXECUTE)) for row in list_responses(conn, State.VERIFYING)]
            succeeded = list_responses(conn, State.SUCCEEDED)
        for response, since in sent:
            self.advisor.applied(response.proposal, holds=True, since=parse_iso(since))
        for response in succeeded:
            if holds(response, self.pinned.of, self._now()):
                until = parse_iso(response.holds_until) if response.holds_until else None
                self.advisor.recalled(response.proposal, until=until)

    def _steps(self) -> tuple[tuple[tuple[State, ...], Callable[[Response], None]], ...]:
        looked: set[str] = set()  # proposers one of whose responses was rehearsed anew at this tick
        return (
            (WAITING, self._expire),
            ((State.PROPOSED,), self._rehearse),
            ((State.REHEARSED,), self._ask),
            ((State.AWAITING_CONSENT,), self._decide),
            ((State.APPROVED,), lambda response: self._start(response, looked)),
            ((State.EXECUTING,), self._execute),
            ((State.VERIFYING,), self._verify),
            ((State.EXECUTING, *HOLDING, State.FAILED), self._undo),
        )

    def _now(self) -> datetime:
        return self.clock.now()

    def _record(self, response: Response, event: Event, **body: Any) -> None:
        with writing(self.engine, response.id, self.clock) as conn:
            self._record_in(conn, response, event, body)

    def _record_in(self, conn: sa.Connection, response: Response, event: Event, body: Mapping[str, Any]) -> None:
        attempt = attempts(conn, response.id, event) + 1
        record_transition(conn, response.id, event, attempt=attempt, time=iso(self._now()), body=body)
        if self.watcher is not None and event is Event.EXECUTE:
            self.watcher.started(conn, response.id, self._now())
        elif self.watcher is not None and event in (Event.UNDO, Event.UNDO_FAIL):
            self.watcher.undone(conn)

    def _expire(self, response: Response) -> None:
        if response.expires <= iso(self._now()):
            self._record(response, Event.EXPIRE, reason="its time ran out")

    def _rehearse(self, response: Response) -> None:
        forecast = self.advisor.rehearse(response.proposal)
        shown = forecasts.shown(forecast)
        with writing(self.engine, response.id, self.clock) as conn:
            update_response(conn, response.id, forecast=shown)
            if self.watcher is not None:
                self.watcher.rehearsed(conn, response.id, forecast.outlook, self._now())
            self._record_in(conn, response, Event.REHEARSE, {"forecast": shown})

    def _ask(self, response: Response) -> None:
        """Ask for consent. The rehearsal informs owners; it does not veto: an hour is shorter than most attacks."""
        self._record(response, Event.REQUEST_CONSENT, asked=list(response.owners), notified=list(response.notified))

    def _decide(self, response: Response) -> None:
        """Add what consent tables say, then approve or deny if every owner has answered."""
        now = self._now()
        with writing(self.engine, response.id, self.clock) as conn:
            asked = time_of(conn, response.id, Event.REQUEST_CONSENT)
            given = list_consents(conn, response.id, self.trust)
            for answer in rule_consents(self.twin, self.shelf, response, given, asked=asked, now=now):
                record_consent(conn, answer, self.trust, time=iso(now), jws="")
                given.append(answer)
            denials = [consent for consent in given if consent.decision is Decision.DENY]
            if denials:
                body = {"owner": denials[0].owner, "person": denials[0].person}
                self._record_in(conn, response, Event.DENY, body)
            elif not self._owners_missing(response, given):
                self._record_in(conn, response, Event.APPROVE, {})

    def _owners_missing(self, response: Response, given: list[GivenConsent]) -> list[str]:
        needed = quorums(self.twin, response)
        missing = []
        for owner in response.owners:
            theirs = [consent for consent in given if consent.owner == owner]
            by_rule = any(consent.basis is Basis.RULE for consent in theirs)
            if not by_rule and len({consent.person for consent in theirs}) < needed[owner]:
                missing.append(owner)
        return missing

    def _start(self, response: Response, looked: set[str]) -> None:
        """Let the guard judge an approved response; start it, end it, or leave it blocked until its time runs out.

        What is blocked is not rehearsed: a forecast that grew old is made anew for what would start, one per proposer
        and tick (those in `looked` had theirs), and the guard judges again after.
        """
        if self._forecast_is_old(response):
            if not self._judge(response, starts=False) or response.proposer in looked:
                return
            new = self.advisor.rehearse(response.proposal)
            looked.add(response.proposer)
            if not forecasts.meets(new, forecasts.read(response.forecast)):
                self._record(response, Event.EXPIRE, reason="a new forecast no longer meets the one consented to")
                return
        self._judge(response, starts=True)

    def _judge(self, response: Response, *, starts: bool) -> bool:
        """Say whether the guard lets it start, and start it if it is to; else end it, or note what blocks it."""
        now = self._now()
        with writing(self.engine, response.id, self.clock) as conn:
            refused = self._refusal(conn, response, now)
            if refused is None and starts:
                shares = {owner: response.criticality.get(owner, 0.0) for owner in response.owners}
                update_response(conn, response.id, blocked="")
                self._record_in(conn, response, Event.EXECUTE, {"criticality": shares})
            elif refused is not None and refused.name in ENDS:
                body = {"refusal": refused.name, "reason": refused.reason}
                self._record_in(conn, response, ENDS[refused.name], body)
            elif refused is not None and response.blocked != refused.name:
                update_response(conn, response.id, blocked=refused.name)
                body = {"refusal": refused.name, "reason": refused.reason}
                audit.append_about(
                    conn, response.id, time=iso(now), kind="guard_refused", owners=response.owners, body=body
                )
        return refused is None

    def _refusal(self, conn: sa.Connection, response: Response, now: datetime) -> Refusal | None:
        """Why it may not start or go on; what goes on is judged by the version that it began with."""
        shelf: Shelf = self.shelf
        is_active: IsActive = self.is_active
        pinned = self.pinned.of(response) if response.state is State.EXECUTING else None
        if pinned is not None and pinned is not shelf.get(response.playbook):
            shelf, began_with = {**shelf, response.playbook: pinned}, pinned.digest

            def is_active(_id: str, owner: str) -> bool:
                return self.is_active(began_with, owner)

        case = case_of(
            response,
            list_consents(conn, response.id, self.trust),
            twin=self.twin,
            shelf=shelf,
            terms=self.terms,
            is_active=is_active,
            spent=spent_since(conn, iso(now - timedelta(hours=1)), but=response.id),
            kill_switch=kill_switch(conn),
            now=now,
            living=living(conn, self.pinned.of, now),
        )
        return refusal(case)

    def _hindrance(self, conn: sa.Connection, response: Response) -> str:
        """Why the next order of a response that is being carried out must not go out now; empty: it may."""
        self.lease.check()
        if response.undo_wanted:
            return f"{response.undo_wanted} wants it undone"
        refused = self._refusal(conn, response, self._now())
        return "" if refused is None or refused.name == "budget_spent" else refused.reason  # its cost is booked already

    def _forecast_is_old(self, response: Response) -> bool:
        with reading(self.engine) as conn:
            rehearsed = parse_iso(time_of(conn, response.id, Event.REHEARSE))
        return (self._now() - rehearsed).total_seconds() > self.terms.fresh_s

    def _execute(self, response: Response) -> None:
        now = self._now()
        with reading(self.engine) as conn:
            if response.undo_wanted or kill_switch(conn):
                return
            refused = self._refusal(conn, response, now)
        if response.expires <= iso(now):
            self._stop(response, "its time ran out before it was carried out whole")
            return
        if refused is not None and refused.name != "budget_spent":  # its own cost is booked already
            self._stop(response, f"{refused.name}: {refused.reason}")
            return
        shelved = self.pinned.of(response)
        if shelved is None:
            self._fail(response, self.pinned.why_not(response))
            return
        result = self._run(shelved.document, response, Phase.DO, self._hindrance)
        if result.ending is Ending.DONE:
            hold_s = shelved.effect.hold_s
            until = iso(self._now() + timedelta(seconds=hold_s)) if hold_s > 0 else ""
            with writing(self.engine, response.id, self.clock) as conn:
                update_response(conn, response.id, holds_until=until)
                self._record_in(conn, response, Event.COMPLETE, {"holds_until": until})
                began = parse_iso(time_of(conn, response.id, Event.EXECUTE))
            self.advisor.applied(response.proposal, holds=True, since=began)
        elif result.ending is Ending.FAILED:
            self._fail(response, result.reason, shelved.document)
        elif result.fault is not None:
            raise result.fault

    def _stop(self, response: Response, reason: str) -> None:
        """End a run half-way: nobody vouches for what it did so far, so it is taken back."""
        shelved = self.pinned.of(response)
        self._fail(response, reason, None if shelved is None else shelved.document)

    def _did_something(self, response: Response, document: Any) -> bool:
        """Whether a run did something that is to be taken back."""
        with reading(self.engine) as conn:
            row = read_response(conn, response.id)
            began = parse_iso(time_of(conn, response.id, Event.EXECUTE))
        return has_to_undo(self.script, document, row, Moment(began, self._now()))

    def _run(self, document: Any, response: Response, phase: Phase, hindrance: Hindrance) -> Result:
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
        )

    def _hindrance_of_undo(self, _conn: sa.Connection, _response: Response) -> str:
        self.lease.check()
        return ""

    def _verify(self, response: Response) -> None:
        with reading(self.engine) as conn:
            began, ended = (parse_iso(time_of(conn, response.id, one)) for one in (Event.EXECUTE, Event.COMPLETE))
        found = self.advisor.verify(response.proposal, began)  # a playbook may wait for its own work
        waited_s, shelved = (self._now() - ended).total_seconds(), self.pinned.of(response)
        patience_s = self.terms.verify_s + (shelved.effect.work_s if shelved else 0.0)  # its work comes first
        if found is Verification.CONFIRMED:
            self._confirm(response)
        elif found is Verification.CONTRADICTED:
            self._fail(response, "later telemetry shows that it did not take effect")
        elif waited_s > patience_s:
            self._fail(response, f"no telemetry confirmed it within {patience_s:.0f} s")
            self.advisor.applied(response.proposal, holds=False, since=self._now())  # no work goes on for good

    def _confirm(self, response: Response) -> None:
        """Note that a response took effect, and that what it took away or over holds no longer: no order is due."""
        with reading(self.engine) as conn:
            over = [row for row in list_responses(conn, *MAY_HOLD) if self._is_over(conn, row, by=response)]
        for other in over:
            self._give_up(other)
        with writing(self.engine, response.id, self.clock) as conn:
            self._record_in(conn, response, Event.CONFIRM, {})
            ended = [row for row in list_responses(conn, *MAY_HOLD) if self._is_over(conn, row, by=response)]
            for other in ended:
                update_response(conn, other.id, undo_wanted="", holds_until="")
                self._record_in(conn, other, Event.UNDO, {"why": f"response {response.id} took its place"})
        for other in ended:
            self.advisor.applied(other.proposal, holds=False, since=self._now())

    def _is_over(self, conn: sa.Connection, response: Response, *, by: Response) -> bool:
        """Whether `by`, with other later ones, ended a hold on every target; on some alone it goes on."""
        if not self._ends(conn, by, response) or (response.state is State.FAILED and not response.holds_until):
            return False
        left = set(response.targets)
        for later in list_responses(conn, State.SUCCEEDED):
            if self._ends(conn, later, response):
                left -= set(later.targets)
        return not left

    def _ends(self, conn: sa.Connection, later: Response, earlier: Response) -> bool:
        if not ends(later, earlier, self.pinned.of):
            return False
        completed = time_of(conn, earlier.id, Event.COMPLETE)
        return "" < completed <= time_of(conn, later.id, Event.EXECUTE)

    def _give_up(self, response: Response) -> None:
        """End what is under way of a run that ends; before that is written, so that a crash leaves nothing open."""
        give_up_orders(self.engine, self.clock, self.actuator, response.id)

    def _fail(self, response: Response, reason: str, document: Any = None) -> None:
        """End a response; what the run of a document did is taken back by the same way as an owner's wish.

        Both are written at once: a node that dies in between would never take it back.
        """
        self._give_up(response)
        takes_back = document is not None and self._did_something(response, document)
        with writing(self.engine, response.id, self.clock) as conn:
            self._record_in(conn, response, Event.FAIL, {"reason": reason})
            self._call_person(conn, response, reason)
            if takes_back:
                update_response(conn, response.id, undo_wanted=BY_NODE)
                body, time = {"by": BY_NODE}, iso(self._now())
                audit.append_about(conn, response.id, time=time, kind="undo_wanted", owners=response.owners, body=body)

    def _call_person(self, conn: sa.Connection, response: Response, reason: str) -> None:
        contacts = {owner: self.twin.owner_by_id[owner].contact for owner in response.owners}
        body, time = {"reason": reason, "contacts": contacts}, iso(self._now())
        audit.append_about(conn, response.id, time=time, kind="person_called", owners=response.owners, body=body)

    def _undo(self, response: Response) -> None:
        """Take back what somebody wants undone or what has held long enough; on failure call a person, once."""
        is_over = "" < response.holds_until <= iso(self._now())
        if not response.undo_wanted and not is_over:
            return
        why = "it failed" if response.undo_wanted == BY_NODE else response.undo_wanted or "its time to hold is over"
        shelved = self.pinned.of(response)
        if shelved is None:
            self._undo_failed(response, self.pinned.why_not(response))
            return
        result = self._run(shelved.document, response, Phase.UNDO, self._hindrance_of_undo)
        if result.ending is Ending.DONE:
            with writing(self.engine, response.id, self.clock) as conn:
                update_response(conn, response.id, undo_wanted="", holds_until="")
                self._record_in(conn, response, Event.UNDO, {"why": why})
            self.advisor.applied(response.proposal, holds=False, since=self._now())
        elif result.ending is Ending.FAILED:
            self._undo_failed(response, result.reason)
        elif result.is_overdue:
            self._undo_overdue(response, result.reason)
        elif result.is_stuck:
            with writing(self.engine, response.id, self.clock) as conn:
                note_person_called(conn, response.id)
                self._call_person(conn, response, f"it could not be undone yet, and is tried on: {result.reason}")
        if result.fault is not None:
            raise result.fault

    def _undo_overdue(self, response: Response, reason: str) -> None:
        """Say, once, that an undo takes too long; call a person if none was called for it before."""
        told = f"its undo takes longer than {self.terms.undo_s:.0f} s, and goes on: {reason}"
        with writing(self.engine, response.id, self.clock) as conn:
            is_told = note_overdue(conn, response.id)
            body, time = {"reason": told}, iso(self._now())
            audit.append_about(conn, response.id, time=time, kind="undo_overdue", owners=response.owners, body=body)
            if not is_told:
                self._call_person(conn, response, told)

    def _undo_failed(self, response: Response, reason: str) -> None:
        self._give_up(response)
        with writing(self.engine, response.id, self.clock) as conn:
            note_undo_failed(conn, response.id)
            update_response(conn, response.id, undo_wanted="", holds_until="")
            self._record_in(conn, response, Event.UNDO_FAIL, {"reason": reason})
            self._call_person(conn, response, f"it could not be undone: {reason}")
