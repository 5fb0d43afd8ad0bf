"""The seam between a run and an interpreter of playbooks: what happened goes in, what is due comes out.

Flows in: events of a run (orders that went out, what became of them), times. Flows out: the orders that are due now,
all of them, and until when nothing else is. It is pure: equal events and times give equal orders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from .clock import UNSET
from .records import Response


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
    is_timed: bool = False  # whether the playbook names that time; else it is a bound of ours
    bound_s: float | None = None  # of an undo, whose time begins when it is sent: what its step names
    playbook: str = ""  # which one asks for it, id and version; empty: the response's own
    digest: str = ""  # SHA-256 of the content that asks for it


@dataclass(frozen=True, slots=True)
class Asked:
    """An order went out for the first time."""

    step: str
    at: str  # UTC
    met: tuple[str, ...] = ()  # playbooks that it had called by then, see `Due.met`


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What became of an order."""

    step: str
    succeeded: bool
    text: str = ""
    perhaps: bool = False  # it failed, but may have taken effect: undo covers it
    asked: str = ""  # when it was first sent, UTC; empty: no time passed
    at: str = ""  # when that became of it, UTC
    arguments: Mapping[str, str] = field(default_factory=dict)  # values of variables that it brought
    after: int = -1  # how many outcomes were known when it was first sent; -1: all that stand before it
    met: tuple[str, ...] = ()  # playbooks that it had called by then, see `Due.met`


RunEvent = Asked | StepOutcome


@dataclass(frozen=True, slots=True)
class Moment:
    """The times that a run depends on beside those of its events, UTC."""

    began: datetime  # when the response was started
    now: datetime


NO_TIME = Moment(UNSET, UNSET)  # for runs in which no time passes


@dataclass(frozen=True, slots=True)
class Due:
    """What a run asks for at a moment."""

    orders: tuple[StepOrder, ...] = ()  # all that are not answered, sent before or not
    until: datetime | None = None  # when something happens by itself; None: never
    met: tuple[str, ...] = ()  # playbooks that the run has called: DIGEST ID [VERSION], as the call asked for it
    is_over: bool = False  # the playbook has ended, well or not


class Script(Protocol):
    """A pure interpreter of one playbook on given targets: equal events and times give equal orders."""

    def due(self, document: Any, response: Response, events: Sequence[RunEvent], moment: Moment = NO_TIME) -> Due:
        """Give what is due after `events`."""
        ...

    def succeeded(
        self, document: Any, response: Response, events: Sequence[RunEvent], moment: Moment = NO_TIME
    ) -> bool:
        """Say whether a playbook that ended did so by its way of success."""
        ...

    def undo_orders(
        self, document: Any, response: Response, events: Sequence[RunEvent], moment: Moment = NO_TIME
    ) -> Sequence[StepOrder]:
        """Give the orders that take back what was done, in the order to send them."""
        ...

    def why_failed(
        self, document: Any, response: Response, events: Sequence[RunEvent], moment: Moment = NO_TIME
    ) -> str:
        """Say why a playbook that ended has failed; empty where it has not."""
        ...
