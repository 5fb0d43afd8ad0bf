"""Delays, timeouts and bounds of time in the interpreter."""

from __future__ import annotations

from tocsin.playbooks.execute import (
    Ask,
    Command,
    Phase,
    Program,
    Time,
    Wait,
    advance,
    begin,
    undo_commands,
)
from tocsin.tests.playbooks.execute_flows import COUNT, FORK
from tocsin.tests.playbooks.flows import PROGRAMS, SMALL, act, flow, good, ref, run, short
from tocsin.tests.playbooks.makers import VALUES


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
