"""How steps, branches, playbooks and runs end, well or not.

Flows in: the walker, a frame, why it failed. Flows out: where the walk goes on.

Where a step fails (its command, its time, a value, a branch of it):

    1. its `on_failure` is taken, if it has one;
    2. else the step around it fails (a parallel step when all its branches have ended);
    3. at the top of a playbook its `workflow_exception` is taken, once;
    4. then that playbook's run has failed, and what was done is taken back.

`on_completion` and `on_success` are taken only where all commands succeeded. A playbook one of whose steps failed has
failed, whatever the branch for it did: an `on_failure` says what else to do, it does not make a success.
"""

from __future__ import annotations

from ..cacao import AnyStep
from ..cacao_steps import PlaybookActionStep
from .giving_up import give_up, give_up_all
from .state import Failure, Frame, Phase, ScopeState
from .taking_back import take_back
from .values import TOLD, StepFault
from .walker import Walker


def succeed(walker: Walker, frame: Frame, step: AnyStep) -> None:
    """The step has succeeded: go on after it."""
    walker.tell("succeeded", frame)
    after = step.on_completion or step.on_success
    if after is None:
        leave(walker, frame, None)
    else:
        _go(walker, frame, after)


def fail(walker: Walker, frame: Frame, failure: Failure) -> None:
    """The step where a frame stands has failed; what runs inside it is given up."""
    step = walker.step(frame)
    give_up(walker, frame)
    scope = walker.state.scopes[frame.scope]
    scope.failure = scope.failure or failure
    declared = walker.playbook(frame).playbook_variables
    for name, text in zip(TOLD, (failure.code, failure.step), strict=True):
        if name in declared and declared[name].type == "string" and not declared[name].constant:
            scope.values[name] = text
    where = "" if failure.step == frame.step else f" at {failure.step}"
    walker.tell("failed", frame, f"{failure.code}{where}: {failure.text}")
    if step is not None and step.on_failure is not None:
        _go(walker, frame, step.on_failure)
    else:
        leave(walker, frame, failure)


def abort(walker: Walker, failure: Failure) -> None:
    """Give the whole run up as failed."""
    give_up_all(walker)
    _end(walker, failure)


def leave(walker: Walker, frame: Frame, failure: Failure | None) -> None:
    """A sequence of steps has come to its end, well or by a failure that none of them answers."""
    state = walker.state
    del state.frames[frame.id]
    parent = None if frame.parent is None else state.frames[frame.parent]
    if not frame.is_root:
        assert parent is not None  # a branch is one of a step
        _closed(walker, parent, failure)
        return
    scope, playbook = state.scopes[frame.scope], walker.playbook(frame)
    if failure is not None and playbook.workflow_exception is not None and not scope.is_excepted:
        scope.is_excepted = True
        path, first = f"{frame.path}exception/", playbook.workflow_exception
        walker.has_turn(walker._frame(path, first, frame.scope, around=parent, is_root=True))
        return
    if parent is None:
        _end(walker, scope.failure)
        return
    failed = scope.failure or _bring_back(walker, parent, scope)
    del state.scopes[frame.scope]
    _closed(walker, parent, failed)


def _closed(walker: Walker, frame: Frame, failure: Failure | None) -> None:
    """One branch of a step has ended."""
    frame.failures += [] if failure is None else [failure]
    frame.open -= 1
    if not frame.open:
        walker.has_turn(frame)


def _bring_back(walker: Walker, frame: Frame, called: ScopeState) -> Failure | None:
    """Take over the out_args of a playbook that has succeeded; give a failure where one does not fit."""
    step = walker.step(frame)
    assert isinstance(step, PlaybookActionStep)  # only it calls
    scope = walker.scope(frame, step)
    try:
        for name in step.out_args:
            if (value := called.values.get(name)) is not None:
                scope.put(name, value)
                walker.tell("returned", frame, name)
    except StepFault as fault:
        return Failure("STEP_FAULT", frame.step, str(fault))
    return None


def _end(walker: Walker, failure: Failure | None) -> None:
    state = walker.state
    state.failure = failure
    state.scopes.clear()
    if failure is not None:
        take_back(walker)
    elif walker.program.hold_s > 0 and state.done:
        state.phase, state.until = Phase.HOLDING, state.now + round(walker.program.hold_s * 1000)
    else:
        state.phase = Phase.SUCCEEDED


def _go(walker: Walker, frame: Frame, step: str) -> None:
    frame.step, frame.phase = step, "arrived"
    walker.has_turn(frame)
