"""Lint of our extension: the effect on a twin is well formed, and what contains an asset also lets it go.

Flows in: a `Playbook`. Flows out: findings (CACAO v2.0, section 8, extensions).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..twin.vocabulary import AssetKind
from .cacao import Playbook, PlaybookError
from .effects import EXTENSION_ID, declaration_of, effect_of
from .lint_steps import split, undo_place_faults
from .lint_words import Finding, Place, found

CONTAINING = ("isolated", "credential_reset")  # modes that take an asset from its users
NUMBERS = ("work_s", "hold_s", "labour_h", "success")
PLACE: Place = ("playbook_extensions", EXTENSION_ID)


def effect_findings(playbook: Playbook) -> Iterator[Finding]:
    """Findings about the declared effect and its undo."""
    for name, fault in undo_place_faults(playbook):
        place: Place = ("workflow", name, "step_extensions", EXTENSION_ID)
        yield found("effect-undo-form", place, *split(str(fault)))
    if EXTENSION_ID not in playbook.playbook_extensions:
        said = f"declares no effect on a twin ({EXTENSION_ID})"
        yield found("effect-missing", ("playbook_extensions",), said, "declare it, see docs/playbooks.md")
        return
    try:
        effect_of(playbook)
    except PlaybookError as fault:
        yield found("effect-form", PLACE, *split(str(fault)))
        return
    declared = declaration_of(playbook)
    yield from _undo(playbook, declared)
    physical = AssetKind.PROCESS.name.lower() in [kind.lower() for kind in declared["kinds"]]
    if physical and declared["consent_class"] != "safety":
        said = f"acts on a physical process by consent class {declared['consent_class']}"
        yield found("effect-consent", (*PLACE, "consent_class"), said, "write safety: it is never automatic")
    for name in NUMBERS:
        if not declared["sources"].get(name):
            yield found("effect-source", (*PLACE, "sources"), f"says no source of {name}", "name one, or write assumed")


def _undo(playbook: Playbook, declared: dict[str, Any]) -> Iterator[Finding]:
    steps = playbook.workflow.values()
    says_how = any(EXTENSION_ID in step.step_extensions for step in steps)
    calls = any(step.type == "playbook-action" for step in steps)  # its undo is that of what it calls
    possible, verbs = declared["undo"]["possible"], declared["verbs"]
    if possible and not says_how and not calls:
        mend = "declare the undo in step_extensions, or undo.possible false with the reason"
        yield found("effect-undo", (*PLACE, "undo"), "undo is possible, but no step declares its commands", mend)
    if says_how and not possible:
        said = "steps declare an undo, yet undo is not possible"
        yield found("effect-undo", (*PLACE, "undo"), said, "make both agree")
    contains = verbs["cut_link"] or {verbs["set_mode"], verbs["set_mode_during"]} & set(CONTAINING)
    if contains and declared["hold_s"] == 0:
        what = "without time to live" if possible else "without undo or time to live"
        mend = "declare a hold_s after which it ends by itself"
        yield found("effect-contains", (*PLACE, "hold_s"), f"contains {what}", mend)
