"""Between two orders: grounds that are gone, crashes, owners that are away, restarts."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tocsin.orchestrator.actuators.base import Order, Outcome
from tocsin.orchestrator.lifecycle import State
from tocsin.orchestrator.proposals import Verification
from tocsin.orchestrator.records import list_responses
from tocsin.tests.orchestrator.fakes import (
    CONTROLLER,
    GATEWAY,
    FakeActuator,
    at_once,
    chain,
    house,
    isolate,
)
from tocsin.tests.orchestrator.node_steps import caller, calls, kinds, only


def test_what_is_being_carried_out_stops_when_its_grounds_are_gone(tmp_path: Path) -> None:
    """The guard judges again before each run of orders; what may have been done by then is taken back."""
    for reason, days in (("playbook_not_active", 0), ("time ran out", 3)):
        home = house(tmp_path / reason, twin=chain(at_once("edge")), actuator=FakeActuator(away=1))
        home.advisor.proposals = [isolate()]
        home.tick()
        home.advisor.proposals = []
        assert only(home).state is State.EXECUTING
        if not days:
            object.__setattr__(home.node._workflow.office, "is_active", lambda _playbook, _owner: False)
        home.tick(1 + days * 24 * 60)
        assert only(home).state is State.UNDONE and home.actuator.actions == ["allow"]
        assert reason in calls(home)[-1]


def test_kill_switch_stops_between_two_orders(tmp_path: Path) -> None:
    """Set while a tick is sending orders, from another thread, it stops the next order."""
    actuator = FakeActuator()
    home = house(tmp_path, twin=chain(at_once("edge")), actuator=actuator)
    home.advisor.proposals = [isolate()]
    carry_out = actuator.carry_out

    def slow(order: Order) -> Outcome:
        switch = threading.Thread(target=home.node.set_kill_switch, args=(caller("edge"),), kwargs={"on": True})
        switch.start()
        switch.join(10)
        assert not switch.is_alive()
        return carry_out(order)

    actuator.carry_out = slow  # type: ignore[method-assign]
    home.tick()
    assert actuator.actions == ["deny"] and only(home).state is State.EXECUTING


def test_a_playbook_withdrawn_between_two_orders_sends_no_more(tmp_path: Path) -> None:
    """The guard judges before each order, not only before each run; what was done is taken back."""
    actuator = FakeActuator()
    home = house(tmp_path, twin=chain(at_once("edge")), actuator=actuator)
    object.__setattr__(home.node._workflow.office, "is_active", lambda _playbook, _owner: not actuator.sent)
    home.advisor.proposals = [isolate()]
    home.tick()
    assert actuator.actions == ["deny"]
    home.tick()
    assert only(home).state is State.UNDONE and actuator.actions == ["deny", "allow"]
    assert "playbook_not_active" in calls(home)[-1] and "undo_wanted" in kinds(home)


def test_crash_in_the_middle_repeats_nothing(tmp_path: Path) -> None:
    """A node killed after its order took effect, before it wrote so, goes on where it was: each order once."""
    actuator = FakeActuator(crash_after=1)
    home = house(tmp_path, twin=chain(at_once("edge")), actuator=actuator)
    home.advisor.proposals = [isolate()]
    with pytest.raises(KeyboardInterrupt):
        home.tick()
    home.engine.dispose()
    again = house(tmp_path, twin=chain(at_once("edge")), actuator=actuator)
    assert only(again).state is State.EXECUTING
    again.tick(2)
    assert only(again).state is State.SUCCEEDED and actuator.actions == ["deny", "set"]
    assert kinds(again).count("outcome") == 2


def test_order_that_finds_nobody_is_tried_at_the_next_tick(tmp_path: Path) -> None:
    """An actuator that is away for a while delays a response; one that stays away fails it."""
    for away, state in ((2, State.SUCCEEDED), (9, State.FAILED)):
        home = house(tmp_path / str(away), twin=chain(at_once("edge")), actuator=FakeActuator(away=away))
        home.advisor.proposals = [isolate()]
        home.tick()
        home.advisor.proposals = []
        assert only(home).state is State.EXECUTING
        home.tick()
        home.tick()
        assert only(home).state is state


def test_fault_in_one_response_does_not_hold_up_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the advisor cannot rehearse one proposal, or not even look, the others go on; the fault is not hidden."""
    home = house(tmp_path, twin=chain(at_once("edge")))
    rehearse = home.advisor.rehearse

    def fails_on_gateway(proposal: Any) -> Any:
        if GATEWAY in proposal.targets:
            raise RuntimeError("cannot rehearse")
        return rehearse(proposal)

    monkeypatch.setattr(home.advisor, "rehearse", fails_on_gateway)
    home.advisor.proposals = [isolate(GATEWAY), isolate(CONTROLLER)]
    with pytest.raises(ExceptionGroup, match="could not be brought on"):
        home.tick()
    with home.engine.begin() as conn:
        states = {row.targets[0]: row.state for row in list_responses(conn)}
    assert states == {GATEWAY: State.PROPOSED, CONTROLLER: State.SUCCEEDED}


@pytest.mark.parametrize("hold_s", [0.0, 3600.0])
def test_after_a_restart_the_advisor_knows_what_holds(tmp_path: Path, hold_s: float) -> None:
    """A new process tells its advisor which responses hold and until when; what is not verified is only under way."""
    home = house(tmp_path, twin=chain(at_once("edge")), hold_s=hold_s)
    home.advisor.proposals, home.advisor.verification = [isolate()], Verification.PENDING
    home.tick()
    again = house(tmp_path, hold_s=hold_s).advisor
    assert (again.holds, again.recalls) == ({(GATEWAY,): True}, {})
    home.advisor.verification = Verification.CONFIRMED
    until = home.node.clock.now() + timedelta(seconds=hold_s) if hold_s else None
    home.tick()
    again = house(tmp_path, hold_s=hold_s).advisor
    assert (again.holds, again.recalls) == ({}, {(GATEWAY,): until})
