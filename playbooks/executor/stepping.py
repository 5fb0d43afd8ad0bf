"""What each type of step does when it is its turn (CACAO v2.0, sections 4.3 to 4.10).

Flows in: the walk, the frame, the step. Flows out: what the walk is told. A step with branches has its turn again when
all of them have ended, an action when its command is answered on all targets; `frame.number` counts.
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
from .asking import ask, take_answers
from .checking import check_executable
from .commanding import around
from .ending import fail, leave, succeed
from .evaluating import is_true
from .filling import fill_party
from .program import IN_TWIN
from .state import Failure, Frame, call_name
from .values import REFERENCE, StepFault, initial
from .walker import Walker
from .walking import Behaviour


def start(walker: Walker, frame: Frame, step: StartStep) -> None:
    """Go on."""
    succeed(walker, frame, step)


def end(walker: Walker, frame: Frame, _step: EndStep) -> None:
    """End the branch, or the playbook: it leads nowhere."""
    walker.tell("succeeded", frame)
    leave(walker, frame, None)


def action(walker: Walker, frame: Frame, step: ActionStep) -> None:
    """Ask for the next command on all targets at once; succeed after the last."""
    if not frame.targets:
        frame.targets = _targets(walker, frame, step)
    if frame.answers:
        if not take_answers(walker, frame, step):
            return
        frame.number += 1
    if frame.number == len(step.commands):
        succeed(walker, frame, step)
    else:
        ask(walker, frame, step)


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


def playbook_action(walker: Walker, frame: Frame, step: PlaybookActionStep) -> None:
    """Walk another playbook; its end, well or not, is this step's."""
    if _branch_failed(walker, frame):
        return
    if frame.number == 1:
        succeed(walker, frame, step)
        return
    called = _called(walker, frame, step)
    scope = walker.scope(frame, step)
    given = {name: value for name in step.in_args if (value := scope.find(name)) is not None}
    try:
        values = initial(called, given)
        check_executable(called, walker.program.supported)
    except PlaybookError as fault:
        raise StepFault(str(fault)) from None
    frame.number = 1
    asked = call_name(step.playbook_id, step.playbook_version)
    walker.call(frame, asked, walker.program.pin(called), values, called.workflow_start)
    walker.tell("chose", frame, f"{called.name}, version {called.modified}")


def _called(walker: Walker, frame: Frame, step: PlaybookActionStep) -> Playbook:
    wanted = f"playbook {step.playbook_id}, version {step.playbook_version or 'latest'}"
    before = walker.state.called.get(call_name(step.playbook_id, step.playbook_version))
    if before is not None:  # once for the run, whatever is the latest by now
        called: Playbook | None = walker.program.pinned(walker.state.playbooks[before])
    else:
        called = walker.program.resolve(step.playbook_id, step.playbook_version)
    if called is None:
        raise StepFault(f"{wanted}: is not known here; bring it, or name a version that is")
    if called.id != step.playbook_id or step.playbook_version not in (None, called.modified):
        raise StepFault(f"{wanted}: {called.id}, version {called.modified} was found; bring the one that is named")
    state = walker.state
    scopes = dict.fromkeys(one.scope for one in around(state, frame))
    under_way = [state.playbooks[state.scopes[scope].playbook].id for scope in scopes]
    if called.id in under_way:
        raise StepFault(f"{wanted}: calls itself again, through {len(under_way)} playbooks; break the circle of calls")
    if len(under_way) >= walker.program.bounds.calls:
        raise StepFault(f"{wanted}: playbooks call each other deeper than {walker.program.bounds.calls}; flatten them")
    fault = fault_of_time(called, walker.state.now)
    if fault is not None:
        raise StepFault(f"{wanted}: {fault}")
    return called


def parallel(walker: Walker, frame: Frame, step: ParallelStep) -> None:
    """Walk all branches at once, whatever becomes of the others; fail if one failed."""
    if frame.number == 0:
        frame.number = 1
        walker.enter(frame, [(first, number) for number, first in enumerate(step.next_steps, 1)])
    elif not _branch_failed(walker, frame):
        succeed(walker, frame, step)


def if_condition(walker: Walker, frame: Frame, step: IfConditionStep) -> None:
    """Walk the branch that the condition chooses."""
    if _branch_failed(walker, frame):
        return
    branch = None
    if frame.number == 0:
        frame.number = 1
        holds = _holds(walker, frame, step)
        branch = step.on_true if holds else step.on_false
    if branch is None:
        succeed(walker, frame, step)
    else:
        walker.enter(frame, [(branch, "true" if branch == step.on_true else "false")])


def while_condition(walker: Walker, frame: Frame, step: WhileConditionStep) -> None:
    """Walk the branch as long as the condition holds, within bounds."""
    if _branch_failed(walker, frame):
        return
    if not _holds(walker, frame, step):
        succeed(walker, frame, step)
    elif frame.number >= walker.program.bounds.iterations:
        told = f"still true after {frame.number} iterations; bound the loop by a variable"
        fail(walker, frame, Failure("LIMIT", frame.step, told))
    else:
        frame.number += 1
        walker.enter(frame, [(step.on_true, frame.number)])


def switch_condition(walker: Walker, frame: Frame, step: SwitchConditionStep) -> None:
    """Walk the case of the variable's value, else `default`, else none."""
    if _branch_failed(walker, frame):
        return
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
        succeed(walker, frame, step)
    else:
        walker.enter(frame, [(step.cases[case], list(step.cases).index(case) + 1)])


def _branch_failed(walker: Walker, frame: Frame) -> bool:
    if not frame.failures:
        return False
    fail(walker, frame, frame.failures[0])
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
