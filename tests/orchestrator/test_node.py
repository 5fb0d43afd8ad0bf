"""From finding to outcome: a node rehearses, asks, acts within its bounds, verifies and undoes."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tocsin.orchestrator import audit
from tocsin.orchestrator import node as node_module
from tocsin.orchestrator.actuators.base import Order, Outcome, Unavailable
from tocsin.orchestrator.client import binding_of
from tocsin.orchestrator.consent import ConsentRefused, Decision, sign
from tocsin.orchestrator.guard import Budget
from tocsin.orchestrator.identity import Caller, Role
from tocsin.orchestrator.lifecycle import IllegalTransition, State
from tocsin.orchestrator.node import ForeignAsset, NotInView, Overloaded
from tocsin.orchestrator.proposals import Verification
from tocsin.orchestrator.proposing import ProposalRefused
from tocsin.orchestrator.records import Response, list_consents, list_responses
from tocsin.orchestrator.store import consents
from tocsin.orchestrator.terms import Terms
from tocsin.playbooks.cacao import PlaybookError
from tocsin.tests.orchestrator.fakes import (
    CONTROLLER,
    GATEWAY,
    ISOLATE,
    METER,
    WEB,
    FakeActuator,
    House,
    ListScript,
    at_once,
    chain,
    cut,
    house,
    isolate,
    ocsf,
)
from tocsin.twin.graph import Asset, ConsentRule, Link, Twin
from tocsin.twin.sensing.events import parse_event
from tocsin.twin.vocabulary import AssetKind, ConsentClass, ConsentMode, LinkKind, Proposer


def caller(owner: str) -> Caller:
    """Give a caller who may do what owners may."""
    return Caller(owner, frozenset({Role.SENSOR, Role.VIEWER, Role.APPROVER}))


def only(home: House) -> Response:
    """Give the one response there is."""
    with home.engine.begin() as conn:
        (row,) = list_responses(conn)
    return row


def signed(home: House, owner: str, decision: Decision = Decision.APPROVE, *, by: str | None = None) -> str:
    """Sign an answer to the one response as an owner would, from what it is shown."""
    by = by or owner
    row, now = only(home), home.node.clock.now()
    binding = binding_of(home.node.view(caller(row.owners[0])).response(row))
    hour = timedelta(hours=1)
    return sign(binding, decision, home.key(by), owner=owner, person=f"approver@{by}", time=now, expiry=now + hour)


def kinds(home: House) -> list[str]:
    """Give the kinds of all audit records."""
    with home.engine.begin() as conn:
        assert audit.verify(conn).is_whole
        return [record.kind for record in audit.read(conn)]


def test_response_across_owners_goes_all_the_way(tmp_path: Path) -> None:
    """Proposed, rehearsed, consented to by both owners, carried out, verified, undone, with a whole audit log."""
    home = house(tmp_path)
    home.advisor.proposals = [cut()]
    home.tick()
    assert only(home).state is State.AWAITING_CONSENT and home.actuator.sent == []
    for owner in ("edge", "shop"):
        home.node.consent(caller(owner), only(home).id, signed(home, owner))
    home.tick()
    assert only(home).state is State.SUCCEEDED and home.actuator.actions == ["deny"]
    assert home.advisor.holds[only(home).targets] is True
    home.node.want_undo(caller("shop"), only(home).id)
    home.advisor.proposals = []
    home.tick()
    assert only(home).state is State.UNDONE and home.actuator.actions == ["deny", "allow"]
    assert home.advisor.holds[only(home).targets] is False
    assert {"proposed", "consent", "order", "outcome", "transition", "undo_wanted"} <= set(kinds(home))


def test_one_of_two_owners_is_not_enough(tmp_path: Path) -> None:
    """While an owner has not answered nothing happens, and in the end the response expires."""
    home = house(tmp_path)
    home.advisor.proposals = [cut()]
    home.tick()
    home.node.consent(caller("edge"), only(home).id, signed(home, "edge"))
    home.tick(30)
    assert only(home).state is State.AWAITING_CONSENT
    home.advisor.proposals = []
    home.tick(31)
    assert only(home).state is State.EXPIRED and home.actuator.sent == []


def test_nobody_consents_for_another_owner(tmp_path: Path) -> None:
    """A third owner cannot even see it; another owner's key counts for nothing under any name."""
    home = house(tmp_path)
    home.advisor.proposals = [isolate()]
    home.tick()
    with pytest.raises(NotInView):
        home.node.consent(caller("meter"), only(home).id, signed(home, "meter"))
    for owner, reason in (("shop", "not_an_owner_of_targets"), ("edge", "wrong_signer")):
        with pytest.raises(ConsentRefused) as refused:
            home.node.consent(caller("shop"), only(home).id, signed(home, owner, by="shop"))
        assert refused.value.reason == reason
    home.tick()
    assert only(home).state is State.AWAITING_CONSENT


def test_a_renewed_approval_holds_as_long_as_it_says(tmp_path: Path) -> None:
    """The same person signs again with a later expiry, also once approved; an older signature does not shorten it."""
    home = house(tmp_path, terms=Terms(budgets={"edge": Budget(0, 1.0)}, response_s=1e5, fresh_s=1e5))
    home.advisor.proposals = [isolate()]
    home.tick()
    home.advisor.proposals = []
    first = signed(home, "edge")
    home.node.consent(caller("edge"), only(home).id, first)
    home.tick(50)
    assert (only(home).state, only(home).blocked) == (State.APPROVED, "budget_spent")
    for jws in (signed(home, "edge"), first):
        home.node.consent(caller("edge"), only(home).id, jws)
    home.tick(0.5)
    home.node.consent(caller("edge"), only(home).id, signed(home, "edge"))  # half a minute is not worth a record
    assert kinds(home).count("consent") == 2
    home.tick(50)
    assert only(home).state is State.APPROVED
    home.tick(50)
    assert only(home).state is State.EXPIRED


def test_an_order_goes_to_owners_who_were_asked_only(tmp_path: Path) -> None:
    """An interpreter that sends an order elsewhere is stopped before it goes out."""
    home = house(tmp_path, twin=chain(at_once("edge")))
    script = home.node.script

    class Stray:
        def __getattr__(self, name: str) -> Any:
            return getattr(script, name)

        def next_order(self, *given: Any) -> Any:
            order = script.next_order(*given)
            return order and replace(order, owner="shop")

    object.__setattr__(home.node._workflow, "script", Stray())
    home.advisor.proposals = [isolate()]
    home.tick()
    assert only(home).state is State.FAILED and home.actuator.sent == []


def test_denial_ends_it(tmp_path: Path) -> None:
    """An owner's no ends the response, also after its yes, as long as nothing was started."""
    home = house(tmp_path)
    home.advisor.proposals = [cut()]
    home.tick()
    home.node.consent(caller("edge"), only(home).id, signed(home, "edge"))
    home.node.consent(caller("edge"), only(home).id, signed(home, "edge", Decision.DENY))
    home.advisor.proposals = []
    home.tick()
    assert only(home).state is State.DENIED and home.actuator.sent == []


def test_rule_at_once_needs_two_sources(tmp_path: Path) -> None:
    """By the owner's rule the node acts alone on two sources, and asks a person on one."""
    for sources, state in ((2, State.SUCCEEDED), (1, State.AWAITING_CONSENT)):
        home = house(tmp_path / str(sources), twin=chain(at_once("edge")))
        home.advisor.proposals = [isolate(sources=sources)]
        home.tick()
        assert only(home).state is state


def test_rule_for_safety_is_never_automatic(tmp_path: Path) -> None:
    """A consent table that says `at once` for the safety class does not make it automatic."""
    home = house(tmp_path, twin=chain(at_once("edge", ConsentClass.SAFETY)))
    shelved = home.node.shelf[ISOLATE]
    home.node.shelf[ISOLATE] = replace(  # type: ignore[index]
        shelved, effect=replace(shelved.effect, consent_class=ConsentClass.SAFETY)
    )
    home.advisor.proposals = [isolate()]
    home.tick()
    assert only(home).state is State.AWAITING_CONSENT


@pytest.mark.parametrize("mode", [ConsentMode.AT_ONCE, ConsentMode.VETO_WINDOW])
def test_what_stops_a_physical_process_is_never_automatic(tmp_path: Path, mode: ConsentMode) -> None:
    """Of any class: meter's breaker needs edge's gateway, so edge's rule alone isolates it at no time; a person may."""
    rule = ConsentRule("edge", ConsentClass.CONTAIN, Proposer.OWN, mode, latency_s=60.0)
    twin, breaker = chain(rule), Asset("meter/process/breaker", AssetKind.PROCESS, "meter", "breaker")
    with_breaker = Twin.build(
        owners=twin.owners,
        assets=[*twin.assets, breaker],
        links=[*twin.links, Link(LinkKind.DEPENDS_ON, breaker.id, WEB)],
        consent=twin.consent,
    )
    home = house(tmp_path, twin=with_breaker)
    home.advisor.proposals = [isolate(GATEWAY, sources=9)]
    for _ in range(3):
        home.tick()
    assert only(home).state is State.AWAITING_CONSENT and home.actuator.sent == []
    home.node.consent(caller("edge"), only(home).id, signed(home, "edge"))
    home.tick()
    assert only(home).state is State.SUCCEEDED


def test_veto_window_waits_then_acts(tmp_path: Path) -> None:
    """In a veto window silence is consent once the window is over, and a no within it ends the response."""
    rule = ConsentRule("edge", ConsentClass.CONTAIN, Proposer.OWN, ConsentMode.VETO_WINDOW, latency_s=300)
    for veto, state in ((False, State.SUCCEEDED), (True, State.DENIED)):
        home = house(tmp_path / str(veto), twin=chain(rule))
        home.advisor.proposals = [isolate()]
        home.tick()
        home.tick(4)
        assert only(home).state is State.AWAITING_CONSENT
        if veto:
            home.node.consent(caller("edge"), only(home).id, signed(home, "edge", Decision.DENY))
        home.advisor.proposals = []
        home.tick(1)
        assert only(home).state is state


def test_rule_never_denies(tmp_path: Path) -> None:
    """An owner's `never` denies without asking anybody."""
    rule = ConsentRule("edge", ConsentClass.CONTAIN, Proposer.OWN, ConsentMode.NEVER)
    home = house(tmp_path, twin=chain(rule))
    home.advisor.proposals = [isolate()]
    home.tick()
    assert only(home).state is State.DENIED


def test_budget_holds_whatever_the_telemetry_says(tmp_path: Path) -> None:
    """The second response within the hour waits for the owner's budget, and starts when there is room."""
    terms = Terms(budgets={"edge": Budget(max_responses=1, max_criticality=1.0)}, response_s=7200, fresh_s=9000)
    home = house(tmp_path, twin=chain(at_once("edge")), terms=terms)
    home.advisor.proposals = [isolate(GATEWAY), isolate(CONTROLLER)]
    home.tick()
    with home.engine.begin() as conn:
        first, second = sorted(list_responses(conn), key=lambda row: row.state is State.APPROVED)
    assert (first.state, second.state, second.blocked) == (State.SUCCEEDED, State.APPROVED, "budget_spent")
    assert kinds(home).count("guard_refused") == 1
    home.tick(61)
    assert len(home.actuator.sent) == 4


@pytest.mark.parametrize("is_killed", [False, True])
def test_what_is_held_back_is_not_rehearsed_at_every_tick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_killed: bool
) -> None:
    """Blocked by budget or switch it costs nothing; free again, one is rehearsed anew per proposer and tick."""
    budget = Budget(max_responses=9 if is_killed else 0, max_criticality=9.0)
    home = house(tmp_path, twin=chain(at_once("edge")), terms=Terms(budgets={"edge": budget}, response_s=1e5))
    if is_killed:
        home.node.set_kill_switch(caller("edge"), on=True)
    rehearsed, rehearse = list[tuple[str, ...]](), home.advisor.rehearse

    def counted(proposal: Any) -> Any:
        rehearsed.append(proposal.targets)
        return rehearse(proposal)

    monkeypatch.setattr(home.advisor, "rehearse", counted)
    home.advisor.proposals = [isolate(GATEWAY), isolate(CONTROLLER)]
    home.tick()
    home.advisor.proposals = []
    for _ in range(3):
        home.tick(10)
    assert len(rehearsed) == 2 and home.actuator.sent == []
    home.node.set_kill_switch(caller("edge"), on=False)
    home.node._workflow.terms.budgets["edge"] = Budget(9, 9.0)  # type: ignore[index]
    for number in (3, 4):
        home.tick()
        assert len(rehearsed) == number and len(home.actuator.sent) == 2 * (number - 2)


def test_kill_switch_stops_starting_not_undoing(tmp_path: Path) -> None:
    """With the switch on nothing starts; what holds can still be undone."""
    home = house(tmp_path, twin=chain(at_once("edge")))
    home.advisor.proposals = [isolate(CONTROLLER)]
    home.tick()
    home.node.set_kill_switch(caller("edge"), on=True)
    held = only(home)
    home.advisor.proposals = [isolate(GATEWAY)]
    home.node.want_undo(caller("edge"), held.id)
    home.tick()
    with home.engine.begin() as conn:
        states = {row.targets[0]: row.state for row in list_responses(conn)}
    assert states == {CONTROLLER: State.UNDONE, GATEWAY: State.APPROVED}


def test_never_touch_is_not_even_asked_for(tmp_path: Path) -> None:
    """What an owner put on its never-touch list is refused before anybody is asked, once, with a record."""
    home = house(tmp_path, terms=Terms(never_touch=frozenset({GATEWAY})))
    home.advisor.proposals = [isolate(GATEWAY), cut()]
    home.tick()
    home.tick()
    assert home.node.responses(caller("edge")) == [] and kinds(home) == ["proposal_refused"] * 2


def test_what_falls_with_the_target_is_not_touched_either(tmp_path: Path) -> None:
    """Shop's web shop needs edge's gateway: on the never-touch list, it keeps the gateway and the link from going."""
    home = house(tmp_path, terms=Terms(never_touch=frozenset({WEB})))
    home.advisor.proposals = [isolate(GATEWAY), cut(), isolate(CONTROLLER)]
    home.tick()
    assert only(home).targets == (CONTROLLER,) and kinds(home).count("proposal_refused") == 2


def test_budget_of_an_owner_that_only_depends_holds_too(tmp_path: Path) -> None:
    """Isolating edge's gateway would stop all of shop, which allows half: it waits, whatever edge's rule says."""
    home = house(tmp_path, twin=chain(at_once("edge")), terms=Terms(budgets={"shop": Budget(6, 0.5)}))
    home.advisor.proposals = [isolate(GATEWAY)]
    home.tick()
    assert (only(home).state, only(home).blocked) == (State.APPROVED, "budget_spent") and home.actuator.sent == []


def test_a_rehearsal_informs_and_does_not_veto(tmp_path: Path) -> None:
    """Owners see a forecast that shows no gain within the hour, and decide themselves."""
    home = house(tmp_path)
    home.advisor.proposals, home.advisor.losses = [isolate()], (4.0, 4.0)
    home.tick()
    assert only(home).state is State.AWAITING_CONSENT
    assert only(home).forecast["this"]["mean"] == 4.0


def test_consent_lapses_when_the_forecast_turns(tmp_path: Path) -> None:
    """If a later forecast no longer meets the one shown, the consent does not count."""
    home = house(tmp_path)
    home.advisor.proposals = [isolate()]
    home.tick()
    home.node.consent(caller("edge"), only(home).id, signed(home, "edge"))
    home.advisor.proposals, home.advisor.losses = [], (5.0, 4.5)
    home.tick(6)
    assert only(home).state is State.EXPIRED and home.actuator.sent == []


def test_consent_lapses_when_the_twin_changes(tmp_path: Path) -> None:
    """If the targets' part of the twin changes between yes and start, the consent does not count."""
    home = house(tmp_path)
    home.advisor.proposals = [isolate()]
    home.tick()
    home.node.consent(caller("edge"), only(home).id, signed(home, "edge"))
    changed = house(tmp_path, twin=chain_with_port())
    changed.tick(2)
    assert only(changed).state is State.EXPIRED and changed.actuator.sent == []


def chain_with_port() -> Any:
    """Give the chain with one more link at the gateway."""
    twin = chain()
    return replace(twin, links=(*twin.links, Link(LinkKind.REACHES, CONTROLLER, GATEWAY, port=22)))


def test_forged_consent_row_counts_for_nothing(tmp_path: Path) -> None:
    """A consent written into the store without a signature is not a consent; the response fails by it, unsent."""
    home = house(tmp_path)
    home.advisor.proposals = [isolate()]
    home.tick()
    row = {"response": only(home).id, "owner": "edge", "person": "approver@edge", "decision": "approve"}
    rest = {"basis": "signed", "time": "x", "expiry": "2099-01-01T00:00:00Z", "jws": "a.b.c", "binding": {}}
    with home.engine.begin() as conn:
        conn.execute(sa.insert(consents).values({**row, **rest}))
        assert list_consents(conn, row["response"], home.node.trust) == []
    home.tick()
    assert only(home).state is State.FAILED and home.actuator.sent == []


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


def calls(home: House) -> list[str]:
    """Why persons were called."""
    with home.engine.begin() as conn:
        assert audit.verify(conn).is_whole
        return [record.content["reason"] for record in audit.read(conn) if record.kind == "person_called"]


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
    """An actuator whose answers to `deny` are lost."""

    def carry_out(self, order: Order) -> Outcome:
        """Do it, and lose the answer to `deny`."""
        self.loses = order.command["action"] == "deny"
        return super().carry_out(order)


def test_what_is_being_carried_out_stops_when_its_grounds_are_gone(tmp_path: Path) -> None:
    """The guard judges again before each run of orders; what may have been done by then is taken back."""
    for reason, days in (("playbook_not_active", 0), ("time ran out", 3)):
        home = house(tmp_path / reason, twin=chain(at_once("edge")), actuator=FakeActuator(away=1))
        home.advisor.proposals = [isolate()]
        home.tick()
        home.advisor.proposals = []
        assert only(home).state is State.EXECUTING
        if not days:
            object.__setattr__(home.node._workflow, "is_active", lambda _playbook, _owner: False)
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
    object.__setattr__(home.node._workflow, "is_active", lambda _playbook, _owner: not actuator.sent)
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
