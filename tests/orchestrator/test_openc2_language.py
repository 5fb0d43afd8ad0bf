"""OpenC2 language 1.0 and its packet filter: what is taken, what is refused, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.orchestrator.openc2.check import check, kind_of_path
from tocsin.orchestrator.openc2.language import Language, read_command, read_response
from tocsin.orchestrator.openc2.profiles import known_profiles
from tocsin.orchestrator.openc2.reading import OpenC2Error
from tocsin.tests.playbooks.makers import test_data

ALL = Language(known_profiles(samples=True))
OURS = Language(known_profiles())
DENY = {"action": "deny", "target": {"ipv4_net": "10.0.0.0/8"}, "actuator": {"slpf": {}}}


def cases() -> list[Path]:
    folder = test_data("openc2", "oasis-plugfest-testdata")
    return [path for path in sorted(folder.rglob("*.json")) if path.parent.name in ("good", "bad")]


def test_all_plugfest_cases_are_judged_as_oasis_judges_them() -> None:
    """Every good command and response is accepted, every bad one refused with a reason."""
    found = cases()
    assert len(found) == 182
    wrong = []
    for path in found:
        verdict = check(path.read_bytes(), ALL, kind_of_path(path))
        if verdict.accepted != (path.parent.name == "good"):
            wrong.append((path.name, verdict))
    assert not wrong


def test_an_independent_schema_accepts_what_we_accept() -> None:
    """A second opinion: the schema of another author takes every good command of the language that we take."""
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is absent: no second opinion")
    schema = json.loads(test_data("openc2", "bberliner-json-schema", "schema", "command.json").read_bytes())
    second = jsonschema.Draft7Validator(schema)
    for path in cases():
        if path.parent.name == "good" and path.parent.parent.name == "commands" and "acme" not in str(path):
            assert second.is_valid(json.loads(path.read_bytes())), path.name


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"args": {"start_time": 1, "stop_time": 3, "duration": 2}}, "args"),
        ({"args": {"start_time": 5, "stop_time": 3}}, "args.stop_time"),
        ({"args": {"duration": -1}}, "args.duration"),
        ({"args": {"duration": True}}, "args.duration"),
        ({"args": {"duration": 1.5}}, "args.duration"),
        ({"args": {"response_requested": "maybe"}}, "args.response_requested"),
        ({"args": {"slpf": {}}}, "args.slpf"),
        ({"args": {"slpf": {"insert_rule": 7}}}, "args.slpf.insert_rule"),
        ({"args": {"slpf": {"direction": "up"}}}, "args.slpf.direction"),
        ({"args": {"slpf": {"persistent": "no"}}}, "args.slpf.persistent"),
        ({"args": {"duration": None}}, "args.duration"),
        ({"command_id": "x" * 37}, "command_id"),
        ({"command_id": "a b"}, "command_id"),
        ({"target": {"ipv4_connection": {"dst_port": 65_536}}}, "target.ipv4_connection.dst_port"),
        ({"target": {"ipv4_connection": {"src_addr": "fe80::1"}}}, "target.ipv4_connection.src_addr"),
        ({"target": {"ipv4_connection": {}}}, "target.ipv4_connection"),
        ({"target": {"ipv4_net": "10.0.0.0/255.0.0.0"}}, "target.ipv4_net"),
        ({"target": {"ipv4_net": "010.0.0.1"}}, "target.ipv4_net"),
        ({"target": {"ipv6_net": "fe80::1%eth0"}}, "target.ipv6_net"),
        ({"target": {"slpf:rule_number": 7}}, "target"),
        ({"target": {"slpf:rule": 7}}, "target.slpf:rule"),
        ({"action": "contain"}, "target"),
        ({"action": "update", "target": {"file": {"path": "/etc"}}}, "target.file.name"),
        ({"action": "delete", "target": {"slpf:rule_number": 7}, "args": {"duration": 5}}, "args.duration"),
        ({"action": "allow", "args": {"slpf": {"drop_process": "reject"}}}, "args.slpf.drop_process"),
        ({"action": "query", "target": {"features": []}, "args": {"response_requested": "ack"}}, "args"),
        ({"action": "deny", "target": {"features": []}}, "target.features"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_fault_is_named_by_its_place(change: dict[str, Any], place: str) -> None:
    """One fault in a good command: refused, and the message says where."""
    read_command(DENY, OURS)
    with pytest.raises(OpenC2Error) as fault:
        read_command({**DENY, **change}, OURS)
    assert fault.value.place == place


def test_times_are_completed() -> None:
    """Of start, end and length any two give the third; none means from now on, for ever (3.3.1.4)."""

    def window(**args: int) -> tuple[int, int | None]:
        return read_command({**DENY, **({"args": args} if args else {})}, OURS).window(100)

    assert window() == (100, None)
    assert window(duration=5) == (100, 105)
    assert window(start_time=7, duration=5) == (7, 12)
    assert window(stop_time=200, duration=50) == (150, 200)
    assert window(start_time=150, stop_time=200) == (150, 200)


def test_profiles_without_a_definition_pass_only_where_that_is_asked_for() -> None:
    """A closed reader refuses `x-lit` as not implemented; an open one looks at its form alone."""
    command = {"action": "start", "target": {"x-lit:poem": ["a"]}, "args": {"x-lit": {"loud": True}}}
    with pytest.raises(OpenC2Error) as fault:
        read_command(command, OURS)
    assert fault.value.status == 501
    assert read_command(command, Language(known_profiles(), open=True)).target == ["a"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"nul",
        b'{"action": "deny", "action": "allow", "target": {"ipv4_net": "10.0.0.1"}}',
        b"[" * 60_000,
        b'{"status": 1e999}',
        b'{"status": NaN}',
        b'{"status": 200, "status_text": "\\ud800"}',
        b'{"status": ' + b"9" * 5_000 + b"}",
        b'{"status": 200, "status_text": "' + b"a" * 70_000 + b'"}',
        b'{"action": "deny", "target": {"process": ' + b'{"parent": ' * 70 + b"1" + b"}" * 72,
        b'{"action": {}, "target": []}',
        b'{"status": 200, "results": {"pairs": {"deny": [[]]}}}',
    ],
)
def test_hostile_bytes_are_refused_with_a_reason(data: bytes) -> None:
    """Broken, doubled, deep, huge or infinite: one line, no crash."""
    verdict = check(data, ALL)
    assert not verdict.accepted and len(verdict.reason) < 500


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.sampled_from(
    ["action", "target", "args", "actuator", "status", "results", "slpf", "features", "ipv4_net", "pairs"]
)


@given(st.dictionaries(WORDS, st.dictionaries(WORDS, JSON, max_size=3) | JSON, max_size=4) | JSON)
def test_any_json_is_accepted_or_refused(content: Any) -> None:
    """Whatever comes, the answer is a command, a response or an OpenC2Error."""
    for read in (read_command, read_response):
        try:
            read(content, ALL)
        except OpenC2Error:
            continue
