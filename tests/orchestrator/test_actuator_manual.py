"""Tasks for people: asked once, answered once, with values and a deadline."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tocsin.orchestrator.actuators.base import Malformed, Order, Pending, Refused, Unavailable
from tocsin.orchestrator.actuators.journal import Journal
from tocsin.orchestrator.actuators.manual import LONGEST_S, Manual, ManualSettings, Task, TaskError, make_manual
from tocsin.orchestrator.actuators.setup import Setup
from tocsin.orchestrator.actuators.task_commands import task
from typer.testing import CliRunner

ORDER = Order("r/1", "edge", {"text": "Ask the vendor"}, "manual", returns={"__ticket__": "string"}, timeout_s=600)


@pytest.fixture
def manual(tmp_path: Path) -> Manual:
    made = make_manual(Setup("manual", tmp_path))
    made.clock = lambda: 1_000.0
    return made


def test_a_task_is_pending_until_it_is_answered(manual: Manual) -> None:
    """Asked however often, it is one task, whose deadline stands."""
    for now in (1_000.0, 1_300.0):
        manual.clock = lambda now=now: now  # type: ignore[misc]
        with pytest.raises(Pending, match="edge"):
            manual.carry_out(ORDER)
    (one,) = manual.tasks.all()
    assert (one.text, one.deadline, one.state) == ("Ask the vendor", 1_600.0, "open")
    manual.tasks.answer("r/1", "done", person="ada", answer="called", values={"__ticket__": "T-1"}, now=1_500.0)
    done = manual.carry_out(ORDER)
    assert done.status == 200 and done.text == "done by ada: called" and dict(done.arguments) == {"__ticket__": "T-1"}


def test_a_task_that_nobody_answers_in_time_fails(manual: Manual) -> None:
    """A person may have done it all the same, so it is no refusal; it is closed, and an answer is too late."""
    with pytest.raises(Pending):
        manual.carry_out(ORDER)
    with pytest.raises(TaskError, match="deadline is over"):
        manual.tasks.answer("r/1", "done", person="ada", values={"__ticket__": "1"}, now=1_600.0)
    manual.clock = lambda: 1_600.0
    for _ in range(2):
        with pytest.raises(Malformed, match="in time"):
            manual.carry_out(ORDER)
    assert manual.tasks.all()[0].state == "expired"
    with pytest.raises(TaskError, match="deadline is over"):
        manual.tasks.answer("r/1", "done", person="ada", values={"__ticket__": "1"}, now=1_599.0)


def test_an_answer_in_time_counts_after_the_deadline(manual: Manual) -> None:
    """The node was away meanwhile."""
    with pytest.raises(Pending):
        manual.carry_out(ORDER)
    manual.tasks.answer("r/1", "done", person="ada", values={"__ticket__": "1"}, now=1_599.0)
    manual.clock = lambda: 9_999.0
    assert manual.carry_out(ORDER).status == 200


def test_an_answer_is_somebodys_and_of_the_type_asked_for(manual: Manual) -> None:
    """No name, no answer; a number is a number."""
    with pytest.raises(Pending):
        manual.carry_out(replace(ORDER, returns={"__n__": "integer"}))
    for person in ("", "  ", "a\x1b[2J", "a" * 201):
        with pytest.raises(TaskError, match="--person"):
            manual.tasks.answer("r/1", "done", person=person, values={"__n__": "1"}, now=1_500.0)
    with pytest.raises(TaskError, match="is no integer"):
        manual.tasks.answer("r/1", "done", person="ada", values={"__n__": "one"}, now=1_500.0)
    manual.tasks.answer("r/1", "done", person="ada", values={"__n__": "1"}, now=1_500.0)


def test_what_a_playbook_wrote_does_not_steer_the_terminal(manual: Manual, tmp_path: Path) -> None:
    """Escape sequences and new lines are shown as plain signs."""
    manual.clock = time.time
    with pytest.raises(Pending):
        manual.carry_out(replace(ORDER, command={"text": "a\x1b]0;b\x07\nr/2  done"}))
    shown = CliRunner().invoke(task, ["list", "--home", str(tmp_path)]).output
    assert "\x1b" not in shown and "\x07" not in shown and "a?]0;b? r/2  done\n" in shown


def test_a_deadline_is_bounded(manual: Manual, tmp_path: Path) -> None:
    """By a year; and a file with one that no date can show is listed all the same."""
    with pytest.raises(Pending):
        manual.carry_out(replace(ORDER, timeout_s=1e300))
    assert manual.tasks.all()[0].deadline == 1_000.0 + LONGEST_S
    with pytest.raises(ValueError, match="less than"):
        ManualSettings(deadline_s=1e12)
    manual.tasks.put(Task("r/2", "edge", "x", {}, 1e300))
    assert "9999-12-31" in CliRunner().invoke(task, ["list", "--home", str(tmp_path)]).output


def test_the_file_is_its_owners_alone(manual: Manual, tmp_path: Path) -> None:
    """Tasks and journals hold values."""
    Journal(tmp_path / "actuators" / "bash.sqlite")
    folder = tmp_path / "actuators"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(list(folder.iterdir())) >= 2 and all(one.stat().st_mode & 0o777 == 0o600 for one in folder.iterdir())


def test_a_person_may_decline(manual: Manual) -> None:
    """A refusal with the reason."""
    with pytest.raises(Pending):
        manual.carry_out(ORDER)
    manual.tasks.answer("r/1", "declined", person="ada", now=1_500.0, answer="not on a Sunday")
    with pytest.raises(Refused, match="ada declined: not on a Sunday"):
        manual.carry_out(ORDER)


def test_an_answer_must_fit_and_stands(manual: Manual) -> None:
    """Values asked for, no others; one answer."""
    with pytest.raises(Pending):
        manual.carry_out(ORDER)
    for values, told in (({}, "missing"), ({"__ticket__": "1", "__x__": "2"}, "not asked for")):
        with pytest.raises(TaskError, match=told):
            manual.tasks.answer("r/1", "done", person="ada", now=1_500.0, values=values)
    manual.tasks.answer("r/1", "done", person="ada", now=1_500.0, values={"__ticket__": "1"})
    with pytest.raises(TaskError, match="done already by ada"):
        manual.tasks.answer("r/1", "declined", person="bob", now=1_500.0)
    with pytest.raises(TaskError, match="there is none"):
        manual.tasks.answer("r/2", "done", person="ada", now=1_500.0)


def test_the_command_line_lists_and_answers(manual: Manual, tmp_path: Path) -> None:
    """`tocsin task list`, `tocsin task answer`."""
    manual.clock = time.time
    with pytest.raises(Pending):
        manual.carry_out(ORDER)
    home = ["--home", str(tmp_path)]
    shown = CliRunner().invoke(task, ["list", *home])
    assert "r/1" in shown.output and "Ask the vendor" in shown.output and "__ticket__ (string)" in shown.output
    words = ["answer", "r/1", "--person", "ada", "--value", "__ticket__=a=b", *home, "--json"]
    assert json.loads(CliRunner().invoke(task, words).output)["values"] == {"__ticket__": "a=b"}
    assert dict(manual.carry_out(ORDER).arguments) == {"__ticket__": "a=b"}
    assert json.loads(CliRunner().invoke(task, ["list", *home, "--json"]).output) == []
    assert len(json.loads(CliRunner().invoke(task, ["list", "--all", *home, "--json"]).output)) == 1
    assert isinstance(CliRunner().invoke(task, ["list", "--home", str(tmp_path / "no")]).exception, TaskError)
    assert not (tmp_path / "no").exists()


def test_a_task_that_was_withdrawn_does_not_appear_after_it(manual: Manual) -> None:
    """The thread that asks came later than the end of the run: nobody is asked, also not when it tries again."""
    assert manual.give_up("r/1") is False
    for _ in range(2):
        with pytest.raises(Unavailable, match="nobody was asked"):
            manual.carry_out(ORDER)
    assert manual.tasks.all() == []
    with pytest.raises(Pending):
        manual.carry_out(replace(ORDER, key="r/2"))
    assert manual.give_up("r/2") is True and [one.state for one in manual.tasks.all()] == ["withdrawn"]


def test_a_task_and_its_end_in_two_threads_leave_none_open(manual: Manual) -> None:
    """Whichever comes first, a hundred times."""

    def ask(order: Order) -> None:
        with suppress(Pending, Unavailable, Malformed):
            manual.carry_out(order)

    for number in range(100):
        order = replace(ORDER, key=f"r/{number}")
        asking = threading.Thread(target=ask, args=(order,))
        asking.start()
        manual.give_up(order.key)
        asking.join()
    assert not [one for one in manual.tasks.all() if one.state == "open"]
