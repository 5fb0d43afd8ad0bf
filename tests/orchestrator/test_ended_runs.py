"""What is left of a run that ends: tasks of people are withdrawn; an undo that takes too long is said."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from tocsin.orchestrator import audit
from tocsin.orchestrator.actuators.base import Order, Outcome
from tocsin.orchestrator.actuators.manual import TaskError
from tocsin.orchestrator.clock import LockstepClock
from tocsin.orchestrator.lifecycle import State
from tocsin.orchestrator.response_commands import _state
from tocsin.orchestrator.terms import Terms
from tocsin.tests.orchestrator.fakes import GATEWAY, House
from tocsin.tests.orchestrator.node_steps import caller, calls
from tocsin.tests.orchestrator.test_carrying_out import World, kinds, node, only, propose, word
from tocsin.tests.orchestrator.test_several_orders import TASK, fork, with_people
from tocsin.tests.playbooks.flows import act, flow

TWO = fork(["a1"], ["a2"], a1=act(1, commands=[TASK], on_completion="e1"))


def shown(home: House) -> dict[str, Any]:
    """The response as its owner reads it."""
    return home.node.view(caller("edge")).response(only(home))


def withdrawn(home: House) -> list[str]:
    """Keys of the tasks that the log says were withdrawn."""
    with home.engine.begin() as conn:
        assert audit.verify(conn).is_whole
        return [one.content["key"] for one in audit.read(conn) if one.kind == "task_withdrawn"]


@pytest.mark.parametrize("by", ["a wish", "its time"])
def test_a_task_is_withdrawn_when_its_run_ends(tmp_path: Path, by: str) -> None:
    """It is listed no more, cannot be answered, and the log says so."""
    world = World(removes_duplicates=True)
    router, tasks = with_people(tmp_path, world)
    home = node(tmp_path, TWO, router)
    propose(home, TWO)
    (task,) = tasks.all()
    assert task.state == "open" and world.words == ["a2"]
    if by == "a wish":
        home.node.want_undo(caller("edge"), only(home).id)
        home.tick()
    else:
        home.tick(61)
    assert only(home).state is State.UNDONE and world.words == ["a2", "-a2"]
    (task,) = tasks.all()
    assert task.state == "withdrawn" and withdrawn(home) == [task.key]
    with pytest.raises(TaskError, match="withdrawn"):
        tasks.answer(task.key, "done", person="ada")


def test_a_task_of_a_run_with_nothing_to_undo_is_withdrawn_too(tmp_path: Path) -> None:
    """A run that fails before it did anything."""
    playbook = flow({"a1": act(1, commands=[TASK], on_completion="e0")})
    router, tasks = with_people(tmp_path, World(removes_duplicates=True))
    home = node(tmp_path, playbook, router)
    propose(home, playbook)
    home.tick(61)
    assert only(home).state is State.FAILED and [one.state for one in tasks.all()] == ["withdrawn"]
    assert len(withdrawn(home)) == 1


def test_an_answer_that_came_before_stands(tmp_path: Path) -> None:
    """Nothing was withdrawn then, and the log does not say so."""
    router, tasks = with_people(tmp_path, World(removes_duplicates=True))
    home = node(tmp_path, TWO, router)
    propose(home, TWO)
    (task,) = tasks.all()
    tasks.answer(task.key, "done", person="ada")
    home.node.want_undo(caller("edge"), only(home).id)
    home.tick()
    assert tasks.all()[0].state == "done" and withdrawn(home) == [] and only(home).state is State.UNDONE


SLOW = flow({"a1": act(1, undo=True, on_completion="e0")})
HALF_AN_HOUR = Terms(undo_s=1_800)


def under_way(tmp_path: Path) -> tuple[House, World]:
    """A node whose one response is wanted undone, and a world in which that undo does not end."""
    world = World(removes_duplicates=True, waiting=frozenset({"-a1"}))
    home = node(tmp_path, SLOW, world, terms=HALF_AN_HOUR)
    propose(home, SLOW)
    home.node.want_undo(caller("edge"), only(home).id)
    home.tick()
    return home, world


def test_an_undo_that_is_always_under_way_is_overdue_and_calls_a_person_once(tmp_path: Path) -> None:
    """After the time of the terms, over a restart; it goes on, and when it ends it is overdue no more."""
    home, world = under_way(tmp_path)
    home.tick(29)
    assert calls(home) == [] and "undo_overdue" not in kinds(home) and "undo_overdue" in shown(home)
    assert shown(home)["undo_overdue"] is None
    now = home.node.clock.now()
    home = node(tmp_path, SLOW, world, terms=HALF_AN_HOUR)
    home.node.tick(now)
    assert calls(home) == []
    for _ in range(3):
        home.tick(1)
    assert len(calls(home)) == 1 and "undo takes longer than 1800 s" in calls(home)[0] and GATEWAY in only(home).targets
    assert kinds(home).count("undo_overdue") == 1 and shown(home)["undo_overdue"] is True
    assert _state(shown(home)) == "succeeded, undo overdue"
    world.waiting = frozenset()
    home.tick()
    assert only(home).state is State.UNDONE and shown(home)["undo_overdue"] is None and len(calls(home)) == 1


def test_an_undo_that_is_wanted_again_after_it_was_overdue_has_its_time_anew(tmp_path: Path) -> None:
    """Its order goes out under a new key."""
    home, world = under_way(tmp_path)
    home.tick(31)
    assert shown(home)["undo_overdue"] is True
    home.node.want_undo(caller("edge"), only(home).id)
    home.tick(1)
    assert shown(home)["undo_overdue"] is None and len(calls(home)) == 1
    home.tick(31)
    assert shown(home)["undo_overdue"] is True and kinds(home).count("undo_overdue") == 2


class Hangs(World):
    """A world whose actuator does not answer to an undo until a person was called for it."""

    home: House | None = None

    def carry_out(self, order: Order) -> Outcome:
        """Do it; of an undo, let an hour pass, and wait."""
        if self.home is not None and word(order) == "-a1":
            clock, deadline = self.home.node.clock, monotonic() + 20
            assert isinstance(clock, LockstepClock)
            clock.set(clock.now() + timedelta(hours=1))
            while "undo_overdue" not in kinds(self.home) and monotonic() < deadline:
                sleep(0.05)
        return super().carry_out(order)


def test_an_undo_that_hangs_in_one_call_calls_a_person_meanwhile(tmp_path: Path) -> None:
    """A step may name a time of days for its undo: it is not waited for in silence."""
    playbook = flow({"a1": act(1, undo=True, on_completion="e0", timeout=86_400_000)})
    world = Hangs(removes_duplicates=True)
    home = node(tmp_path, playbook, world, terms=HALF_AN_HOUR)
    propose(home, playbook)
    home.node.want_undo(caller("edge"), only(home).id)
    world.home = home
    home.tick()
    assert only(home).state is State.UNDONE and len(calls(home)) == 1 and kinds(home).count("undo_overdue") == 1
    assert "takes longer than 1800 s, and goes on: the actuator has not answered yet" in calls(home)[0]
    assert kinds(home).index("undo_overdue") < len(kinds(home)) - kinds(home)[::-1].index("outcome") - 1


class Breaks(World):
    """A world whose actuator breaks when it is asked for an undo, after it was under way."""

    def carry_out(self, order: Order) -> Outcome:
        """Do it; of an undo, raise what no actuator may."""
        if word(order) == "-a1" and not self.waiting:
            raise RuntimeError("the driver fell over")
        return super().carry_out(order)


def test_an_undo_whose_actuator_breaks_is_overdue_as_any_other(tmp_path: Path) -> None:
    """It is said once, a person is called once, every fault is still raised, and the undo goes on."""
    world = Breaks(removes_duplicates=True, waiting=frozenset({"-a1"}))
    home = node(tmp_path, SLOW, world, terms=HALF_AN_HOUR)
    propose(home, SLOW)
    home.node.want_undo(caller("edge"), only(home).id)
    home.tick()
    world.waiting = frozenset()
    for minutes in (20, 11, 1, 1):
        with pytest.raises(ExceptionGroup):
            home.tick(minutes)
    assert shown(home)["undo_overdue"] is True and kinds(home).count("undo_overdue") == 1
    assert len(calls(home)) == 1 and "the driver fell over" in calls(home)[0]
    world.waiting = frozenset({"nothing of this"})
    home.tick()
    assert only(home).state is State.UNDONE and len(calls(home)) == 1
