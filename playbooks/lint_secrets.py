"""Lint against secrets in clear and free text in shells: safety rules of ours, stricter than CACAO v2.0.

Flows in: a `Playbook`. Flows out: findings. A playbook is shared between owners: what is written in it is known to all;
and what a variable brings is not to become part of a program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .cacao import HttpCommand, Playbook, TextCommand, Variable
from .execute import REFERENCE
from .lint_commands import commands_of, text_of
from .lint_identity import entries
from .lint_variables import variable_of
from .lint_words import Finding, Place, found
from .variable_values import WITHOUT_SHELL_SIGNS

SECRETS = ("password", "token", "secret", "api_key", "private_key")
HEADERS = ("authorization", "proxy-authorization", "cookie", "x-api-key", "x-auth-token")
NAMED = re.compile(r"pass(word|wd|phrase)|secret|token|api_?key|private_?key|credential", re.IGNORECASE)
KEY_BLOCK = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
USERINFO = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]+:([^/\s@]+)@", re.IGNORECASE)
SHELLS = ("bash", "powershell", "ssh")
PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]*")  # signs that no shell acts on


def secret_findings(playbook: Playbook) -> Iterator[Finding]:
    """Findings about secrets that are written down, and variables in shells."""
    for key, one in entries(playbook, "authentication_info_definitions").items():
        if isinstance(one, dict):
            yield from _authentication(one, ("authentication_info_definitions", key))
    for name in playbook.workflow:
        for place, command in commands_of(playbook, name):
            if isinstance(command, HttpCommand):
                yield from _headers(place, command)
            if _is_secret_text(text_of(command)):
                yield _clear(place, "the command holds a secret")
    yield from splice_findings(playbook)
    bearing = _bearing(playbook)
    for place, variable, declared in _declared(playbook):
        if isinstance(declared.value, str) and declared.value and ":value" not in declared.value:
            if variable in bearing or _is_secret_text(declared.value):
                yield _clear((*place, "value"), "the value is, or holds, a secret")
            elif NAMED.search(variable):
                said = f"{variable} is named like a secret and has a value"
                yield found("secret-variable", (*place, "value"), said, "set external, and leave the value out")


def splice_findings(playbook: Playbook) -> Iterator[Finding]:
    """Findings about free text in programs of shells; vetting refuses what has one, signed or not."""
    for name in playbook.workflow:
        for place, command in commands_of(playbook, name):
            if isinstance(command, TextCommand) and command.type in SHELLS:
                yield from _splices(playbook, name, place, command)


def _declared(playbook: Playbook) -> Iterator[tuple[Place, str, Variable]]:
    for key, one in playbook.playbook_variables.items():
        yield ("playbook_variables", key), key, one
    for name, step in playbook.workflow.items():
        for key, one in step.step_variables.items():
            yield ("workflow", name, "step_variables", key), key, one


def _bearing(playbook: Playbook) -> set[str]:
    """Variables that authentication takes its secrets from: a value written for them is written in clear."""
    names: set[str] = set()
    for one in entries(playbook, "authentication_info_definitions").values():
        for field in SECRETS if isinstance(one, dict) else ():
            names |= set(REFERENCE.findall(one[field])) if isinstance(one.get(field), str) else set()
    return names


def _authentication(one: dict[str, Any], place: Place) -> Iterator[Finding]:
    for field in SECRETS:
        value = one.get(field)
        if isinstance(value, str) and value and REFERENCE.search(value) is None:
            yield _clear((*place, field), f"{field} is written in clear")


def _headers(place: Place, command: HttpCommand) -> Iterator[Finding]:
    for key, values in command.headers.items():
        for index, value in enumerate(values):
            if key.lower() in HEADERS and value.strip() and REFERENCE.search(value) is None:
                yield _clear((*place, "headers", key, index), f"{key} is written in clear")


def _clear(place: Place, said: str) -> Finding:
    return found("secret-clear", place, said, "give it by an external variable, or by kms and kms_key_identifier")


def _is_secret_text(text: str) -> bool:
    if KEY_BLOCK.search(text):
        return True
    return any(REFERENCE.search(one[1]) is None and ":value" not in one[1] for one in USERINFO.finditer(text))


def _splices(playbook: Playbook, step: str, place: Place, command: TextCommand) -> Iterator[Finding]:
    field = "command" if command.command_b64 is None else "command_b64"
    for name in dict.fromkeys(REFERENCE.findall(text_of(command))):
        declared = variable_of(playbook, step, name)
        if declared is None or declared.type in WITHOUT_SHELL_SIGNS:
            continue
        if declared.constant and isinstance(declared.value, str) and PLAIN.fullmatch(declared.value):
            continue  # known, and harmless
        said = f"{name} of type {declared.type} becomes part of a {command.type} command"
        mend = "give it a type without shell signs such as integer, ipv4-addr or uuid, or a plain constant value"
        yield found("shell-splice", (*place, field), said, mend)
