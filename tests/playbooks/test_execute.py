"""The interpreter: what each step does, the order of failure, times, undo. Short names: a1 is action 1, e0 an end."""

from __future__ import annotations

import pytest
from tocsin.playbooks.execute import (
    Phase,
)
from tocsin.tests.playbooks.execute_flows import CHAIN, COUNT, FORK, KIND, LOOP, _linux
from tocsin.tests.playbooks.flows import SMALL, act, bringing, failing, flow, ref, run, sends, short
from tocsin.tests.playbooks.makers import VALUES, step_id


def test_steps_are_done_once_in_their_order_from_start_to_end() -> None:
    """And the run has succeeded."""
    done = run(flow(CHAIN))
    assert (done.words, done.state.phase) == (["a1", "a2", "a3"], Phase.SUCCEEDED)
    assert done.told("entered") == ["s0", "a1", "a2", "a3", "e0"]


def test_commands_of_an_action_go_in_order_each_to_every_target() -> None:
    """Two commands on two targets are four, each with a key of its own."""
    base = {"target_definitions": {step_id("linux", 1): _linux("one"), step_id("linux", 2): _linux("two")}}
    two = act(1, commands=[sends("first", "do"), sends("second", "do")], targets=list(base["target_definitions"]))
    done = run(flow({"a1": {**two, "on_completion": ref("e0")}}, **base))
    told = [(one.command["target"]["x-tocsin"]["do"], one.target["name"]) for one in done.sent]
    assert told == [("first", "one"), ("first", "two"), ("second", "one"), ("second", "two")]
    assert len({one.key for one in done.sent}) == 4


def test_an_action_without_targets_is_carried_out_all_the_same() -> None:
    """Once, by its agent."""
    done = run(flow({"a1": act(1, on_completion="e0")}))
    assert done.words == ["a1"] and done.sent[0].target == {}
    assert done.sent[0].agent["address"] == {"url": [VALUES["__actuator__"]]}


def test_on_success_is_taken_after_success() -> None:
    """As on_completion is."""
    done = run(flow({"a1": act(1, on_success="a2", on_failure="a3"), **{k: CHAIN[k] for k in ("a2", "a3")}}))
    assert done.words == ["a1", "a2", "a3"] and done.state.phase is Phase.SUCCEEDED


def test_a_failure_takes_on_failure_and_the_run_has_failed() -> None:
    """The branch is carried out; that it ends well makes no success of it."""
    steps = {"a1": act(1, on_success="e0", on_failure="a2"), "a2": act(2, on_completion="e0")}
    done = run(flow(steps), failing("a1"))
    assert (done.words, done.state.phase) == (["a1", "a2"], Phase.FAILED)
    assert done.state.failure is not None
    assert (done.state.failure.code, short(done.state.failure.step)) == ("ACTION_FAILED", "a1")


def test_without_on_failure_workflow_exception_is_taken_once() -> None:
    """A failure in it is not answered by itself again."""
    steps = {"a1": act(1, on_completion="a2"), "a2": act(2, on_completion="e0"), "a9": act(9, on_completion="e9")}
    done = run(flow(steps, exception="a9"), failing("a1"))
    assert (done.words, done.state.phase) == (["a1", "a9"], Phase.FAILED)
    done = run(flow(steps, exception="a9"), failing("a1", "a9"))
    assert (done.words, done.state.phase) == (["a1", "a9"], Phase.FAILED)


def test_without_both_the_run_has_failed_and_on_completion_is_not_taken() -> None:
    """Never is an error passed over."""
    done = run(flow({"a1": act(1, on_completion="a2"), "a2": act(2, on_completion="e0")}), failing("a1"))
    assert (done.words, done.state.phase) == (["a1"], Phase.FAILED)


def test_later_commands_of_a_step_that_failed_are_not_sent() -> None:
    """Nor to other targets."""
    step = act(1, commands=[sends(1, "do"), sends(2, "do")], on_completion="e0")
    done = run(flow({"a1": step}), failing("a1"))
    assert len(done.sent) == 1


def test_parallel_waits_for_all_branches() -> None:
    """Then what comes after; one branch after the other is a legal order."""
    done = run(flow(FORK, "p1"))
    assert (done.words, done.state.phase) == (["a1", "a2", "a3", "a4"], Phase.SUCCEEDED)


def test_a_parallel_step_fails_after_all_its_branches_have_ended() -> None:
    """The others are carried out; then its on_failure is taken, and all is taken back."""
    done = run(flow(FORK, "p1"), failing("a1"))
    assert (done.words, done.state.phase) == (["a1", "a2", "a3", "a5", "-a3", "-a2"], Phase.FAILED)


def test_a_failure_inside_goes_up_to_the_step_around_it() -> None:
    """From a branch of an if in a branch of a parallel step."""
    steps = {
        **FORK,
        "a2": act(2, on_completion="i1"),
        "i1": {"type": "if-condition", "condition": "__count__:value = 0", "on_true": "a6", "on_completion": "e2"},
        "a6": act(6, on_completion="e6"),
    }
    done = run(flow(steps, "p1", variables=COUNT), failing("a6"))
    assert done.words == ["a1", "a2", "a3", "a6", "a5", "-a3", "-a1"]
    assert done.told("failed") == ["a6", "i1", "p1"]


@pytest.mark.parametrize(("value", "words"), [("0", ["a1", "a3"]), ("7", ["a2", "a3"])])
def test_if_walks_the_branch_that_its_condition_chooses(value: str, words: list[str]) -> None:
    """And comes back to what follows the if."""
    steps = {
        "i1": {
            "type": "if-condition", "condition": "__count__:value = 0", "on_true": "a1", "on_false": "a2",
            "on_completion": "a3",
        },
        "a1": act(1, on_completion="e1"), "a2": act(2, on_completion="e2"), "a3": act(3, on_completion="e0"),
    }  # fmt: skip
    done = run(flow(steps, "i1", variables={"__count__": {"type": "integer", "value": value}}))
    assert (done.words, done.state.phase) == (words, Phase.SUCCEEDED)


def test_an_if_without_on_false_goes_on() -> None:
    """Where the condition does not hold."""
    steps = {
        "i1": {"type": "if-condition", "condition": "__count__:value > 0", "on_true": "a1", "on_completion": "a2"},
        "a1": act(1, on_completion="e1"), "a2": act(2, on_completion="e0"),
    }  # fmt: skip
    assert run(flow(steps, "i1", variables=COUNT)).words == ["a2"]


def test_while_walks_its_branch_as_long_as_its_condition_holds() -> None:
    """Each iteration's commands have keys of their own."""
    done = run(flow(LOOP, "w1", variables=COUNT), bringing({"__count__": [1, 2, 3]}))
    assert (done.words, done.state.phase) == (["a1", "a1", "a1", "a2"], Phase.SUCCEEDED)
    assert len({one.key for one in done.sent}) == 4


def test_a_loop_that_never_ends_is_ended_by_its_bound() -> None:
    """Of iterations; what it did is taken back."""
    done = run(flow(LOOP, "w1", variables=COUNT), bounds=SMALL)
    assert done.words == ["a1"] * SMALL.iterations + ["-a1"] * SMALL.iterations
    assert done.state.failure is not None and done.state.failure.code == "LIMIT"


def test_a_loop_without_a_timeout_has_one_of_ours() -> None:
    """An hour here, in steps of ten minutes."""
    done = run(flow(LOOP, "w1", variables=COUNT), took=600_000, bounds=SMALL)
    assert done.state.failure is not None and done.state.failure.code == "ACTION_TIMEOUT"
    assert done.words.count("a1") == 6


@pytest.mark.parametrize(("value", "words"), [("host", ["a1"]), ("cloud", ["a2"]), ("boat", ["a3"]), (None, ["a3"])])
def test_switch_walks_the_case_of_the_value_else_default(value: str | None, words: list[str]) -> None:
    """A value that is no case, or none at all, is default."""
    steps = {
        "x1": {
            "type": "switch-condition", "switch": "__kind__:value",
            "cases": {"host": "a1", "cloud": "a2", "default": "a3"}, "on_completion": "a4",
        },
        **{f"a{number}": act(number, on_completion=f"e{number}") for number in (1, 2, 3)},
        "a4": act(4, on_completion="e0"),
    }  # fmt: skip
    done = run(flow(steps, "x1", variables={"__kind__": {"type": "string", "value": value}}))
    assert (done.words, done.state.phase) == ([*words, "a4"], Phase.SUCCEEDED)


def test_a_switch_without_default_goes_on() -> None:
    """Where no case fits."""
    steps = {
        "x1": {"type": "switch-condition", "switch": "__kind__:value", "cases": {"a": "a1"}, "on_completion": "a2"},
        "a1": act(1, on_completion="e1"), "a2": act(2, on_completion="e0"),
    }  # fmt: skip
    assert run(flow(steps, "x1", variables=KIND)).words == ["a2"]
