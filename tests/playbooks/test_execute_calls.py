"""Playbooks that call others: pinned, with arguments in and out, failing, circular, taken back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tocsin.playbooks.cacao import Playbook, PlaybookError, digest
from tocsin.playbooks.execute import Answered, Command, Phase, Program, advance, among, begin, state_from_json
from tocsin.tests.playbooks.flows import PROGRAMS, SMALL, Run, act, bringing, failing, flow, run, sends
from tocsin.tests.playbooks.makers import VALUES, read, step_id

OTHER = step_id("playbook", 501)
OLD, NEW = "2026-11-25T00:00:00.000Z", "2026-11-26T00:00:00.000Z"
COUNT = {"__count__": {"type": "integer", "value": "1"}}
TAKEN = {
    "__count__": {"type": "integer", "external": True, "value": "0"}, "__target__": {"type": "string", "value": "t"},
    "__response__": {"type": "string", "value": "r"}, "__actuator__": {"type": "uri", "value": "urn:x:y"},
}  # fmt: skip


def _called(*, modified: str = OLD, **fields: Any) -> Playbook:
    """It sends its count, and brings another."""
    step = act(7, undo=True, commands=[sends("__count__:value", modified[8:10])], on_completion="e7")
    return flow({"a7": {**step, "out_args": ["__count__"]}}, "a7", variables=TAKEN, id=OTHER, modified=modified,
                **fields)  # fmt: skip


def _caller(**call: Any) -> Playbook:
    """It calls the other one, then sends its own count."""
    step = {"type": "playbook-action", "playbook_id": OTHER, "on_success": "a2", "on_failure": "a3", **call}
    two = act(2, undo=True, commands=[sends("__count__:value", "x")], on_completion="e0")
    return flow({"c1": step, "a2": two, "a3": act(3, on_completion="e0")}, "c1", variables=COUNT)


def _sent(done: Run) -> list[dict[str, Any]]:
    return [one.command["target"]["x-tocsin"] for one in done.sent]


@pytest.mark.parametrize(("version", "day"), [(None, "26"), (NEW, "26"), (OLD, "25")])
def test_the_version_that_is_named_runs_else_the_latest(version: str | None, day: str) -> None:
    """Both lie side by side."""
    pin = {} if version is None else {"playbook_version": version}
    done = run(_caller(**pin), resolve=among([_called(modified=NEW), _called()]))
    assert day in _sent(done)[0] and done.words == ["a7", "a2"]
    assert [one.modified for one in done.state.playbooks][1:] == [version or NEW]


def test_in_args_go_in_and_out_args_come_back() -> None:
    """Only those that are listed; a value that is not handed over is the called playbook's own."""
    resolve = among([_called()])
    listed = {"in_args": ["__count__"], "out_args": ["__count__"]}
    done = run(_caller(**listed), bringing({"__count__": ["9"]}), resolve=resolve)
    assert [next(reversed(one.values())) for one in _sent(done)] == ["1", "9"]
    done = run(_caller(), bringing({"__count__": ["9"]}), resolve=resolve)
    assert [next(reversed(one.values())) for one in _sent(done)] == ["0", "1"]


def test_a_called_playbook_that_fails_fails_its_step() -> None:
    """Its exception is carried out first; what it did is taken back with the rest."""
    steps = {"a7": act(7, undo=True, on_completion="a8"), "a8": act(8, on_completion="e7"), "a9": act(9)}
    called = flow(steps, "a7", variables=TAKEN, id=OTHER, exception="a9")
    done = run(_caller(), failing("a8"), resolve=among([called]))
    assert (done.words, done.state.phase) == (["a7", "a8", "a9", "a3", "-a7"], Phase.FAILED)


def test_undo_reaches_into_called_playbooks() -> None:
    """In reverse over both."""
    steps = {
        "c1": {"type": "playbook-action", "playbook_id": OTHER, "on_completion": "a2"},
        "a2": act(2, undo=True, on_completion="a3"), "a3": act(3, on_completion="e0"),
    }  # fmt: skip
    done = run(flow(steps, "c1"), failing("a3"), resolve=among([_called()]))
    assert done.words == ["a7", "a2", "a3", "-a2", "-a7"]
    assert [one.playbook for one in done.sent][::4] == [OTHER, OTHER]


@pytest.mark.parametrize(
    ("call", "playbooks", "said"),
    [
        ({}, [], "is not known here"),
        ({"playbook_version": "2026-11-27T00:00:00.000Z"}, [_called()], "is not known here"),
        ({}, [_called(revoked=True)], "revoked"),
        ({}, [_called(valid_until="1970-01-01T00:00:00.000Z")], "outside its validity"),
        ({"in_args": ["__target__"], "out_args": ["__count__"]}, [_called()], ""),
    ],
)
def test_what_cannot_be_called_fails_the_step(call: dict[str, Any], playbooks: list[Playbook], said: str) -> None:
    """Unknown, another version, revoked, out of its time; an argument that the other does not take is passed over."""
    done = run(_caller(**call), resolve=among(playbooks))
    if said:
        assert done.words == ["a3"] and done.state.failure is not None and said in done.state.failure.text
    else:
        assert done.state.phase is Phase.SUCCEEDED


def test_another_playbook_than_the_one_that_is_named_is_not_run() -> None:
    """Whatever finds playbooks is not trusted either."""
    done = run(_caller(playbook_version=OLD), resolve=lambda _name, _version: _called(modified=NEW))
    assert done.state.failure is not None and "bring the one that is named" in done.state.failure.text


def test_playbooks_that_call_each_other_in_a_circle_fail() -> None:
    """Whoever closes the circle; nothing is sent."""
    back = {"c7": {"type": "playbook-action", "playbook_id": _caller().id, "on_completion": "e7"}}
    called = flow(back, "c7", variables=TAKEN, id=OTHER)
    done = run(_caller(), resolve=among([called, _caller()]))
    assert done.words == ["a3"] and done.state.failure is not None and "circle" in done.state.failure.text


def test_calls_have_a_depth() -> None:
    """Three here, each another playbook."""
    line = []
    for number in range(600, 606):
        step = {"type": "playbook-action", "playbook_id": step_id("playbook", number + 1), "on_completion": "e7"}
        line.append(flow({"c7": step}, "c7", variables=TAKEN, id=step_id("playbook", number)))
    done = run(line[0], resolve=among(line), bounds=SMALL)
    assert done.state.failure is not None and "deeper than 3" in done.state.failure.text


def test_a_called_playbook_without_an_actuator_for_its_commands_is_not_run() -> None:
    """As the first one is not."""
    called = flow({"a7": act(7, commands=[{"type": "sigma", "command_b64": "eA=="}])}, "a7", id=OTHER)
    done = run(_caller(), resolve=among([called]))
    assert done.state.failure is not None and "no actuator for sigma" in done.state.failure.text


def test_a_playbook_that_changed_under_a_run_is_not_gone_on_with() -> None:
    """The state pins the digest of every playbook that it met."""
    at = begin(Program(_caller(), among([_called()]), supported=PROGRAMS), VALUES, 0)
    command = at.orders[0]
    assert isinstance(command, Command)
    changed = Program(_caller(), among([_called(description="another")]), supported=PROGRAMS)
    with pytest.raises(PlaybookError, match="not what the run began with"):
        advance(changed, at.state, Answered(1, command.key, True))
    other = Program(read({**_caller().raw, "description": "x"}), among([_called()]), supported=PROGRAMS)
    with pytest.raises(PlaybookError, match="not what the run began with"):
        advance(other, at.state, Answered(1, command.key, True))


def test_a_value_that_does_not_fit_does_not_come_back() -> None:
    """The called playbook's text is no number here."""
    text = {**TAKEN, "__count__": {"type": "string", "value": "many"}}
    called = flow({"a7": act(7, on_completion="e7")}, "a7", variables=text, id=OTHER)
    done = run(_caller(out_args=["__count__"]), resolve=among([called]))
    assert done.words == ["a7", "a3"] and done.state.failure is not None and "no integer" in done.state.failure.text


def test_a_call_that_is_repeated_is_answered_by_what_answered_it_before() -> None:
    """Once for the run, whatever is the latest by then; one by its version says nothing of the latest."""
    answers = {None: [_called(), _called(modified=NEW)], OLD: [_called()]}
    steps = {
        f"c{number}": {"type": "playbook-action", "playbook_id": OTHER, "on_completion": f"c{number + 1}", **pin}
        for number, pin in enumerate(({}, {}, {"playbook_version": OLD}, {}), 1)
    }
    steps["c4"]["on_completion"] = "e0"
    done = run(flow(steps, "c1"), resolve=lambda _name, version: answers[version].pop(0))
    assert [one.digest for one in done.sent] == [digest(_called())] * 4 and done.state.phase is Phase.SUCCEEDED
    assert done.state.called == {OTHER: 1, f"{OTHER} {OLD}": 1}
    assert state_from_json(json.loads(json.dumps(done.state.to_json()))) == done.state


@pytest.mark.parametrize("version", [None, OLD])
def test_two_contents_under_one_id_and_version_are_not_called(version: str | None) -> None:
    """They do not say which one; twice the same is one."""
    pin = {} if version is None else {"playbook_version": version}
    done = run(_caller(**pin), resolve=among([_called(), _called(description="another")]))
    assert done.words == ["a3"] and done.state.failure is not None and "two contents" in done.state.failure.text
    assert run(_caller(**pin), resolve=among([_called(), _called()])).words == ["a7", "a2"]
