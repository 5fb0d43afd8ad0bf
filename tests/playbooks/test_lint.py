"""The linter: each fault, planted alone in a clean playbook, is found at its place with its mend."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tocsin.playbooks.cacao import PlaybookError, read_playbook
from tocsin.playbooks.effects import EXTENSION_ID
from tocsin.playbooks.lint import lint
from tocsin.playbooks.lint_words import Finding, path_to
from tocsin.tests.playbooks.makers import action_of, content, openc2, read, step_id, test_data

Object = dict[str, Any]
Change = Callable[[Object], object]


def _first(changed: Object, kind: str) -> str:
    return next(name for name, step in changed["workflow"].items() if step["type"] == kind)


def _step(**fields: Any) -> Change:
    return lambda changed: action_of(changed).update(fields)


def _without(*names: str) -> Change:
    return lambda changed: [action_of(changed).pop(name, None) for name in names]


def _command(**fields: Any) -> Change:
    return lambda changed: action_of(changed)["commands"][0].update(fields)


def _body(body: Any) -> Change:
    return _command(content_b64=openc2(body)["content_b64"])


def _declared(**fields: Any) -> Change:
    return lambda changed: changed["playbook_extensions"][EXTENSION_ID].update(fields)


def _variable(name: str, **fields: Any) -> Change:
    return lambda changed: changed["playbook_variables"].setdefault(name, {"type": "string"}).update(fields)


def _add(kind: str, number: int = 1, **fields: Any) -> Change:
    return lambda changed: changed["workflow"].update({step_id(kind, number): {"type": kind, **fields}})


def _all(*changes: Change) -> Change:
    return lambda changed: [change(changed) for change in changes]


def _start(**fields: Any) -> Change:
    return lambda changed: changed["workflow"][changed["workflow_start"]].update(fields)


def _cycle(changed: Object) -> None:
    action_of(changed)["on_success"] = changed["workflow_start"]


def _end_leads_on(changed: Object) -> None:
    changed["workflow"][_first(changed, "end")]["on_completion"] = changed["workflow_start"]


def _starts_late(changed: Object) -> None:
    changed["workflow_start"] = _first(changed, "action")


def _shared_end(changed: Object) -> None:
    name = _first(changed, "action")
    fork = {"type": "parallel", "next_steps": [name, name], "on_completion": _first(changed, "end")}
    changed["workflow"][step_id("parallel", 1)] = fork
    changed["workflow"][changed["workflow_start"]]["on_completion"] = step_id("parallel", 1)


def _no_undo_command(changed: Object) -> None:
    del action_of(changed)["step_extensions"]


def _forget_failure(changed: Object) -> None:
    del changed["workflow"][action_of(changed).pop("on_failure")]


def _never_ends(changed: Object) -> None:
    _no_undo_command(changed)
    why = "Nothing takes this back, it is for ever."
    _declared(hold_s=0, undo={"possible": False, "how": why})(changed)


NOWHERE = step_id("end", 77)
OTHER = "extension-definition--00000000-0000-4000-8000-000000000001"
ERRORS: dict[str, tuple[Change, str, str]] = {
    "both kinds of next": (_step(on_completion=NOWHERE), "4.1", "on_completion beside"),
    "no next": (_without("on_success", "on_failure"), "4.5", "without an end step"),
    "failure only": (_without("on_success"), "4.5", "without an end step"),
    "dangling": (_step(on_success=NOWHERE), "4.1", "not in the workflow"),
    "dangling exception": (lambda c: c.update(workflow_exception=NOWHERE), "3.1", "not in the workflow"),
    "dangling start": (lambda c: c.update(workflow_start=step_id("start", 7)), "3.1", "not in the workflow"),
    "unreachable": (_add("end"), "4", "no step leads here"),
    "start is no start": (_starts_late, "3.1", "type action"),
    "start on success": (_start(on_success=NOWHERE), "4.3", "start step has no"),
    "end leads on": (_end_leads_on, "4.4", "leads nowhere"),
    "cycle": (_cycle, "4", "cycle"),
    "lonely fork": (_add("parallel", next_steps=[], on_completion=NOWHERE), "4.7", "0 branches"),
    "shared end": (_shared_end, "4.7", "shares"),
    "condition": (_add("if-condition"), "4.8", "no condition"),
    "loop": (_add("while-condition"), "4.9", "no condition"),
    "switch": (_add("switch-condition"), "4.10", "no switch"),
    "condition is not executable": (_add("if-condition"), "4", "not yet executable"),
    "bash": (_step(commands=[{"type": "bash", "command": "ls"}]), "4", "not yet executable"),
    "two commands": (_step(commands=[openc2({}), openc2({})]), "4", "not yet executable"),
    "no agent": (_without("agent"), "4.5", "needs an agent"),
    "undefined agent": (_step(agent="http-api--" + "0" * 36), "7", "is not defined"),
    "undefined target": (_step(targets=["linux--" + "0" * 36]), "7", "is not defined"),
    "GET": (_command(command="GET /openc2 HTTP/1.1"), "5", "is no POST"),
    "no start line": (_command(command="POST"), "5", "is no POST"),
    "no content_b64": (lambda c: action_of(c)["commands"][0].pop("content_b64"), "5", "no content_b64"),
    "no base64": (_command(content_b64="%"), "5", "content_b64"),
    "no JSON": (_command(content_b64=base64.b64encode(b"{").decode()), "5", "content_b64"),
    "doubled key": (_command(content_b64=base64.b64encode(b'{"a":1,"a":2}').decode()), "5", "stands twice"),
    "no action": (_body({"target": {"x": 1}}), "5", "action None"),
    "strange action": (_body({"action": "explode", "target": {"x": 1}}), "5", "explode"),
    "two targets": (_body({"action": "set", "target": {"x": 1, "y": 2}}), "5", "target"),
    "undeclared in the body": (_body({"action": "set", "target": {"x": "__new__:value"}}), "10.18", "__new__"),
    "undeclared argument": (_step(in_args=["__new__"]), "10.18", "__new__"),
    "undeclared in the agent": (lambda c: c["playbook_variables"].pop("__actuator__"), "10.18", "__actuator__"),
    "step variable": (
        _step(in_args=["__new__"], step_variables={"__new__": {"type": "string", "value": "x"}}),
        "10.18",
        "step variable __new__ is not yet executable",
    ),
    "no value": (_variable("__target__", external=False), "10.18", "gets no value"),
    "modified before created": (lambda c: c.update(modified="2025-01-01T00:00:00.000Z"), "3.1", "before created"),
    "valid until before from": (
        lambda c: c.update(valid_from="2026-12-01T00:00:00.000Z", valid_until="2026-11-30T00:00:00.000Z"),
        "3.1",
        "before valid_from",
    ),
    "no such day": (lambda c: c.update(valid_from="2026-02-30T00:00:00.000Z"), "3.1", "calendar"),
    "id of another kind": (lambda c: c.update(created_by="playbook--" + c["id"][10:]), "10.10", "identity"),
    "no UUID": (lambda c: c.update(id="playbook--" + "-" * 36), "10.10", "no UUID"),
    "no effect": (lambda c: c.pop("playbook_extensions"), "8", "declare"),
    "wrong effect": (_declared(success=2), "8", "success"),
    "undefined extension": (lambda c: c.pop("extension_definitions"), "8", "is not defined"),
    "undefined step extension": (_step(step_extensions={OTHER: {}}), "8", f"{OTHER} is not defined"),
    "promised undo": (_no_undo_command, "8", "no step declares its commands"),
    "malformed undo": (_step(step_extensions={EXTENSION_ID: {"type": "tocsin-undo"}}), "8", "commands"),
    "contained for ever": (_never_ends, "8", "without undo or time to live"),
    "empty signature": (lambda c: c.update(signatures=[{}]), "3.1", "the signature has no type"),
    "signature of another": (
        lambda c: c.update(signatures=[dict.fromkeys(SIGNATURE, "x") | {"type": "jss", "id": "jss--1"}]),
        "3.1",
        "another playbook",
    ),
}
SIGNATURE = (
    "type", "id", "created", "modified", "signee", "related_to", "related_version", "hash_algorithm", "algorithm",
    "value",
)  # fmt: skip
WARNINGS: dict[str, tuple[Change, str, str]] = {
    "unused variable": (_variable("__unused__", value="x"), "10.18", "never used"),
    "constant external": (_variable("__target__", constant=True), "10.18", "external and constant"),
    "unused agent": (
        lambda c: c["agent_definitions"].update({"http-api--" + "0" * 36: {"type": "http-api", "name": "x"}}),
        "7",
        "no step uses",
    ),
    "no failure branch": (_forget_failure, "4.1", "nothing is said for its failure"),
    "media type": (_command(headers={}), "5", "Content-Type"),
    "delay": (_step(delay=5), "4.1", "not yet carried out"),
    "no source": (_declared(sources={}), "8", "no source of work_s"),
    "undo that is none": (
        _declared(undo={"possible": False, "how": "Nothing takes this back."}),
        "8",
        "undo is not possible",
    ),
    "revoked": (lambda c: c.update(revoked=True), "3.1", "revoked"),
}


def _found(change: Change) -> list[Finding]:
    changed = content()
    change(changed)
    return lint(read(changed))


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_finds_each_error(name: str) -> None:
    """With its section, a path from the top and a mend."""
    change, section, said = ERRORS[name]
    found = [one for one in _found(change) if one.severity == "error" and said in one.message + one.mend]
    assert section in [one.section for one in found], _found(change)
    assert all(one.path.startswith("$") and one.mend for one in found)


@pytest.mark.parametrize("name", sorted(WARNINGS))
def test_finds_each_warning(name: str) -> None:
    """And nothing worse."""
    change, section, said = WARNINGS[name]
    found = _found(change)
    assert {one.severity for one in found} == {"warning"}
    assert (section, True) in [(one.section, said in one.message) for one in found]


def test_containment_needs_an_undo_or_a_time_to_live_only() -> None:
    """Either of the two will do."""
    why = {"possible": False, "how": "Nothing takes this back, it ends by itself."}
    assert _found(_all(_no_undo_command, _declared(undo=why))) == []
    assert _found(_declared(hold_s=0)) == []


def test_errors_come_first_and_read_as_one_line() -> None:
    """A line names path, fault, mend and section."""
    found = _found(_all(_command(headers={}), _step(on_success=NOWHERE)))
    assert [one.severity for one in found] == sorted(one.severity for one in found)
    assert str(found[0]).endswith("(CACAO v2.0, 4.1)")
    assert path_to("workflow", step_id("action", 1), "on_success").endswith('00001"].on_success')


def test_a_finding_says_where_the_undo_command_is_wrong() -> None:
    """Undo commands are linted like the others."""
    wrong = openc2({"action": "explode", "target": {"x": 1}})
    change = _step(step_extensions={EXTENSION_ID: {"type": "tocsin-undo", "commands": [wrong]}})
    assert any("step_extensions" in one.path and "explode" in one.message for one in _found(change))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("test-playbooks/infinite_playbook.json", "cycle"),
        ("test-playbooks/invalid_email_playbook.json", "not in the workflow"),
        ("test-playbooks/integration-playbook.json", "name the start step"),
        ("test-playbooks/playbook.json", "not in the workflow"),
        ("examples/openc2-playbook.json", "commands.0.type"),
        ("examples/ssh-playbook.json", "agent_definitions"),
    ],
)
def test_soarcas_files_that_break_the_standard_are_flagged_or_refused(name: str, said: str) -> None:
    """What another orchestrator lets pass, or keeps as wrong on purpose, is told here."""
    path: Path = test_data("cacao-v2", "soarca", *name.split("/"))
    try:
        told = " ".join(str(one) for one in lint(read_playbook(path.read_bytes(), name)) if one.severity == "error")
    except PlaybookError as error:
        told = str(error)
    assert said in told


def test_the_standards_own_example_is_only_not_executable() -> None:
    """Its workflow is sound; it lacks what our extension asks, and its ssh is not run."""
    path = test_data("cacao-v2", "examples-oasis-tcs", "basic-example-1.json")
    found = lint(read_playbook(path.read_bytes(), path.name))
    assert [("executable" in one.message or EXTENSION_ID in one.path) for one in found] == [True, True]


def test_a_very_long_workflow_is_linted() -> None:
    """Thousands of steps neither exhaust the stack nor the reader's patience."""
    changed = content()
    count = 2_000
    steps = changed["workflow"]
    for number in range(count):
        after = step_id("action", number + 1) if number + 1 < count else _first(changed, "end")
        steps[step_id("action", number)] = {**action_of(changed), "on_success": after}
    steps[changed["workflow_start"]]["on_completion"] = step_id("action", 0)
    assert [one.message for one in lint(read(changed)) if one.severity == "error"] == ["no step leads here"]
