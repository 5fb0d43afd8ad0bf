"""The conformance table: for every rule of the linter what is refused, and where, and a near miss that is accepted."""

from __future__ import annotations

import pytest
from tocsin.playbooks.lint import lint_contents
from tocsin.playbooks.lint_rules import RULES
from tocsin.playbooks.lint_words import Finding
from tocsin.tests.playbooks import cases_document, cases_parts, cases_workflow
from tocsin.tests.playbooks.cases_document import Case, Change, nothing
from tocsin.tests.playbooks.full import Object, full

CASES: dict[str, list[Case]] = {**cases_document.CASES, **cases_workflow.CASES, **cases_parts.CASES}
TABLE = [
    pytest.param(rule, case, id=f"{rule}-{number}")
    for rule, cases in CASES.items()
    for number, case in enumerate(cases)
]
OURS = {  # told about any playbook of others: no rule of the standard
    "not-executable",
    "effect-missing",
}
TESTED_ELSEWHERE = {  # test_lint.py: they need our extension, several files, or very many faults
    "effect-form", "effect-source", "effect-undo", "effect-undo-form", "effect-contains", "effect-consent",
    "playbook-arguments", "step-timeout", "too-many",
}  # fmt: skip


def _lint(change: Change) -> list[Finding]:
    content: Object = full()
    change(content)
    return lint_contents([content])[0]


def test_the_full_playbook_is_clean() -> None:
    """It holds every object of the standard, and the linter has nothing to say but that this version cannot run it."""
    assert {one.rule for one in _lint(nothing)} == OURS
    assert {one.severity for one in _lint(nothing)} == {"warning"}


@pytest.mark.parametrize(("rule", "case"), TABLE)
def test_what_breaks_a_rule_is_found_at_its_place(rule: str, case: Case) -> None:
    """With the severity of the rule, a section and a mend; the near miss has no such finding."""
    refused, path, accepted = case
    told = [one for one in _lint(refused) if one.rule == rule]
    assert [one for one in told if one.path.endswith(path)], [str(one) for one in _lint(refused)]
    assert all(one.severity == RULES[rule].severity and one.section and one.message and one.mend for one in told)
    assert [str(one) for one in _lint(accepted) if one.rule == rule] == []


def test_every_rule_has_a_case() -> None:
    """A rule without an example that breaks it would be a promise."""
    assert set(CASES) | OURS | TESTED_ELSEWHERE == set(RULES)
    assert not set(CASES) & TESTED_ELSEWHERE
