"""Carry out an approved response: its playbook's orders, one after the other, and their undo in reverse.

Flows in: a response, its playbook, an interpreter of playbooks (`Script`), an actuator. Flows out: what became of it.
What is done is written before and after each order, in the store, so that a crash repeats no finished order and
repeats an unfinished one with the same idempotency key. The interpreter is pure: progress is its start plus the
recorded outcomes with their times, replayed; so delays and timeouts outlive the node, and are looked at every tick.
Whether a response may run at all is the guard's business, not this module's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

import sqlalchemy as sa

from ..playbooks.cacao import PlaybookError
from . import audit
from .actuators.base import Actuator, Malformed, Order, Outcome, Pending, Refused, Unavailable
from .clock import UNSET, Clock, iso, parse_iso
from .lifecycle import Event
from .records import Response, read_response, time_of, update_response
from .replay import returned_digest
from .store import reading
from .writing import writing

MAX_TRIES = 3  # runs in which an order finds nobody before it counts as failed, or a person hears of it; assumed
MAX_WAIT_S = 300.0  # between two tries of an undo that finds nobody; assumed


class Phase(StrEnum):
    """Which way a run goes."""

    DO = "do"
    UNDO = "undo"


class Ending(StrEnum):
    """How far a run came."""

    DONE = "done"
    FAILED = "failed"
    UNAVAILABLE = "unavailable"  # try again at the next tick


@dataclass(frozen=True, slots=True)
class StepOrder:
    """One order that a playbook asks for now."""

    step: str  # id of the step, unique among the orders of one run
    owner: str  # whose system it goes to
    command: Mapping[str, Any]  # as its type asks, see `actuators.base.Order`
    type: str = "openc2-http"
    agent: Mapping[str, Any] = field(default_factory=dict)
    target: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    returns: Mapping[str, str] = field(default_factory=dict)
    until: datetime | None = None  # when its step's time is over
    playbook: str = ""  # which one asks for it, as `shelf.version_key` names it; empty: the response's own


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is due before then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """The times that a run depends on beside those of its outcomes, UTC."""

    began: datetime  # when the response was started
    now: datetime
    asked: datetime | None = None  # when the order was first sent whose outcome is not known


NO_TIME = Moment(UNSET, UNSET)  # for runs in which no time passes


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What became of an order, for the interpreter."""

    step: str
    succeeded: bool
    text: str = ""
    perhaps: bool = False  # it failed, but may have taken effect: undo covers it
    asked: str = ""  # when it was first sent, UTC; empty: no time passed
    at: str = ""  # when that became of it, UTC
    arguments: Mapping[str, str] = field(default_factory=dict)  # values of variables that it brought


class Script(Protocol):
    """A pure interpreter of one playbook on given targets: equal outcomes and times give equal orders."""

    def next_order(
        self, document: Any, response: Response, outcomes: Sequence[StepOutcome], moment: Moment = NO_TIME
    ) -> StepOrder | Pause | None:
        """Give the order due after `outcomes`, or until when to wait; None where the playbook has ended."""
        ...

    def succeeded(
        self, document: Any, response: Response, outcomes: Sequence[StepOutcome], moment: Moment = NO_TIME
    ) -> bool:
        """Say whether a playbook that ended did so by its way of success."""
        ...

    def undo_orders(
        self, document: Any, response: Response, outcomes: Sequence[StepOutcome], moment: Moment = NO_TIME
    ) -> Sequence[StepOrder]:
        """Give the orders that take back what `outcomes` did, in the order to send them."""
        ...

    def why_failed(
        self, document: Any, response: Response, outcomes: Sequence[StepOutcome], moment: Moment = NO_TIME
    ) -> str:
        """Say why a playbook that ended has failed; empty where it has not."""
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended for now."""

    ending: Ending
    reason: str = ""
    is_stuck: bool = False  # an undo found nobody several times, it is tried on, and no person was called yet


Hindrance = Callable[[sa.Connection, Response], str]  # why no order may go out now; empty: it may
IsActive = Callable[[str, str], bool]  # (playbook id, owner)


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
    """
    while True:
        with reading(engine) as conn:
            row = read_response(conn, response)
            reason = hindrance(conn, row)
            began = time_of(conn, response, Event.EXECUTE)
            is_asked_anew = phase is Phase.UNDO and _is_asked_anew(conn, row)
        if reason:
            return Result(Ending.UNAVAILABLE, reason)
        progress = _Progress.of(row)
        moment = Moment(parse_iso(began) if began else UNSET, clock.now(), progress.asked_at)
        try:
            due = _due(script, document, row, progress, phase, moment)
        except PlaybookError as error:
            return Result(Ending.FAILED, str(error))
        asked = _step_of(progress.begun, row, Phase.DO)
        if asked and (phase is Phase.UNDO or not isinstance(due, StepOrder) or due.step != asked):
            _write_unknown(engine, clock, row, progress, Phase.DO, asked)
        elif is_asked_anew:
            _write_unknown(engine, clock, row, progress, phase, _step_of(progress.begun, row, phase))
        elif due is None:
            return _ended(script, document, row, progress, phase, moment)
        elif isinstance(due, Pause):
            return Result(Ending.UNAVAILABLE, f"waits until {iso(due.until)}")
        else:
            result = _send(engine, clock, actuator, row, progress, due, phase, is_active)
            if result is not None:
                return result


def has_to_undo(script: Script, document: Any, row: Response, moment: Moment) -> bool:
    """Whether a run that ended did, or may have done, something that its playbook says how to take back.

    True where that cannot be said: the undo then fails, and a person is called.
    """
    progress = _Progress.of(row)
    asked = _step_of(progress.begun, row, Phase.DO)
    outcomes = (*progress.do, _unknown(asked, progress, moment.now)) if asked else progress.do
    try:
        return bool(outcomes) and bool(script.undo_orders(document, row, outcomes, moment))
    except PlaybookError:
        return True


def note_person_called(conn: sa.Connection, response: str) -> None:
    """Keep that a person knows that an undo finds nobody; see `Result.is_stuck`."""
    row = read_response(conn, response)
    update_response(conn, response, run=replace(_Progress.of(row), told=True).written())


def hears_of_wish(conn: sa.Connection, row: Response) -> bool:
    """Whether one more wish to undo it makes a difference: a person was called for want of anybody, and asks anew."""
    return _Progress.of(row).told and not _is_asked_anew(conn, row)


def _is_asked_anew(conn: sa.Connection, row: Response) -> bool:
    """Whether a person who was called looked there, and wants the undo sent again: under a new key, then."""
    last = audit.last_about(conn, row.id)
    return _Progress.of(row).told and last is not None and last.kind == "undo_wanted"


@dataclass(frozen=True, slots=True)
class _Progress:
    """A run as the store keeps it."""

    do: tuple[StepOutcome, ...]
    undo: tuple[StepOutcome, ...]
    begun: str = ""  # key of the order that was sent, its outcome not yet written
    tries: int = 0
    asked: str = ""  # when it was first sent, UTC
    pending: bool = False  # the other side has taken it and works on it
    tried: str = ""  # when it was last sent, UTC
    told: bool = False  # a person was called because it finds nobody

    @classmethod
    def of(cls, response: Response) -> _Progress:
        run = response.run
        do, undo = (tuple(StepOutcome(**item) for item in run.get(phase, ())) for phase in ("do", "undo"))
        rest = {name: run[name] for name in _OF_AN_ORDER if name in run}
        return cls(do, undo, **rest)

    @property
    def asked_at(self) -> datetime | None:
        return parse_iso(self.asked) if self.begun and self.asked else None

    def written(self) -> dict[str, Any]:
        outcomes = {
            name: [asdict(outcome) for outcome in items] for name, items in (("do", self.do), ("undo", self.undo))
        }
        return {**outcomes, **{name: getattr(self, name) for name in _OF_AN_ORDER}}

    def with_outcome(self, phase: Phase, outcome: StepOutcome) -> _Progress:
        if phase is Phase.DO:
            return _Progress((*self.do, outcome), self.undo)
        return _Progress(self.do, (*self.undo, outcome))

    def with_begun(self, key: str, now: str) -> _Progress:
        if key == self.begun:
            return replace(self, tries=self.tries + 1, tried=now)
        return _Progress(self.do, self.undo, key, 1, now, tried=now)

    @property
    def again_at(self) -> datetime | None:
        """When an undo that found nobody goes out again: at once a few times, then after 1, 2, 4 ... s."""
        over = self.tries - MAX_TRIES
        if self.pending or over < 0 or not self.tried:
            return None
        return parse_iso(self.tried) + timedelta(seconds=min(2.0 ** min(over, 30), MAX_WAIT_S))


_OF_AN_ORDER = ("begun", "tries", "asked", "pending", "tried", "told")


def _due(
    script: Script, document: Any, row: Response, progress: _Progress, phase: Phase, moment: Moment
) -> StepOrder | Pause | None:
    if phase is Phase.DO:
        return script.next_order(document, row, progress.do, moment)
    taken_back = {outcome.step for outcome in progress.undo if outcome.succeeded}
    orders = script.undo_orders(document, row, progress.do, moment)
    return next((order for order in orders if order.step not in taken_back), None)


def _ended(script: Script, document: Any, row: Response, progress: _Progress, phase: Phase, moment: Moment) -> Result:
    if phase is Phase.UNDO or script.succeeded(document, row, progress.do, moment):
        return Result(Ending.DONE)
    why = script.why_failed(document, row, progress.do, moment)
    return Result(Ending.FAILED, why or "the playbook ended by its way of failure")


def _step_of(key: str, row: Response, phase: Phase) -> str:
    """The step whose order has this key; empty where it is of another phase, or there is none."""
    asked = key.removeprefix(f"{row.id}/{phase}/")
    return asked.rpartition("/")[0] if asked != key else ""


def _write_unknown(
    engine: sa.Engine, clock: Clock, row: Response, progress: _Progress, phase: Phase, step: str
) -> None:
    """Nobody waits any more for what becomes of an order: its time is over, it is taken back, or goes out anew."""
    _write_outcome(engine, clock, row, progress, phase, _unknown(step, progress, clock.now()))


def _unknown(step: str, progress: _Progress, now: datetime) -> StepOutcome:
    return StepOutcome(step, succeeded=False, text="not known", perhaps=True, asked=progress.asked, at=iso(now))


def _send(
    engine: sa.Engine,
    clock: Clock,
    actuator: Actuator,
    row: Response,
    progress: _Progress,
    due: StepOrder,
    phase: Phase,
    is_active: IsActive,
) -> Result | None:
    """Send one order; None: go on, its outcome is written."""
    if due.owner not in row.owners:
        return Result(Ending.FAILED, f"its order goes to owner {due.owner!r}, who was not asked; mend the playbook")
    if phase is Phase.DO and due.playbook and not is_active(due.playbook, due.owner):
        return Result(Ending.FAILED, f"playbook {due.playbook}, which it calls, is not active for {due.owner!r}")
    now = clock.now()
    number = sum(outcome.step == due.step for outcome in (progress.do if phase is Phase.DO else progress.undo))
    order = _order(f"{row.id}/{phase}/{due.step}/{number + 1}", due, now)
    was_begun = progress.begun == order.key
    again_at = progress.again_at if was_begun and phase is Phase.UNDO else None
    if again_at is not None and now < again_at:
        return Result(Ending.UNAVAILABLE, f"is tried again at {iso(again_at)}", not progress.told)
    if not (was_begun and progress.pending):  # what is known to be under way is only asked about
        progress = progress.with_begun(order.key, iso(now))
        _write(engine, clock, row, progress, "order", {"key": order.key, "owner": order.owner, "try": progress.tries})
    try:
        outcome = actuator.read(order) if was_begun and not actuator.removes_duplicates else None
        outcome = outcome or actuator.carry_out(order)
        step = StepOutcome(due.step, succeeded=True, text=outcome.text, arguments=_returned(due, outcome))
    except Pending as error:
        if not progress.pending:
            _write(engine, clock, row, replace(progress, pending=True), "pending", {"key": order.key})
        return Result(Ending.UNAVAILABLE, str(error))
    except Refused as error:
        step = StepOutcome(due.step, succeeded=False, text=str(error))
    except Malformed as error:
        step = StepOutcome(due.step, succeeded=False, text=str(error), perhaps=True)
    except Unavailable as error:
        if phase is Phase.UNDO:  # what was done stands until it is taken back: nobody being there ends no undo
            is_late = progress.again_at is not None and not progress.told
            return Result(Ending.UNAVAILABLE, str(error), is_late)
        if progress.pending or progress.tries < MAX_TRIES:
            return Result(Ending.UNAVAILABLE, str(error))
        step = StepOutcome(due.step, succeeded=False, text=str(error), perhaps=True)
    step = replace(step, asked=progress.asked, at=iso(clock.now()))
    _write_outcome(engine, clock, row, progress, phase, step)
    return Result(Ending.FAILED, step.text) if phase is Phase.UNDO and not step.succeeded else None


def _order(key: str, due: StepOrder, now: datetime) -> Order:
    left = None if due.until is None else max((due.until - now).total_seconds(), 0.0)
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


def _returned(due: StepOrder, outcome: Outcome) -> dict[str, str]:
    return {name: str(outcome.arguments[name]) for name in due.returns if name in outcome.arguments}


def _write_outcome(
    engine: sa.Engine, clock: Clock, row: Response, progress: _Progress, phase: Phase, step: StepOutcome
) -> None:
    body = {"key": progress.begun, "succeeded": step.succeeded, "text": step.text, "perhaps": step.perhaps}
    body |= {"asked": step.asked, "at": step.at, "returned": returned_digest(step.arguments)}
    _write(engine, clock, row, progress.with_outcome(phase, step), "outcome", body)


def _write(
    engine: sa.Engine, clock: Clock, row: Response, progress: _Progress, kind: str, body: Mapping[str, Any]
) -> None:
    with writing(engine, row.id, clock) as conn:
        update_response(conn, row.id, run=progress.written())
        audit.append_about(conn, row.id, time=iso(clock.now()), kind=kind, owners=row.owners, body=body)
