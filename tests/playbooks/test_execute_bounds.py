"""What the interpreter refuses, and what ends by a bound."""

from __future__ import annotations

from typing import Any

import pytest
from tocsin.playbooks.cacao import PlaybookError
from tocsin.playbooks.effects import EXTENSION_ID
from tocsin.playbooks.execute import (
    Answered,
    Program,
    StepFault,
    Time,
    advance,
    begin,
    check_executable,
    orders,
)
from tocsin.tests.playbooks.execute_flows import CHAIN, COUNT
from tocsin.tests.playbooks.flows import SMALL, act, failing, flow, run, short
from tocsin.tests.playbooks.makers import VALUES, action_of, content, openc2, read, step_id


def test_a_cycle_comes_to_an_end_by_its_bound() -> None:
    """With success for ever, the walk still stops; the mend is told."""
    done = run(flow({"a1": act(1, on_completion="a2"), "a2": act(2, on_completion="a1")}), bounds=SMALL)
    assert done.state.failure is not None and "cycle" in done.state.failure.text


def test_branches_too_deep_in_each_other_fail() -> None:
    """A step that is its own branch is no end of memory."""
    steps = {"i1": {"type": "if-condition", "condition": "__count__:value = 0", "on_true": "i1", "on_completion": "e0"}}
    done = run(flow(steps, "i1", variables=COUNT), bounds=SMALL)
    assert done.state.failure is not None and "deeper than 12" in done.state.failure.text


def test_a_dangling_step_is_named() -> None:
    """At the start where it starts, else when the run comes to it."""
    steps = {"a1": act(1, on_completion="a7")}
    done = run(flow(steps))
    assert done.state.failure is not None and short(done.state.failure.step) == "a7"
    with pytest.raises(PlaybookError, match="a0"):
        begin(Program(flow(CHAIN, workflow_start=f"{step_id('start', 7)[:-2]}a0")), VALUES, 0)


def test_answers_to_what_was_not_asked_are_refused() -> None:
    """The command that is due is named."""
    program = Program(flow(CHAIN))
    at = begin(program, VALUES, 0)
    with pytest.raises(PlaybookError, match="is due"):
        advance(program, at.state, Answered(1, "another", True))
    with pytest.raises(PlaybookError, match="nothing is due"):
        advance(program, run(flow(CHAIN)).state, Answered(1, "another", True))


def test_a_state_asks_for_the_same_again() -> None:
    """So that a command whose answer is lost is sent again under its key."""
    program = Program(flow(CHAIN))
    at = begin(program, VALUES, 0)
    assert orders(program, at.state) == at.orders == orders(Program(flow(CHAIN)), at.state)
    assert advance(program, at.state, Time(500)).orders == at.orders


@pytest.mark.parametrize(
    "extension",
    [
        "a word",
        {"type": "tocsin-undo"},
        {"type": "tocsin-undo", "commands": []},
        {"type": "tocsin-undo", "commands": [{"type": "manual", "command": "plug it in"}]},
        {"type": "tocsin-undo", "commands": [{"type": "no-such"}]},
        {"commands": [openc2({"action": "set", "target": {}})]},
    ],
)
def test_a_malformed_undo_is_refused_before_anything_runs(extension: Any) -> None:
    """Not only when the undo is needed."""
    changed = content()
    action_of(changed)["step_extensions"][EXTENSION_ID] = extension
    with pytest.raises(PlaybookError, match="undo"):
        begin(Program(read(changed)), VALUES, 0)


@pytest.mark.parametrize("kind", ["bash", "manual", "ssh", "http-api", "sigma", "own-type"])
def test_refuses_commands_without_an_actuator(kind: str) -> None:
    """Before anything runs, with the types that there are."""
    changed = content()
    action_of(changed)["commands"] = [{"type": kind, "command": "true", "command_b64": "dHJ1ZQ=="}]
    with pytest.raises(PlaybookError, match=f"no actuator for {kind} commands is installed; .*openc2-http"):
        begin(Program(read(changed)), VALUES, 0)


def test_a_malformed_condition_is_refused_before_anything_runs() -> None:
    """As is a switch over no variable."""
    broken = {"i1": {"type": "if-condition", "condition": "x", "on_true": "e1", "on_completion": "e0"}}
    with pytest.raises(PlaybookError, match="condition"):
        check_executable(flow(broken, "i1"))
    broken = {"x1": {"type": "switch-condition", "switch": "x", "cases": {"a": "e1"}, "on_completion": "e0"}}
    with pytest.raises(PlaybookError, match="switch"):
        check_executable(flow(broken, "x1"))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"revoked": True}, "revoked"),
        ({"valid_from": "1970-01-01T00:00:01.000Z"}, "validity"),
        ({"valid_until": "1970-01-01T00:00:00.000Z"}, "validity"),
    ],
)
def test_refuses_to_run_what_is_revoked_or_not_valid_now(fields: dict[str, Any], said: str) -> None:
    """Before, after, or revoked."""
    with pytest.raises(PlaybookError, match=said):
        begin(Program(flow(CHAIN, **fields)), VALUES, 0)


def test_without_a_twin_abstract_targets_fail_the_step() -> None:
    """By name, and nothing is sent."""
    wall = {step_id("security-category", 1): {"type": "security-category", "name": "w", "category": ["firewall"]}}
    done = run(flow({"a1": act(1, on_completion="e0", targets=list(wall))}, target_definitions=wall))
    assert done.words == [] and done.state.failure is not None and "no twin" in done.state.failure.text


def test_a_category_is_carried_out_on_every_system_that_the_twin_names() -> None:
    """In order, each with its owner; undo too."""
    wall = {step_id("security-category", 1): {"type": "security-category", "name": "w", "category": ["firewall"]}}
    found = [{"asset": "shop/host/w1", "owner": "shop"}, {"asset": "edge/host/w2", "owner": "edge"}]
    steps = {"a1": act(1, undo=True, on_completion="a2", targets=list(wall)), "a2": act(2, on_completion="e0")}
    done = run(flow(steps, target_definitions=wall), failing("a2"), expand=lambda _definition: found)
    assert [(one.is_undo, one.target.get("owner")) for one in done.sent] == [
        (False, "shop"), (False, "edge"), (False, None), (True, "edge"), (True, "shop"),
    ]  # fmt: skip


def test_a_step_fault_is_a_playbook_error() -> None:
    """So that who catches the one catches the other."""
    assert issubclass(StepFault, PlaybookError)
