"""What can be said of a playbook before it runs: whether this interpreter runs it, and how its steps are undone.

Flows in: a playbook, the command types that actuators are installed for. Flows out: obstacles, undo commands. The
linter's judgement is wider; here stands only what would stop a run.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..cacao import AnyCommand, AnyStep, Playbook, PlaybookError
from ..conditions import ConditionFault, parse_condition
from ..effects import EXTENSION_ID, UNDO_COMMANDS
from .values import REFERENCE

SUPPORTED = frozenset({"openc2-http"})  # command types that every node has an actuator for
GROUP = "tocsin.actuators"  # entry points of actuators, named by the command type that they carry out


@cache
def installed() -> frozenset[str]:
    """Command types that an actuator is installed for here: ours, and those found by entry point."""
    return SUPPORTED | {entry.name for entry in metadata.entry_points(group=GROUP)}


class _Undo(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["tocsin-undo"]
    commands: Annotated[tuple[AnyCommand, ...], Field(min_length=1)]


def undo_of(playbook: Playbook, name: str) -> tuple[AnyCommand, ...]:
    """The commands by which a step says that it is undone; none if it says nothing.

    Raises:
        PlaybookError: they are malformed, or of a type that no undo may have.
    """
    extension = step_of(playbook, name).step_extensions.get(EXTENSION_ID)
    if extension is None:
        return ()
    try:
        commands = _Undo.model_validate(extension).commands
    except ValidationError as error:
        fault = error.errors()[0]
        path = ".".join(str(part) for part in ("step_extensions", EXTENSION_ID, *fault["loc"]))
        raise PlaybookError(
            f"playbook {playbook.name}: step {name}: {path}: {fault['msg']}; give type tocsin-undo and commands"
        ) from None
    for command in commands:
        if command.type not in UNDO_COMMANDS:
            known = ", ".join(UNDO_COMMANDS)
            raise PlaybookError(f"playbook {playbook.name}: step {name}: undo is by {known} commands; write it so")
    return commands


def check_executable(playbook: Playbook, supported: frozenset[str] = SUPPORTED) -> None:
    """Refuse what this interpreter does not run, before anything runs.

    Args:
        playbook: the playbook.
        supported: command types that an actuator is installed for.

    Raises:
        PlaybookError: naming the step and the mend.
    """
    for name in playbook.workflow:
        obstacle = obstacle_of(playbook, name, supported)
        if obstacle is not None:
            raise PlaybookError(f"playbook {playbook.name}: step {name}: {obstacle}")
        undo_of(playbook, name)


def obstacle_of(playbook: Playbook, name: str, supported: frozenset[str] = SUPPORTED) -> str | None:
    """Why a step cannot be run, with the mend; None where it can."""
    step = step_of(playbook, name)
    if step.type == "action":
        return _obstacle_of_commands(step.commands, supported)
    if step.type in ("if-condition", "while-condition"):
        try:
            parse_condition(step.condition)
        except ConditionFault as fault:
            return f"condition: {fault}"
    elif step.type == "switch-condition" and REFERENCE.fullmatch(step.switch) is None:
        return f"switch {step.switch[:40]!r} is no variable; write e.g. __name__:value"
    return None


def _obstacle_of_commands(commands: list[AnyCommand], supported: frozenset[str]) -> str | None:
    for command in commands:
        if command.type not in supported:
            known = ", ".join(sorted(supported)) or "none"
            return f"no actuator for {command.type[:40]} commands is installed; install one, or use {known}"
    return None


def step_of(playbook: Playbook, name: str) -> AnyStep:
    """A step of the workflow.

    Raises:
        PlaybookError: there is none of that name.
    """
    step = playbook.workflow.get(name)
    if step is None:
        raise PlaybookError(f"playbook {playbook.name}: step {name} is not in the workflow; mend the reference")
    return step
