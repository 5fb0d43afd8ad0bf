"""Variables of a run: typed values in the scope of a playbook and of one of its steps (CACAO v2.0, 10.18).

Flows in: declarations, values of the caller and of answers. Flows out: values that fit their types, or a named fault.
A step's own variable hides the playbook's of the same name; constants are set once; a value is text, or an object where
the type is dictionary.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..cacao import Playbook, PlaybookError, Variable
from ..cacao_commands import decoded
from ..variable_values import fault_of_value

REFERENCE = re.compile(r"(__[a-zA-Z_][a-zA-Z0-9_-]{0,199}__):value")
MAX_GIVEN = 4_096  # characters of a value that the caller gives: names, addresses
MAX_VALUE = 65_536  # characters of a value that comes back from an actuator; assumed
TOLD = ("__failure__", "__failed_step__")  # set by a step that fails: its code, its id
ENCODED = ("command_b64", "content_b64")

Value = str | dict[str, Any]


class StepFault(PlaybookError):  # noqa: N818
    """What makes a step fail at run time; the message names the thing and the mend."""


@dataclass(slots=True)
class Scope:
    """What names mean in a step: its own variables before those of its playbook."""

    playbook: Playbook
    values: dict[str, Value]  # of the playbook; changed by `put`
    own: dict[str, Value] = field(default_factory=dict)  # of the step; changed by `put`
    declared_own: Mapping[str, Variable] = field(default_factory=dict)

    def declared(self, name: str) -> Variable | None:
        """The declaration that a name means here."""
        return self.declared_own.get(name) or self.playbook.playbook_variables.get(name)

    def find(self, name: str) -> Value | None:
        """A variable's value; None where it is declared and has none.

        Raises:
            StepFault: it is not declared.
        """
        if self.declared(name) is None:
            raise StepFault(f"variable {name} is not declared; declare it")
        return (self.own if name in self.declared_own else self.values).get(name)

    def text(self, name: str) -> str:
        """A variable's value as text.

        Raises:
            StepFault: it is not declared, or has no value.
        """
        value = self.find(name)
        if value is None:
            raise StepFault(f"variable {name} has no value; give one")
        return as_text(value)

    def put(self, name: str, value: Any) -> None:
        """Give a variable a new value: the step's own where it hides the playbook's.

        Raises:
            StepFault: it is not declared, constant, or the value does not fit.
        """
        declared = self.declared(name)
        if declared is None:
            raise StepFault(f"variable {name} is not declared; declare it")
        if declared.constant:
            raise StepFault(f"variable {name} is constant; return another one")
        (self.own if name in self.declared_own else self.values)[name] = fitting(name, declared, value)


def initial(playbook: Playbook, given: Mapping[str, Any]) -> dict[str, Value]:
    """Values at the start: external ones from the caller where it gives them, else as declared.

    Raises:
        PlaybookError: a value that does not fit its variable.
    """
    values: dict[str, Value] = {}
    late: dict[str, str] = {}  # declared by the value of another variable
    for name, declared in playbook.playbook_variables.items():
        value = given.get(name) if declared.external else None
        try:
            if value is not None:
                values[name] = fitting(name, declared, value, is_given=True)
            elif isinstance(declared.value, str) and REFERENCE.search(declared.value):
                late[name] = declared.value
            elif declared.value is not None:
                values[name] = fitting(name, declared, declared.value)
        except StepFault as fault:
            raise PlaybookError(f"playbook {playbook.name}: {fault}") from None
    _resolve(late, playbook.playbook_variables, Scope(playbook, dict(values)), values)
    return values


def initial_own(declared: Mapping[str, Variable], scope: Scope) -> dict[str, Value]:
    """Values of a step's own variables when the step begins.

    Raises:
        StepFault: a value that does not fit its variable.
    """
    values: dict[str, Value] = {}
    late = {}
    for name, one in declared.items():
        if isinstance(one.value, str) and REFERENCE.search(one.value):
            late[name] = one.value
        elif one.value is not None:
            values[name] = fitting(name, one, one.value)
    _resolve(late, declared, scope, values)
    return values


def _resolve(late: Mapping[str, str], declared: Mapping[str, Variable], scope: Scope, values: dict[str, Value]) -> None:
    """Declared values that name other variables, filled once; one whose parts have no value has none."""
    for name, text in late.items():
        try:
            filled = REFERENCE.sub(lambda found: scope.text(found.group(1)), text)
        except StepFault:
            continue
        values[name] = fitting(name, declared[name], filled)


def fitting(name: str, declared: Variable, value: Any, *, is_given: bool = False) -> Value:
    """The value as a run keeps it.

    Args:
        name: of the variable, for messages.
        declared: its declaration.
        value: text, number, truth or object.
        is_given: by a caller: short and printable, as names and addresses are.

    Raises:
        StepFault: too long, with control characters, or not of the variable's type.
    """
    kept = value if isinstance(value, dict) else str(value).lower() if isinstance(value, bool) else str(value)
    text, most = as_text(kept), MAX_GIVEN if is_given else MAX_VALUE
    plain = text if is_given or isinstance(kept, dict) else re.sub(r"[\t\n\r]", " ", text)
    if len(text) > most or not plain.isprintable():
        raise StepFault(f"variable {name}: at most {most} printable characters; shorten it, or give a reference")
    fault = fault_of_value(declared.type, kept, literally=True)
    if fault is not None:
        raise StepFault(f"variable {name}: {fault}; give a value of type {declared.type}")
    return kept


def as_text(value: Value) -> str:
    """A value as it stands in a command."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")) if isinstance(value, dict) else value


def names_in(content: Any) -> Iterator[str]:
    """Names of the variables in the strings of a JSON value, base64 bodies decoded."""
    if isinstance(content, dict):
        for key, item in content.items():
            if key in ENCODED and isinstance(item, str):
                yield from REFERENCE.findall(_opened(item))
            else:
                yield from names_in(item)
    elif isinstance(content, list):
        for item in content:
            yield from names_in(item)
    elif isinstance(content, str):
        yield from REFERENCE.findall(content)


def _opened(text: str) -> str:
    try:
        return decoded(text, "").decode("utf-8", "replace")
    except PlaybookError:
        return ""
