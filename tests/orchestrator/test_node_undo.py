"""What becomes of a response: confirmed or not, failed, undone, and a person called."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tocsin.orchestrator import executing
from tocsin.orchestrator.actuators.base import Order, Outcome, Unavailable
from tocsin.orchestrator.lifecycle import State
from tocsin.orchestrator.proposals import Verification
from tocsin.orchestrator.records import list_responses
from tocsin.orchestrator.store import READS
from tocsin.playbooks.cacao import PlaybookError
from tocsin.tests.orchestrator.fakes import (
    FakeActuator,
    House,
    ListScript,
    at_once,
    chain,
    house,
    isolate,
)
from tocsin.tests.orchestrator.node_steps import caller, calls, kinds, only


@pytest.mark.parametrize(
    ("said", "minutes", "state"),
    [
        (Verification.PENDING, 1, State.VERIFYING),
        (Verification.PENDING, 20, State.FAILED),
        (Verification.CONTRADICTED, 1, State.FAILED),
    ],
)
def test_success_is_only_what_telemetry_confirms(
    tmp_path: Path, said: Verification, minutes: float, state: State
) -> None:
    """Without confirmation a response is not a success; contradicted or too long unconfirmed it failed."""
    home = house(tmp_path, twin=chain(at_once("edge")))
    home.advisor.proposals, home.advisor.verification = [isolate()], said
    home.tick()
    home.advisor.proposals = []
    home.tick(minutes)
    assert only(home).state is state
    assert ("person_called" in kinds(home)) is (state is State.FAILED)


def test_failed_undo_calls_a_person(tmp_path: Path) -> None:
    """An undo that the other side refuses ends in `failed`, with the owner's contact on record; it can be retried."""
    home = house(tmp_path, twin=chain(at_once("edge")))
    home.advisor.proposals = [isolate()]
    home.tick()
    home.advisor.proposals, home.actuator.refuse = [], frozenset({"allow"})
    home.node.want_undo(caller("edge"), only(home).id)
    home.tick()
    assert only(home).state is State.FAILED and "person_called" in kinds(home)
    home.actuator.refuse = frozenset()
    home.node.want_undo(caller("edge"), only(home).id)
    home.tick()
    assert only(home).state is State.UNDONE and home.actuator.actions == ["deny", "set", "restore", "allow"]


@pytest.mark.parametrize("wanted", [True, False])
def test_an_undo_that_finds_nobody_goes_on_until_somebody_is_there(tmp_path: Path, wanted: bool) -> None:
    """Over restarts, for a wish as for a time that is over; a person is called once; tries grow rarer."""
    home = house(tmp_path, twin=chain(at_once("edge")), hold_s=0 if wanted else 600)
    home.advisor.proposals = [isolate()]
    home.tick()
    home.advisor.proposals, home.actuator.away = [], 1_000
    if wanted:
        home.node.want_undo(caller("edge"), only(home).id)
    else:
        home.tick(10)
    for _ in range(600):
        home.tick(1 / 60)
    tries = 1_000 - home.actuator.away
    assert only(home).state is State.SUCCEEDED and len(calls(home)) == 1 and "nobody there" in calls(home)[0]
    assert 10 <= tries <= 14 and kinds(home).count("order") == 2 + tries
    now = home.node.clock.now()
    home = house(tmp_path, twin=chain(at_once("edge")), hold_s=0 if wanted else 600, actuator=home.actuator)
    home.node.tick(now + timedelta(minutes=6))
    assert only(home).state is State.SUCCEEDED and len(calls(home)) == 1
    home.actuator.away = 0
    home.tick(6)
    assert only(home).state is State.UNDONE and home.actuator.actions == ["deny", "set", "restore", "allow"]
    assert (only(home).undo_wanted, only(home).holds_until) == ("", "") and len(calls(home)) == 1


class NeverRepeats(FakeActuator):
    """An actuator that sends no key twice, as those with a journal."""

    def carry_out(self, order: Order) -> Outcome:
        """Lose the first answer to `restore`, and send its key never again."""
        if order.command["action"] == "restore" and order.key.endswith("/1"):
            raise Unavailable(f"order {order.key}: not repeated, look there")
        return super().carry_out(order)


def test_a_person_who_looked_has_an_undo_sent_anew(tmp_path: Path) -> None:
    """Before the call one more wish changes nothing; after it, one lets the order go out under a new key, once."""
    home = house(tmp_path, twin=chain(at_once("edge")), actuator=NeverRepeats())
    home.advisor.proposals = [isolate()]
    home.tick()
    home.advisor.proposals = []
    for _ in range(3):
        home.node.want_undo(caller("edge"), only(home).id)
        assert (kinds(home).count("undo_wanted"), calls(home)) == (1, [])
        home.tick()
    assert len(calls(home)) == 1 and home.actuator.actions == ["deny", "set"]
    for _ in range(2):
        home.node.want_undo(caller("edge"), only(home).id)
        assert kinds(home).count("undo_wanted") == 2
    home.tick()
    assert only(home).state is State.UNDONE and home.actuator.actions == ["deny", "set", "restore", "allow"]
    assert [order.key.rsplit("/", 1)[1] for order in home.actuator.sent] == ["1", "1", "2", "1"]
    assert len(calls(home)) == 1


def test_response_is_undone_when_its_time_to_hold_is_over(tmp_path: Path) -> None:
    """A playbook that holds for ten minutes is taken back by itself after ten minutes."""
    home = house(tmp_path, twin=chain(at_once("edge")), hold_s=600)
    home.advisor.proposals = [isolate()]
    home.tick()
    home.advisor.proposals = []
    home.tick(9)
    assert only(home).state is State.SUCCEEDED
    home.tick(1)
    assert only(home).state is State.UNDONE


def test_what_was_not_confirmed_is_undone_all_the_same_when_its_time_is_over(tmp_path: Path) -> None:
    """A temporary measure whose effect nobody reported may stand all the same: it does not stay for good."""
    home = house(tmp_path, twin=chain(at_once("edge")), hold_s=3600)
    home.advisor.proposals, home.advisor.verification = [isolate()], Verification.PENDING
    home.tick()
    home.advisor.proposals = []
    home.tick(30)
    assert only(home).state is State.FAILED
    home.tick(31)
    assert only(home).state is State.UNDONE and home.actuator.actions[-1] == "allow"


def test_an_order_whose_answer_is_lost_is_taken_back_too(tmp_path: Path) -> None:
    """It may have taken effect: undo covers it while it is being carried out."""
    actuator = FakeActuator(loses=True, removes_duplicates=True)
    home = house(tmp_path, twin=chain(at_once("edge")), actuator=actuator)
    home.advisor.proposals = [isolate()]
    home.tick()
    home.advisor.proposals = []
    assert only(home).state is State.EXECUTING and actuator.actions == ["deny"]
    actuator.loses = False
    home.node.want_undo(caller("edge"), only(home).id)
    home.tick()
    assert only(home).state is State.UNDONE and actuator.actions == ["deny", "allow"]


@pytest.mark.parametrize("lost", [False, True])
def test_a_run_that_failed_takes_back_what_it_did_by_itself(tmp_path: Path, lost: bool) -> None:
    """A refused second step undoes the first; three lost answers of a step undo that step. A person is called."""
    actuator = LosesDeny(removes_duplicates=True) if lost else FakeActuator(refuse=frozenset({"set"}))
    home = house(tmp_path, twin=chain(at_once("edge")), actuator=actuator)
    home.advisor.proposals = [isolate()]
    home.tick()
    home.advisor.proposals = []
    for _ in range(2 * lost):
        assert only(home).state is State.EXECUTING
        home.tick()
    assert only(home).state is State.UNDONE and actuator.actions == ["deny", "allow"]
    assert {"person_called", "undo_wanted"} <= set(kinds(home))


def test_a_node_that_dies_when_a_run_fails_takes_it_back_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure and the wish are one transaction: torn in between, neither is kept, and the next tick does both."""
    home = house(tmp_path, twin=chain(at_once("edge")), actuator=FakeActuator(refuse=frozenset({"set"})))
    home.advisor.proposals = [isolate()]

    class PowerCutError(Exception):
        pass

    told = executing.update_response

    def torn(conn: Any, response: str, **changed: Any) -> None:
        if "undo_wanted" in changed:
            raise PowerCutError
        told(conn, response, **changed)

    monkeypatch.setattr(executing, "update_response", torn)
    with pytest.raises(ExceptionGroup):
        home.tick()
    assert only(home).state is State.EXECUTING
    assert home.actuator.actions == ["deny"]
    monkeypatch.setattr(executing, "update_response", told)
    home.advisor.proposals = []
    home.tick()
    assert only(home).state is State.UNDONE
    assert home.actuator.actions == ["deny", "allow"]


def test_a_run_whose_undo_cannot_be_told_calls_a_person(tmp_path: Path) -> None:
    """It failed after a step; how that is taken back cannot be made out: this is a failed undo, not none."""

    class NoWayBack(ListScript):
        def undo_orders(self, *_args: Any, **_more: Any) -> Any:
            raise PlaybookError("its undo needs a value that is gone; give it")

    script = NoWayBack()
    home = house(tmp_path, twin=chain(at_once("edge")), actuator=FakeActuator(refuse=frozenset({"set"})), script=script)
    home.advisor.proposals = [isolate()]
    home.tick()
    assert only(home).state is State.FAILED and home.actuator.actions == ["deny"]
    assert "needs a value that is gone" in calls(home)[-1] and len(calls(home)) == 2
    assert (only(home).undo_wanted, "undo_wanted" in kinds(home)) == ("", True)


class LosesDeny(FakeActuator):
    """An actuator whose answers to `deny` are lost; it does a key once."""

    def carry_out(self, order: Order) -> Outcome:
        """Do it, and lose the answer to `deny`."""
        self.loses = order.command["action"] == "deny"
        if not self.loses and order.key in self.done:
            return Outcome(200, "done before")
        return super().carry_out(order)


class KilledError(BaseException):
    """The process is gone: nothing of ours catches it."""


@pytest.mark.parametrize("lost", [False, True], ids=["refused", "answers lost"])
def test_a_node_killed_before_any_write_of_a_failing_run_leaves_nothing_done(tmp_path: Path, lost: bool) -> None:
    """Killed before its first, second ... commit, and started again: the run fails all the same, and is taken back."""
    number, was_killed = 0, True
    while was_killed:
        number += 1
        path = tmp_path / str(number)
        actuator = LosesDeny(removes_duplicates=True) if lost else FakeActuator(refuse=frozenset({"set"}))
        home = house(path, twin=chain(at_once("edge")), actuator=actuator)
        home.advisor.proposals = [isolate()]
        left = number

        def kill(conn: sa.Connection) -> None:
            nonlocal left
            left -= not conn.get_execution_options().get(READS)
            if left == 0:
                raise KilledError

        sa.event.listen(home.engine, "commit", kill)
        try:
            for _ in range(4):
                home.tick()
            was_killed = False
        except KilledError:
            was_killed = True
        sa.event.remove(home.engine, "commit", kill)
        now = home.node.clock.now()
        home = house(path, twin=chain(at_once("edge")), actuator=actuator)
        home.advisor.proposals = [isolate()] if not _proposed(home) else []
        home.node.tick(now + timedelta(minutes=1))
        home.advisor.proposals = []
        for _ in range(4):
            home.tick()
        assert only(home).state is State.UNDONE and actuator.actions == ["deny", "allow"], f"before commit {number}"
        assert "undo_wanted" in kinds(home)
    assert number > 8  # commits: the proposal, its way to the start, each order and outcome, the failure, the undo


def _proposed(home: House) -> bool:
    with home.engine.begin() as conn:
        return bool(list_responses(conn))
