"""Who proposes first gains nothing: a foreign proposal neither blocks nor worsens what an owner or the node can do."""

from __future__ import annotations

from pathlib import Path

import pytest
from tocsin.orchestrator import audit, proposing
from tocsin.orchestrator.guard import Budget
from tocsin.orchestrator.identity import Caller, Role
from tocsin.orchestrator.lifecycle import State
from tocsin.orchestrator.proposing import ProposalRefused
from tocsin.orchestrator.records import BY_NODE, Response, list_responses
from tocsin.orchestrator.terms import Terms
from tocsin.tests.orchestrator.fakes import (
    CONTROLLER,
    CUT,
    GATEWAY,
    ISOLATE,
    House,
    at_once,
    chain,
    cut,
    house,
    isolate,
)
from tocsin.twin.graph import ConsentRule, Sharing, Twin
from tocsin.twin.vocabulary import ConsentClass, ConsentMode, Proposer


def caller(owner: str) -> Caller:
    """Give an approver of an owner."""
    return Caller(owner, frozenset({Role.VIEWER, Role.APPROVER}))


def open_chain(*consent: ConsentRule) -> Twin:
    """Give the chain, with edge's and shop's assets seen by all: whoever sees a target may propose."""
    twin = chain(*consent)
    return Twin.build(
        owners=list(twin.owners),
        assets=list(twin.assets),
        links=list(twin.links),
        sharing=[*twin.sharing, Sharing("edge", "*", ("assets",)), Sharing("shop", "*", ("assets",))],
        consent=list(consent),
    )


def others(mode: ConsentMode, latency_s: float = 0.0) -> ConsentRule:
    """Give edge's rule for proposals of others."""
    return ConsentRule("edge", ConsentClass.CONTAIN, Proposer.OTHER, mode, latency_s=latency_s)


def by_proposer(home: House) -> dict[str, Response]:
    """Give the responses there are, by who proposed them."""
    with home.engine.begin() as conn:
        return {row.proposer: row for row in list_responses(conn)}


def propose(home: House, owner: str, playbook: str = ISOLATE, target: str = GATEWAY) -> Response:
    """Propose as a person of an owner."""
    return home.node.propose(caller(owner), playbook=playbook, targets=[target], reason="first")


def test_a_foreign_proposal_does_not_stop_the_nodes_automatic_one(tmp_path: Path) -> None:
    """Meter, which only sees the gateway, proposes first; the node still acts at once by edge's own rule."""
    home = house(tmp_path, twin=open_chain(at_once("edge")))
    propose(home, "meter")
    home.advisor.proposals = [isolate()]
    home.tick()
    assert by_proposer(home)[BY_NODE].state is State.SUCCEEDED and home.actuator.actions == ["deny", "set"]


def test_what_another_response_did_meanwhile_is_not_done_twice(tmp_path: Path) -> None:
    """The foreign proposal, approved later by edge's veto window, expires: the same was carried out already."""
    home = house(tmp_path, twin=open_chain(at_once("edge"), others(ConsentMode.VETO_WINDOW, 300.0)))
    propose(home, "meter")
    home.advisor.proposals = [isolate()]
    home.tick()
    home.advisor.proposals = []
    row = by_proposer(home)["meter"]
    with home.engine.begin() as conn:  # enough sources for the rule, as a lying proposer would wish, and vouched for
        conn.exec_driver_sql("UPDATE responses SET sources = 9 WHERE proposer = 'meter'")
        audit.append_about(conn, row.id, time=row.updated, kind="person_called", owners=row.owners, body={})
    home.tick(6)
    assert by_proposer(home)["meter"].state is State.EXPIRED and home.actuator.actions == ["deny", "set"]


def test_the_owner_of_the_target_proposes_beside_a_foreigner(tmp_path: Path) -> None:
    """Its own proposal is asked on its own terms; a second foreign one beside it adds nothing and is refused."""
    home = house(tmp_path, twin=open_chain(others(ConsentMode.NEVER)))
    propose(home, "meter")
    assert propose(home, "edge").proposer == "edge"
    with pytest.raises(ProposalRefused, match="does the same"):
        propose(home, "shop")
    home.tick()
    found = by_proposer(home)
    assert found["meter"].state is State.DENIED and found["edge"].state is State.AWAITING_CONSENT


def test_one_end_of_a_link_does_not_stop_the_other(tmp_path: Path) -> None:
    """On a target of two owners each is foreign to the other's table; the node is own to both."""
    home = house(tmp_path, twin=open_chain())
    for owner in ("edge", "shop"):
        assert propose(home, owner, CUT, cut().targets[0]).state is State.PROPOSED
    home.advisor.proposals = [cut()]
    home.tick()
    assert set(by_proposer(home)) == {"edge", "shop", BY_NODE}


def test_thin_evidence_first_does_not_stop_the_automatic_response_later(tmp_path: Path) -> None:
    """A finding forged early makes the node ask a person; with a second source it acts by the rule all the same."""
    terms = Terms(repropose_s=0.0)
    home = house(tmp_path, twin=chain(at_once("edge")), terms=terms)
    home.advisor.proposals = [isolate(sources=1)]
    home.tick()
    home.advisor.proposals = [isolate(sources=2)]
    home.tick()
    assert home.actuator.actions == ["deny", "set"]


def test_a_flood_of_proposals_is_refused_and_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above a number an hour an owner's proposals are refused; one a tick is rehearsed, after the node's own."""
    monkeypatch.setattr(proposing, "MAX_PROPOSED", 2)
    home = house(tmp_path, twin=open_chain(), terms=Terms(budgets={"edge": Budget(9, 9.0)}))
    propose(home, "meter", target=GATEWAY)
    propose(home, "meter", target=CONTROLLER)
    with pytest.raises(ProposalRefused) as refused:
        home.node.propose(caller("meter"), playbook=ISOLATE, targets=[GATEWAY, CONTROLLER], reason="third")
    assert refused.value.reason == "too_many_proposals"
    home.advisor.proposals = [isolate(CONTROLLER)]
    home.tick()
    with home.engine.begin() as conn:
        states = [(row.proposer, row.state) for row in list_responses(conn)]
    assert states.count(("meter", State.AWAITING_CONSENT)) == 1 and states.count(("meter", State.PROPOSED)) == 1
    assert (BY_NODE, State.AWAITING_CONSENT) in states
    assert propose(home, "edge").state is State.PROPOSED
