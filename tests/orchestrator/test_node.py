"""From finding to start: a node rehearses, asks, and acts within its bounds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tocsin.orchestrator.consent import ConsentRefused, Decision
from tocsin.orchestrator.guard import Budget
from tocsin.orchestrator.interpreting import Due
from tocsin.orchestrator.lifecycle import State
from tocsin.orchestrator.node import NotInView
from tocsin.orchestrator.records import list_consents, list_responses
from tocsin.orchestrator.store import consents
from tocsin.orchestrator.terms import Terms
from tocsin.tests.orchestrator.fakes import (
    CONTROLLER,
    GATEWAY,
    ISOLATE,
    WEB,
    at_once,
    chain,
    cut,
    house,
    isolate,
)
from tocsin.tests.orchestrator.node_steps import caller, kinds, only, signed
from tocsin.twin.graph import Asset, ConsentRule, Link, Twin
from tocsin.twin.vocabulary import AssetKind, ConsentClass, ConsentMode, LinkKind, Proposer


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

        def due(self, *given: Any) -> Due:
            due = script.due(*given)
            return replace(due, orders=tuple(replace(order, owner="shop") for order in due.orders))

    object.__setattr__(home.node._workflow.office, "script", Stray())
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
    home.node._workflow.office.terms.budgets["edge"] = Budget(9, 9.0)  # type: ignore[index]
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
