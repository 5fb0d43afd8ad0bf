"""Commands of an action: asked for on all its targets at once, their answers taken together.

Flows in: the walker, a frame at an action. Flows out: commands in the state, values that they brought.
"""

from __future__ import annotations

from ..cacao import ActionStep
from .commanding import command_now
from .ending import fail
from .state import Failure, Frame
from .values import StepFault
from .walker import Walker


def ask(walker: Walker, frame: Frame, step: ActionStep) -> None:
    """Ask for the command that is due, on every target at once.

    Raises:
        StepFault: one of them cannot be made, or has no actuator; then none is asked for.
    """
    playbook, scope = walker.playbook(frame), walker.scope(frame, step)
    frame.values = {
        name: value
        for name in walker.program.names(playbook, frame.step).asking
        if name not in step.step_variables and name in playbook.playbook_variables
        if (value := scope.find(name)) is not None
    }
    slots = range(len(frame.targets))
    commands = [command_now(walker.program, walker.state, frame, step, slot) for slot in slots]
    for command in commands:
        if command.type not in walker.program.supported:
            raise StepFault(f"no actuator for {command.type} commands is installed; install one")
    frame.asked = list(slots)
    for command in commands:
        walker.state.commands[command.key] = command
        on = command.target.get("asset") or command.target.get("name") or ""
        walker.tell("sends", frame, command.type + (f" on {on}" if on else ""))


def take_answers(walker: Walker, frame: Frame, step: ActionStep) -> bool:
    """Take what a command brought, in the order of its targets; False: it failed on one, and so the step has.

    In that order, and not in that of the answers, so that it does not matter who was faster.
    """
    answers = sorted(frame.answers, key=lambda one: int(one[0]))
    frame.answers = []
    for _, succeeded, text, _ in answers:
        if not succeeded:
            fail(walker, frame, Failure("ACTION_FAILED", frame.step, text))
            return False
    scope = walker.scope(frame, step)
    for *_, arguments in answers:
        for name in step.out_args:
            if arguments.get(name) is not None:
                scope.put(name, arguments[name])
                walker.tell("returned", frame, name)
    return True
