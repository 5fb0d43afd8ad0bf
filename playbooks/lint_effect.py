"""Lint of our extension: the effect on a twin is declared, and what contains an asset also lets it go.

Flows in: a `Playbook`. Flows out: findings (CACAO v2.0, section 8, extensions).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .cacao import Playbook, PlaybookError
from .effects import EXTENSION_ID, declaration_of, effect_of
from .lint_words import Finding, error, path_to, warning

SECTION = "8"
CONTAINING = ("isolated", "credential_reset")  # modes that take an asset from its users
NUMBERS = ("work_s", "hold_s", "labour_h", "success")


def effect_findings(playbook: Playbook) -> Iterator[Finding]:
    """Findings about the declared effect and its undo."""
    for place, name in _extensions(playbook):
        if name not in playbook.extension_definitions:
            yield error(SECTION, place, f"extension {name} is not defined", "define it in extension_definitions")
    path = path_to("playbook_extensions", EXTENSION_ID)
    try:
        effect_of(playbook)
    except PlaybookError as fault:
        message, _, mend = str(fault).rpartition("; ")
        yield error(SECTION, path, message or str(fault), mend)
        return
    declared = declaration_of(playbook)
    yield from _undo(playbook, declared, path)
    for name in NUMBERS:
        if not declared["sources"].get(name):
            yield warning(SECTION, f"{path}.sources", f"says no source of {name}", "name one, or write assumed")


def _extensions(playbook: Playbook) -> Iterator[tuple[str, str]]:
    for name in playbook.playbook_extensions:
        yield path_to("playbook_extensions", name), name
    for step_name, step in playbook.workflow.items():
        for name in step.step_extensions:
            yield path_to("workflow", step_name, "step_extensions", name), name


def _undo(playbook: Playbook, declared: dict[str, Any], path: str) -> Iterator[Finding]:
    says_how = any(EXTENSION_ID in step.step_extensions for step in playbook.workflow.values())
    possible, verbs = declared["undo"]["possible"], declared["verbs"]
    if possible and not says_how:
        mend = "declare the undo in step_extensions, or undo.possible false with the reason"
        yield error(SECTION, f"{path}.undo", "undo is possible, but no step declares its commands", mend)
    if says_how and not possible:
        yield warning(SECTION, f"{path}.undo", "steps declare an undo, yet undo is not possible", "make both agree")
    contains = verbs["cut_link"] or {verbs["set_mode"], verbs["set_mode_during"]} & set(CONTAINING)
    if contains and not possible and declared["hold_s"] == 0:
        mend = "declare an undo, or a hold_s after which it ends"
        yield error(SECTION, path, "contains without undo or time to live", mend)
