"""The linter: what is wrong with a playbook, found before anybody signs it.

Flows in: a JSON object that may be a playbook. Flows out: findings, errors first, each with its rule, the section of
CACAO v2.0 (Committee Specification 01), a JSON path, what is wrong and the mend. It runs nothing and trusts nobody:
whether a signature counts is said in `vetting`. Each `lint_*` module is about one subject; `lint_rules` has the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from .cacao import Playbook
from .lint_commands import command_findings
from .lint_conditions import condition_findings
from .lint_effect import effect_findings
from .lint_identity import identity_findings
from .lint_marks import mark_findings
from .lint_metadata import metadata_findings
from .lint_parties import party_findings
from .lint_secrets import secret_findings
from .lint_shape import salvage, shape_findings
from .lint_steps import step_findings
from .lint_times import time_findings
from .lint_together import together_findings
from .lint_variables import variable_findings
from .lint_words import Finding, found
from .lint_workflow import workflow_findings

MAX_FINDINGS = 500  # of one playbook: nobody reads more, and a hostile file would have millions

SUBJECTS = (
    identity_findings,
    metadata_findings,
    variable_findings,
    workflow_findings,
    step_findings,
    time_findings,
    command_findings,
    condition_findings,
    party_findings,
    secret_findings,
    mark_findings,
    effect_findings,
)


def lint(playbook: Playbook) -> list[Finding]:
    """Findings about a playbook that was read, errors first, else in the order of the subjects."""
    return lint_contents([playbook.raw])[0]


def lint_contents(contents: Sequence[Mapping[str, Any]]) -> list[list[Finding]]:
    """Findings about several JSON objects, as `lint`, with those about calls between them.

    Args:
        contents: as `read_canonical` gives them; they need not have CACAO's shape.
    """
    playbooks = [salvage(content) for content in contents]
    told = [list(islice(_about(playbook), MAX_FINDINGS + 1)) for playbook in playbooks]
    for index, finding in together_findings(playbooks):
        told[index].append(finding)
    return [_ordered(findings) for findings in told]


def _about(playbook: Playbook) -> Iterator[Finding]:
    yield from shape_findings(playbook.raw)
    for subject in SUBJECTS:
        yield from subject(playbook)


def _ordered(findings: list[Finding]) -> list[Finding]:
    if len(findings) > MAX_FINDINGS:
        mend = "mend these, then lint again"
        findings = [*findings[:MAX_FINDINGS], found("too-many", (), f"more than {MAX_FINDINGS} findings", mend)]
    return sorted(findings, key=lambda finding: finding.severity != "error")
