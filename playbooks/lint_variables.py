"""Lint of variables: what is used is declared, what is declared is used, values fit their types, arguments are sound.

Flows in: a `Playbook`. Flows out: findings (CACAO v2.0, section 10.18; arguments 4.5, 4.6). Uses are told by
`variable_uses`; values given at run time are checked by the interpreter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .cacao import AnyStep, Playbook, Variable
from .execute import TOLD
from .lint_commands import commands_of, text_of
from .lint_identity import entries
from .lint_words import Finding, Place, found, shown
from .variable_uses import Use, uses_of
from .variable_values import fault_of_value

SHELLS = ("bash", "powershell", "ssh", "jupyter", "kestrel")  # programs may have such words of their own
BARE = re.compile(r"(?<![A-Za-z0-9_])(__[a-zA-Z][a-zA-Z0-9_-]{0,199}?__)(?![A-Za-z0-9_]|:value)")


def variable_findings(playbook: Playbook) -> Iterator[Finding]:
    """Findings about declarations and uses of variables."""
    uses = uses_of(playbook)
    scopes = _Scopes(playbook, uses)
    steps = playbook.workflow
    written = {name for step in steps.values() for name in arguments(step, "out_args")} | set(TOLD)
    named = {use.name for use in uses} | written | {n for step in steps.values() for n in arguments(step, "in_args")}
    yield from _undeclared(scopes, uses)
    for name, step in steps.items():
        yield from _bare(playbook, scopes, name)
        yield from _arguments(playbook, scopes, name, step)
        yield from _own(scopes, name, step, written)
    for variable, declared in playbook.playbook_variables.items():
        yield from _declaration(variable, declared, ("playbook_variables", variable), variable in named, written)


def arguments(step: AnyStep, field: str) -> list[str]:
    """in_args or out_args of a step that has them."""
    return list(getattr(step, field)) if step.type in ("action", "playbook-action") else []


def variable_of(playbook: Playbook, step: str, name: str) -> Variable | None:
    """The variable that a name means in a step: the step's own, else the playbook's."""
    found_step = playbook.workflow.get(step)
    own = found_step.step_variables.get(name) if found_step is not None else None
    return own or playbook.playbook_variables.get(name)


class _Scopes:
    """Names that are declared and used, by place, faulty declarations included; it lives for one lint."""

    def __init__(self, playbook: Playbook, uses: list[Use]) -> None:
        self.top = frozenset(entries(playbook, "playbook_variables"))
        self.own: dict[str, frozenset[str]] = {}
        for name, step in entries(playbook, "workflow").items():
            own = step.get("step_variables") if isinstance(step, dict) else None
            self.own[name] = frozenset(own if isinstance(own, dict) else ())
        self.in_step: dict[str, set[str]] = {}  # names used in a step
        self.in_party: dict[Place, set[str]] = {}  # names used in an agent, target or authentication
        self.users: dict[Place, tuple[str, ...]] = {}  # steps that use it
        self.parties: dict[str, list[Place]] = {}  # what a step uses, of those with variables
        for use in uses:
            if use.step is not None:
                self.in_step.setdefault(use.step, set()).add(use.name)
            else:
                self.in_party.setdefault(use.place[:2], set()).add(use.name)
                self.users[use.place[:2]] = use.steps
        for place, steps in self.users.items():
            for step in steps:
                self.parties.setdefault(step, []).append(place)

    def knows(self, step: str, name: str) -> bool:
        """Whether a name is declared for a step."""
        return name in self.top or name in self.own.get(step, ())

    def known_to_all(self, place: Place) -> frozenset[str]:
        """Own names that every user of an agent, target or authentication declares."""
        steps = self.users.get(place, ())
        return frozenset.intersection(*(self.own.get(step, frozenset()) for step in steps)) if steps else frozenset()

    def handed(self, step: str) -> set[str]:
        """Names that the agent, the targets and their authentication use."""
        return set().union(*(self.in_party[place] for place in self.parties.get(step, ())))


def _undeclared(scopes: _Scopes, uses: list[Use]) -> Iterator[Finding]:
    shared = {place: scopes.known_to_all(place) for place in scopes.users}
    for use in uses:
        known = scopes.knows(use.step, use.name) if use.step else use.name in scopes.top | shared[use.place[:2]]
        if not known:
            yield found("variable-undeclared", use.place, f"variable {use.name} is not declared", "declare it")


def _own(scopes: _Scopes, name: str, step: AnyStep, written: set[str]) -> Iterator[Finding]:
    """About the variables that a step declares for itself."""
    mine = scopes.in_step.get(name, set()) | scopes.handed(name) if step.step_variables else set()
    mine |= {*arguments(step, "in_args"), *arguments(step, "out_args")}
    for variable, declared in step.step_variables.items():
        place: Place = ("workflow", name, "step_variables", variable)
        yield from _declaration(variable, declared, place, variable in mine, written)
        if variable in scopes.top:
            said = f"{variable} is also a variable of the playbook"
            yield found("variable-shadow", place, said, "give it another name")
        if declared.external:
            said = "is external, which only variables of the playbook are"
            yield found("variable-external", (*place, "external"), said, "remove it")


def _bare(playbook: Playbook, scopes: _Scopes, name: str) -> Iterator[Finding]:
    """Names in commands and conditions that lack `:value`; of a shell's own __names__ only declared ones are told."""
    step = playbook.workflow[name]
    texts = [(place, text_of(command), command.type in SHELLS) for place, command in commands_of(playbook, name)]
    if step.type in ("if-condition", "while-condition"):
        texts.append((("workflow", name, "condition"), step.condition, False))
    for place, text, is_program in texts:
        for variable in dict.fromkeys(BARE.findall(text)):
            if scopes.knows(name, variable) or not is_program:
                said = f"{variable} stands without :value"
                yield found("variable-bare", place, said, f"write {variable}:value, or other text")


def _declaration(name: str, declared: Variable, place: Place, is_named: bool, written: set[str]) -> Iterator[Finding]:
    if not name[2:3].isalpha():
        yield found("variable-name", place, f"{shown(name)} has no letter after __", "begin it with a letter")
    if name != name.lower():
        yield found("variable-lower", place, f"{shown(name)} has capitals", "write it in lower case")
    if isinstance(declared.value, str | dict):
        fault = fault_of_value(declared.type, declared.value)
        if fault is not None:
            yield found("variable-value", (*place, "value"), fault, f"write a value of type {declared.type}")
    if not is_named:
        yield found("variable-unused", place, "is never used", "use or remove it")
    elif declared.value is None and not declared.external and name not in written:
        yield found("variable-unset", place, "is used but gets no value", "give it a value, or set external")
    if declared.constant and declared.value is None and not declared.external:
        yield found("variable-constant-empty", place, "is constant and has no value", "give it one")


def _arguments(playbook: Playbook, scopes: _Scopes, name: str, step: AnyStep) -> Iterator[Finding]:
    for field in ("in_args", "out_args"):
        seen: set[str] = set()
        for index, variable in enumerate(arguments(step, field)):
            place: Place = ("workflow", name, field, index)
            declared = variable_of(playbook, name, variable)
            if not scopes.knows(name, variable):
                said, mend = f"variable {shown(variable)} is not declared", "declare it, write only its name"
                yield found("arguments-undeclared", place, said, mend)
            elif field == "out_args" and declared is not None and declared.constant:
                said = f"{variable} is constant, yet returned"
                yield found("variable-constant", place, said, "set constant to false, or return another")
            if variable in seen:
                yield found("arguments-doubled", place, f"{shown(variable)} stands twice", "remove one")
            seen.add(variable)
    if step.type != "action":
        return
    handed = scopes.handed(name)
    for variable in sorted(handed - set(step.in_args)):
        said = f"{variable} is used by its agent or targets and not handed over"
        yield found("arguments-missing", ("workflow", name, "in_args"), said, "list it in in_args")
    used = handed | scopes.in_step.get(name, set())
    for index, variable in enumerate(step.in_args):
        if variable not in used and scopes.knows(name, variable):
            place = ("workflow", name, "in_args", index)
            yield found("arguments-idle", place, f"{variable} is not used by the step", "remove it")
