"""The linter beyond single rules: our effects, files of others, several files, many faults, what official schemas miss.

The table of rules with an example each is test_lint_conformance.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tocsin.orchestrator.terms import Terms
from tocsin.playbooks.cacao import PlaybookError, read_canonical, read_playbook
from tocsin.playbooks.effects import EXTENSION_ID
from tocsin.playbooks.lint import MAX_FINDINGS, lint, lint_contents
from tocsin.playbooks.lint_times import ORDER_S
from tocsin.playbooks.lint_words import Finding, path_to
from tocsin.playbooks.vetting_commands import UNSIGNABLE
from tocsin.tests.playbooks.full import full, ref, step, uid
from tocsin.tests.playbooks.makers import action_of, content, openc2, read, step_id, test_data

Object = dict[str, Any]
Change = Callable[[Object], object]


def _found(change: Change, name: str = "isolate-asset") -> list[Finding]:
    changed = content(name)
    change(changed)
    return lint(read(changed))


def _declared(**fields: Any) -> Change:
    return lambda changed: changed["playbook_extensions"][EXTENSION_ID].update(fields)


def _step(**fields: Any) -> Change:
    return lambda changed: action_of(changed).update(fields)


def _no_undo_command(changed: Object) -> None:
    del action_of(changed)["step_extensions"]


def _undo_by_hand(changed: Object) -> None:
    by_hand = {"type": "manual", "command": "Plug it in"}
    action_of(changed)["step_extensions"][EXTENSION_ID]["commands"] = [by_hand]


NOT = {"possible": False, "how": "Nothing takes this back, it ends by itself."}
EFFECTS: dict[str, tuple[Change, str, str]] = {
    "no effect": (lambda c: c.pop("playbook_extensions"), "effect-missing", "warning"),
    "wrong effect": (_declared(success=2), "effect-form", "error"),
    "strange verb": (_declared(verbs={"explode": True}), "effect-form", "error"),
    "promised undo": (_no_undo_command, "effect-undo", "error"),
    "undo that is none": (_declared(undo=NOT), "effect-undo", "error"),
    "malformed undo": (_step(step_extensions={EXTENSION_ID: {"type": "tocsin-undo"}}), "effect-undo-form", "error"),
    "undo by hand": (_undo_by_hand, "effect-undo-form", "error"),
    "contained for ever": (_declared(hold_s=0), "effect-contains", "error"),
    "no source": (_declared(sources={}), "effect-source", "warning"),
    "process without safety": (_declared(kinds=["process"]), "effect-consent", "error"),
}


@pytest.mark.parametrize("name", sorted(EFFECTS))
def test_finds_each_fault_of_an_effect(name: str) -> None:
    """With the severity of its rule."""
    change, rule, severity = EFFECTS[name]
    assert (rule, severity) in [(one.rule, one.severity) for one in _found(change)]


def test_containment_without_undo_says_why_and_ends_by_itself() -> None:
    """A reason and a time to live will do; without the time, a containment with undo is refused too."""
    assert _found(lambda c: (_no_undo_command(c), _declared(undo=NOT)(c))) == []
    assert [one.rule for one in _found(_declared(hold_s=0))] == ["effect-contains"]


def test_a_process_may_be_acted_on_in_the_class_safety() -> None:
    """The class that is never automatic."""
    assert _found(_declared(kinds=["process"], consent_class="safety")) == []


def test_a_finding_says_where_the_undo_command_is_wrong() -> None:
    """Undo commands are linted like the others."""
    wrong = openc2({"action": "explode", "target": {"x": 1}})
    change = _step(step_extensions={EXTENSION_ID: {"type": "tocsin-undo", "commands": [wrong]}})
    assert any("step_extensions" in one.path and "explode" in one.message for one in _found(change))


def _by(kind: str, work_s: float, **fields: Any) -> Change:
    """Do it by a command of a type instead, which takes so long."""

    def change(changed: Object) -> None:
        command = {"command": "GET /x HTTP/1.1"} if kind == "http-api" else {"command": "look"}
        action_of(changed).update(commands=[{"type": kind, **command}], **fields)
        _declared(work_s=work_s)(changed)

    return change


def _timeouts(change: Change) -> list[Finding]:
    return [one for one in _found(change) if one.rule == "step-timeout"]


@pytest.mark.parametrize("kind", ["bash", "powershell", "ssh", "http-api"])
def test_what_may_outlast_an_order_names_a_timeout(kind: str) -> None:
    """It is a warning, that forbids no signature; what is declared to be brief, or names a time, needs none."""
    for fields in ({}, {"timeout": 0}):
        (told,) = _timeouts(_by(kind, 900, **fields))
        assert (told.severity, told.section) == ("warning", "4.1") and told.path.startswith('$.workflow["action--')
        assert kind in told.message and told.mend == "write a timeout in milliseconds, e.g. 900000"
    assert _timeouts(_by(kind, 301)) != [] and _timeouts(_by(kind, 300)) == []
    assert _timeouts(_by(kind, 900, timeout=900_000)) == []
    (told,) = _timeouts(_by(kind, 10_000_000))  # what it tells to write is no fault itself
    assert told.mend.endswith(" 604800000")
    assert _timeouts(_by("manual", 900)) == [] and "step-timeout" not in UNSIGNABLE
    assert Terms().order_s == ORDER_S


def test_a_timeout_around_a_step_bounds_what_it_does_but_not_its_undo() -> None:
    """An OpenC2 command needs none: a consumer says 102 and works on. A program that undoes it later does."""
    undo = {EXTENSION_ID: {"type": "tocsin-undo", "commands": [{"type": "ssh", "command": "look"}]}}

    def around(timeout: int) -> Change:
        """The action is the branch of an if step with a time."""

        def change(changed: Object) -> None:
            steps = changed["workflow"]
            (name,) = (key for key, one in steps.items() if one["type"] == "action")
            last, own, choice = steps[name].pop("on_success"), f"end--{uid(501)}", f"if-condition--{uid(502)}"
            steps[changed["workflow_start"]]["on_completion"] = choice
            steps[choice] = {
                "type": "if-condition", "condition": "__target__:value != ''", "on_true": name,
                "timeout": timeout, "on_completion": last,
            }  # fmt: skip
            steps[own] = {"type": "end"}
            steps[name]["on_completion"] = own
            del steps[name]["on_failure"]

        return change

    def told(*changes: Change) -> int:
        return len(_timeouts(lambda changed: [change(changed) for change in changes]))

    long, undone = _declared(work_s=900), _step(step_extensions=undo)
    assert told(long) == 0
    assert (told(_by("ssh", 900), around(0)), told(_by("ssh", 900), around(1000))) == (1, 0)
    assert told(long, undone, around(1000)) == 1
    assert told(long, undone, _step(timeout=1000)) == 0


def test_a_step_that_is_come_to_in_a_timeout_and_without_one_needs_its_own() -> None:
    """By a branch that does not end by itself, whose fault is told too, or as what answers a failure."""

    def change(way: str) -> Change:
        def changed_by(changed: Object) -> None:
            steps = changed["workflow"]
            (name,) = (key for key, one in steps.items() if one["type"] == "action")
            own, choice = f"end--{uid(501)}", f"if-condition--{uid(502)}"
            inner = name if way == "on_failure" else f"action--{uid(503)}"
            steps[changed["workflow_start"]]["on_completion"] = choice
            steps[choice] = {
                "type": "if-condition", "condition": "__target__:value != ''", "on_true": inner,
                "timeout": 1000, "on_success": own, "on_failure": name if way == "on_failure" else own,
            }  # fmt: skip
            steps[own] = {"type": "end"}
            if inner != name:
                steps[inner] = {**steps[name], "on_success": name}
                steps[choice][way] = name

        return changed_by

    def told(way: str) -> list[str]:
        return [one.path for one in _timeouts(lambda c: (_by("ssh", 900)(c), change(way)(c)))]

    for way in ("on_failure", "on_success"):
        assert len(told(way)) == 1, way


def test_errors_come_first_and_read_as_one_line() -> None:
    """A line names path, fault, mend, section and rule."""
    found = _found(lambda c: action_of(c).update(on_success=step_id("end", 77), in_args=[]))
    assert [one.severity for one in found] == sorted(one.severity for one in found)
    assert str(found[0]).endswith("(CACAO v2.0, 4.1; rule next-missing)")
    assert path_to("workflow", step_id("action", 1), "on_success").endswith('00001"].on_success')


# The eleven cases in which the official schemas err (nine accepted, two refused), on the standard's own example.


def _bash(changed: Object) -> None:
    action_of(changed)["commands"] = [{"type": "bash"}]


def _bare_get(changed: Object) -> None:
    action_of(changed)["commands"] = [{"type": "openc2-http", "command": "GET /x HTTP/1.1"}]


def _misnamed(changed: Object) -> None:
    changed["playbook_variables"]["address"] = changed["playbook_variables"].pop("__data_exfil_site__")


def _variable(**fields: Any) -> Change:
    return lambda changed: changed["playbook_variables"]["__data_exfil_site__"].update(fields)


SCHEMAS_ACCEPT: dict[str, tuple[Change, str]] = {
    "three ways on": (_step(on_success=f"end--{uid(1)}", on_failure=f"end--{uid(1)}"), "next-both"),
    "no way on": (lambda c: action_of(c).pop("on_completion"), "next-none"),
    "dangling next step": (_step(on_completion=f"end--{uid(1)}"), "next-missing"),
    "bash without command": (_bash, "command-missing"),
    "openc2 by GET and without body": (_bare_get, "openc2-post required"),
    "unknown property": (lambda c: c.update(banana=1), "property-unknown"),
    "valid until before valid from": (lambda c: c.update(valid_until="2020-01-01T00:00:00.000Z"), "validity-order"),
    "variable without underscores": (_misnamed, "variable-name"),
    "integer that is abc": (_variable(type="integer", value="abc"), "variable-value"),
}
SCHEMAS_REFUSE: dict[str, Change] = {
    "delay of 0": _step(delay=0),
    "object as value": _variable(type="dictionary", value={"a": 1}),
}


def _example() -> Object:
    path = test_data("cacao-v2", "examples-oasis-tcs", "spec-3.1-example.json")
    found: Object = json.loads(path.read_bytes())
    return found


@pytest.mark.parametrize("name", sorted(SCHEMAS_ACCEPT))
def test_refuses_what_the_official_schemas_let_pass(name: str) -> None:
    """As an error, on an example that has none."""
    change, rules = SCHEMAS_ACCEPT[name]
    changed = _example()
    change(changed)
    errors = {one.rule for one in lint_contents([changed])[0] if one.severity == "error"}
    assert set(rules.split()) <= errors


@pytest.mark.parametrize("name", sorted(SCHEMAS_REFUSE))
def test_accepts_what_the_official_schemas_refuse_wrongly(name: str) -> None:
    """A delay may be 0, a value an object."""
    changed = _example()
    SCHEMAS_REFUSE[name](changed)
    assert [one for one in lint_contents([changed])[0] if one.severity == "error"] == []


SOARCA = "soarca/test-playbooks"
COMMON = "activities-missing exception-missing property-unknown secret-clear start-line start-missing workflow-minimum"
FILES: dict[str, tuple[str, str]] = {  # errors, warnings
    "examples-oasis-tcs/basic-example-1.json": ("", ""),
    "examples-oasis-tcs/spec-3.1-example.json": ("", "activities-unused summary-silent"),
    "examples-oasis-tcs/extension-layout/examples/playbook--aa1898b6-5251-49b4-aeb7-fd5e912583ff.json": (
        "property-unknown required", "",
    ),
    "soarca/examples/fin-playbook.json": ("id-form id-kind required time-order", "definition-unused type-open"),
    "soarca/examples/http-playbook.json": (
        "activities-missing start-line", "id-object-version time-milliseconds type-open",
    ),
    "soarca/examples/manual-playbook.json": (
        "activities-missing id-kind", "definition-unused id-object-version type-open",
    ),
    "soarca/examples/openc2-playbook.json": (
        "activities-missing", "id-object-version time-milliseconds type-open",
    ),
    "soarca/examples/powershell-playbook.json": (
        "property-unknown secret-clear", "definition-unused id-object-version type-open",
    ),
    "soarca/examples/ssh-playbook.json": (
        "activities-missing secret-clear shell-splice", "id-object-version time-milliseconds type-open",
    ),
    f"{SOARCA}/infinite_playbook.json": (f"{COMMON} cycle", "definition-unused time-milliseconds variable-bare"),
    f"{SOARCA}/integration-playbook.json": (
        f"{COMMON} address-form", "definition-unused time-milliseconds variable-bare variable-unused",
    ),
    f"{SOARCA}/invalid_email_playbook.json": (
        f"{COMMON} address-form contact-email", "definition-unused time-milliseconds variable-bare",
    ),
    f"{SOARCA}/playbook.json": (
        f"{COMMON} address-form", "definition-unused time-milliseconds variable-bare variable-unused",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FILES))
def test_what_is_told_of_files_of_others(name: str) -> None:
    """Examples of the standard, and playbooks of a peer, some of them wrong on purpose: pinned by rule."""
    path: Path = test_data("cacao-v2", *name.split("/"))
    found = lint_contents([read_canonical(path.read_bytes(), name)])[0]
    for severity, rules in zip(("error", "warning"), FILES[name], strict=True):
        told = {one.rule for one in found if one.severity == severity} - {"not-executable", "effect-missing"}
        assert told == set(rules.split())


def _called(**fields: Any) -> Object:
    """A small playbook that the full one calls."""
    return {**content(), "id": ref("called"), "modified": "2026-11-25T00:00:00.000Z", **fields}


def _of(rule: str, *contents: Object) -> list[list[str]]:
    return [[one.path for one in found if one.rule == rule] for found in lint_contents(contents)]


def test_playbooks_that_call_each_other_in_a_circle_are_told_each() -> None:
    """A calls B, B calls A; with a C that A calls only, nothing."""
    back = full()
    back["id"] = ref("called")
    step(back, "release")["playbook_id"] = ref("self")
    place = f'$.workflow["{ref("release")}"].playbook_id'
    assert _of("playbook-self", full(), back) == [[place], [place]]
    assert _of("playbook-self", full(), _called()) == [[], []]


def test_what_is_handed_to_a_called_playbook_is_external_there() -> None:
    """And what it needs is handed over."""
    place = f'$.workflow["{ref("release")}"].in_args'
    takes = {"__kind__": {"type": "string", "external": True}}
    assert _of("playbook-arguments", full(), _called(playbook_variables={}))[0] == [f"{place}[0]"]
    assert _of("playbook-arguments", full(), _called(playbook_variables=takes))[0] == []
    more = {**takes, "__more__": {"type": "string", "external": True}}
    assert _of("playbook-arguments", full(), _called(playbook_variables=more))[0] == [place]


def test_a_pinned_version_that_is_not_among_the_files_is_told() -> None:
    """Only where other versions of that playbook are."""
    older = _called(created="2026-11-01T00:00:00.000Z", modified="2026-11-01T00:00:00.000Z")
    assert len(_of("playbook-version", full(), older)[0]) == 1
    assert _of("playbook-version", full(), _called())[0] == []
    assert _of("playbook-version", full()) == [[]]


def test_one_fault_does_not_hide_another() -> None:
    """A step with a wrong type of name, a playbook with a wrong time: the rest is still linted."""
    changed = full()
    changed["created"] = 7
    step(changed, "decide")["name"] = 7
    step(changed, "decide")["on_false"] = f"end--{uid(901)}"
    step(changed, "hunt")["commands"][0] = {"type": "elastic"}
    step(changed, "hunt")["commands"][1]["command_b64"] = "%"
    rules = {one.rule for one in lint_contents([changed])[0] if one.severity == "error"}
    assert {"property-type", "next-missing", "required", "base64"} <= rules
    assert "agent-missing" not in rules


def test_very_many_findings_are_cut_off_and_said_to_be() -> None:
    """Nobody reads more than 500."""
    changed = full()
    changed |= {f"x_{number}": 1 for number in range(2 * MAX_FINDINGS)}
    found = lint_contents([changed])[0]
    assert len(found) == MAX_FINDINGS + 1
    assert [one.rule for one in found].count("too-many") == 1


def test_a_very_long_workflow_is_linted() -> None:
    """Thousands of steps neither exhaust the stack nor the reader's patience."""
    changed = content()
    count = 2_000
    steps = changed["workflow"]
    last = next(name for name, one in steps.items() if one["type"] == "end")
    first = action_of(changed)
    for number in range(count):
        after = step_id("action", number + 1) if number + 1 < count else last
        steps[step_id("action", number)] = {**first, "on_success": after}
    steps[changed["workflow_start"]]["on_completion"] = step_id("action", 0)
    assert [one.rule for one in lint(read(changed)) if one.severity == "error"] == ["step-unreachable"]


def test_the_official_schemas_as_a_second_opinion() -> None:
    """They find nothing in the full playbook but three faults of their own.

    Delay 0 is allowed (4.1); addresses are strings, also vlans (7); IEP references are strings (9.5).
    """
    jsonschema = pytest.importorskip("jsonschema")
    referencing = pytest.importorskip("referencing")
    folder = test_data("cacao-v2", "json-schemas", "schemas")
    schemas = [json.loads(path.read_bytes()) for path in sorted(folder.rglob("*.json"))]
    resources = [(one["$id"], referencing.Resource.from_contents(one)) for one in schemas]
    registry = referencing.Registry().with_resources(resources)
    whole = next(one for one in schemas if one["$id"].endswith("/playbook.json"))
    validator = jsonschema.Draft7Validator(whole, registry=registry)
    faults = {(list(error.absolute_path)[-2:][0], error.validator) for error in validator.iter_errors(full())}
    assert faults == {(ref("cut"), "minimum"), ("vlan", "type"), ("external_references", "type")}


def test_reading_refuses_what_lint_tells() -> None:
    """The strict reader names the first fault in one line."""
    changed = full()
    del step(changed, "cut")["agent"]
    with pytest.raises(PlaybookError, match="agent: Field required") as caught:
        read_playbook(json.dumps(changed).encode(), "cut.json")
    assert len(str(caught.value).splitlines()) == 1
