"""CACAO playbooks carried out by a node: delays and timeouts over restarts, waiting, values, crashes at every point."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tocsin.orchestrator import audit
from tocsin.orchestrator.actuators.base import Order, Outcome, Pending
from tocsin.orchestrator.lifecycle import State
from tocsin.orchestrator.proposals import Proposal
from tocsin.orchestrator.records import Response, list_responses
from tocsin.orchestrator.script import CacaoScript
from tocsin.orchestrator.shelf import Shelved
from tocsin.orchestrator.store import responses
from tocsin.orchestrator.terms import Terms
from tocsin.playbooks.cacao import Playbook, digest
from tocsin.playbooks.execute import among
from tocsin.playbooks.targets import expand_in
from tocsin.tests.orchestrator.fakes import GATEWAY, FakeActuator, House, at_once, chain, house
from tocsin.tests.orchestrator.node_steps import caller
from tocsin.tests.playbooks.flows import PROGRAMS, act, flow, sends, short
from tocsin.tests.playbooks.makers import step_id
from tocsin.twin.rulebook.effects import Effect
from tocsin.twin.vocabulary import AssetKind, ConsentClass, Mode, TargetType

COUNT = {"__count__": {"type": "integer", "value": "0"}}
KINDS = (AssetKind.HOST, AssetKind.SERVICE)


@dataclass
class World(FakeActuator):
    """An actuator that brings, for what is asked back, how often the step was done; it can keep people waiting."""

    waiting: frozenset[str] = frozenset()  # short names of steps that somebody works on

    def carry_out(self, order: Order) -> Outcome:
        """Do it, and bring what is asked back."""
        if word(order) in self.waiting:
            raise Pending(f"order {order.key}: a person works on it; wait")
        return self._with_values(order, super().carry_out(order))

    def read(self, order: Order) -> Outcome | None:
        """Say whether it was done, and what it brought."""
        done = super().read(order)
        return None if done is None else self._with_values(order, done)

    def _with_values(self, order: Order, done: Outcome) -> Outcome:
        brought = dict.fromkeys(order.returns, str(self.words.count(word(order))))
        return Outcome(done.status, done.text, arguments=brought)

    @property
    def words(self) -> list[str]:
        """Short names of the steps whose orders were carried out, `-` before an undo."""
        return [word(order) for order in self.sent]


def word(order: Order) -> str:
    """The short name of an order's step."""
    key = order.key.split("/")[2]
    return ("-" if ".undo." in key else "") + next(short(part) for part in key.split(".") if "--" in part)


def node(path: Path, playbook: Playbook, actuator: Any, *, others: tuple[Playbook, ...] = (), **more: Any) -> House:
    """A node with one playbook on its shelf; again after a restart."""
    effect = Effect(
        playbook.id, TargetType.ASSET, KINDS, ConsentClass.CONTAIN, work_s=60, hold_s=0, labour_h=0.1, success=0.9,
        undoable=True, mode=Mode.ISOLATED,
    )  # fmt: skip
    shelved = Shelved(playbook.id, 0, digest(playbook), playbook.name, playbook, effect)
    twin = chain(at_once("edge"))
    script = CacaoScript(among(others), expand_in(twin), PROGRAMS)
    return house(path, twin=twin, actuator=actuator, on_shelf=shelved, script=script, **more)


def propose(home: House, playbook: Playbook) -> None:
    """Have it proposed at the next tick, and that alone."""
    home.advisor.proposals = [Proposal(playbook.id, 0, (GATEWAY,), ("edge",), "it beacons", ("f1", "f2"), 0.9, 2)]
    home.tick()
    home.advisor.proposals = []


def only(home: House) -> Response:
    """The one response there is."""
    with home.engine.begin() as conn:
        (row,) = list_responses(conn)
    return row


def kinds(home: House) -> list[str]:
    """Kinds of all audit records, of a whole log."""
    with home.engine.begin() as conn:
        assert audit.verify(conn).is_whole
        return [record.kind for record in audit.read(conn)]


def test_a_delay_is_kept_by_the_nodes_clock_over_restarts(tmp_path: Path) -> None:
    """Ten minutes after the first step, whoever runs then."""
    playbook = flow({"a1": act(1, on_completion="a2"), "a2": act(2, on_completion="e0", delay=600_000)})
    world = World()
    home = node(tmp_path, playbook, world)
    propose(home, playbook)
    assert world.words == ["a1"] and only(home).state is State.EXECUTING
    home = node(tmp_path, playbook, world)
    home.tick(9)
    assert world.words == ["a1"]
    home = node(tmp_path, playbook, world)
    home.tick(11)  # the clock of a test's node stands at its beginning
    assert world.words == ["a1", "a2"] and only(home).state is State.SUCCEEDED


def test_a_timeout_runs_by_the_nodes_clock_over_restarts(tmp_path: Path) -> None:
    """Somebody works on the step too long: its on_failure is taken, and what may have been done is taken back."""
    playbook = flow({
        "a1": act(1, undo=True, on_success="e0", on_failure="a2", timeout=600_000), "a2": act(2, on_completion="e0"),
    })  # fmt: skip
    world = World(removes_duplicates=True, waiting=frozenset({"a1"}))
    home = node(tmp_path, playbook, world)
    propose(home, playbook)
    home.tick(5)
    assert world.words == [] and only(home).state is State.EXECUTING
    home = node(tmp_path, playbook, world)
    home.tick(12)
    assert world.words == ["a2", "-a1"] and only(home).state is State.UNDONE
    with home.engine.begin() as conn:
        called = [record for record in audit.read(conn) if record.kind == "person_called"]
    assert f"ACTION_TIMEOUT at {step_id('action', 1)}" in called[-1].content["reason"]


LONGEST = 9_007_199_254_740_991  # ms, the largest number that JSON's readers agree on


@pytest.mark.parametrize("field", ["timeout", "delay"])
def test_a_step_of_endless_time_ends_with_its_run(tmp_path: Path, field: str) -> None:
    """No time stamp overflows: what is sent has a week at most, what waits that long fails."""
    playbook = flow({"a1": act(1, on_completion="e0", **{field: LONGEST})})
    world = World(removes_duplicates=True, waiting=frozenset({"a1"}))
    home = node(tmp_path, playbook, world, terms=Terms(response_s=10 * 86_400))
    propose(home, playbook)
    assert only(home).state is State.EXECUTING
    home.tick(8 * 24 * 60)
    assert only(home).state is State.FAILED and world.words == []
    with home.engine.begin() as conn:
        called = [record for record in audit.read(conn) if record.kind == "person_called"]
    assert "LIMIT" in called[-1].content["reason"]


def test_a_playbook_cannot_name_the_owner_that_its_order_goes_to(tmp_path: Path) -> None:
    """Only a twin says so: properties of the same names in a target's or agent's definition are left out."""
    written = {"owner": "shop", "asset": "shop/host/web", "actuators": ["shop/service/x"]}
    name = step_id("net-address", 1)
    agents = {
        key: {**agent, **written}
        for key, agent in flow({"a1": act(1, on_completion="e0")}).raw["agent_definitions"].items()
    }
    playbook = flow(
        {"a1": act(1, on_completion="e0", targets=[name])},
        target_definitions={name: {"type": "individual", "name": "somebody", **written}},
        agent_definitions=agents,
    )
    world = World()
    home = node(tmp_path, playbook, world)
    propose(home, playbook)
    (order,) = world.sent
    assert order.owner == "edge" and not set(written) & {*order.target, *order.agent}


def test_what_somebody_works_on_is_asked_about_and_not_logged_at_every_tick(tmp_path: Path) -> None:
    """One record when it is sent, one when it is taken, one when it is done; the value that comes back goes on."""
    task = {"type": "manual", "command": "Count what is left"}
    playbook = flow(
        {
            "a1": act(1, commands=[task], on_completion="a2", out_args=["__count__"]),
            "a2": act(2, commands=[sends("__count__:value", "x")], on_completion="e0"),
        },
        variables=COUNT,
    )
    world = World(removes_duplicates=True, waiting=frozenset({"a1"}))
    home = node(tmp_path, playbook, world)
    propose(home, playbook)
    for _ in range(5):
        home.tick()
    assert (kinds(home).count("order"), kinds(home).count("pending"), kinds(home).count("outcome")) == (1, 1, 0)
    world.waiting = frozenset()
    home.tick()
    assert only(home).state is State.SUCCEEDED
    assert (world.sent[0].type, world.sent[0].command) == ("manual", {"text": "Count what is left"})
    assert world.sent[1].command["target"]["x-tocsin"]["x"] == "1"


def test_a_value_that_came_back_and_was_changed_by_hand_is_seen(tmp_path: Path) -> None:
    """The log holds its digest, not the value."""
    playbook = flow(
        {
            "a1": act(1, on_completion="a2", out_args=["__count__"]),
            "a2": act(2, on_completion="e0", delay=600_000),
        },
        variables=COUNT,
    )
    home = node(tmp_path, playbook, World())
    propose(home, playbook)
    changed = dict(only(home).run)
    assert changed["do"][0]["arguments"] == {"__count__": "1"} and "outcome" in kinds(home)
    changed["do"][0]["arguments"]["__count__"] = "2"
    with home.engine.begin() as conn:
        (outcome,) = [record for record in audit.read(conn) if record.kind == "outcome"]
        assert "arguments" not in outcome.content and len(outcome.content["returned"]) == 64
        conn.execute(sa.update(responses).values(run=changed))
    with home.engine.begin() as conn:
        assert not audit.verify(conn).is_whole


OTHER = step_id("playbook", 501)
TAKEN = {
    "__target__": {"type": "string", "value": "t"}, "__response__": {"type": "string", "value": "r"},
    "__actuator__": {"type": "uri", "value": "urn:x:y"},
}  # fmt: skip
CALLED = flow({"a7": act(7, undo=True, on_completion="e7")}, "a7", variables=TAKEN, id=OTHER)
WHOLE = flow(
    {
        "p1": {"type": "parallel", "next_steps": ["a1", "a2"], "on_completion": "w1"},
        "a1": act(1, undo=True, on_completion="e1"),
        "a2": act(2, undo=True, commands=[sends(2, "do"), sends(3, "do")], on_completion="e2"),
        "w1": {"type": "while-condition", "condition": "__count__:value < 2", "on_true": "a3", "on_completion": "c1"},
        "a3": act(3, undo=True, on_completion="e3", out_args=["__count__"]),
        "c1": {"type": "playbook-action", "playbook_id": OTHER, "on_completion": "a4"},
        "a4": act(4, on_completion="e0"),
    },
    "p1",
    variables=COUNT,
)
SENT = ["a1", "a2", "a2", "a3", "a3", "a7", "a4"]


def test_a_whole_playbook_is_carried_out(tmp_path: Path) -> None:
    """Parallel, loop, call: every order once."""
    world = World()
    home = node(tmp_path, WHOLE, world, others=(CALLED,))
    propose(home, WHOLE)
    assert world.words == SENT and only(home).state is State.SUCCEEDED
    assert len({order.key for order in world.sent}) == len(SENT)


@pytest.mark.parametrize("after", range(1, len(SENT) + 1))
def test_a_crash_at_any_point_repeats_no_order(tmp_path: Path, after: int) -> None:
    """The node dies after an order took effect and before it wrote so; the next one asks first, and goes on."""
    world = World(crash_after=after)
    home = node(tmp_path, WHOLE, world, others=(CALLED,))
    with pytest.raises(KeyboardInterrupt):
        propose(home, WHOLE)
    home.engine.dispose()
    home = node(tmp_path, WHOLE, world, others=(CALLED,))
    home.tick(2)
    assert world.words == SENT and len({order.key for order in world.sent}) == len(SENT)
    assert kinds(home).count("outcome") == len(SENT) and only(home).state is State.SUCCEEDED


def test_a_run_that_fails_late_takes_back_all_of_it(tmp_path: Path) -> None:
    """Calls, iterations and branches, last first."""
    world = World()
    carry_out = world.carry_out

    def refusing(order: Order) -> Outcome:
        world.refuse = frozenset({"set"} if word(order) == "a4" else ())
        return carry_out(order)

    world.carry_out = refusing  # type: ignore[method-assign]
    home = node(tmp_path, WHOLE, world, others=(CALLED,))
    propose(home, WHOLE)
    assert world.words == [*SENT[:-1], "-a7", "-a3", "-a3", "-a2", "-a1"] and only(home).state is State.UNDONE


def test_a_called_playbook_acts_only_where_it_is_active_too(tmp_path: Path) -> None:
    """The response's own being active is not enough."""
    world = World()
    home = node(tmp_path, WHOLE, world, others=(CALLED,), is_active=lambda name, _owner: name != digest(CALLED))
    propose(home, WHOLE)
    assert "a7" not in world.words and world.words[-1] == "-a1" and only(home).state is State.UNDONE


def test_commands_of_other_types_come_with_their_values_beside_them(tmp_path: Path) -> None:
    """To the owner of the target; with the time that is left."""
    command = {"type": "bash", "command": "collect __target__:value"}
    playbook = flow({"a1": act(1, commands=[command], on_completion="e0", timeout=90_000)})
    world = World()
    home = node(tmp_path, playbook, world)
    propose(home, playbook)
    (order,) = world.sent
    assert (order.type, order.owner, order.timeout_s) == ("bash", "edge", 90.0)
    assert (order.command, order.arguments) == ({"text": "collect __target__:value"}, {"__target__": GATEWAY})
    assert order.agent["address"] == {"url": ["urn:tocsin:actuator:edge"]}


def test_an_order_has_a_bounded_time_where_the_playbook_names_none(tmp_path: Path) -> None:
    """That of the terms, also for an undo: a tick waits for it. A person has longer; a time that is named stands."""
    bash, task = ({"type": kind, "command": "look"} for kind in ("bash", "manual"))
    playbook = flow({
        "a1": act(1, undo=True, on_completion="a2", commands=[bash]), "a2": act(2, on_completion="a3", commands=[task]),
        "a3": act(3, on_completion="p1", commands=[bash], timeout=7_200_000),
        "p1": {"type": "parallel", "next_steps": ["a4", "a6"], "on_completion": "a5", "timeout": 1_800_000},
        "a4": act(4, on_completion="e4", commands=[bash]), "a6": act(6, on_completion="e6", commands=[bash]),
        "a5": act(5, on_completion="e0", commands=[bash]),
    })  # fmt: skip
    world = World()
    home = node(tmp_path, playbook, world, terms=Terms(order_s=45))
    propose(home, playbook)
    home.node.want_undo(caller("edge"), only(home).id)
    home.tick()
    assert [order.timeout_s for order in world.sent] == [45, 86_400, 7_200, 1_800, 1_800, 45, 45]
    assert Terms().order_s == 300


@pytest.mark.parametrize(("timeout", "bound"), [(7_200_000, 7_200), (10_000, 45), (0, 45), (2**50, 604_800)])
def test_an_undo_has_the_time_that_its_step_names(tmp_path: Path, timeout: int, bound: float) -> None:
    """From when it is sent, however long ago the step was done; never less than the terms, never longer than a run."""
    bash = {"type": "bash", "command": "look"}
    playbook = flow({"a1": act(1, undo=True, on_completion="e0", commands=[bash], timeout=timeout)})
    world = World()
    home = node(tmp_path, playbook, world, terms=Terms(order_s=45))
    propose(home, playbook)
    home.tick(600)
    home.node.want_undo(caller("edge"), only(home).id)
    home.tick()
    assert world.words == ["a1", "-a1"] and world.sent[1].timeout_s == bound
    assert only(home).state is State.UNDONE


def test_what_the_twin_resolves_to_assets_of_others_is_not_acted_on(tmp_path: Path) -> None:
    """Their owner was not asked."""
    target = {step_id("net-address", 1): {"type": "group", "name": "nobody"}}
    group = {step_id("security-category", 1): {"type": "security-category", "name": "e", "category": ["endpoint"]}}
    for targets, sent in ((group, ["a1"]), (target, [])):
        playbook = flow({"a1": act(1, on_completion="e0", targets=list(targets))}, target_definitions=targets)
        world = World()
        home = node(tmp_path / str(len(sent)), playbook, world)
        propose(home, playbook)
        assert world.words == sent and only(home).state is State.FAILED
