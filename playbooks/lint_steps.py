"""Lint of single steps: who carries them out, by which commands, and whether our interpreter can.

Flows in: a `Playbook`. Flows out: findings about agents, targets, OpenC2 commands (also those of an undo) and steps
that are not yet executable. Sources: CACAO v2.0, sections 4.5, 5 and 7; OpenC2 Language Specification v1.0, 3.3.1.1
(actions) and 3.3.1.2 (one target); OpenC2 over HTTPS v1.0 (media type).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .cacao import Command, Playbook, PlaybookError, Step, read_json
from .effects import EXTENSION_ID
from .execute import obstacle_of, undo_of
from .lint_words import Finding, error, path_to, warning

Place = tuple[str | int, ...]

ACTIONS = {
    "scan", "locate", "query", "deny", "contain", "allow", "start", "stop", "restart", "cancel", "set", "update",
    "redirect", "create", "delete", "detonate", "restore", "copy", "investigate", "remediate",
}  # fmt: skip
START_LINE = re.compile(r"([A-Z]+) (\S+) HTTP/\d(\.\d)?")
MEDIA_TYPE = "application/openc2+json;version=1.0"


def step_findings(playbook: Playbook) -> Iterator[Finding]:
    """Findings about each step by itself."""
    for name, step in playbook.workflow.items():
        yield from _executable(playbook, name, step)
        if step.type == "action":
            yield from _parties(playbook, name, step)
        for place, command in commands_of(playbook, name):
            if command.type == "openc2-http":
                yield from _openc2(place, command)
    used = {step.agent for step in playbook.workflow.values()}
    for name in playbook.agent_definitions:
        if name not in used:
            yield warning("7", path_to("agent_definitions", name), "no step uses this agent", "remove it")


def commands_of(playbook: Playbook, name: str) -> list[tuple[Place, Command]]:
    """Commands of a step with their places in the document, those of its undo included where they are well formed."""
    step = playbook.workflow[name]
    found: list[tuple[Place, Command]] = [
        (("workflow", name, "commands", index), command) for index, command in enumerate(step.commands)
    ]
    try:
        undo = undo_of(playbook, name)
    except PlaybookError:
        return found
    place = ("workflow", name, "step_extensions", EXTENSION_ID, "commands")
    return found + [((*place, index), command) for index, command in enumerate(undo)]


def openc2_of(command: Command) -> tuple[str, str]:
    """Action and target type of an OpenC2 command, e.g. ("contain", "x-tocsin").

    Raises:
        PlaybookError: its body is no OpenC2 command.
    """
    body = read_json(command.body(), "content_b64")
    action = body.get("action") if isinstance(body, dict) else None
    target = body.get("target") if isinstance(body, dict) else None
    if action not in ACTIONS:
        raise PlaybookError(f"content_b64: action {action!r} is none of OpenC2's; use one of its Table 3.3.1.1")
    if not isinstance(target, dict) or len(target) != 1:
        raise PlaybookError("content_b64: target is no object with one property; name one target")
    return str(action), str(next(iter(target)))


def _executable(playbook: Playbook, name: str, step: Step) -> Iterator[Finding]:
    path = path_to("workflow", name)
    obstacle = obstacle_of(playbook, name)
    if obstacle is not None:
        yield error("4", path, *_split(obstacle))
    try:
        undo_of(playbook, name)
    except PlaybookError as fault:
        yield error("8", path, *_split(str(fault)))
    for field in ("delay", "timeout"):
        if getattr(step, field):
            yield warning("4.1", path_to("workflow", name, field), "is not yet carried out", "do not rely on it")


def _parties(playbook: Playbook, name: str, step: Step) -> Iterator[Finding]:
    path = path_to("workflow", name, "agent")
    if step.agent is None:
        yield error("4.5", path, "an action needs an agent", "name one of agent_definitions")
    elif step.agent not in playbook.agent_definitions:
        yield error("7", path, f"agent {step.agent} is not defined", "define it in agent_definitions")
    for index, target in enumerate(step.targets):
        if target not in playbook.target_definitions:
            place = path_to("workflow", name, "targets", index)
            yield error("7", place, f"target {target} is not defined", "define it in target_definitions")


def _openc2(place: Place, command: Command) -> Iterator[Finding]:
    line = START_LINE.fullmatch(command.command or "")
    if line is None or line[1] != "POST":
        path = path_to(*place, "command")
        yield error("5", path, f"{command.command!r} is no POST", "write e.g. POST /.well-known/openc2 HTTP/1.1")
    if command.content_b64 is None:
        yield error("5", path_to(*place), "has no content_b64", "give the OpenC2 command as base64 there")
    else:
        try:
            openc2_of(command)
        except PlaybookError as fault:
            yield error("5", path_to(*place, "content_b64"), *_split(str(fault)))
    sent = [value for key, values in command.headers.items() if key.lower() == "content-type" for value in values]
    if [value.replace(" ", "") for value in sent] != [MEDIA_TYPE]:
        yield warning("5", path_to(*place, "headers"), f"Content-Type is {sent}", f"send {MEDIA_TYPE}")


def _split(text: str) -> tuple[str, str]:
    """Message and mend, which our errors part by the last semicolon."""
    message, _, mend = text.rpartition("; ")
    return (message, mend) if message else (text, "mend it")
