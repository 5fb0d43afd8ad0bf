"""A playbook as text for people: what it does to a twin, who consents, its flow as a tree, its OpenC2 commands.

Flows in: a `Playbook`. Flows out: lines of text, or plain values for JSON. It judges nothing (`lint` does).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .cacao import Command, Playbook, PlaybookError, digest, read_json
from .effects import declaration_of
from .execute import undo_of
from .lint_workflow import next_steps


def summary(playbook: Playbook) -> dict[str, Any]:
    """Name, id, digest, targets, consent class, verbs and undo of a playbook, as `tocsin playbook list` gives them.

    Raises:
        PlaybookError: it declares no effect, or a malformed one.
    """
    declared = declaration_of(playbook)
    return {
        "name": playbook.name,
        "id": playbook.id,
        "digest": digest(playbook),
        "target_type": declared["target_type"],
        "kinds": declared["kinds"],
        "consent_class": declared["consent_class"],
        "verbs": {name: value for name, value in declared["verbs"].items() if value},
        "undo": declared["undo"]["possible"],
    }


def details(playbook: Playbook) -> dict[str, Any]:
    """The summary with the whole declaration, the flow as lines, and every command with its undo.

    Raises:
        PlaybookError: no effect is declared, or a command's body is no JSON.
    """
    return {
        **summary(playbook),
        "description": playbook.description,
        "modified": playbook.modified,
        "effect": declaration_of(playbook),
        "flow": flow(playbook),
        "commands": [
            {
                "step": name,
                "sends": [_body(command) for command in step.commands],
                "undo": [_body(command) for command in undo_of(playbook, name)],
            }
            for name, step in playbook.workflow.items()
            if step.commands
        ],
    }


def flow(playbook: Playbook) -> list[str]:
    """The workflow from its start as the lines of a tree; a step told before is named, not told again."""
    return list(_branch(playbook, playbook.workflow_start, "", set()))


def _branch(playbook: Playbook, first: str, label: str, told: set[str]) -> Iterator[str]:
    """Depth first over a stack of our own: a hostile workflow may be longer than Python's."""
    waiting = [(first, label, 0)]
    while waiting:
        name, label, depth = waiting.pop()
        step = playbook.workflow.get(name)
        indent = "  " * min(depth, 40)
        what = f"{step.type}: {step.name or name}" if step else f"missing: {name}"
        yield f"{indent}{label}{what}" + (" (told above)" if name in told else "")
        if step is None or name in told:
            continue
        told.add(name)
        after = [(target, f"{place[0]} -> ", depth + 1) for place, target in next_steps(step)]
        waiting += reversed(after)


def _body(command: Command) -> Any:
    if command.type != "openc2-http":
        raise PlaybookError(f"command of type {command.type}: only openc2-http is shown; run tocsin playbook lint")
    return read_json(command.body(), "content_b64")
