"""Lint of variables: what is used is declared, what is declared is used, and each gets its value from somewhere.

Flows in: a `Playbook`. Flows out: findings (CACAO v2.0, section 10.18). Values given at run time are checked by the
interpreter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .cacao import Playbook, PlaybookError, Step, read_json
from .execute import REFERENCE
from .lint_steps import Place, commands_of
from .lint_words import Finding, error, path_to, warning

SECTION = "10.18"


def variable_findings(playbook: Playbook) -> Iterator[Finding]:
    """Findings about declarations and uses of variables."""
    used: set[str] = set()
    for name, step in playbook.workflow.items():
        for place, reference in _uses(playbook, name, step):
            used.add(reference)
            yield from _use(playbook, step, path_to(*place), reference)
    for part in ("agent_definitions", "target_definitions"):
        for place, reference in _references(playbook.raw.get(part, {}), (part,)):
            used.add(reference)
            if reference not in playbook.playbook_variables:
                yield error(SECTION, path_to(*place), f"variable {reference} is not declared", "declare it")
    written = {name for step in playbook.workflow.values() for name in _arguments(step, "out_args")}
    for name, variable in playbook.playbook_variables.items():
        path = path_to("playbook_variables", name)
        if name not in used | written:
            yield warning(SECTION, path, "is never used", "use or remove it")
        if variable.external and variable.constant:
            yield warning(SECTION, path, "is both external and constant", "set constant to false, or external")
        elif name in used and variable.value is None and not variable.external and name not in written:
            yield error(SECTION, path, "is used but gets no value", "give it a value, or set external")


def _use(playbook: Playbook, step: Step, path: str, variable: str) -> Iterator[Finding]:
    if variable in playbook.playbook_variables:
        return
    if variable in step.step_variables:
        message = f"step variable {variable} is not yet executable"
        yield error(SECTION, path, message, "declare it in playbook_variables")
    else:
        yield error(SECTION, path, f"variable {variable} is not declared", "declare it in playbook_variables")


def _uses(playbook: Playbook, name: str, step: Step) -> Iterator[tuple[Place, str]]:
    yield from _references(playbook.raw["workflow"][name], ("workflow", name))
    for place, command in commands_of(playbook, name):
        if command.content_b64 is not None:
            try:
                body = read_json(command.body(), "content_b64")
            except PlaybookError:
                continue  # told by lint_steps
            yield from ((((*place, "content_b64")), variable) for _, variable in _references(body, ()))
    for index, variable in enumerate(_arguments(step, "in_args")):
        yield ("workflow", name, "in_args", index), variable


def _arguments(step: Step, field: str) -> list[str]:
    listed = (step.model_extra or {}).get(field)
    return [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []


def _references(content: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(content, dict):
        for key, item in content.items():
            yield from _references(item, (*place, key))
    elif isinstance(content, list):
        for index, item in enumerate(content):
            yield from _references(item, (*place, index))
    elif isinstance(content, str):
        yield from ((place, found) for found in REFERENCE.findall(content))
