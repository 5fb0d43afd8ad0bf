"""A playbook as values and text for people: what it does to a twin, who consents, its flow as a tree, its commands.

Flows in: a `Playbook`. Flows out: plain values for JSON, lines of text. It judges nothing (`lint` does); pictures are
drawn in `show_picture`, what it touches is told in `show_touched`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .cacao import AnyStep, Command, HttpCommand, Playbook, PlaybookError, digest, read_json
from .effects import EXTENSION_ID, declaration_of
from .execute import undo_of
from .lint_commands import text_of
from .lint_workflow import next_steps

MAX_DEPTH = 40  # of the tree: what is nested deeper is not set in further
ONWARDS = ("on_completion", "on_success")  # the same level goes on


def summary(playbook: Playbook) -> dict[str, Any]:
    """Name, id, digest, the description's first paragraph, targets, consent class, verbs and undo of a playbook.

    A playbook without our extension has an empty `verbs`, and None where nothing is declared.

    Raises:
        PlaybookError: it declares a malformed effect.
    """
    declared = _declared(playbook)
    return {
        "name": playbook.name,
        "id": playbook.id,
        "digest": digest(playbook),
        "summary": (playbook.description or "").partition("\n\n")[0],
        "target_type": declared and declared["target_type"],
        "kinds": declared["kinds"] if declared else [],
        "consent_class": declared and declared["consent_class"],
        "verbs": {name: value for name, value in declared["verbs"].items() if value} if declared else {},
        "undo": bool(declared and declared["undo"]["possible"]),
    }


def details(playbook: Playbook) -> dict[str, Any]:
    """The summary with the whole declaration, the flow as lines, and every command with its undo.

    Raises:
        PlaybookError: a malformed effect is declared, or a command's body cannot be read.
    """
    return {
        **summary(playbook),
        "description": playbook.description,
        "modified": playbook.modified,
        "effect": _declared(playbook),
        "flow": flow(playbook),
        "commands": [
            {
                "step": name,
                "sends": [_body(command) for command in step.commands],
                "undo": [_body(command) for command in undo_of(playbook, name)],
            }
            for name, step in playbook.workflow.items()
            if step.type == "action"
        ],
    }


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the flow as a tree."""

    depth: int
    arrow: str  # why the step is come to, e.g. on_failure; empty at the top
    kind: str  # type of the step, or missing
    text: str


def flow(playbook: Playbook) -> list[str]:
    """The workflow as the lines of a tree, see `flow_rows`."""
    return [f"{'  ' * row.depth}{f'{row.arrow} -> ' if row.arrow else ''}{row.text}" for row in flow_rows(playbook)]


def flow_rows(playbook: Playbook) -> list[Row]:
    """The workflow from its start: what follows stands below, branches and failures stand inside.

    A step told before is named, not told again.
    """
    told: set[str] = set()
    rows = list(_rows(playbook, playbook.workflow_start, "", told))
    if playbook.workflow_exception is not None:
        rows += _rows(playbook, playbook.workflow_exception, "workflow_exception", told)
    return rows


def label_of(playbook: Playbook, name: str) -> str:
    """What a step does, in a few words: its type and name (or its id), and what is particular to it."""
    step = playbook.workflow.get(name)
    if step is None:
        return f"missing: {name}"
    told = particulars(playbook, step)
    return (f"{step.type}: {step.name}" if step.name else name) + (f" ({told})" if told else "")


def arrow_of(place: tuple[str | int, ...]) -> str:
    """Why one step follows another, e.g. on_success, or the case of a switch."""
    return (
        f"case {place[1]}"
        if place[0] == "cases"
        else f"branch {int(place[1]) + 1}"
        if len(place) > 1
        else str(place[0])
    )


def undo_note(playbook: Playbook, name: str) -> str:
    """The actions that take a step back, e.g. `allow`; empty where it declares none."""
    try:
        bodies = [_body(command) for command in undo_of(playbook, name)]
    except PlaybookError:
        return "malformed"
    return ", ".join(str(body.get("action")) if isinstance(body, dict) else "?" for body in bodies)


def particulars(playbook: Playbook, step: AnyStep) -> str:
    """What is particular to a step: commands, agent, targets, condition, called playbook, times; may be empty."""
    told = []
    if step.type == "action":
        told.append(" + ".join(command.type for command in step.commands))
        agent = playbook.agent_definitions.get(step.agent)
        told.append(f"by {agent.name}" if agent else "by nobody known")
        named = [playbook.target_definitions.get(target) for target in step.targets]
        told += [f"on {', '.join(one.name if one else '?' for one in named)}"] if named else []
    elif step.type == "playbook-action":
        told.append(f"{step.playbook_id}, version {step.playbook_version or 'latest'}")
    elif step.type in ("if-condition", "while-condition"):
        told.append(step.condition)
    elif step.type == "switch-condition":
        told.append(step.switch)
    if step.delay:
        told.append(f"after {step.delay / 1000:g} s")
    if step.timeout:
        told.append(f"within {step.timeout / 1000:g} s")
    return "; ".join(told)


def _declared(playbook: Playbook) -> dict[str, Any] | None:
    return declaration_of(playbook) if EXTENSION_ID in playbook.playbook_extensions else None


def _rows(playbook: Playbook, first: str, arrow: str, told: set[str]) -> Iterator[Row]:
    """Depth first over a stack of our own: a hostile workflow may be longer than Python's."""
    waiting = [(first, arrow, 0)]
    while waiting:
        name, arrow, depth = waiting.pop()
        step = playbook.workflow.get(name)
        text = label_of(playbook, name) + (" (told above)" if name in told else "")
        yield Row(min(depth, MAX_DEPTH), arrow, step.type if step else "missing", text)
        if step is None or name in told:
            continue
        told.add(name)
        named = [(target, arrow_of(place)) for place, target in next_steps(step)]
        further = depth if arrow in ("", *ONWARDS) else depth + 1  # a branch goes on inside itself
        on = [(target, why, further) for target, why in named if why in ONWARDS]
        inside = [(target, why, further + 1) for target, why in named if why not in ONWARDS]
        waiting += reversed(inside + on)


def _body(command: Command) -> Any:
    """What a command says: the JSON of OpenC2, else its text."""
    if command.type == "openc2-http" and isinstance(command, HttpCommand):
        return read_json(command.body(), "content_b64")
    return text_of(command)
