"""The interpreter's two verbs: begin a run, and take an event. Both are pure.

Flows in: a program; a state and an event. Flows out: the new state, what it asks for now, facts of what happened. Who
stores states, sends commands and reads clocks is somebody else: a run is its beginning and its events, replayed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..cacao import PlaybookError
from ..validity import fault_of_time
from .checking import check_executable, step_of
from .commanding import commands_under_way, key_now, under_way, undo_command, undo_key, wake_of
from .program import Program
from .state import (
    ENDED,
    UNKNOWN,
    Answered,
    Command,
    Event,
    Fact,
    Frame,
    Order,
    Phase,
    ScopeState,
    State,
    Time,
    Wait,
    Withdrawn,
)
from .stepping import BEHAVIOURS
from .taking_back import undone, withdraw
from .values import StepFault, initial
from .walker import Walker
from .walking import answer, pass_time, walk


@dataclass(frozen=True, slots=True)
class Advance:
    """What an event made of a run."""

    state: State
    orders: tuple[Order, ...]  # what it asks for now: all commands not answered yet, and when to say the time
    facts: tuple[Fact, ...]


def begin(program: Program, given: Mapping[str, Any], at: int) -> Advance:
    """Begin a run.

    Args:
        program: what to run.
        given: values of external variables by name; names that are none are passed over.
        at: the time, ms since 1970, UTC.

    Raises:
        PlaybookError: it is revoked or outside its validity, a step cannot be run, or a value does not fit.
    """
    playbook = program.playbook
    fault = fault_of_time(playbook, at)
    if fault is not None:
        raise PlaybookError(f"playbook {playbook.name}: {fault}")
    check_executable(playbook, program.supported)
    step_of(playbook, playbook.workflow_start)
    scope = ScopeState(0, initial(playbook, given))
    frame = Frame(0, "", playbook.workflow_start, 0, is_root=True)
    walker = Walker(program, State(Phase.RUNNING, at, at, [program.pin(playbook)], {0: scope}, {0: frame}), at)
    walker.has_turn(frame)
    walk(walker, BEHAVIOURS)
    return _advanced(walker)


def advance(program: Program, state: State, event: Event) -> Advance:
    """Take an event; the state given is not changed.

    Raises:
        PlaybookError: an answer to a command that is not under way, or a playbook of the run is another now.
    """
    walker = Walker(program, state.copied(), event.at)
    match event:
        case Time():
            pass_time(walker, BEHAVIOURS)
        case Withdrawn(why=why):
            withdraw(walker, why)
        case Answered(key=key):
            if state.phase is Phase.UNDOING and key == undo_key(program, state, state.undone):
                undone(walker, event)
            elif key in state.given_up or under_way(state, key) is not None:
                answer(walker, event, BEHAVIOURS)
            else:
                due = ", ".join(_keys(program, state)) or "nothing"
                raise PlaybookError(f"playbook {program.playbook.name}: answer to {key} where {due} is due")
    walk(walker, BEHAVIOURS)
    return _advanced(walker)


def orders(program: Program, state: State) -> tuple[Order, ...]:
    """What a state asks for: equal states ask for equal things, so it can be asked for again."""
    wake = wake_of(program, state)
    return (*_commands(program, state), *([Wait(wake)] if wake is not None else []))


def has_ended(state: State) -> bool:
    """Whether nothing happens to a run any more by itself."""
    return state.phase in ENDED


def _advanced(walker: Walker) -> Advance:
    asked: tuple[Order, ...]
    try:
        asked = orders(walker.program, walker.state)
        walker.state.wakes = asked[-1].until if asked and isinstance(asked[-1], Wait) else UNKNOWN
    except StepFault as fault:  # only an undo can come to this: a step fails by it before it asks
        walker.state.phase, asked = Phase.STUCK, ()
        walker.facts.append(Fact(walker.state.now, "failed", "", "", f"undo: {fault}"))
    return Advance(walker.state, asked, tuple(walker.facts))


def _keys(program: Program, state: State) -> list[str]:
    """Keys of the commands under way."""
    if state.phase is Phase.UNDOING:
        return [undo_key(program, state, state.undone)]
    return [key_now(frame, slot) for frame in state.frames.values() for slot in frame.asked]


def _commands(program: Program, state: State) -> list[Command]:
    if state.phase is Phase.UNDOING:
        return [undo_command(program, state, state.undone)]
    return commands_under_way(program, state) if state.phase is Phase.RUNNING else []
