"""Carry out an approved response: its playbook's orders, one after the other, and their undo in reverse.

Flows in: a response, its playbook, an interpreter of playbooks (`Script`), an actuator. Flows out: what became of it.
What is done is written before and after each order, in the store, so that a crash repeats no finished order and
repeats an unfinished one with the same idempotency key. The interpreter is pure: progress is its start plus the
recorded outcomes, replayed. Whether a response may run at all is the guard's business, not this module's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Protocol

import sqlalchemy as sa

from ..playbooks.cacao import PlaybookError
from . import audit
from .actuators.base import Actuator, Malformed, Order, Refused, Unavailable
from .clock import Clock, iso
from .records import Response, read_response, update_response
from .store import reading
from .writing import writing

MAX_TRIES = 3  # runs in which an order finds nobody before it counts as failed; assumed


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
    command: Mapping[str, Any]  # OpenC2 command


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What became of an order, for the interpreter."""

    step: str
    succeeded: bool
    text: str = ""
    perhaps: bool = False  # it failed, but may have taken effect: undo covers it


class Script(Protocol):
    """A pure interpreter of one playbook on given targets: equal outcomes give equal orders."""

    def next_order(self, document: Any, response: Response, outcomes: Sequence[StepOutcome]) -> StepOrder | None:
        """Give the order due after `outcomes`; None where the playbook has ended."""
        ...

    def succeeded(self, document: Any, response: Response, outcomes: Sequence[StepOutcome]) -> bool:
        """Say whether a playbook that ended did so by its way of success."""
        ...

    def undo_orders(self, document: Any, response: Response, outcomes: Sequence[StepOutcome]) -> Sequence[StepOrder]:
        """Give the orders that take back what `outcomes` did, in the order to send them."""
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended for now."""

    ending: Ending
    reason: str = ""


Hindrance = Callable[[sa.Connection, Response], str]  # why no order may go out now; empty: it may


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
) -> Result:
    """Send the orders of a response that are still due, in the given direction, until it ends, fails or is hindered."""
    while True:
        with reading(engine) as conn:
            row = read_response(conn, response)
            reason = hindrance(conn, row)
        if reason:
            return Result(Ending.UNAVAILABLE, reason)
        progress = _Progress.of(row)
        asked = progress.begun.removeprefix(f"{row.id}/{Phase.DO}/")
        if phase is Phase.UNDO and asked != progress.begun:  # nobody knows what became of this order
            outcome = StepOutcome(asked.rpartition("/")[0], succeeded=False, text="not known", perhaps=True)
            body = {"key": progress.begun, "succeeded": False, "text": outcome.text, "perhaps": True}
            _write(engine, clock, row, progress.with_outcome(Phase.DO, outcome), "outcome", body)
            continue
        try:
            order = _due(script, document, row, progress, phase)
            if order is None:
                return _ended(script, document, row, progress, phase)
        except PlaybookError as error:
            return Result(Ending.FAILED, str(error))
        result = _send(engine, clock, actuator, row, progress, order, phase)
        if result is not None:
            return result


@dataclass(frozen=True, slots=True)
class _Progress:
    """A run as the store keeps it."""

    do: tuple[StepOutcome, ...]
    undo: tuple[StepOutcome, ...]
    begun: str  # key of the order that was sent, its outcome not yet written
    tries: int

    @classmethod
    def of(cls, response: Response) -> _Progress:
        run = response.run
        do, undo = (tuple(StepOutcome(**item) for item in run.get(phase, ())) for phase in ("do", "undo"))
        return cls(do, undo, run.get("begun", ""), run.get("tries", 0))

    def written(self) -> dict[str, Any]:
        outcomes = {
            name: [asdict(outcome) for outcome in items] for name, items in (("do", self.do), ("undo", self.undo))
        }
        return {**outcomes, "begun": self.begun, "tries": self.tries}

    def with_outcome(self, phase: Phase, outcome: StepOutcome) -> _Progress:
        if phase is Phase.DO:
            return _Progress((*self.do, outcome), self.undo, "", 0)
        return _Progress(self.do, (*self.undo, outcome), "", 0)

    def with_begun(self, key: str) -> _Progress:
        return _Progress(self.do, self.undo, key, self.tries + 1 if key == self.begun else 1)


def _due(script: Script, document: Any, row: Response, progress: _Progress, phase: Phase) -> StepOrder | None:
    if phase is Phase.DO:
        return script.next_order(document, row, progress.do)
    taken_back = {outcome.step for outcome in progress.undo if outcome.succeeded}
    left = [order for order in script.undo_orders(document, row, progress.do) if order.step not in taken_back]
    return left[0] if left else None


def _ended(script: Script, document: Any, row: Response, progress: _Progress, phase: Phase) -> Result:
    if phase is Phase.UNDO or script.succeeded(document, row, progress.do):
        return Result(Ending.DONE)
    failed = [outcome for outcome in progress.do if not outcome.succeeded]
    return Result(Ending.FAILED, failed[-1].text if failed else "the playbook ended by its way of failure")


def _send(
    engine: sa.Engine,
    clock: Clock,
    actuator: Actuator,
    row: Response,
    progress: _Progress,
    due: StepOrder,
    phase: Phase,
) -> Result | None:
    """Send one order; None: go on, its outcome is written."""
    if due.owner not in row.owners:
        return Result(Ending.FAILED, f"its order goes to owner {due.owner!r}, who was not asked; mend the playbook")
    number = sum(outcome.step == due.step for outcome in (progress.do if phase is Phase.DO else progress.undo))
    order = Order(f"{row.id}/{phase}/{due.step}/{number + 1}", due.owner, due.command)
    was_begun = progress.begun == order.key
    progress = progress.with_begun(order.key)
    _write(engine, clock, row, progress, "order", {"key": order.key, "owner": order.owner, "try": progress.tries})
    try:
        outcome = actuator.read(order) if was_begun and not actuator.removes_duplicates else None
        outcome = outcome or actuator.carry_out(order)
        step = StepOutcome(due.step, succeeded=True, text=outcome.text)
    except Refused as error:
        step = StepOutcome(due.step, succeeded=False, text=str(error))
    except Malformed as error:
        step = StepOutcome(due.step, succeeded=False, text=str(error), perhaps=True)
    except Unavailable as error:
        if progress.tries < MAX_TRIES:
            return Result(Ending.UNAVAILABLE, str(error))
        step = StepOutcome(due.step, succeeded=False, text=str(error), perhaps=True)
    body = {"key": order.key, "succeeded": step.succeeded, "text": step.text, "perhaps": step.perhaps}
    _write(engine, clock, row, progress.with_outcome(phase, step), "outcome", body)
    return Result(Ending.FAILED, step.text) if phase is Phase.UNDO and not step.succeeded else None


def _write(
    engine: sa.Engine, clock: Clock, row: Response, progress: _Progress, kind: str, body: Mapping[str, Any]
) -> None:
    with writing(engine, row.id, clock) as conn:
        update_response(conn, row.id, run=progress.written())
        audit.append_about(conn, row.id, time=iso(clock.now()), kind=kind, owners=row.owners, body=body)
