"""Tasks for people: asked once, answered once, with values and a deadline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tocsin.orchestrator.actuators.base import Order, Pending, Refused
from tocsin.orchestrator.actuators.manual import Manual, TaskError, make_manual
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
    manual.tasks.answer("r/1", "done", person="ada", answer="called", values={"__ticket__": "T-1"})
    done = manual.carry_out(ORDER)
    assert done.status == 200 and done.text == "done by ada: called" and dict(done.arguments) == {"__ticket__": "T-1"}


def test_a_task_that_nobody_answers_in_time_fails(manual: Manual) -> None:
    """Its deadline is the step's; an answer that came before it still counts after it."""
    with pytest.raises(Pending):
        manual.carry_out(ORDER)
    manual.clock = lambda: 1_600.0
    with pytest.raises(Refused, match="in time"):
        manual.carry_out(ORDER)


def test_a_person_may_decline(manual: Manual) -> None:
    """A refusal with the reason."""
    with pytest.raises(Pending):
        manual.carry_out(ORDER)
    manual.tasks.answer("r/1", "declined", person="ada", answer="not on a Sunday")
    with pytest.raises(Refused, match="ada declined: not on a Sunday"):
        manual.carry_out(ORDER)


def test_an_answer_must_fit_and_stands(manual: Manual) -> None:
    """Values asked for, no others; one answer."""
    with pytest.raises(Pending):
        manual.carry_out(ORDER)
    for values, told in (({}, "missing"), ({"__ticket__": "1", "__x__": "2"}, "not asked for")):
        with pytest.raises(TaskError, match=told):
            manual.tasks.answer("r/1", "done", person="ada", values=values)
    manual.tasks.answer("r/1", "done", person="ada", values={"__ticket__": "1"})
    with pytest.raises(TaskError, match="done already by ada"):
        manual.tasks.answer("r/1", "declined", person="bob")
    with pytest.raises(TaskError, match="there is none"):
        manual.tasks.answer("r/2", "done", person="ada")


def test_the_command_line_lists_and_answers(manual: Manual, tmp_path: Path) -> None:
    """`tocsin task list`, `tocsin task answer`."""
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
