"""Several orders of one run under way at the same time: branches, targets, bounds, crashes, failures, undo."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tocsin.orchestrator.actuators.base import Order, Outcome
from tocsin.orchestrator.actuators.manual import Manual, ManualSettings, Tasks
from tocsin.orchestrator.actuators.router import Router
from tocsin.orchestrator.lifecycle import State
from tocsin.orchestrator.terms import Terms
from tocsin.tests.orchestrator.fakes import House
from tocsin.tests.orchestrator.node_steps import caller
from tocsin.tests.orchestrator.postgres import postgres
from tocsin.tests.orchestrator.test_carrying_out import World, kinds, node, only, propose, word
from tocsin.tests.playbooks.flows import act, flow, sends
from tocsin.tests.playbooks.makers import step_id

TASK = {"type": "manual", "command": "Look at the rack"}


@dataclass
class Shared(World):
    """A world that several threads may use at once; it knows how many did."""

    is_shared: bool = True
    most: int = 0  # orders that were there at the same time
    lasts_s: float = 0.0
    there: int = 0
    waits: dict[str, str] = field(default_factory=dict)  # short name -> the step that has to be done before it ends
    lock: Any = field(default_factory=threading.Lock)

    def carry_out(self, order: Order) -> Outcome:
        """Do it, in its time."""
        with self.lock:
            self.there += 1
            self.most = max(self.most, self.there)
        time.sleep(self.lasts_s)
        other = self.waits.get(word(order))
        until = time.monotonic() + 20
        while other is not None and other not in self.words:
            assert time.monotonic() < until, f"{word(order)} holds up {other}"
            time.sleep(0.01)
        with self.lock:
            self.there -= 1
            return super().carry_out(order)


def fork(*branches: list[str], **more: Any) -> Any:
    """A parallel step, its branches rows of actions with an undo."""
    steps: dict[str, Any] = {
        "p1": {"type": "parallel", "next_steps": [branch[0] for branch in branches], "on_completion": "e0"}
    }
    for number, branch in enumerate(branches, 1):
        for name, after in zip(branch, [*branch[1:], f"e{number}"], strict=True):
            steps[name] = act(int(name[1:]), undo=True, on_completion=after)
    steps |= more
    return flow(steps, "p1")


def with_people(path: Path, world: World, home: House | None = None) -> tuple[Router, Tasks]:
    """A router to people and to a world; people's clock is the node's where there is one."""
    tasks = Tasks(path / "tasks" / "manual.sqlite")
    clock = (lambda: home.node.clock.now().timestamp()) if home else time.time
    manual = Manual(tasks, ManualSettings(deadline_s=86_400), clock)
    return Router({"manual": manual, "openc2-http": world}), tasks


def test_a_task_of_a_person_holds_up_no_other_branch(tmp_path: Path) -> None:
    """The other branch goes on to its end, over a restart too; the step waits for both."""
    playbook = fork(["a1"], ["a2", "a3"], a1=act(1, commands=[TASK], on_completion="e1"))
    world = World(removes_duplicates=True)
    router, tasks = with_people(tmp_path, world)
    home = node(tmp_path, playbook, router)
    propose(home, playbook)
    assert world.words == ["a2", "a3"] and only(home).state is State.EXECUTING
    home = node(tmp_path, playbook, router)
    home.tick()
    (task,) = tasks.all()
    assert (task.state, world.words) == ("open", ["a2", "a3"])
    tasks.answer(task.key, "done", person="ada")
    home.tick()
    assert only(home).state is State.SUCCEEDED and kinds(home).count("order") == 3


def test_a_slow_order_holds_up_no_other_branch(tmp_path: Path) -> None:
    """It ends only after the other branch has: within one tick."""
    world = Shared(waits={"a1": "a3"})
    playbook = fork(["a1"], ["a2", "a3"])
    home = node(tmp_path, playbook, world)
    propose(home, playbook)
    assert only(home).state is State.SUCCEEDED and world.words == ["a2", "a3", "a1"]


def test_an_actuator_for_one_thread_gets_one_order_at_a_time(tmp_path: Path) -> None:
    """Unless it says that several threads may use it."""
    world = Shared(is_shared=False, lasts_s=0.02)
    playbook = fork(["a1"], ["a2"], ["a3"])
    home = node(tmp_path, playbook, world)
    propose(home, playbook)
    assert (world.most, sorted(world.words)) == (1, ["a1", "a2", "a3"])


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_more_orders_are_sent_at_once_than_the_terms_say(tmp_path: Path, most: int) -> None:
    """Those that are left go out when others have ended."""
    world = Shared(lasts_s=0.05)
    playbook = fork(*([f"a{number}"] for number in range(1, 8)))
    home = node(tmp_path, playbook, world, terms=Terms(in_flight=most))
    propose(home, playbook)
    assert world.most <= most and len(world.words) == 7 and only(home).state is State.SUCCEEDED


def test_targets_of_one_command_are_served_at_once(tmp_path: Path) -> None:
    """The next command waits for all of them."""
    targets = {step_id("net-address", n): {"type": "individual", "name": f"person {n}"} for n in (1, 2)}
    step = act(1, commands=[sends(1, "do"), sends(2, "do")], on_completion="e0", targets=list(targets))
    playbook = flow({"a1": step}, target_definitions=targets)
    world = Shared(lasts_s=0.1)
    home = node(tmp_path, playbook, world)
    propose(home, playbook)
    numbers = [order.command["target"]["x-tocsin"]["do"] for order in world.sent]
    assert (world.most, numbers) == (2, [1, 1, 2, 2]) and only(home).state is State.SUCCEEDED


ORDERS = ["a1", "a2", "a3", "a4", "a5", "a6"]


@pytest.mark.parametrize("after", range(1, len(ORDERS) + 1))
def test_a_crash_between_any_two_orders_loses_and_repeats_none(tmp_path: Path, after: int) -> None:
    """Though several were under way: the next node asks what became of each, and goes on."""
    playbook = fork(["a1", "a4"], ["a2", "a5"], ["a3", "a6"])
    world = Shared(crash_after=after)
    home = node(tmp_path, playbook, world)
    with pytest.raises(KeyboardInterrupt):
        propose(home, playbook)
    home.engine.dispose()
    home = node(tmp_path, playbook, world)
    home.tick(2)
    assert sorted(world.words) == ORDERS and len({order.key for order in world.sent}) == len(ORDERS)
    assert kinds(home).count("outcome") == len(ORDERS) and only(home).state is State.SUCCEEDED


@pytest.mark.systems
def test_a_crash_between_orders_on_postgresql(tmp_path: Path) -> None:
    """As on SQLite."""
    playbook, world = fork(["a1", "a4"], ["a2", "a5"], ["a3", "a6"]), Shared(crash_after=2)
    with postgres() as url:
        home = node(tmp_path, playbook, world, store_url=url)
        with pytest.raises(KeyboardInterrupt):
            propose(home, playbook)
        home.engine.dispose()
        home = node(tmp_path, playbook, world, store_url=url)
        home.tick(2)
        assert sorted(world.words) == ORDERS and kinds(home).count("outcome") == len(ORDERS)
        assert only(home).state is State.SUCCEEDED
        home.engine.dispose()


def test_an_order_whose_time_is_over_is_not_waited_for(tmp_path: Path) -> None:
    """What answers its failure goes out while it still runs; its answer is dropped; undo waits until it has come."""
    late = act(1, undo=True, on_success="e0", on_failure="a3", timeout=60_000)
    playbook = flow({"a1": late, "a3": act(3, on_completion="e0")})
    world = Shared(waits={"a1": "a3"})
    home = node(tmp_path, playbook, world)
    carry_out = world.carry_out

    def slow(order: Order) -> Outcome:
        if word(order) == "a1":
            home.node.clock.set(home.node.clock.now() + timedelta(minutes=2))  # type: ignore[attr-defined]
        return carry_out(order)

    world.carry_out = slow  # type: ignore[method-assign]
    propose(home, playbook)
    assert world.words == ["a3", "a1", "-a1"] and only(home).state is State.UNDONE
    assert [one["perhaps"] for one in only(home).run["do"]] == [True, False]


def test_where_one_branch_fails_the_others_go_on_to_their_end(tmp_path: Path) -> None:
    """What is under way is waited for, the rest of the branches is walked; then all is taken back."""
    world = Shared(waits={"a2": "a9"}, refuse=frozenset())
    refused = {"a1": act(1, commands=[{"type": "http-api", "command": "GET /x HTTP/1.1"}], on_completion="e1")}
    playbook = fork(["a1"], ["a2", "a3"], ["a9"], **refused)
    home = node(tmp_path, playbook, Router({"openc2-http": world}))  # no actuator for the first
    propose(home, playbook)
    assert world.words == ["a9", "a2", "a3", "-a3", "-a2", "-a9"] and only(home).state is State.UNDONE


def test_what_ended_last_is_taken_back_first(tmp_path: Path) -> None:
    """In the order in which orders ended, not in that of the branches; one after the other."""
    world = Shared(waits={"a1": "a3", "a2": "a1"})
    playbook = fork(["a1"], ["a2"], ["a3"])
    home = node(tmp_path, playbook, world)
    propose(home, playbook)
    assert world.words == ["a3", "a1", "a2"]
    world.most = 0
    home.node.want_undo(caller("edge"), only(home).id)
    home.tick()
    assert world.words[3:] == ["-a2", "-a1", "-a3"] and world.most == 1
    assert only(home).state is State.UNDONE


def test_each_task_has_its_own_time(tmp_path: Path) -> None:
    """The one whose time ran out is withdrawn; the other goes on, and its branch too."""
    one = act(1, commands=[TASK], on_success="e1", on_failure="a3", timeout=600_000)
    playbook = fork(["a1"], ["a2"], a1=one, a2=act(2, commands=[TASK], on_completion="e2"),
                    a3=act(3, on_completion="e1"))  # fmt: skip
    world = World(removes_duplicates=True)
    router, tasks = with_people(tmp_path, world)
    home = node(tmp_path, playbook, router)
    router.actuators["manual"].clock = lambda: home.node.clock.now().timestamp()  # type: ignore[attr-defined]
    propose(home, playbook)
    home.tick(5)
    assert [task.state for task in tasks.all()] == ["open", "open"] and world.words == []
    home.tick(6)
    states = {task.key.split(".")[1][-1]: task.state for task in tasks.all()}
    assert sorted(states.values()) in (["expired", "open"], ["open", "withdrawn"]) and world.words == ["a3"]
    assert only(home).state is State.EXECUTING
