"""Carry out an approved response: its playbook's orders, all that are due at the same time, and their undo in reverse.

Flows in: a response, its playbook, an interpreter of playbooks (`Script`), an actuator. Flows out: what became of it.
What is done is written before and after each order, in the store, by one thread, so that a crash repeats no finished
order and repeats an unfinished one with the same idempotency key. The interpreter is pure: progress is its start plus
what happened with its times, replayed; so delays and timeouts outlive the node, and are looked at every tick.
Whether a response may run at all is the guard's business, not this module's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from ..playbooks.cacao import PlaybookError
from . import audit
from .actuators.base import Actuator, Malformed, Order, Outcome, Pending, Refused, Unavailable, give_up
from .clock import UNSET, Clock, iso, parse_iso
from .interpreting import Due, Moment, Script, StepOrder, StepOutcome
from .lifecycle import Event, State
from .progress import MAX_TRIES, Phase, Progress, Sent
from .records import Response, read_response, time_of, update_response
from .replay import returned_digest
from .sending import IN_FLIGHT, Sending
from .store import reading
from .writing import writing

POLL_S = 1.0  # how long a turn waits for an order before it looks whether something else is due
UNDO_S = 3_600.0  # an undo that takes longer is overdue; assumed
ORDER_S = 300.0  # that a call of an actuator may take where the playbook says nothing; assumed


class Ending(StrEnum):
    """How far a run came."""

    DONE = "done"
    FAILED = "failed"
    UNAVAILABLE = "unavailable"  # try again at the next tick


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended for now."""

    ending: Ending
    reason: str = ""
    is_stuck: bool = False  # an undo found nobody several times, it is tried on, and no person was called yet
    is_overdue: bool = False  # an undo has taken too long, it is tried on, and this was not said yet
    fault: Exception | None = None  # what an actuator raised that it may not; it is tried on


Hindrance = Callable[[sa.Connection, Response], str]  # why no order may go out now; empty: it may
SayLate = Callable[[str], None]  # keeps it: the next result is overdue no more
IsActive = Callable[[str, str], bool]  # (SHA-256 of a content, owner)


def carry_out(
    engine: sa.Engine,
    clock: Clock,
    actuator: Actuator,
    script: Script,
    document: Any,
    response: str,
    phase: Phase,
    *,
    hindrance: Hindrance,
    is_active: IsActive,
    in_flight: int = IN_FLIGHT,
    undo_s: float = UNDO_S,
    order_s: float = ORDER_S,
    say_late: SayLate | None = None,
) -> Result:
    """Send the orders of a response that are still due, in the given direction, until it ends, fails or must wait.

    Args:
        engine: the store.
        clock: the node's.
        actuator: where orders go.
        script: reads `document`.
        document: the response's playbook.
        response: its id.
        phase: do it, or undo it.
        hindrance: asked before every order.
        is_active: asked of playbooks that the response's own one calls, for every owner that they act on.
        in_flight: how many orders may be sent at the same time; those that others work on are not counted.
        undo_s: seconds after which an undo is overdue.
        order_s: seconds that a call of an actuator may take where no step names a time.
        say_late: told, once, why an undo is overdue while one of its calls still goes on: that may take long.
    """
    with Sending(actuator, in_flight) as sending:
        turn = _Turn(
            engine, clock, actuator, script, document, response, phase, hindrance, is_active, undo_s, order_s, sending,
            say_late=say_late,
        )  # fmt: skip
        return turn.to_its_end()


def has_to_undo(script: Script, document: Any, row: Response, moment: Moment) -> bool:
    """Whether a run that ended did, or may have done, something that its playbook says how to take back.

    True where that cannot be said: the undo then fails, and a person is called.
    """
    progress = Progress.of(row)
    for sent in progress.begun:
        if sent.phase is Phase.DO:
            progress = progress.with_outcome(sent, sent.unknown(iso(moment.now)))
    try:
        return bool(progress.do) and bool(script.undo_orders(document, row, progress.events(), moment))
    except PlaybookError:
        return True


def give_up_orders(engine: sa.Engine, clock: Clock, actuator: Actuator, response: str) -> None:
    """End what a run that ends has under way: nobody waits for it any more, and tasks of people are withdrawn."""
    with reading(engine) as conn:
        row = read_response(conn, response)
    for sent in Progress.of(row).begun:
        _write_unknown(engine, clock, lambda key: give_up(actuator, key), response, sent.key)


def note_person_called(conn: sa.Connection, response: str) -> None:
    """Keep that a person knows that an undo finds nobody; see `Result.is_stuck`."""
    row = read_response(conn, response)
    update_response(conn, response, run=replace(Progress.of(row), told=True).written())


def note_overdue(conn: sa.Connection, response: str) -> bool:
    """Keep that an undo takes too long; say whether a person was called for it before."""
    progress = Progress.of(read_response(conn, response))
    update_response(conn, response, run=replace(progress, told=True, overdue=True).written())
    return progress.told


def note_undo_failed(conn: sa.Connection, response: str) -> None:
    """Keep that an undo has ended badly: the next one has its own time."""
    row = read_response(conn, response)
    update_response(conn, response, run=Progress.of(row).anew().written())


def undo_is_overdue(row: Response) -> bool:
    """Whether its undo has taken too long and goes on."""
    return row.state is not State.UNDONE and Progress.of(row).overdue


def hears_of_wish(conn: sa.Connection, row: Response) -> bool:
    """Whether one more wish to undo it makes a difference: a person was called for want of anybody, and asks anew."""
    return Progress.of(row).told and not _is_asked_anew(conn, row)


def _is_asked_anew(conn: sa.Connection, row: Response) -> bool:
    """Whether a person who was called looked there, and wants the undo sent again: under a new key, then."""
    last = audit.last_about(conn, row.id)
    return Progress.of(row).told and last is not None and last.kind == "undo_wanted"


@dataclass(slots=True)
class _Turn:
    """One response, brought on as far as it goes now; all writing is done by the thread that made it."""

    engine: sa.Engine
    clock: Clock
    actuator: Actuator
    script: Script
    document: Any
    response: str
    phase: Phase
    hindrance: Hindrance
    is_active: IsActive
    undo_s: float
    order_s: float
    sending: Sending
    tried: set[str] = field(default_factory=set)  # keys: each goes out once in a turn
    pending: set[str] = field(default_factory=set)  # keys of those that others work on: asked about while we wait
    returns: dict[str, frozenset[str]] = field(default_factory=dict)  # by key: values that are asked back
    stopped: Result | None = None  # no further order goes out
    waits: Result = Result(Ending.UNAVAILABLE, "waits")  # where nothing else is to be said
    patience_s: float = POLL_S
    fault: Exception | None = None  # of an actuator
    say_late: SayLate | None = None

    def to_its_end(self) -> Result:
        """Go on until nothing more can be sent, and all that was has come back."""
        while True:
            for key, future in self.sending.ended():
                self._take(key, future)
            result = self._next()
            if result is None:
                continue
            if not self.sending.is_idle:
                if result.is_overdue and self.say_late is not None:
                    self.say_late("the actuator has not answered yet")
                if not self.sending.wait(self.patience_s):
                    self.tried -= self.pending
                continue
            return result if self.fault is None else self._broken(result, self.fault)

    def _next(self) -> Result | None:
        """Write or send one thing; a result where there is nothing to do but to wait."""
        with reading(self.engine) as conn:
            row = read_response(conn, self.response)
            reason = "" if self.stopped else self.hindrance(conn, row)
            began = time_of(conn, self.response, Event.EXECUTE)
            is_asked_anew = self.phase is Phase.UNDO and _is_asked_anew(conn, row)
        if self.stopped:
            return self.stopped
        if reason:
            return Result(Ending.UNAVAILABLE, reason)
        progress, now = Progress.of(row), self.clock.now()
        moment = Moment(parse_iso(began) if began else UNSET, now)
        try:
            due = self._due(row, progress, moment)
        except PlaybookError as error:
            return Result(Ending.FAILED, str(error))
        steps = {order.step for order in due.orders}
        for sent in progress.begun:
            if (
                sent.phase is not self.phase
                or sent.step not in steps
                or (is_asked_anew and not self.sending.is_running(sent.key))
            ):
                self.sending.forget(sent.key)
                _write_unknown(self.engine, self.clock, self.sending.give_up, self.response, sent.key)
                return None
        for order in due.orders:
            if self._key(progress, order) not in self.tried and not self.sending.is_full:
                self._send(row, progress, order, now, due.met)
                return None
        if due.is_over:
            return self._ended(row, progress, moment)
        self.patience_s = POLL_S if due.until is None else min(max((due.until - now).total_seconds(), 0.05), POLL_S)
        return self._waiting(progress, due, now)

    def _broken(self, result: Result, fault: Exception) -> Result:
        """An actuator raised what it may not: an undo grows late by that as by any other hindrance."""
        with reading(self.engine) as conn:
            progress = Progress.of(read_response(conn, self.response))
        return replace(result, fault=fault, is_overdue=self._is_overdue(progress, self.clock.now()))

    def _due(self, row: Response, progress: Progress, moment: Moment) -> Due:
        if self.phase is Phase.DO:
            return self.script.due(self.document, row, progress.events(), moment)
        orders = self.script.undo_orders(self.document, row, progress.events(), moment)
        taken_back = {outcome.step for outcome in progress.undo if outcome.succeeded}
        left = [order for order in orders if order.step not in taken_back]
        return Due(tuple(left[:1]), is_over=not left)  # one after the other, the last first

    def _waiting(self, progress: Progress, due: Due, now: datetime) -> Result:
        waits = self.waits
        if not due.orders and due.until is not None:
            waits = Result(Ending.UNAVAILABLE, f"waits until {iso(due.until)}")
        return replace(waits, is_overdue=self._is_overdue(progress, now))

    def _is_overdue(self, progress: Progress, now: datetime) -> bool:
        since = progress.undo_since
        if self.phase is Phase.DO or progress.overdue or not since:
            return False
        return (now - parse_iso(since)).total_seconds() >= self.undo_s

    def _ended(self, row: Response, progress: Progress, moment: Moment) -> Result:
        given = (self.document, row, progress.events(), moment)
        if self.phase is Phase.UNDO or self.script.succeeded(*given):
            return Result(Ending.DONE)
        return Result(Ending.FAILED, self.script.why_failed(*given) or "the playbook ended by its way of failure")

    def _key(self, progress: Progress, due: StepOrder) -> str:
        outcomes = progress.do if self.phase is Phase.DO else progress.undo
        number = sum(outcome.step == due.step for outcome in outcomes) + 1
        return f"{self.response}/{self.phase}/{due.step}/{number}"

    def _send(self, row: Response, progress: Progress, due: StepOrder, now: datetime, met: tuple[str, ...]) -> None:
        """Send one order, after it was written that it goes out."""
        if due.owner not in row.owners:
            told = f"its order goes to owner {due.owner!r}, who was not asked; mend the playbook"
            self.stopped = Result(Ending.FAILED, told)
            return
        if self.phase is Phase.DO and due.playbook and not self.is_active(due.digest, due.owner):
            told = f"playbook {due.playbook}, which it calls, is not active for {due.owner!r}"
            self.stopped = Result(Ending.FAILED, told)
            return
        order = _order(self._key(progress, due), due, now, self.order_s)
        self.tried.add(order.key)
        self.returns[order.key] = frozenset(due.returns)
        before = progress.sent(order.key)
        again_at = before.again_at if before is not None and self.phase is Phase.UNDO else None
        if again_at is not None and now < again_at:
            self.waits = Result(Ending.UNAVAILABLE, f"is tried again at {iso(again_at)}", not progress.told)
            return
        if before is None or not before.pending:  # what is known to be under way is only asked about
            progress = progress.with_begun(order.key, iso(now), self.phase, met)
            sent = progress.sent(order.key)
            assert sent is not None  # it was just begun
            body = {"key": order.key, "owner": order.owner, "try": sent.tries, "playbook": due.digest}
            self._write(progress, "order", body | {"met": list(sent.met)})
        self.sending.send(order, was_sent=before is not None)

    def _take(self, key: str, future: Future[Outcome]) -> None:
        """Write what became of an order."""
        with reading(self.engine) as conn:
            progress = Progress.of(read_response(conn, self.response))
        sent = progress.sent(key)
        assert sent is not None  # else it was forgotten
        try:
            outcome = future.result()
            brought = {name: str(value) for name, value in outcome.arguments.items() if name in self.returns[key]}
            step = StepOutcome(sent.step, succeeded=True, text=outcome.text, arguments=brought)
        except Pending as error:
            self.waits = Result(Ending.UNAVAILABLE, str(error))
            self.pending.add(key)
            if not sent.pending:
                self._write(progress.with_pending(key), "pending", {"key": key})
            return
        except Refused as error:
            step = StepOutcome(sent.step, succeeded=False, text=str(error))
        except Malformed as error:
            step = StepOutcome(sent.step, succeeded=False, text=str(error), perhaps=True)
        except Unavailable as error:
            if self.phase is Phase.UNDO:  # what was done stands until it is taken back: nobody there ends no undo
                is_late = sent.again_at is not None and not progress.told
                self.waits = Result(Ending.UNAVAILABLE, str(error), is_late)
                return
            if sent.pending or sent.tries < MAX_TRIES:
                self.waits = Result(Ending.UNAVAILABLE, str(error))
                return
            step = StepOutcome(sent.step, succeeded=False, text=str(error), perhaps=True)
        except Exception as error:  # noqa: BLE001  (raised again when the other orders have come back)
            is_late = self.phase is Phase.UNDO and sent.again_at is not None and not progress.told
            told = str(error) or type(error).__name__
            self.fault, self.stopped = error, Result(Ending.UNAVAILABLE, told, is_late)
            return
        step = replace(step, asked=sent.asked, at=iso(self.clock.now()), after=sent.after, met=sent.met)
        _write_outcome(self.engine, self.clock, self.response, progress, sent, step)
        if self.phase is Phase.UNDO and not step.succeeded:
            self.stopped = Result(Ending.FAILED, step.text)

    def _write(self, progress: Progress, kind: str, body: Mapping[str, Any]) -> None:
        with writing(self.engine, self.response, self.clock) as conn:
            _write(conn, self.clock, self.response, progress, kind, body)


def _order(key: str, due: StepOrder, now: datetime, order_s: float) -> Order:
    left = None if due.until is None else max((due.until - now).total_seconds(), 0.0)
    if not due.is_timed and due.type != "manual":  # a tick waits for it, and with the tick everybody
        left = order_s if left is None else min(left, order_s)
        left = max(left, due.bound_s or 0.0)  # an undo has its step's time, never less than without one
    return Order(
        key=key,
        owner=due.owner,
        command=due.command,
        type=due.type,
        agent=due.agent,
        target=due.target,
        arguments=due.arguments,
        returns=due.returns,
        timeout_s=left,
    )


def _write_unknown(
    engine: sa.Engine, clock: Clock, give_up_order: Callable[[str], bool], response: str, key: str
) -> None:
    """Nobody waits any more for what becomes of an order: its time is over, it is taken back, or goes out anew.

    A task that a person has for it is withdrawn first: a crash between the two lets this be done again.
    """
    is_withdrawn = give_up_order(key)
    with reading(engine) as conn:
        progress = Progress.of(read_response(conn, response))
    sent = progress.sent(key)
    assert sent is not None  # it is of this row
    step = sent.unknown(iso(clock.now()))
    _write_outcome(engine, clock, response, progress, sent, step, is_given_up=True, is_withdrawn=is_withdrawn)


def _write_outcome(
    engine: sa.Engine,
    clock: Clock,
    response: str,
    progress: Progress,
    sent: Sent,
    step: StepOutcome,
    *,
    is_given_up: bool = False,
    is_withdrawn: bool = False,
) -> None:
    body = {"key": sent.key, "succeeded": step.succeeded, "text": step.text, "perhaps": step.perhaps}
    body |= {"asked": step.asked, "at": step.at, "after": step.after, "returned": returned_digest(step.arguments)}
    progress = progress.with_outcome(sent, step)
    if is_given_up and sent.phase is Phase.UNDO:
        progress = progress.anew()
    with writing(engine, response, clock) as conn:
        _write(conn, clock, response, progress, "outcome", body)
        if is_withdrawn:
            _write(conn, clock, response, progress, "task_withdrawn", {"key": sent.key})


def _write(
    conn: sa.Connection, clock: Clock, response: str, progress: Progress, kind: str, body: Mapping[str, Any]
) -> None:
    update_response(conn, response, run=progress.written())
    owners = read_response(conn, response).owners
    audit.append_about(conn, response, time=iso(clock.now()), kind=kind, owners=owners, body=body)
