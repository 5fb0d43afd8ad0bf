"""Lint of conditions and switches: are they of STIX patterning, do their literals fit, can a loop ever end?

Flows in: a `Playbook`. Flows out: findings (CACAO v2.0, sections 4.8 to 4.10). Nothing is evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator

from .cacao import Playbook
from .conditions import (
    Comparison,
    Condition,
    ConditionFault,
    Constant,
    Reference,
    comparisons,
    has_prefix_not,
    parse_condition,
    variables_of,
)
from .execute import REFERENCE, StepFault
from .executor.evaluating import pattern
from .lint_shape import STEP_SECTIONS
from .lint_steps import split
from .lint_variables import arguments, variable_of
from .lint_words import Finding, Place, found, shown
from .lint_workflow import Reach
from .variable_values import fault_of_value

ORDERED = ("=", "!=", "<", "<=", ">", ">=", "IN")
KINDS = {"integer": "integer", "float": "float", "boolean": "bool"}
NUMBERS = ("integer", "long", "float")


def condition_findings(playbook: Playbook) -> Iterator[Finding]:
    """Findings about the conditions and switches of a workflow."""
    reach = Reach(playbook) if any(step.type == "while-condition" for step in playbook.workflow.values()) else None
    for name, step in playbook.workflow.items():
        if step.type in ("if-condition", "while-condition") and "condition" in step.model_fields_set:
            place: Place = ("workflow", name, "condition")
            section = STEP_SECTIONS[step.type]
            try:
                condition = parse_condition(step.condition)
            except ConditionFault as fault:
                yield found("condition-form", place, *split(str(fault)), section=section)
                continue
            yield from _condition(playbook, name, condition, place, section)
            if reach is not None and step.type == "while-condition":
                yield from _loop(playbook, reach, step.on_true, condition, place)
        elif step.type == "switch-condition":
            if "switch" in step.model_fields_set and REFERENCE.fullmatch(step.switch) is None:
                said = f"{shown(step.switch)} is no variable"
                yield found("switch-variable", ("workflow", name, "switch"), said, "write e.g. __name__:value")
            if step.cases and "default" not in step.cases:
                said = "a value that is no case leads nowhere"
                yield found("switch-default", ("workflow", name, "cases"), said, "add the case default")


def _condition(playbook: Playbook, step: str, condition: Condition, place: Place, section: str) -> Iterator[Finding]:
    if has_prefix_not(condition):
        said, mend = "NOT stands before a comparison", "write it before the operator: a NOT = b"
        yield found("condition-prefix-not", place, said, mend, section=section)
    if not variables_of(condition):
        said = "names no variable: it is always the same"
        yield found("condition-fixed", place, said, "compare a variable", section=section)
    for one in comparisons(condition):
        if one.operator == "MATCHES" and isinstance(one.right, Constant):
            try:
                pattern(one.right.text)
            except StepFault as fault:
                yield found("condition-pattern", place, *split(str(fault)), section=section)
        for reference, literal in _compared(one):
            declared = variable_of(playbook, step, reference.name)
            if declared is not None and not _fits(declared.type, literal):
                said = f"{shown(literal.text)} can be no value of {reference.name}, which is {declared.type}"
                yield found("condition-type", place, said, "compare it with a value of that type", section=section)


def _compared(one: Comparison) -> Iterator[tuple[Reference, Constant]]:
    if one.operator not in ORDERED:
        return
    rights = one.right if isinstance(one.right, tuple) else (one.right,)
    for right in rights:
        if isinstance(one.left, Reference) and isinstance(right, Constant):
            yield one.left, right
        elif isinstance(one.left, Constant) and isinstance(right, Reference):
            yield right, one.left


def _fits(kind: str, literal: Constant) -> bool:
    """Whether a literal can be a value of a type: numbers may be quoted, as CACAO writes all values as strings."""
    if literal.kind in KINDS and KINDS[literal.kind] != kind and not (literal.kind == "integer" and kind in NUMBERS):
        return kind not in (*NUMBERS, "bool", "ipv4-addr", "ipv6-addr", "mac-addr", "uuid", "uri", "dictionary")
    return literal.text == "" or fault_of_value(kind, literal.text) is None


def _loop(playbook: Playbook, reach: Reach, first: str, condition: Condition, place: Place) -> Iterator[Finding]:
    """A loop whose branch changes no variable of its condition never ends by itself."""
    changed: set[str] = set()
    for name in reach.steps(reach.of(first)):
        changed |= set(arguments(playbook.workflow[name], "out_args"))
    if first in playbook.workflow and not changed & variables_of(condition):
        said = "no step of the branch returns a variable of the condition"
        yield found("while-fixed", place, said, "name it in out_args of a step of the branch")
