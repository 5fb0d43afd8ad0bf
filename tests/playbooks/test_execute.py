"""The interpreter: what each step does, the order of failure, times, undo. Short names: a1 is action 1, e0 an end."""

from __future__ import annotations

from typing import Any

import pytest
from tocsin.playbooks.cacao import PlaybookError
from tocsin.playbooks.effects import EXTENSION_ID
from tocsin.playbooks.execute import (
    Answered,
    Ask,
    Command,
    Phase,
    Program,
    StepFault,
    Time,
    Wait,
    Withdrawn,
    advance,
    begin,
    check_executable,
    orders,
    undo_commands,
)
from tocsin.tests.playbooks.flows import PROGRAMS, SMALL, act, bringing, failing, flow, good, ref, run, sends, short
from tocsin.tests.playbooks.makers import VALUES, action_of, content, openc2, read, step_id

COUNT = {"__count__": {"type": "integer", "value": "0"}}
KIND = {"__kind__": {"type": "string", "value": "host"}}
CHAIN = {
    "a1": act(1, undo=True, on_completion="a2"),
    "a2": act(2, undo=True, on_completion="a3"),
    "a3": act(3, undo=True, on_completion="e0"),
}
FORK = {
    "p1": {"type": "parallel", "next_steps": ["a1", "a2", "a3"], "on_success": "a4", "on_failure": "a5"},
    "a1": act(1, undo=True, on_completion="e1"),
    "a2": act(2, undo=True, on_completion="e2"),
    "a3": act(3, undo=True, on_completion="e3"),
    "a4": act(4, on_completion="e0"),
    "a5": act(5, on_completion="e0"),
}


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


def _linux(name: str) -> dict[str, Any]:
    return {"type": "linux", "name": name, "address": {"dname": [f"{name}.shop.example"]}}


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
    assert done.words == ["a1", "a2", "a6", "a3", "a5", "-a3", "-a1"]
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


LOOP = {
    "w1": {"type": "while-condition", "condition": "__count__:value < 3", "on_true": "a1", "on_completion": "a2"},
    "a1": act(1, undo=True, on_completion="e1", out_args=["__count__"]),
    "a2": act(2, on_completion="e0"),
}


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


def test_delay_waits_before_the_step() -> None:
    """Nothing is sent before; time comes in as an event."""
    program = Program(flow({"a1": act(1, on_completion="e0", delay=5_000, timeout=1_000)}))
    at = begin(program, VALUES, 1_000)
    assert at.orders == (Wait(6_000),)
    early = advance(program, at.state, Time(5_999))
    assert early.orders == (Wait(6_000),)
    due = advance(program, early.state, Time(6_500))
    command, wake = due.orders
    assert isinstance(command, Command) and command.until == 7_500  # its time begins when it does
    assert wake == Wait(7_500)


def test_what_happens_by_itself_happens_at_its_own_time() -> None:
    """However seldom somebody says the time: delays in a row end together, and no step is late for that."""
    steps = {
        "i1": {"type": "if-condition", "condition": "__count__:value = 0", "on_true": "e1", "on_completion": "a1",
               "delay": 1_000},
        "a1": act(1, on_completion="e0", delay=1_000, timeout=1_000),
    }  # fmt: skip
    program = Program(flow(steps, "i1", variables=COUNT))
    late = advance(program, begin(program, VALUES, 0).state, Time(60_000))
    command = late.orders[0]
    assert isinstance(command, Command) and command.until == 61_000


def test_a_command_is_not_sent_when_the_time_around_it_is_over() -> None:
    """Nor taken back: it was not asked for."""
    steps = {
        "p1": {
            "type": "parallel", "next_steps": ["a1", "e2"], "on_success": "e0", "on_failure": "a3", "timeout": 5_000,
        },
        "a1": act(1, undo=True, on_completion="e1", delay=1_000), "a3": act(3, on_completion="e0"),
    }  # fmt: skip
    program = Program(flow(steps, "p1"))
    late = advance(program, begin(program, VALUES, 0).state, Time(60_000))
    command = late.orders[0]
    assert isinstance(command, Command) and short(command.step) == "a3" and late.state.done == []


def test_timeout_takes_on_failure_with_action_timeout_and_the_step() -> None:
    """And tells both to the branch, by variables where the playbook has them; the command may have taken effect."""
    told = {name: {"type": "string"} for name in ("__failure__", "__failed_step__")}
    text = {"type": "manual", "command": "__failure__:value at __failed_step__:value"}
    steps = {
        "a1": act(1, undo=True, on_success="e0", on_failure="a2", timeout=1_000),
        "a2": act(2, commands=[text], on_completion="e0"),
    }
    program = Program(flow(steps, variables=told), supported=PROGRAMS)
    late = advance(program, begin(program, VALUES, 0).state, Time(1_000))
    asked = late.orders[0]
    assert isinstance(asked, Ask) and asked.command == {"text": f"ACTION_TIMEOUT at {ref('a1')}"}
    last = advance(program, late.state, good(asked, 2_000))
    assert last.state.phase is Phase.UNDOING and [short(one.step) for one in undo_commands(program, last.state)] == [
        "a1"
    ]


def test_an_answer_that_comes_too_late_is_a_timeout() -> None:
    """Though the command was carried out: it is taken back."""
    done = run(flow({"a1": act(1, undo=True, on_completion="e0", timeout=1_000)}), took=1_500)
    assert done.words == ["a1", "-a1"]
    assert done.state.failure is not None and done.state.failure.code == "ACTION_TIMEOUT"


def test_a_timeout_of_a_step_with_branches_ends_what_runs_inside() -> None:
    """The outermost one whose time is over."""
    steps = {**FORK, "p1": {**FORK["p1"], "timeout": 2_500}}
    done = run(flow(steps, "p1"), took=1_000)
    assert done.words == ["a1", "a2", "a3", "a5", "-a3", "-a2", "-a1"]
    assert done.told("failed") == ["p1"]


def test_a_timeout_of_nought_says_nothing() -> None:
    """Editors write it; no step could end within it."""
    done = run(flow({"a1": act(1, on_completion="e0", timeout=0)}), took=1_000)
    assert done.state.phase is Phase.SUCCEEDED


def test_the_whole_run_has_a_bound_of_time() -> None:
    """A day here; a delay of two is not waited for."""
    done = run(flow({"a1": act(1, on_completion="e0", delay=172_800_000)}), bounds=SMALL)
    assert done.words == [] and done.state.failure is not None and done.state.failure.code == "LIMIT"


def test_undo_takes_back_the_last_first() -> None:
    """A run that failed, by the declared undo of each step that succeeded."""
    done = run(flow(CHAIN), failing("a3"))
    assert (done.words, done.state.phase) == (["a1", "a2", "a3", "-a2", "-a1"], Phase.FAILED)
    assert [one.command["target"]["x-tocsin"].get("undo") for one in done.sent[3:]] == [2, 1]


def test_undo_covers_a_command_that_may_have_taken_effect() -> None:
    """Its answer was lost; one that was refused is left alone."""
    assert run(flow(CHAIN), failing("a2", perhaps=True)).words == ["a1", "a2", "-a2", "-a1"]
    assert run(flow(CHAIN), failing("a2")).words == ["a1", "a2", "-a1"]


def test_a_step_without_undo_is_passed_over() -> None:
    """It is no fault to have none."""
    done = run(flow({**CHAIN, "a1": act(1, on_completion="a2")}), failing("a3"))
    assert done.words == ["a1", "a2", "a3", "-a2"]


def test_undo_reaches_into_branches_and_loops() -> None:
    """Every iteration is taken back."""
    steps = {**LOOP, "a2": act(2, undo=True, on_completion="a3"), "a3": act(3, on_completion="e0")}

    def answer(command: Command, at: int) -> Answered:
        if short(command.step) == "a3":
            return failing("a3")(command, at)
        return counts(command, at)

    counts = bringing({"__count__": [1, 2, 3]})
    done = run(flow(steps, "w1", variables=COUNT), answer)
    assert done.words == ["a1", "a1", "a1", "a2", "a3", "-a2", "-a1", "-a1", "-a1"]


def test_undo_uses_the_values_that_were_there_when_the_step_was_done() -> None:
    """A variable that changed later does not misdirect it."""
    undo = {EXTENSION_ID: {"type": "tocsin-undo", "commands": [sends("__count__:value", "undo")]}}
    steps = {
        "a1": act(1, on_completion="a2", step_extensions=undo),
        "a2": act(2, on_completion="a3", out_args=["__count__"]),
        "a3": act(3, on_completion="e0"),
    }

    def answer(command: Command, at: int) -> Answered:
        return failing("a3")(command, at) if short(command.step) == "a3" else brings(command, at)

    brings = bringing({"__count__": [9]})
    done = run(flow(steps, variables=COUNT), answer)
    assert done.sent[-1].command["target"]["x-tocsin"]["undo"] == "0"


def test_a_withdrawn_run_is_taken_back_wherever_it_stands() -> None:
    """The command under way may have taken effect; what is done with is forgotten."""
    program = Program(flow(CHAIN))
    at = begin(program, VALUES, 0)
    at = advance(program, at.state, good(at.orders[0], 1))  # type: ignore[arg-type]
    at = advance(program, at.state, Withdrawn(2, "an owner wants it back"))
    assert at.state.phase is Phase.UNDOING
    words = [short(one.step) for one in undo_commands(program, at.state)]
    assert words == ["a2", "a1"]
    for _ in words:
        at = advance(program, at.state, good(at.orders[0], 3))  # type: ignore[arg-type]
    assert (at.state.phase, at.orders, at.state.withdrawn) == (Phase.UNDONE, (), "an owner wants it back")


def test_what_succeeded_can_be_withdrawn_too() -> None:
    """Once."""
    program = Program(flow(CHAIN))
    done = run(flow(CHAIN))
    at = advance(program, done.state, Withdrawn(5))
    assert at.state.phase is Phase.UNDOING
    again = advance(program, at.state, Withdrawn(6))
    assert again.state.phase is Phase.UNDOING and again.state.done == at.state.done


def test_an_undo_that_fails_is_stuck_and_can_be_tried_again_under_a_new_fence() -> None:
    """From the command that failed on; the key says which attempt it is."""
    program = Program(flow(CHAIN))
    stuck = run(flow(CHAIN), failing("a3", "-a2"))
    assert (stuck.words[-1], stuck.state.phase) == ("-a2", Phase.STUCK)
    again = advance(program, stuck.state, Withdrawn(9))
    command = again.orders[0]
    assert isinstance(command, Command)
    assert (command.key, command.attempt) == (stuck.sent[-1].key, stuck.sent[-1].attempt + 1)
    again = advance(program, again.state, good(command, 10))
    again = advance(program, again.state, good(again.orders[0], 10))  # type: ignore[arg-type]
    assert again.state.phase is Phase.FAILED and again.orders == ()


def test_time_to_live_takes_back_what_succeeded_by_itself() -> None:
    """When it is over, not before."""
    program = Program(flow(CHAIN), hold_s=60)
    done = run(flow(CHAIN), hold_s=60)
    assert (done.words, done.state.phase) == (["a1", "a2", "a3", "-a3", "-a2", "-a1"], Phase.UNDONE)
    held = begin(program, VALUES, 0)
    for _ in range(3):
        held = advance(program, held.state, good(held.orders[0], 1_000))  # type: ignore[arg-type]
    assert (held.state.phase, held.orders) == (Phase.HOLDING, (Wait(61_000),))
    assert advance(program, held.state, Time(60_999)).state.phase is Phase.HOLDING


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
