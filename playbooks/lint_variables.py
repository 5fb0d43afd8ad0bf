"""Lint of variables: what is used is declared, what is declared is used, values fit their types, arguments are sound.

Flows in: a `Playbook`. Flows out: findings (CACAO v2.0, section 10.18; arguments 4.5, 4.6). Uses are told by
`variable_uses`; values given at run time are checked by the interpreter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .cacao import AnyStep, Playbook, Variable
from .lint_commands import commands_of, text_of
from .lint_identity import entries
from .lint_words import Finding, Place, found, shown
from .variable_uses import PARTIES, Use, uses_of
from .variable_values import fault_of_value

SHELLS = ("bash", "powershell", "ssh", "jupyter", "kestrel")  # programs may have such words of their own
BARE = re.compile(r"(?<![A-Za-z0-9_])(__[a-zA-Z][a-zA-Z0-9_-]{0,199}?__)(?![A-Za-z0-9_]|:value)")


def variable_findings(playbook: Playbook) -> Iterator[Finding]:
    """Findings about declarations and uses of variables."""
    uses = uses_of(playbook)
    written = {name for step in playbook.workflow.values() for name in arguments(step, "out_args")}
    named = {use.name for use in uses} | written
    yield from _undeclared(playbook, uses)
    for name in playbook.workflow:
        yield from _bare(playbook, name)
    for name, step in playbook.workflow.items():
        yield from _arguments(playbook, name, step, uses)
        for variable, declared in step.step_variables.items():
            place: Place = ("workflow", name, "step_variables", variable)
            mine = {use.name for use in uses if name in (use.step, *use.steps)} | set(arguments(step, "out_args"))
            mine |= set(arguments(step, "in_args"))
            yield from _declaration(variable, declared, place, mine, written)
            if variable in entries(playbook, "playbook_variables"):
                said = f"{variable} is also a variable of the playbook"
                yield found("variable-shadow", place, said, "give it another name")
            if declared.external:
                said = "is external, which only variables of the playbook are"
                yield found("variable-external", (*place, "external"), said, "remove it")
    for variable, declared in playbook.playbook_variables.items():
        yield from _declaration(
            variable, declared, ("playbook_variables", variable), named | _in_args(playbook), written
        )


def arguments(step: AnyStep, field: str) -> list[str]:
    """in_args or out_args of a step that has them."""
    return list(getattr(step, field)) if step.type in ("action", "playbook-action") else []


def declared_in(playbook: Playbook, step: str | None) -> Mapping[str, Variable]:
    """Variables that are visible in a step: the playbook's, and its own over them."""
    found_step = playbook.workflow.get(step or "")
    own = found_step.step_variables if found_step is not None else {}
    return {**playbook.playbook_variables, **own}


def _in_args(playbook: Playbook) -> set[str]:
    return {name for step in playbook.workflow.values() for name in arguments(step, "in_args")}


def _names(playbook: Playbook, step: str | None) -> set[str]:
    """As `declared_in`, by name, those of a faulty declaration included."""
    names = set(entries(playbook, "playbook_variables"))
    written = entries(playbook, "workflow").get(step or "")
    own = written.get("step_variables") if isinstance(written, dict) else None
    return names | set(own if isinstance(own, dict) else ())


def _undeclared(playbook: Playbook, uses: list[Use]) -> Iterator[Finding]:
    visible = {name: _names(playbook, name) for name in playbook.workflow}
    top = set(entries(playbook, "playbook_variables"))
    for use in uses:
        scopes = [use.step] if use.step else list(use.steps)
        if use.name in top or (scopes and all(use.name in visible[scope] for scope in scopes)):
            continue
        yield found("variable-undeclared", use.place, f"variable {use.name} is not declared", "declare it")


def _bare(playbook: Playbook, name: str) -> Iterator[Finding]:
    """Names in commands and conditions that lack `:value`; of a shell's own __names__ only declared ones are told."""
    step = playbook.workflow[name]
    texts = [(place, text_of(command), command.type in SHELLS) for place, command in commands_of(playbook, name)]
    if step.type in ("if-condition", "while-condition"):
        texts.append((("workflow", name, "condition"), step.condition, False))
    names = _names(playbook, name)
    for place, text, is_program in texts:
        for variable in dict.fromkeys(BARE.findall(text)):
            if variable in names or not is_program:
                said = f"{variable} stands without :value"
                yield found("variable-bare", place, said, f"write {variable}:value, or other text")


def _declaration(name: str, declared: Variable, place: Place, named: set[str], written: set[str]) -> Iterator[Finding]:
    if not name[2:3].isalpha():
        yield found("variable-name", place, f"{shown(name)} has no letter after __", "begin it with a letter")
    if name != name.lower():
        yield found("variable-lower", place, f"{shown(name)} has capitals", "write it in lower case")
    if isinstance(declared.value, str | dict):
        fault = fault_of_value(declared.type, declared.value)
        if fault is not None:
            yield found("variable-value", (*place, "value"), fault, f"write a value of type {declared.type}")
    if name not in named:
        yield found("variable-unused", place, "is never used", "use or remove it")
    elif declared.value is None and not declared.external and name not in written:
        yield found("variable-unset", place, "is used but gets no value", "give it a value, or set external")
    if declared.constant and declared.value is None and not declared.external:
        yield found("variable-constant-empty", place, "is constant and has no value", "give it one")


def _arguments(playbook: Playbook, name: str, step: AnyStep, uses: list[Use]) -> Iterator[Finding]:
    names, variables = _names(playbook, name), declared_in(playbook, name)
    for field in ("in_args", "out_args"):
        listed = arguments(step, field)
        for index, variable in enumerate(listed):
            place: Place = ("workflow", name, field, index)
            if variable not in names:
                said, mend = f"variable {shown(variable)} is not declared", "declare it, write only its name"
                yield found("arguments-undeclared", place, said, mend)
            elif field == "out_args" and variable in variables and variables[variable].constant:
                said = f"{variable} is constant, yet returned"
                yield found("variable-constant", place, said, "set constant to false, or return another")
            if variable in listed[:index]:
                yield found("arguments-doubled", place, f"{shown(variable)} stands twice", "remove one")
    if step.type != "action":
        return
    handed = {use.name for use in uses if use.place[0] in PARTIES and name in use.steps}
    for variable in sorted(handed - set(step.in_args)):
        said = f"{variable} is used by its agent or targets and not handed over"
        yield found("arguments-missing", ("workflow", name, "in_args"), said, "list it in in_args")
    used = handed | {use.name for use in uses if use.step == name}
    for index, variable in enumerate(step.in_args):
        if variable not in used and variable in names:
            place = ("workflow", name, "in_args", index)
            yield found("arguments-idle", place, f"{variable} is not used by the step", "remove it")
