"""What the interpreter takes back: failed runs, withdrawn ones, those whose time is over."""

from __future__ import annotations

from tocsin.playbooks.effects import EXTENSION_ID
from tocsin.playbooks.execute import (
    Answered,
    Command,
    Phase,
    Program,
    Time,
    Wait,
    Withdrawn,
    advance,
    begin,
    undo_commands,
)
from tocsin.tests.playbooks.execute_flows import CHAIN, COUNT, LOOP
from tocsin.tests.playbooks.flows import act, bringing, failing, flow, good, run, sends, short
from tocsin.tests.playbooks.makers import VALUES


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
