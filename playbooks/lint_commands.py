"""Lint of single commands, those of an undo included (CACAO v2.0, section 5).

Flows in: a `Playbook`. Flows out: findings. Sources beside CACAO: RFC 9112, 3 (start line), RFC 4648, 4 (base64);
OpenC2 Language Specification v1.0, 3.3.1.1 (actions) and 3.3.1.2 (one target); OpenC2 over HTTPS v1.0 (media type),
v1.1 (message around a command).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .cacao import AnyCommand, Command, HttpCommand, Playbook, PlaybookError, TextCommand, read_json
from .cacao_commands import EncodedCommand, OpenC2Command
from .effects import EXTENSION_ID
from .execute import undo_of
from .executor.filling import openc2_request
from .lint_steps import split
from .lint_words import Finding, Place, found, shown

ACTIONS = {
    "scan", "locate", "query", "deny", "contain", "allow", "start", "stop", "restart", "cancel", "set", "update",
    "redirect", "create", "delete", "detonate", "restore", "copy", "investigate", "remediate",
}  # fmt: skip
START_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/\d(\.\d)?")
MEDIA_TYPE = "application/openc2+json;version=1.0"


def command_findings(playbook: Playbook) -> Iterator[Finding]:
    """Findings about each command by itself."""
    for name in playbook.workflow:
        for place, command in commands_of(playbook, name):
            match command:
                case TextCommand():
                    yield from _text(place, command)
                case OpenC2Command():
                    yield from _http(place, command)
                    yield from _openc2(place, command)
                case HttpCommand():
                    yield from _http(place, command)
                case EncodedCommand():
                    yield from _encoded(place, command)


def commands_of(playbook: Playbook, name: str) -> list[tuple[Place, AnyCommand]]:
    """Commands of a step with their places in the document, those of its undo included where they are well formed."""
    step = playbook.workflow[name]
    commands = step.commands if step.type == "action" else []
    told: list[tuple[Place, AnyCommand]] = [
        (("workflow", name, "commands", index), command) for index, command in enumerate(commands)
    ]
    try:
        undo = undo_of(playbook, name)
    except PlaybookError:
        return told
    place = ("workflow", name, "step_extensions", EXTENSION_ID, "commands")
    return told + [((*place, index), command) for index, command in enumerate(undo)]


def openc2_of(command: HttpCommand) -> tuple[str, str]:
    """Action and target type of an OpenC2 command, e.g. ("contain", "x-tocsin").

    Raises:
        PlaybookError: its body is no OpenC2 command.
    """
    body = openc2_request(read_json(command.body(), "content_b64"))
    action = body.get("action") if isinstance(body, dict) else None
    target = body.get("target") if isinstance(body, dict) else None
    if not isinstance(action, str) or action not in ACTIONS:
        raise PlaybookError(f"content_b64: action {shown(action)} is none of OpenC2's; use one of its Table 3.3.1.1")
    if not isinstance(target, dict) or len(target) != 1:
        raise PlaybookError("content_b64: target is no object with one property; name one target")
    return action, str(next(iter(target)))


def text_of(command: Command) -> str:
    """All that a command says, decoded where it is base64; what cannot be decoded says nothing."""
    try:
        match command:
            case TextCommand() | EncodedCommand():
                return command.text()
            case HttpCommand():
                headers = "\n".join(f"{key}: {value}" for key, values in command.headers.items() for value in values)
                return f"{command.command}\n{headers}\n{command.body().decode('utf-8', 'replace')}"
    except PlaybookError:
        pass
    return ""


def _text(place: Place, command: TextCommand) -> Iterator[Finding]:
    if command.command is None and command.command_b64 is None:
        yield found("command-missing", place, f"a {command.type} command has no text", "give command or command_b64")
    elif command.command is not None and command.command_b64 is not None:
        yield found("command-both", place, "has command and command_b64", "keep one of them")
    else:
        yield from _decodes(place, "command_b64", command)
        if command.command is not None and not command.command.strip():
            yield found("command-empty", (*place, "command"), "is empty", "say what is to be done")


def _encoded(place: Place, command: EncodedCommand) -> Iterator[Finding]:
    if command.command_b64:
        yield from _decodes(place, "command_b64", command)
    elif "command_b64" in command.model_fields_set:
        yield found("command-empty", (*place, "command_b64"), "is empty", "say what is to be done")


def _decodes(place: Place, field: str, command: TextCommand | EncodedCommand) -> Iterator[Finding]:
    try:
        command.text()
    except PlaybookError as fault:
        yield found("base64", (*place, field), *split(str(fault)))


def _http(place: Place, command: HttpCommand) -> Iterator[Finding]:
    if command.command and START_LINE.fullmatch(command.command) is None:
        said = f"{shown(command.command)} is no start line"
        yield found("start-line", (*place, "command"), said, "write method, target and version: GET /x HTTP/1.1")
    if command.content is not None and command.content_b64 is not None:
        yield found("command-both", place, "has content and content_b64", "keep one of them")
    elif command.content_b64:
        try:
            command.body()
        except PlaybookError as fault:
            yield found("base64", (*place, "content_b64"), *split(str(fault)))


def _openc2(place: Place, command: OpenC2Command) -> Iterator[Finding]:
    line = START_LINE.fullmatch(command.command)
    if line is not None and line[1] != "POST":
        said = f"{shown(command.command)} is no POST"
        yield found("openc2-post", (*place, "command"), said, "write e.g. POST /.well-known/openc2 HTTP/1.1")
    try:
        if "content_b64" in command.model_fields_set:
            command.body()
            try:
                openc2_of(command)
            except PlaybookError as fault:
                yield found("openc2-body", (*place, "content_b64"), *split(str(fault)))
    except PlaybookError:
        pass  # told as base64
    sent = [value for key, values in command.headers.items() if key.lower() == "content-type" for value in values]
    if [value.replace(" ", "") for value in sent] != [MEDIA_TYPE]:
        yield found("openc2-media", (*place, "headers"), f"Content-Type is {shown(sent)}", f"send {MEDIA_TYPE}")
