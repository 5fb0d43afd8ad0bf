"""What each type of step does when it is its turn (CACAO v2.0, sections 4.3 to 4.10).

Flows in: the walk, the frame, the step. Flows out: True if the walk goes on, False if something must be waited for. A
step with branches has its turn again whenever one of them has ended; `frame.number` counts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ..cacao import ActionStep, Playbook, PlaybookError
from ..cacao_steps import (
    EndStep,
    IfConditionStep,
    ParallelStep,
    PlaybookActionStep,
    StartStep,
    SwitchConditionStep,
    WhileConditionStep,
)
from ..conditions import Condition, ConditionFault, parse_condition
from ..validity import fault_of_time
from .checking import check_executable
from .commanding import command_now
from .evaluating import is_true
from .filling import fill_party
from .program import IN_TWIN
from .state import Failure, Frame, ScopeState
from .values import REFERENCE, StepFault, initial
from .walking import Behaviour, Walker


def start(walker: Walker, frame: Frame, step: StartStep) -> bool:
    """Go on."""
    walker.succeed(frame, step)
    return True


def end(walker: Walker, frame: Frame, _step: EndStep) -> bool:
    """End the branch, or the playbook: it leads nowhere."""
    walker.tell("succeeded", frame)
    walker.leave(frame, None)
    return True


def action(walker: Walker, frame: Frame, step: ActionStep) -> bool:
    """Ask for the next command on the next target; succeed after the last."""
    if frame.is_asked:
        return False
    if not frame.targets:
        if not walker.begin_now(frame):  # what is sent is sent now, however long ago it could have been
            return True
        frame.targets = _targets(walker, frame, step)
    if frame.number == len(step.commands) * len(frame.targets):
        walker.succeed(frame, step)
        return True
    command = command_now(walker.program, walker.state, frame, step)
    if command.type not in walker.program.supported:
        raise StepFault(f"no actuator for {command.type} commands is installed; install one")
    frame.is_asked, walker.command = True, command
    on = command.target.get("asset") or command.target.get("name") or ""
    walker.tell("sends", frame, command.type + (f" on {on}" if on else ""))
    return False


def _targets(walker: Walker, frame: Frame, step: ActionStep) -> list[dict[str, Any]]:
    """Targets of an action, resolved in the twin; one empty where it names none, so that its commands still run."""
    playbook, scope = walker.playbook(frame), walker.scope(frame, step)
    handed = frozenset(step.in_args) if "in_args" in step.model_fields_set else None
    found: list[dict[str, Any]] = []
    for name in step.targets:
        definition = fill_party(playbook, "target_definitions", name, scope, handed)
        named = walker.program.expand(definition) if definition["type"] in IN_TWIN else ()
        found += [{"id": name, **one} for one in named] or [{"id": name}]
    return found or [{}]


def playbook_action(walker: Walker, frame: Frame, step: PlaybookActionStep) -> bool:
    """Walk another playbook; its end, well or not, is this step's."""
    if _branch_failed(walker, frame):
        return True
    if frame.number == 1:
        walker.succeed(frame, step)
        return True
    called = _called(walker, step)
    scope = walker.scope(frame, step)
    given = {name: value for name in step.in_args if (value := scope.find(name)) is not None}
    try:
        values = initial(called, given)
        check_executable(called, walker.program.supported)
    except PlaybookError as fault:
        raise StepFault(str(fault)) from None
    frame.number = 1
    state, pin = walker.state, walker.program.pin(called)
    if pin not in state.playbooks:
        state.playbooks.append(pin)
    state.scopes.append(ScopeState(state.playbooks.index(pin), values))
    try:
        walker.call(frame, called.workflow_start)
    except StepFault:
        state.scopes.pop()
        raise
    walker.tell("chose", frame, f"{called.name}, version {called.modified}")
    return True


def _called(walker: Walker, step: PlaybookActionStep) -> Playbook:
    wanted = f"playbook {step.playbook_id}, version {step.playbook_version or 'latest'}"
    called = walker.program.resolve(step.playbook_id, step.playbook_version)
    if called is None:
        raise StepFault(f"{wanted}: is not known here; bring it, or name a version that is")
    if called.id != step.playbook_id or step.playbook_version not in (None, called.modified):
        raise StepFault(f"{wanted}: {called.id}, version {called.modified} was found; bring the one that is named")
    under_way = [walker.state.playbooks[scope.playbook].id for scope in walker.state.scopes]
    if called.id in under_way:
        raise StepFault(f"{wanted}: calls itself again, through {len(under_way)} playbooks; break the circle of calls")
    if len(under_way) >= walker.program.bounds.calls:
        raise StepFault(f"{wanted}: playbooks call each other deeper than {walker.program.bounds.calls}; flatten them")
    fault = fault_of_time(called, walker.state.now)
    if fault is not None:
        raise StepFault(f"{wanted}: {fault}")
    return called


def parallel(walker: Walker, frame: Frame, step: ParallelStep) -> bool:
    """Walk every branch, whatever became of the others; fail if one failed."""
    if frame.number < len(step.next_steps):
        frame.number += 1
        walker.enter(frame, step.next_steps[frame.number - 1], frame.number)
    elif not _branch_failed(walker, frame):
        walker.succeed(frame, step)
    return True


def if_condition(walker: Walker, frame: Frame, step: IfConditionStep) -> bool:
    """Walk the branch that the condition chooses."""
    if _branch_failed(walker, frame):
        return True
    branch = None
    if frame.number == 0:
        frame.number = 1
        holds = _holds(walker, frame, step)
        branch = step.on_true if holds else step.on_false
    if branch is None:
        walker.succeed(frame, step)
    else:
        walker.enter(frame, branch, "true" if branch == step.on_true else "false")
    return True


def while_condition(walker: Walker, frame: Frame, step: WhileConditionStep) -> bool:
    """Walk the branch as long as the condition holds, within bounds."""
    if _branch_failed(walker, frame):
        return True
    if not _holds(walker, frame, step):
        walker.succeed(frame, step)
    elif frame.number >= walker.program.bounds.iterations:
        told = f"still true after {frame.number} iterations; bound the loop by a variable"
        walker.fail(frame, Failure("LIMIT", frame.step, told))
    else:
        frame.number += 1
        walker.enter(frame, step.on_true, frame.number)
    return True


def switch_condition(walker: Walker, frame: Frame, step: SwitchConditionStep) -> bool:
    """Walk the case of the variable's value, else `default`, else none."""
    if _branch_failed(walker, frame):
        return True
    case = None
    if frame.number == 0:
        frame.number = 1
        named = REFERENCE.fullmatch(step.switch)
        if named is None:
            raise StepFault(f"switch {step.switch[:40]!r} is no variable; write e.g. __name__:value")
        scope = walker.scope(frame, step)
        value = None if scope.find(named[1]) is None else scope.text(named[1])
        case = value if value in step.cases else "default" if "default" in step.cases else None
        walker.tell("chose", frame, "no case" if case is None else f"case {case}")
    if case is None:
        walker.succeed(frame, step)
    else:
        walker.enter(frame, step.cases[case], list(step.cases).index(case) + 1)
    return True


def _branch_failed(walker: Walker, frame: Frame) -> bool:
    if not frame.failures:
        return False
    walker.fail(frame, frame.failures[0])
    return True


def _holds(walker: Walker, frame: Frame, step: IfConditionStep | WhileConditionStep) -> bool:
    holds = is_true(_parsed(step.condition), walker.scope(frame, step))
    walker.tell("chose", frame, "true" if holds else "false")
    return holds


@lru_cache(maxsize=256)
def _parsed(text: str) -> Condition:
    try:
        return parse_condition(text)
    except ConditionFault as fault:
        raise StepFault(f"condition: {fault}") from None


BEHAVIOURS: Mapping[str, Behaviour] = {
    "start": start,
    "end": end,
    "action": action,
    "playbook-action": playbook_action,
    "parallel": parallel,
    "if-condition": if_condition,
    "while-condition": while_condition,
    "switch-condition": switch_condition,
}
