"""The interpreter of playbooks: pure, it walks the workflow and says which command is due.

Flows in: a playbook, values of its variables, what became of earlier steps. Flows out: the next `Due` command, or how
the run ended. Equal outcomes give equal commands, so a run is its start plus its recorded outcomes, replayed.

Failure order (CACAO v2.0 leaves it open): `on_failure` of the step, else `workflow_exception`, else the run fails.
`on_completion` is taken only where the commands succeeded. A run that took a failure branch has failed, even if that
branch came to its end. Steps that are not executable yet (conditions, loops, sub-playbooks) are refused at the start.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .cacao import AnyCommand, AnyStep, HttpCommand, OpenC2Command, Playbook, PlaybookError, read_json
from .effects import EXTENSION_ID

MAX_STEPS = 1_000  # walked in one run
MAX_VALUE = 4_096  # characters of a variable's value
EXECUTABLE = ("start", "end", "action", "parallel")
REFERENCE = re.compile(r"(__[a-zA-Z_][a-zA-Z0-9_-]{0,199}__):value")


class _Undo(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["tocsin-undo"]
    commands: Annotated[tuple[AnyCommand, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Due:
    """One command that a run asks for."""

    step: str  # id of the action step
    command: Mapping[str, Any]  # the OpenC2 command, variables filled in


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step's command."""

    step: str
    succeeded: bool
    perhaps: bool = False  # it failed, but may have taken effect: its answer was lost


@dataclass(frozen=True, slots=True)
class Walk:
    """Where a run stands after its outcomes."""

    due: Due | None  # None: it has ended
    succeeded: bool
    done: tuple[str, ...]  # action steps that succeeded or may have taken effect, in order


def walk(playbook: Playbook, variables: Mapping[str, Any], outcomes: Sequence[Outcome]) -> Walk:
    """Replay a run: the step after the recorded outcomes, or its end.

    Raises:
        PlaybookError: a step that is not executable, a dangling step, a missing or wrong variable, or no end within
            MAX_STEPS.
    """
    check_executable(playbook)
    waiting, left, failed = [playbook.workflow_start], list(outcomes), False
    done: list[str] = []
    for _ in range(MAX_STEPS):
        if not waiting:
            return Walk(None, not failed, tuple(done))
        name = waiting.pop()
        step = _step(playbook, name)
        if step.type == "action":
            if not left:
                command = step.commands[0]
                assert isinstance(command, OpenC2Command)  # as check_executable has seen
                return Walk(Due(name, _openc2(playbook, command, variables)), False, tuple(done))
            outcome = left.pop(0)
            if outcome.step != name:
                raise PlaybookError(f"playbook {playbook.name}: outcome of {outcome.step} where {name} is due")
            if outcome.succeeded:
                done.append(name)
                waiting += _after(step.on_success or step.on_completion)
            else:
                failed = True
                done += [name] if outcome.perhaps else []
                waiting = _after(step.on_failure or playbook.workflow_exception)
        elif step.type == "parallel":
            waiting += _after(step.on_completion) + list(reversed(step.next_steps))
        else:
            waiting += _after(step.on_completion)
    raise PlaybookError(f"playbook {playbook.name}: no end within {MAX_STEPS} steps; break the cycle")


def undo_commands(playbook: Playbook, variables: Mapping[str, Any], done: Sequence[str]) -> list[Due]:
    """Commands that take back what these steps did, last first; steps that declare no undo are passed over."""
    undone = []
    for name in reversed(done):
        commands = undo_of(playbook, name)
        undone += [Due(name, _openc2(playbook, command, variables)) for command in commands]
    return undone


def undo_of(playbook: Playbook, name: str) -> tuple[OpenC2Command, ...]:
    """The commands by which a step says that it is undone; none if it says nothing.

    Raises:
        PlaybookError: they are malformed, or not executable.
    """
    extension = _step(playbook, name).step_extensions.get(EXTENSION_ID)
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
    undo = tuple(command for command in commands if isinstance(command, OpenC2Command))
    if len(undo) < len(commands):
        raise PlaybookError(f"playbook {playbook.name}: step {name}: undo is by openc2-http commands; write it so")
    return undo


def check_executable(playbook: Playbook) -> None:
    """Refuse what this interpreter does not run, before anything runs.

    Raises:
        PlaybookError: naming the step and the mend.
    """
    for name in playbook.workflow:
        obstacle = obstacle_of(playbook, name)
        if obstacle is not None:
            raise PlaybookError(f"playbook {playbook.name}: step {name}: {obstacle}")
        undo_of(playbook, name)


def obstacle_of(playbook: Playbook, name: str) -> str | None:
    """Why this interpreter does not run a step, with the mend; None where it does."""
    step = _step(playbook, name)
    if step.type not in EXECUTABLE:
        return f"{step.type} is not yet executable; use action or parallel"
    if step.type == "action" and (len(step.commands) != 1 or step.commands[0].type != "openc2-http"):
        return "is not yet executable: one openc2-http command is; split the step"
    return None


def _step(playbook: Playbook, name: str) -> AnyStep:
    step = playbook.workflow.get(name)
    if step is None:
        raise PlaybookError(f"playbook {playbook.name}: step {name} is not in the workflow; mend the reference")
    return step


def _after(name: str | None) -> list[str]:
    return [] if name is None else [name]


def _openc2(playbook: Playbook, command: HttpCommand, variables: Mapping[str, Any]) -> Mapping[str, Any]:
    content = read_json(command.body(), f"playbook {playbook.name}: body of its command")
    if not isinstance(content, dict) or "action" not in content or "target" not in content:
        raise PlaybookError(
            f"playbook {playbook.name}: the command's body is no OpenC2 command; give action and target"
        )
    filled: dict[str, Any] = _fill(playbook, content, variables)
    return filled


def _fill(playbook: Playbook, content: Any, variables: Mapping[str, Any]) -> Any:
    """Fill variables into the strings of parsed JSON: a value cannot break out of its string."""
    if isinstance(content, dict):
        return {key: _fill(playbook, item, variables) for key, item in content.items()}
    if isinstance(content, list):
        return [_fill(playbook, item, variables) for item in content]
    if isinstance(content, str):
        return REFERENCE.sub(lambda found: _value(playbook, found.group(1), variables), content)
    return content


def _value(playbook: Playbook, name: str, variables: Mapping[str, Any]) -> str:
    declared = playbook.playbook_variables.get(name)
    if declared is None:
        raise PlaybookError(f"playbook {playbook.name}: variable {name} is not declared; declare it")
    value = variables.get(name) if declared.external else declared.value
    if value is None:
        raise PlaybookError(f"playbook {playbook.name}: variable {name} has no value; give one")
    text = str(value)
    if len(text) > MAX_VALUE or not text.isprintable():
        raise PlaybookError(f"playbook {playbook.name}: variable {name}: at most {MAX_VALUE} printable characters")
    try:
        if declared.type in ("integer", "long"):
            int(text)
        elif declared.type == "float":
            float(text)
        elif declared.type == "ipv4-addr":
            ipaddress.IPv4Network(text, strict=False)
        elif declared.type == "ipv6-addr":
            ipaddress.IPv6Network(text, strict=False)
    except ValueError:
        raise PlaybookError(f"playbook {playbook.name}: variable {name}: {text[:80]!r} is no {declared.type}") from None
    return text
