"""Corners of the linter that no rule's own example comes by, found by branch coverage (`make coverage`)."""

from __future__ import annotations

import pytest
from tocsin.playbooks.lint import lint_contents
from tocsin.tests.playbooks.cases_document import Change, at, inside
from tocsin.tests.playbooks.full import full, ref, step


def _command(**fields: object) -> Change:
    return lambda content: step(content, "cut")["commands"][0].update(fields)


CORNERS: dict[str, tuple[Change, str, str]] = {
    "a body that is no base64 is told once": (_command(content_b64="AA="), "base64", "openc2-body"),
    "a literal on the left has a type too": (
        at("decide", condition="'x' = __count__:value"), "condition-type", "condition-form",
    ),
    "only variables exist": (at("decide", condition="EXISTS 5"), "condition-form", "condition-type"),
    "36 signs that are no UUID": (
        lambda content: content["workflow"].update({"end--" + "z" * 36: {"type": "end"}}), "id-uuid", "id-step-version",
    ),
    "a version that no calendar has": (
        at("release", playbook_version="2026-02-30T00:00:00.000Z"), "time-form", "playbook-version",
    ),
    "a latitude in words": (
        inside("agent_definitions", "box", location={"latitude": "north", "longitude": "1"}), "location-pair", "region",
    ),
    "an authentication that is no object": (
        lambda content: content["authentication_info_definitions"].update({ref("basic"): 5}),
        "property-type", "secret-clear",
    ),
}  # fmt: skip


@pytest.mark.parametrize("corner", sorted(CORNERS))
def test_a_corner_is_told_by_its_rule_alone(corner: str) -> None:
    """The rule that fits is told, and the one beside it is not."""
    change, told, silent = CORNERS[corner]
    changed = full()
    change(changed)
    rules = {one.rule for one in lint_contents([changed])[0]}
    assert told in rules and silent not in rules
