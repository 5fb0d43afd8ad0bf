"""The interpreter: success, failure, undo, replay; values stay values; every acyclic workflow comes to an end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.playbooks.cacao import Playbook, PlaybookError
from tocsin.playbooks.effects import EXTENSION_ID
from tocsin.playbooks.execute import Outcome, Walk, check_executable, undo_commands, walk
from tocsin.tests.playbooks.makers import VALUES, action_of, content, openc2, read, step_id, workflow

START, END = step_id("start", 0), step_id("end", 99)
HEAD = {START: {"type": "start", "on_completion": step_id("action", 1)}, END: {"type": "end"}}


def _action(number: int, *, undo: bool = False, **after: str) -> dict[str, Any]:
    """An action that sends its number."""
    step: dict[str, Any] = {"type": "action", "commands": [_set(number, "do")], "agent": "x", **after}
    step["agent"] = next(iter(content()["agent_definitions"]))
    if undo:
        step["step_extensions"] = {EXTENSION_ID: {"type": "tocsin-undo", "commands": [_set(number, "undo")]}}
    return step


def _set(number: int, word: str) -> dict[str, Any]:
    return openc2({"action": "set", "target": {"x-tocsin": {"asset": "__target__:value", word: number}}})


def _chain(length: int = 3, **fields: Any) -> Playbook:
    """Actions one after the other, each with an undo."""
    steps: dict[str, Any] = dict(HEAD)
    for number in range(1, length + 1):
        after = END if number == length else step_id("action", number + 1)
        steps[step_id("action", number)] = _action(number, undo=True, on_completion=after)
    return workflow(steps, START, **fields)


def _run(playbook: Playbook, fail: frozenset[str] = frozenset()) -> tuple[list[str], Walk]:
    """Walk to the end; the steps named in `fail` fail."""
    outcomes: list[Outcome] = []
    while True:
        at = walk(playbook, VALUES, outcomes)
        if at.due is None:
            return [one.step for one in outcomes], at
        outcomes.append(Outcome(at.due.step, at.due.step not in fail))


def test_a_run_that_succeeds_does_each_step_once_in_order() -> None:
    """And says so."""
    walked, end = _run(_chain())
    assert walked == [step_id("action", number) for number in (1, 2, 3)]
    assert end == Walk(None, True, tuple(walked))


def test_a_failure_takes_its_branch_and_the_run_has_failed() -> None:
    """Even where the branch ends well."""
    steps = HEAD | {
        step_id("action", 1): _action(1, on_success=END, on_failure=step_id("action", 2)),
        step_id("action", 2): _action(2, on_completion=END),
    }
    walked, end = _run(workflow(steps, START), frozenset({step_id("action", 1)}))
    assert walked == [step_id("action", 1), step_id("action", 2)]
    assert (end.succeeded, end.done) == (False, (step_id("action", 2),))


def test_a_failure_without_a_branch_goes_to_the_exception_else_ends() -> None:
    """on_completion is taken after success only."""
    fails = frozenset({step_id("action", 1)})
    walked, end = _run(_chain(), fails)
    assert (walked, end.succeeded) == ([step_id("action", 1)], False)
    walked, end = _run(_chain(workflow_exception=step_id("action", 3)), fails)
    assert (walked, end.succeeded) == ([step_id("action", 1), step_id("action", 3)], False)


def test_parallel_branches_are_walked_in_order_then_what_comes_after() -> None:
    """One after the other is one legal order of a parallel step."""
    fork, ends = step_id("parallel", 1), [step_id("end", number) for number in (1, 2)]
    steps = {
        START: {"type": "start", "on_completion": fork},
        fork: {"type": "parallel", "next_steps": [step_id("action", 1), step_id("action", 2)]},
        step_id("action", 1): _action(1, on_completion=ends[0]),
        step_id("action", 2): _action(2, on_completion=ends[1]),
        step_id("action", 3): _action(3, on_completion=END),
        ends[0]: {"type": "end"},
        ends[1]: {"type": "end"},
        END: {"type": "end"},
    }
    steps[fork]["on_completion"] = step_id("action", 3)
    walked, end = _run(workflow(steps, START))
    assert (walked, end.succeeded) == ([step_id("action", number) for number in (1, 2, 3)], True)


def test_equal_outcomes_give_equal_commands() -> None:
    """A run is its start and its outcomes: replayed, it stands where it stood."""
    playbook, outcomes = _chain(), [Outcome(step_id("action", 1), True)]
    assert walk(playbook, VALUES, outcomes) == walk(playbook, VALUES, list(outcomes))
    assert walk(playbook, VALUES, outcomes).due != walk(playbook, VALUES, []).due


def test_outcomes_of_another_run_are_refused() -> None:
    """The step that is due is named."""
    with pytest.raises(PlaybookError, match="is due"):
        walk(_chain(), VALUES, [Outcome(step_id("action", 2), True)])


def test_undo_takes_back_the_last_first() -> None:
    """Only steps that were done, and only those that say how."""
    playbook = _chain()
    done = [step_id("action", 1), step_id("action", 2)]
    undone = undo_commands(playbook, VALUES, done)
    assert [due.command["target"]["x-tocsin"]["undo"] for due in undone] == [2, 1]
    assert undo_commands(playbook, VALUES, []) == []


def test_a_step_without_undo_is_passed_over() -> None:
    """It is no fault to have none."""
    steps = HEAD | {step_id("action", 1): _action(1, on_completion=END)}
    assert undo_commands(workflow(steps, START), VALUES, [step_id("action", 1)]) == []


@pytest.mark.parametrize(
    "extension",
    [
        "a word",
        {"type": "tocsin-undo"},
        {"type": "tocsin-undo", "commands": []},
        {"type": "tocsin-undo", "commands": [{"type": "bash", "command": "rm -rf /"}]},
        {"type": "tocsin-undo", "commands": [{"type": "no-such"}]},
        {"commands": [openc2({"action": "set", "target": {}})]},
    ],
)
def test_a_malformed_undo_is_refused_before_anything_runs(extension: Any) -> None:
    """Not only when the undo is needed."""
    changed = content()
    action_of(changed)["step_extensions"][EXTENSION_ID] = extension
    with pytest.raises(PlaybookError, match="undo"):
        walk(read(changed), VALUES, [])


@pytest.mark.parametrize("step", ["if-condition", "while-condition", "switch-condition", "playbook-action"])
def test_refuses_steps_that_are_not_executable_yet(step: str) -> None:
    """By their type, wherever they stand."""
    own: dict[str, Any] = {
        "playbook-action": {"playbook_id": step_id("playbook", 3)},
        "switch-condition": {"switch": "__a__:value", "cases": {"default": END}},
    }.get(step, {"condition": "__a__:value = 1", "on_true": END})
    steps = HEAD | {step_id("action", 1): _action(1, on_completion=END), step_id(step, 2): {"type": step, **own}}
    with pytest.raises(PlaybookError, match=f"{step} is not yet executable"):
        check_executable(workflow(steps, START))


@pytest.mark.parametrize("kind", ["bash", "manual", "ssh", "http-api"])
def test_refuses_commands_that_are_not_openc2(kind: str) -> None:
    """A playbook is no way to run a shell."""
    changed = content()
    action_of(changed)["commands"] = [{"type": kind, "command": "true"}]
    with pytest.raises(PlaybookError, match="openc2-http"):
        walk(read(changed), VALUES, [])


def test_a_cycle_comes_to_an_end_by_refusal() -> None:
    """With success for ever, the walk still stops."""
    playbook = _chain(2)
    changed = dict(playbook.raw)
    changed["workflow"][step_id("action", 2)]["on_completion"] = step_id("action", 1)
    turns = [Outcome(step_id("action", 1 + turn % 2), True) for turn in range(2_000)]
    with pytest.raises(PlaybookError, match="cycle"):
        walk(read(changed), VALUES, turns)


def test_a_dangling_step_is_named() -> None:
    """Told as a fault of the playbook."""
    steps = {START: {"type": "start", "on_completion": step_id("action", 7)}}
    with pytest.raises(PlaybookError, match=step_id("action", 7)):
        walk(workflow(steps, START), VALUES, [])


def _sent(target: str) -> Any:
    due = walk(read(content()), {**VALUES, "__target__": target}, []).due
    assert due is not None
    return due.command


@given(st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=50))
def test_a_value_stays_a_value(target: str) -> None:
    """Quotes, braces and names of other variables arrive as they are; nothing else in the command changes."""
    assert _sent(target)["target"] == {"x-tocsin": {"asset": target}}
    assert {**_sent(target), "target": None} == {**_sent("gateway"), "target": None}


@pytest.mark.parametrize("target", ['x"}, "action": "start', "__response__:value", "\\", "{{target}}", "$(reboot)"])
def test_a_value_cannot_break_out(target: str) -> None:
    """Said once more with the strings that people try."""
    assert _sent(target)["target"] == {"x-tocsin": {"asset": target}}
    assert _sent(target)["action"] == "contain"


@pytest.mark.parametrize("target", ["two\nlines", "bell\a", "x" * 5_000, None])
def test_refuses_values_that_are_no_names(target: str | None) -> None:
    """Control characters, very long ones, none at all."""
    with pytest.raises(PlaybookError, match="__target__"):
        walk(read(content()), {**VALUES, "__target__": target}, [])


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("integer", "7", "seven"),
        ("float", "0.5", "half"),
        ("ipv4-addr", "198.51.100.7", "198.51.100.700"),
        ("ipv6-addr", "2001:db8::1", "198.51.100.7"),
    ],
)
def test_values_are_of_their_declared_type(kind: str, good: str, bad: str) -> None:
    """Where the type says what a value looks like."""
    changed = content()
    changed["playbook_variables"]["__target__"]["type"] = kind
    assert walk(read(changed), {**VALUES, "__target__": good}, []).due is not None
    with pytest.raises(PlaybookError, match=kind):
        walk(read(changed), {**VALUES, "__target__": bad}, [])


def test_a_value_from_outside_does_not_replace_one_of_the_playbook() -> None:
    """Only external variables are taken from the caller."""
    changed = content()
    changed["playbook_variables"]["__target__"] = {"type": "string", "value": "meter"}
    due = walk(read(changed), VALUES, []).due
    assert due is not None
    assert due.command["target"] == {"x-tocsin": {"asset": "meter"}}


@pytest.mark.parametrize("body", [[1], {"action": "set"}, "text", None])
def test_refuses_a_body_that_is_no_openc2_command(body: Any) -> None:
    """Action and target, or nothing is sent."""
    changed = content()
    action_of(changed)["commands"] = [openc2(body)]
    with pytest.raises(PlaybookError, match="OpenC2"):
        walk(read(changed), VALUES, [])


def test_refuses_a_body_that_readers_could_read_in_two_ways() -> None:
    """Doubled keys and bottomless nesting, as for the playbook itself."""
    import base64

    for raw in (b'{"action": "allow", "action": "deny", "target": {}}', b"[" * 100_000):
        changed = content()
        action_of(changed)["commands"][0]["content_b64"] = base64.b64encode(raw).decode()
        with pytest.raises(PlaybookError, match="body of its command"):
            walk(read(changed), VALUES, [])


@st.composite
def _acyclic(draw: st.DrawFn) -> Playbook:
    """Steps that lead to later ones only: actions, forks, ends."""
    count = draw(st.integers(1, 7))
    kinds = [draw(st.sampled_from(["action", "action", "parallel"])) for _ in range(count)]
    names = [step_id(kind, number) for number, kind in enumerate(kinds, 1)] + [END]
    steps: dict[str, Any] = {START: {"type": "start", "on_completion": names[0]}, END: {"type": "end"}}
    for index, kind in enumerate(kinds):
        later = st.sampled_from(names[index + 1 :])
        if kind == "parallel":
            branches = draw(st.lists(later, min_size=2, max_size=3))
            steps[names[index]] = {"type": "parallel", "next_steps": branches, "on_completion": draw(later)}
        elif draw(st.booleans()):
            steps[names[index]] = _action(index, on_completion=draw(later))
        else:
            steps[names[index]] = _action(index, on_success=draw(later), on_failure=draw(later))
    return workflow(steps, START)


@settings(max_examples=60, deadline=None)
@given(_acyclic(), st.data())
def test_every_acyclic_workflow_ends_or_is_too_long(playbook: Playbook, data: st.DataObject) -> None:
    """Whatever succeeds or fails, the walk ends; it succeeds if and only if nothing failed."""
    outcomes: list[Outcome] = []
    for _ in range(1_000):
        try:
            at = walk(playbook, VALUES, outcomes)
        except PlaybookError as error:
            assert "no end within" in str(error)
            return
        if at.due is None:
            break
        outcomes.append(Outcome(at.due.step, data.draw(st.booleans()) if len(outcomes) < 40 else True))
    assert at.due is None
    assert at.succeeded == all(one.succeeded for one in outcomes)
    assert list(at.done) == [one.step for one in outcomes if one.succeeded]
