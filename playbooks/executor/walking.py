"""The walk through a workflow: what one event makes of a state.

Flows in: a program, a copy of a state, the time. Flows out: the state as it is then, and facts of what happened.
Branches of a parallel step are under way at the same time, each by itself, as CACAO v2.0 (4.7) wants: whichever can go
on does, and the step waits for all. So are the targets of one command; the next command waits for all of them.

How steps end is in `ending`, what is asked for in `asking`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..cacao import ActionStep, AnyStep
from .commanding import deadline_of, under_way, wake_of
from .ending import abort, fail
from .giving_up import note
from .state import UNKNOWN, Answered, Fact, Failure, Frame, Phase
from .taking_back import over
from .values import StepFault, initial_own
from .walker import Walker

Behaviour = Callable[[Walker, Frame, Any], None]  # of a type of step


def walk(walker: Walker, behaviours: Mapping[str, Behaviour]) -> None:
    """Go on until all that is left must be waited for, or the run has ended.

    Args:
        behaviours: what each type of step does when it is its turn, see `stepping`.
    """
    state = walker.state
    while walker.turns and state.phase is Phase.RUNNING:
        frame = walker.turns.pop()
        if state.frames.get(frame.id) is frame and not frame.open and not frame.asked:
            _turn(walker, frame, behaviours)


def _turn(walker: Walker, frame: Frame, behaviours: Mapping[str, Behaviour]) -> None:
    step = walker.step(frame)
    if step is None:
        fail(walker, frame, Failure("STEP_FAULT", frame.step, "is not in the workflow; mend the reference"))
    elif frame.phase == "arrived":
        _arrive(walker, frame, step)
    elif frame.phase == "delayed" and walker.state.now < frame.since:
        return
    elif frame.phase == "delayed" and step.type == "action" and walker.state.now < walker.at:
        frame.phase = "due"  # what is sent is sent now, however long ago it could have been
        walker.due.append(frame)
    elif frame.phase in ("delayed", "due"):
        _begin(walker, frame, step)
    else:
        try:
            behaviours[step.type](walker, frame, step)
        except StepFault as fault:
            fail(walker, frame, Failure("STEP_FAULT", frame.step, str(fault)))


def pass_time(walker: Walker, behaviours: Mapping[str, Behaviour]) -> None:
    """Let happen what happens by itself until the event, each thing at its own time.

    So delays that follow each other end when they should, however seldom somebody says what time it is; and time
    in which nothing happens changes nothing.
    """
    state = walker.state
    if state.wakes > walker.at:  # nothing has changed since it was looked up
        state.wakes = UNKNOWN
        return
    state.wakes = UNKNOWN
    while True:
        wake = wake_of(walker.program, state)
        if wake is not None and wake <= walker.at:
            state.now = max(state.now, wake)
            is_expired = _expire(walker)
            over(walker)
            if not is_expired:  # all that ends now has ended: a delay begins nothing that would be given up unsent
                walker.turns += [one for one in state.frames.values() if one.phase == "delayed"][::-1]
        else:
            due = [one for one in walker.due if state.frames.get(one.id) is one]
            walker.due = []
            if not due:
                return
            state.now = max(state.now, walker.at)
            walker.turns += due[::-1]
        walk(walker, behaviours)


def _expire(walker: Walker) -> bool:
    """Fail the outermost step whose time is over, and say whether there was one."""
    state = walker.state
    if state.phase is not Phase.RUNNING:
        return False
    if state.now - state.began > walker.program.bounds.run_s * 1000:
        last = next(reversed(state.frames.values())).step
        abort(walker, Failure("LIMIT", last, f"the run took more than {walker.program.bounds.run_s} s"))
        return True
    for frame in state.frames.values():
        step = walker.step(frame)
        deadline = None if step is None else deadline_of(walker.program, state, frame, step)
        if deadline is not None and state.now >= deadline:
            told = f"its time of {(deadline - frame.since) / 1000:g} s ran out"
            fail(walker, frame, Failure("ACTION_TIMEOUT", frame.step, told))
            return True
    return False


def answer(walker: Walker, event: Answered, behaviours: Mapping[str, Behaviour]) -> None:
    """Take what became of a command that is under way, or of one that nobody waits for any more."""
    state, found = walker.state, under_way(walker.state, event.key)
    walker.answered = event
    pass_time(walker, behaviours)
    state.now = max(state.now, walker.at)
    told = event.text or ("done" if event.succeeded else "not done")
    if found is None or event.key in state.given_up:  # too late: it was given up with its step
        walker.facts.append(Fact(state.now, "answered", state.given_up.pop(event.key), "", f"too late: {told}"))
        return
    frame, slot = found
    step = walker.step(frame)
    assert isinstance(step, ActionStep)  # only an action is asked
    if event.succeeded or event.perhaps:
        note(walker, frame, step, slot)
    frame.asked.remove(slot)
    state.commands.pop(event.key, None)
    walker.tell("answered", frame, told)
    brought = {name: event.arguments[name] for name in step.out_args if name in event.arguments}
    frame.answers.append([slot, event.succeeded, event.text, brought])
    if not frame.asked:
        walker.has_turn(frame)


def _arrive(walker: Walker, frame: Frame, step: AnyStep) -> None:
    bound = walker.program.bounds.steps
    walker.state.walked += 1
    frame.walked += 1
    if walker.state.walked > bound:
        told = f"no end within {bound} steps; break the cycle"
        abort(walker, Failure("LIMIT", frame.step, told))
        return
    frame.phase, frame.since = "delayed", walker.state.now + step.delay
    if step.delay:
        walker.tell("waits", frame, f"{step.delay / 1000:g} s")
    walker.has_turn(frame)


def _begin(walker: Walker, frame: Frame, step: AnyStep) -> None:
    frame.phase, frame.since, frame.number = "working", walker.state.now, 0
    frame.own, frame.targets, frame.noted, frame.failures, frame.answers = {}, [], [], [], []
    walker.tell("entered", frame, step.type)
    try:
        frame.own = initial_own(step.step_variables, walker.scope(frame, step))
    except StepFault as fault:
        fail(walker, frame, Failure("STEP_FAULT", frame.step, str(fault)))
    else:
        walker.has_turn(frame)
