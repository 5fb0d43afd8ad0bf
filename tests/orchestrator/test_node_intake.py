"""What comes into a node: proposals, events, and what is refused of them."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tocsin.orchestrator import node as node_module
from tocsin.orchestrator.actuators.base import Order, Outcome
from tocsin.orchestrator.lifecycle import IllegalTransition, State
from tocsin.orchestrator.node import ForeignAsset, NotInView, Overloaded
from tocsin.orchestrator.proposing import ProposalRefused
from tocsin.tests.orchestrator.fakes import (
    CONTROLLER,
    GATEWAY,
    ISOLATE,
    METER,
    WEB,
    FakeActuator,
    at_once,
    chain,
    house,
    isolate,
    ocsf,
)
from tocsin.tests.orchestrator.node_steps import caller, kinds, only
from tocsin.twin.sensing.events import parse_event


def test_same_proposal_is_not_repeated(tmp_path: Path) -> None:
    """What is under way, or came to nothing just now, is not proposed again at every tick."""
    home = house(tmp_path)
    home.advisor.proposals, home.advisor.losses = [isolate()], (1.0, 2.0)
    for _ in range(9):
        home.tick()
    assert only(home).state is State.AWAITING_CONSENT


def test_events_are_about_ones_own_assets_only(tmp_path: Path) -> None:
    """An owner's sensor cannot speak of another's asset; nothing of such a batch is taken."""
    home = house(tmp_path)
    events = [parse_event(ocsf("1", GATEWAY)), parse_event(ocsf("2", WEB))]
    with pytest.raises(ForeignAsset, match="event 1"):
        home.node.take_events(caller("edge"), events)
    home.tick()
    assert home.advisor.observed == []


def test_events_become_findings_once(tmp_path: Path) -> None:
    """Events reach the advisor at the next tick; a finding that comes twice is kept once."""
    home = house(tmp_path)
    for _ in range(2):
        assert home.node.take_events(caller("edge"), [parse_event(ocsf("1", GATEWAY))]) == 1
        home.tick()
    assert len(home.advisor.observed) == 2 and kinds(home) == ["findings"]


def test_person_proposes_within_its_view(tmp_path: Path) -> None:
    """A person proposes on what it sees; twice the same, another kind or a hidden target is refused."""
    home = house(tmp_path)
    made = home.node.propose(caller("edge"), playbook=ISOLATE, targets=[GATEWAY], reason="looks odd")
    assert made.state is State.PROPOSED and made.proposer == "edge"
    with pytest.raises(ProposalRefused, match="does the same"):
        home.node.propose(caller("edge"), playbook=ISOLATE, targets=[GATEWAY], reason="")
    with pytest.raises(NotInView):
        home.node.propose(caller("edge"), playbook=ISOLATE, targets=[METER], reason="")
    with pytest.raises(ProposalRefused, match="is a device"):
        home.node.propose(caller("meter"), playbook=ISOLATE, targets=[METER], reason="")


def test_only_what_was_carried_out_can_be_undone(tmp_path: Path) -> None:
    """Undo before the start is refused, and so is an undo by an owner who is only notified."""
    home = house(tmp_path)
    home.advisor.proposals = [isolate()]
    home.tick()
    with pytest.raises(IllegalTransition, match="awaiting_consent"):
        home.node.want_undo(caller("edge"), only(home).id)
    with pytest.raises(PermissionError, match="owns no target"):
        home.node.want_undo(caller("shop"), only(home).id)


def test_one_owner_cannot_fill_anothers_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that wait are counted per owner; the next tick makes room."""
    monkeypatch.setattr(node_module, "MAX_PENDING", 2)
    home = house(tmp_path)
    flood, mine = [parse_event(ocsf(f"m{n}", METER)) for n in range(3)], ocsf("e", GATEWAY)
    home.node.take_events(caller("meter"), flood[:2])
    with pytest.raises(Overloaded, match="2 events of 'meter'"):
        home.node.take_events(caller("meter"), flood[2:])
    assert home.node.take_events(caller("edge"), [parse_event(mine)]) == 1
    home.tick()
    assert home.node.take_events(caller("meter"), flood[2:]) == 1


def test_a_store_that_fails_loses_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that could not be counted are not kept; findings that could not be stored are stored at the next tick."""
    home = house(tmp_path)
    event = parse_event(ocsf("e", GATEWAY))

    def locked(*_given: object) -> int:
        raise sa.exc.OperationalError("insert", {}, Exception("database is locked"))

    with monkeypatch.context() as broken, pytest.raises(sa.exc.OperationalError):
        broken.setattr(node_module, "count_events", locked)
        home.node.take_events(caller("edge"), [event])
    home.node.take_events(caller("edge"), [event])
    with monkeypatch.context() as broken, pytest.raises(sa.exc.OperationalError):
        broken.setattr(node_module, "insert_findings", locked)
        home.tick()
    assert home.advisor.observed == [event]
    assert home.node.tick(home.node.clock.now() + timedelta(minutes=1)).findings == 1


def test_events_that_were_acknowledged_outlive_the_node(tmp_path: Path) -> None:
    """A node that dies before its next tick is followed by one that observes them, once, and counts them as waiting."""
    home = house(tmp_path)
    events = [parse_event(ocsf(f"e{n}", GATEWAY)) for n in range(3)]
    home.node.take_events(caller("edge"), events)
    home.engine.dispose()
    again = house(tmp_path)
    assert again.node._waiting["edge"] == 3
    again.tick()
    again.tick()
    assert again.advisor.observed == events and house(tmp_path).node._waiting["edge"] == 0


def test_an_event_that_breaks_the_advisor_is_not_tried_at_every_tick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One poisoned event costs its own batch, not all that come after."""
    home = house(tmp_path)
    home.node.take_events(caller("meter"), [parse_event(ocsf("poison", METER))])

    def breaks(*_given: object) -> Any:
        raise RuntimeError("poisoned")

    with monkeypatch.context() as broken, pytest.raises(RuntimeError, match="poisoned"):
        broken.setattr(home.advisor, "observe", breaks)
        home.tick()
    home.node.take_events(caller("edge"), [parse_event(ocsf("e", GATEWAY))])
    home.tick()
    assert [event.uid for event in home.advisor.observed] == ["e"]


def test_nobody_waits_for_a_slow_actuator(tmp_path: Path) -> None:
    """While an order is under way: propose, read belief, consent and want an undo; the undo stops the next order."""
    actuator, done = FakeActuator(), list[object]()
    home = house(tmp_path, twin=chain(at_once("edge")), actuator=actuator)
    home.advisor.proposals = [isolate()]
    carry_out, edge = actuator.carry_out, caller("edge")

    def meanwhile(response: str) -> None:
        done.append(home.node.belief(edge))
        done.append(home.node.propose(edge, playbook=ISOLATE, targets=[CONTROLLER], reason=""))
        done.append(home.node.want_undo(edge, response))

    def slow(order: Order) -> Outcome:
        if not done:
            other = threading.Thread(target=meanwhile, args=(order.key.split("/")[0],))
            other.start()
            other.join(10)
        return carry_out(order)

    actuator.carry_out = slow  # type: ignore[method-assign]
    home.tick()
    assert len(done) == 3 and actuator.actions == ["deny", "allow"]
