"""The linter: what is wrong with a playbook that has CACAO's shape, found before anybody signs it.

Flows in: a `Playbook`. Flows out: findings, errors first, each with the section of CACAO v2.0 (Committee Specification
01) that it is about, a JSON path, what is wrong and the mend. Shape itself is checked on reading (`cacao`). It runs
nothing and trusts nobody: whether a signature counts is said in `vetting`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime

from .cacao import Playbook
from .lint_effect import effect_findings
from .lint_steps import step_findings
from .lint_variables import variable_findings
from .lint_words import Finding, error, path_to, warning
from .lint_workflow import workflow_findings

SIGNATURE_FIELDS = (  # the required ones of the signature type of CACAO v2.0
    "type", "id", "created", "modified", "signee", "related_to", "related_version", "hash_algorithm", "algorithm",
    "value",
)  # fmt: skip


def lint(playbook: Playbook) -> list[Finding]:
    """Findings about a playbook, errors first, else in the order of the document's parts."""
    parts = (
        _identifiers(playbook),
        _times(playbook),
        variable_findings(playbook),
        workflow_findings(playbook),
        step_findings(playbook),
        effect_findings(playbook),
        _signatures(playbook),
    )
    return sorted((finding for part in parts for finding in part), key=lambda finding: finding.severity != "error")


def _identifiers(playbook: Playbook) -> Iterator[Finding]:
    named = [("playbook", playbook.id, path_to("id")), ("identity", playbook.created_by, path_to("created_by"))]
    named += [(step.type, name, path_to("workflow", name)) for name, step in playbook.workflow.items()]
    for kind, name, path in named:
        prefix, _, rest = name.partition("--")
        if prefix != kind:
            yield error("10.10", path, f"{name} is the id of a {kind}", f"begin it with {kind}--")
        try:
            uuid.UUID(rest)
        except ValueError:
            yield error("10.10", path, f"{name} holds no UUID", "make one, e.g. version 4 or 5 of RFC 4122")


def _times(playbook: Playbook) -> Iterator[Finding]:
    stamps: dict[str, datetime] = {}
    for name in ("created", "modified", "valid_from", "valid_until"):
        stamp = getattr(playbook, name)
        if stamp is None:
            continue
        try:
            stamps[name] = datetime.fromisoformat(stamp)
        except ValueError:
            yield error("3.1", path_to(name), f"{stamp} is no moment of the calendar", "write a UTC time that exists")
    for early, late in (("created", "modified"), ("valid_from", "valid_until")):
        if early in stamps and late in stamps and stamps[early] > stamps[late]:
            yield error("3.1", path_to(late), f"{late} is before {early}", f"put {late} at {early} or after it")
    if playbook.revoked:
        yield warning("3.1", path_to("revoked"), "the playbook is revoked: it will never run", "use its successor")


def _signatures(playbook: Playbook) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, signature in enumerate(playbook.signatures):
        path = path_to("signatures", index)
        missing = [name for name in SIGNATURE_FIELDS if not isinstance(signature.get(name), str)]
        if missing:
            yield error("3.1", path, f"the signature has no {', '.join(missing)}", "sign anew: tocsin playbook sign")
            continue
        if signature["type"] != "jss" or not signature["id"].startswith("jss--"):
            yield error("3.1", path, "the signature is no jss", "give type jss and an id jss--UUID")
        if signature["id"] in seen:
            yield error("3.1", path, f"{signature['id']} stands twice", "remove one")
        seen.add(signature["id"])
        if signature["related_to"] != playbook.id or signature["related_version"] != playbook.modified:
            yield error("3.1", path, "the signature is of another playbook or version", "sign anew or remove it")
