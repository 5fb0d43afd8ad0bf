"""The door of the interpreter: begin a run of a playbook, take events, say what is due, take it back.

Flows in: a `Program` (a playbook, and how others and abstract targets are found), events. Flows out: states and orders.
All of it is pure; it is made in `executor`: `running` (the verbs), `walking` and `stepping` (the workflow), `asking`,
`ending`, `giving_up` and `taking_back` (what becomes of commands, steps and runs), `state`,
`values` and `evaluating` (variables, conditions), `filling` and `commanding` (commands), `checking` (before a run).
"""

from __future__ import annotations

from .executor.checking import SUPPORTED, check_executable, installed, obstacle_of, undo_of
from .executor.commanding import undo_commands
from .executor.program import (
    ABSTRACT,
    Bounds,
    Expand,
    Kept,
    Program,
    Resolve,
    among,
    keeps_none,
    knows_none,
    the_one,
    without_twin,
)
from .executor.running import Advance, advance, begin, has_ended, orders
from .executor.state import (
    Answered,
    Ask,
    Command,
    Event,
    Fact,
    Failure,
    Order,
    Phase,
    State,
    Time,
    Wait,
    Withdrawn,
    call_name,
    state_from_json,
)
from .executor.values import REFERENCE, TOLD, StepFault

__all__ = [
    "ABSTRACT",
    "REFERENCE",
    "SUPPORTED",
    "TOLD",
    "Advance",
    "Answered",
    "Ask",
    "Bounds",
    "Command",
    "Event",
    "Expand",
    "Fact",
    "Failure",
    "Kept",
    "Order",
    "Phase",
    "Program",
    "Resolve",
    "State",
    "StepFault",
    "Time",
    "Wait",
    "Withdrawn",
    "advance",
    "among",
    "begin",
    "call_name",
    "check_executable",
    "has_ended",
    "installed",
    "keeps_none",
    "knows_none",
    "obstacle_of",
    "orders",
    "state_from_json",
    "the_one",
    "undo_commands",
    "undo_of",
    "without_twin",
]
