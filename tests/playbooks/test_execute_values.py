"""Variables of a run: typed, scoped, constant or not, given or returned; put into commands so that none breaks out."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.playbooks.cacao import PlaybookError
from tocsin.playbooks.execute import Command, Phase, Program, begin
from tocsin.tests.playbooks.flows import PROGRAMS, Run, act, bringing, flow, ref, run, sends
from tocsin.tests.playbooks.makers import VALUES, action_of, content, openc2, read, step_id

TEXT = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=50)
HOSTILE = [
    'x"}, "action": "start', "__response__:value", "\\", "{{target}}", "$(reboot)", "; rm -rf /", "`id`", "' OR 1=1",
    "%0d%0aX: y", "</x>", "&amp;",
]  # fmt: skip


def _sent(target: str) -> Any:
    due = begin(Program(read(content())), {**VALUES, "__target__": target}, 0).orders[0]
    assert isinstance(due, Command)
    return due.command


@given(TEXT)
def test_a_value_stays_a_value(target: str) -> None:
    """Quotes, braces and names of other variables arrive as they are; nothing else in the command changes."""
    assert _sent(target)["target"] == {"x-tocsin:asset": target}
    assert {**_sent(target), "target": None} == {**_sent("gateway"), "target": None}


@pytest.mark.parametrize("target", HOSTILE)
def test_a_value_cannot_break_out(target: str) -> None:
    """Said once more with the strings that people try."""
    assert _sent(target)["target"] == {"x-tocsin:asset": target}
    assert _sent(target)["action"] == "contain"


@pytest.mark.parametrize("target", ["two\nlines", "bell\a", "x" * 5_000])
def test_refuses_values_of_the_caller_that_are_no_names(target: str) -> None:
    """Control characters, very long ones."""
    with pytest.raises(PlaybookError, match="__target__"):
        _sent(target)


def test_a_variable_without_a_value_fails_the_step_that_uses_it() -> None:
    """It is named, and nothing is sent."""
    done = run(flow({"a1": act(1, on_completion="e0")}), given={"__target__": None})
    assert done.sent == [] and _failed(done) == "variable __target__ has no value; give one"


def _failed(done: Run) -> str:
    assert done.state.phase is Phase.FAILED and done.state.failure is not None
    return done.state.failure.text


GOOD_AND_BAD = {
    "bool": ("true", "yes"), "dictionary": ('{"a": 1}', "[1]"), "float": ("0.5", "half"), "hexstring": ("0aff", "0xg"),
    "integer": ("7", "seven"), "ipv4-addr": ("198.51.100.7", "198.51.100.700"), "long": ("-9", "9.5"),
    "ipv6-addr": ("2001:db8::1", "198.51.100.7"), "mac-addr": ("aa:bb:cc:dd:ee:ff", "aa:bb"),
    "hash": ("aabbccdd", "aabb"), "md5-hash": ("0" * 32, "0" * 31), "sha256-hash": ("0" * 64, "z" * 64),
    "uri": ("https://a.example/x", "no uri"), "uuid": ("00000000-0000-4000-8000-000000000001", "0001"),
    "string": ("anything", "a\nb"),
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(GOOD_AND_BAD))
def test_values_are_of_their_declared_type(kind: str) -> None:
    """All fifteen types; a value that holds a reference is judged as it is: no type is a way round another."""
    changed = content()
    changed["playbook_variables"]["__target__"]["type"] = kind
    good, bad = GOOD_AND_BAD[kind]
    assert begin(Program(read(changed)), {**VALUES, "__target__": good}, 0).orders
    for wrong in [bad] if kind == "string" else [bad, "__response__:value; rm -rf /"]:
        with pytest.raises(PlaybookError, match="__target__"):
            begin(Program(read(changed)), {**VALUES, "__target__": wrong}, 0)


def test_numbers_truths_and_objects_of_the_caller_are_taken_as_text() -> None:
    """As CACAO writes values."""
    variables = {
        "__n__": {"type": "integer", "external": True}, "__b__": {"type": "bool", "external": True},
        "__d__": {"type": "dictionary", "external": True},
    }  # fmt: skip
    step = act(1, commands=[sends("__n__:value __b__:value __d__:value", "x")], on_completion="e0")
    done = run(flow({"a1": step}, variables=variables), given={"__n__": 7, "__b__": True, "__d__": {"k": 1}})
    assert done.sent[0].command["target"]["x-tocsin"]["x"] == '7 true {"k":1}'


def test_a_value_from_outside_does_not_replace_one_of_the_playbook() -> None:
    """Only external variables are taken from the caller; one that it does not give keeps what is declared."""
    changed = content()
    changed["playbook_variables"]["__target__"] = {"type": "string", "value": "meter"}
    assert _asset(read(changed), VALUES) == "meter"
    changed["playbook_variables"]["__target__"]["external"] = True
    assert _asset(read(changed), VALUES) == "gateway"
    assert _asset(read(changed), {**VALUES, "__target__": None}) == "meter"


def _asset(playbook: Any, given: dict[str, Any]) -> Any:
    due = begin(Program(playbook), given, 0).orders[0]
    assert isinstance(due, Command)
    return due.command["target"]["x-tocsin:asset"]


def test_a_declared_value_may_name_another_variable() -> None:
    """It is filled once, at the start, and then is of its type."""
    variables = {"__path__": {"type": "string", "value": "/srv/__target__:value"}}
    step = act(1, commands=[sends("__path__:value", "x")], on_completion="e0")
    done = run(flow({"a1": step}, variables=variables))
    assert done.sent[0].command["target"]["x-tocsin"]["x"] == "/srv/gateway"


def test_a_constant_is_not_changed_by_an_answer() -> None:
    """The step fails that would."""
    variables = {"__count__": {"type": "integer", "value": "1", "constant": True}}
    done = run(flow({"a1": act(1, on_completion="e0", out_args=["__count__"])}, variables=variables), _brings(2))
    assert "constant" in _failed(done)


def _brings(value: Any) -> Any:
    return bringing({"__count__": [value]})


def test_what_an_answer_brings_is_of_the_variables_type() -> None:
    """A word for a number fails the step; nothing of it is kept."""
    variables = {"__count__": {"type": "integer", "value": "1"}}
    done = run(flow({"a1": act(1, on_completion="e0", out_args=["__count__"])}, variables=variables), _brings("x; y"))
    assert "is no integer" in _failed(done)


def test_only_out_args_are_taken_from_an_answer() -> None:
    """Whatever else it brings."""
    variables = {"__count__": {"type": "integer", "value": "1"}}
    steps = {"a1": act(1, on_completion="a2"), "a2": act(2, commands=[sends("__count__:value", "x")])}

    def answer(command: Command, at: int) -> Any:
        from tocsin.playbooks.execute import Answered

        return Answered(at, command.key, True, arguments={"__count__": "9", "__target__": "other", "x": "y"})

    done = run(flow(steps, variables=variables), answer)
    assert done.sent[1].command["target"]["x-tocsin"] == {"asset": "gateway", "x": "1"}


def test_a_variable_of_a_step_hides_the_playbooks_and_ends_with_the_step() -> None:
    """An answer changes the step's own alone."""
    own = {"step_variables": {"__count__": {"type": "integer", "value": "5"}}}
    two = [sends("__count__:value", "x"), sends("__count__:value", "x")]
    steps = {
        "a1": act(1, commands=two, on_completion="a2", out_args=["__count__"], **own),
        "a2": act(2, commands=[sends("__count__:value", "x")], on_completion="e0"),
    }
    done = run(flow(steps, variables={"__count__": {"type": "integer", "value": "1"}}), bringing({"__count__": [6, 7]}))
    assert [one.command["target"]["x-tocsin"]["x"] for one in done.sent] == ["5", "6", "1"]


AGENT = {step_id("ssh", 1): {"type": "ssh", "name": "box", "address": {"ipv4": ["__address__:value"]},
                             "authentication_info": step_id("user-auth", 1)}}  # fmt: skip
LOGIN = {step_id("user-auth", 1): {"type": "user-auth", "username": "__user__:value", "password": "__secret__:value"}}
ADDRESS = {
    "__address__": {"type": "ipv4-addr", "value": "192.0.2.1"}, "__user__": {"type": "string", "value": "ops"},
    "__secret__": {"type": "string", "external": True},
}  # fmt: skip


def _by_ssh(**fields: Any) -> Run:
    step = act(1, commands=[{"type": "ssh", "command": "uptime"}], on_completion="e0", **fields)
    step["agent"] = step_id("ssh", 1)
    playbook = flow({"a1": step}, variables=ADDRESS, agent_definitions=AGENT, authentication_info_definitions=LOGIN)
    return run(playbook, given={"__secret__": "s3"})


def test_agents_and_targets_get_what_in_args_hand_over() -> None:
    """Their authentication stands in place; what is not listed is not handed over."""
    sent = _by_ssh(in_args=["__address__", "__user__", "__secret__"]).sent[0]
    assert sent.agent["address"] == {"ipv4": ["192.0.2.1"]}
    assert sent.agent["authentication_info"]["username"] == "ops"
    assert sent.agent["authentication_info"]["password"] == "s3"
    assert "__secret__, which is not among in_args" in _failed(_by_ssh(in_args=["__address__", "__user__"]))
    assert _by_ssh().sent[0].agent["address"] == {"ipv4": ["192.0.2.1"]}  # says nothing: all


def test_with_kms_no_secret_that_is_written_goes_out() -> None:
    """The actuator looks it up by its identifier."""
    one = {"type": "user-auth", "kms": True, "kms_key_identifier": "vault/7", "username": "x", "password": "y"}
    step = act(1, commands=[{"type": "ssh", "command": "uptime"}], on_completion="e0")
    step["agent"] = step_id("ssh", 1)
    playbook = flow(
        {"a1": step}, variables=ADDRESS, agent_definitions=AGENT,
        authentication_info_definitions={step_id("user-auth", 1): one},
    )  # fmt: skip
    told = run(playbook).sent[0].agent["authentication_info"]
    assert told == {"id": step_id("user-auth", 1), "type": "user-auth", "kms": True, "kms_key_identifier": "vault/7"}


@pytest.mark.parametrize("address", ["", " ", "192.0.2.1 x"])
def test_an_address_with_its_value_is_still_an_address(address: str) -> None:
    """Not empty, and one word."""
    agent = {step_id("ssh", 1): {**AGENT[step_id("ssh", 1)], "address": {"dname": ["__name__:value"]}}}
    step = act(1, commands=[{"type": "ssh", "command": "uptime"}], on_completion="e0")
    step["agent"] = step_id("ssh", 1)
    variables = {**ADDRESS, "__name__": {"type": "string", "value": address}}
    playbook = flow({"a1": step}, variables=variables, agent_definitions=agent, authentication_info_definitions=LOGIN)
    assert "is no address" in _failed(run(playbook, given={"__secret__": "s"}))


def _one(command: dict[str, Any], value: str, kind: str = "string", **fields: Any) -> Run:
    variables = {"__x__": {"type": kind, "external": True}}
    step = act(1, commands=[command], on_completion="e0", **fields)
    return run(flow({"a1": step}, variables=variables), given={"__x__": value})


@pytest.mark.parametrize("kind", ["bash", "powershell", "ssh"])
@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("value", HOSTILE)
def test_nothing_is_put_into_a_program(kind: str, encoded: bool, value: str) -> None:
    """The text goes out as its author wrote it, values beside it by name; in_args go along."""
    text = "collect __x__:value"
    command = {"type": kind, **({"command_b64": _b64(text)} if encoded else {"command": text})}
    sent = _one(command, value, in_args=["__target__", "__actuator__"]).sent[0]
    assert sent.command == {"text": text}
    assert sent.arguments == {"__x__": value, "__target__": "gateway", "__actuator__": VALUES["__actuator__"]}


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@given(TEXT)
def test_in_a_path_a_value_is_one_part(value: str) -> None:
    """Percent-encoded: no slash, question mark or space of it is one of the path."""
    sent = _one({"type": "http-api", "command": "GET /v1/__x__:value/state HTTP/1.1"}, value).sent[0]
    assert sent.command["method"] == "GET"
    first, part, last = sent.command["path"].removeprefix("/").split("/")
    assert (first, unquote(part), last) == ("v1", value, "state") and "?" not in part and " " not in part


def test_a_path_does_not_lead_to_another_host() -> None:
    """Nor may a value make it one."""
    assert "begin with /" in _failed(_one({"type": "http-api", "command": "GET __x__:value HTTP/1.1"}, "//evil"))
    told = _failed(_one({"type": "http-api", "command": "GET https://evil/__x__:value HTTP/1.1"}, "x"))
    assert "begin with /" in told


@given(TEXT)
def test_in_headers_and_json_a_value_is_one_string(value: str) -> None:
    """As in OpenC2."""
    command = {
        "type": "http-api", "command": "POST /x HTTP/1.1", "content": '{"who": "__x__:value", "n": 1}',
        "headers": {"X-Who": ["__x__:value"], "Content-Type": ["application/json"]},
    }  # fmt: skip
    sent = _one(command, value).sent[0].command
    assert sent["headers"]["X-Who"] == [value]
    assert json.loads(sent["content"]) == {"who": value, "n": 1}


@pytest.mark.parametrize(
    ("media", "content", "value", "filled"),
    [
        ("application/x-www-form-urlencoded", "a=__x__:value&b=1", "1&c=2", "a=1%26c%3D2&b=1"),
        ("application/xml; charset=utf-8", "<a b='__x__:value'/>", "'/><c/>", "<a b='&apos;/&gt;&lt;c/&gt;'/>"),
        ("text/plain", "hello __x__:value", "you & me", "hello you & me"),
        ("application/octet-stream", "nothing in it", "x", "nothing in it"),
    ],
)
def test_in_content_a_value_is_written_as_its_media_type_asks(
    media: str, content: str, value: str, filled: str
) -> None:
    """Forms percent-encoded, XML escaped, text as it is; what holds no variable goes out as it is."""
    command = {"type": "http-api", "command": "POST /x HTTP/1.1", "headers": {"content-type": [media]}}
    assert _one({**command, "content_b64": _b64(content)}, value).sent[0].command["content"] == filled


@pytest.mark.parametrize(
    ("media", "content"),
    [("application/octet-stream", "__x__:value"), ("application/json", '{"n": __x__:value}'), ("", "a __x__:value")],
)
def test_no_value_is_put_into_content_of_another_kind(media: str, content: str) -> None:
    """Nobody knows what would break it; JSON that is none before its values are in is none."""
    headers = {"Content-Type": [media]} if media else {}
    command = {"type": "http-api", "command": "POST /x HTTP/1.1", "headers": headers, "content": content}
    assert _failed(_one(command, "1"))


def test_a_value_with_a_line_end_makes_no_header() -> None:
    """It may come from an answer, which may have lines."""
    headers = {"X-Who": ["__x__:value"]}
    steps = {
        "a1": act(1, on_completion="a2", out_args=["__x__"]),
        "a2": act(2, commands=[{"type": "http-api", "command": "GET /x HTTP/1.1", "headers": headers}]),
    }
    done = run(flow(steps, variables={"__x__": {"type": "string"}}), bringing({"__x__": ["a\r\nX-Evil: 1"]}))
    assert "line end" in _failed(done)


def test_a_person_reads_the_task_with_its_values_and_is_asked_for_the_rest() -> None:
    """Manual commands are asks; what is to come back is named with its type."""
    command = {"type": "manual", "command": "Look at __x__:value"}
    sent = _one(command, "gate 2", out_args=["__x__"]).sent[0]
    assert (type(sent).__name__, sent.command, sent.returns) == ("Ask", {"text": "Look at gate 2"}, {"__x__": "string"})


@pytest.mark.parametrize("body", [[1], {"action": "set"}, "text", None])
def test_refuses_a_body_that_is_no_openc2_command(body: Any) -> None:
    """Action and target, or nothing is sent."""
    assert "OpenC2" in _failed(run(flow({"a1": act(1, commands=[openc2(body)], on_completion="e0")})))


def test_the_command_in_a_whole_openc2_message_is_taken_out() -> None:
    """As OpenC2 over HTTPS v1.1 wraps it."""
    body = {"headers": {}, "body": {"openc2": {"request": {"action": "query", "target": {"features": []}}}}}
    sent = run(flow({"a1": act(1, commands=[openc2(body)], on_completion="e0")})).sent[0]
    assert sent.command == {"action": "query", "target": {"features": []}}


@pytest.mark.parametrize("raw", [b'{"action": "allow", "action": "deny", "target": {}}', b"[" * 100_000, b"\xff"])
def test_refuses_a_body_that_readers_could_read_in_two_ways(raw: bytes) -> None:
    """Doubled keys and bottomless nesting, as for the playbook itself."""
    changed = content()
    action_of(changed)["commands"][0]["content_b64"] = base64.b64encode(raw).decode()
    assert "body of its command" in _failed(run(read(changed)))


def test_a_command_does_not_grow_without_bound() -> None:
    """Many uses of a long value."""
    command = {"type": "manual", "command": "__x__:value" * 300}
    assert "at most" in _failed(_one(command, "x" * 4_000))


def test_undeclared_names_fail_the_step() -> None:
    """Nothing is guessed."""
    assert "__y__ is not declared" in _failed(_one({"type": "manual", "command": "__y__:value"}, "x"))


def test_an_agent_that_is_not_defined_fails_the_step() -> None:
    """By name."""
    assert "agent_definitions" in _failed(_one({"type": "manual", "command": "x"}, "x", agent=step_id("ssh", 9)))


def test_names_are_found_by_their_short_names_in_tests() -> None:
    """The helper of these tests maps names one to one."""
    assert ref("a1") == step_id("action", 1) and PROGRAMS
