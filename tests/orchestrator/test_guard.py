"""The guard refuses by default, in a fixed order, by name."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.orchestrator.consent import Binding, Decision
from tocsin.orchestrator.guard import CHECKS, Basis, Budget, Case, GivenConsent, Spent, refusal
from tocsin.tests.orchestrator.fakes import START
from tocsin.twin.vocabulary import ConsentClass

BINDING = Binding("response--1", "a" * 64, ("edge/host/gateway",), "b" * 64, "c" * 64)


def answer(owner: str = "edge", basis: Basis = Basis.SIGNED, **change: Any) -> GivenConsent:
    """Give an owner's yes."""
    yes = GivenConsent(owner, f"p@{owner}", Decision.APPROVE, basis, BINDING, START + timedelta(hours=1))
    return replace(yes, **change)


def case(**change: Any) -> Case:
    """Give a case that may act, with the given changes."""
    good = Case(
        binding=BINDING,
        playbook="playbook--isolate",
        consent_class=ConsentClass.CONTAIN,
        owners=("edge",),
        criticality={"edge": 0.25},
        sources=2,
        consents=(answer(),),
        is_active=lambda _playbook, _owner: True,
        now=START,
    )
    return replace(good, **change)


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("kill_switch", {"kill_switch": True}),
    ("no_owner", {"owners": ()}),
    ("playbook_not_active", {"is_active": lambda _playbook, _owner: False}),
    ("never_touch", {"never_touch": frozenset(BINDING.targets)}),
    ("never_touch", {"never_touch": frozenset({"shop/service/web"}), "touched": frozenset({"shop/service/web"})}),
    ("already_there", {"done_by": "response--2"}),
    ("denied", {"consents": (answer(), answer(decision=Decision.DENY))}),
    ("consent_lapsed", {"consents": (answer(binding=replace(BINDING, twin_part="0" * 64)),)}),
    ("consent_expired", {"consents": (answer(expiry=START),)}),
    ("consent_missing", {"consents": ()}),
    ("consent_missing", {"owners": ("edge", "shop")}),
    ("consent_missing", {"quorum": {"edge": 2}}),
    ("consent_missing", {"quorum": {"edge": 2}, "consents": (answer(), answer())}),
    ("single_source", {"consents": (answer(basis=Basis.RULE),), "sources": 1}),
    ("safety", {"consents": (answer(basis=Basis.RULE),), "consent_class": ConsentClass.SAFETY}),
    ("safety", {"consents": (answer(basis=Basis.RULE),), "is_physical": True}),
    ("budget_spent", {"spent": {"edge": Spent(6, 0.0)}}),
    ("budget_spent", {"spent": {"edge": Spent(1, 0.8)}}),
    ("budget_spent", {"criticality": {}, "budgets": {"edge": Budget(6, 0.5)}}),
    ("budget_spent", {"budgets": {"edge": Budget(0, 1.0)}}),
    ("budget_spent", {"criticality": {"edge": 0.1, "shop": 0.6}, "spent": {"shop": Spent(1, 0.0, 0.5)}}),
]


def test_good_case_may_act() -> None:
    """A case that meets every condition is not refused."""
    assert refusal(case()) is None


@pytest.mark.parametrize(("name", "change"), REFUSED)
def test_each_condition_has_its_named_refusal(name: str, change: dict[str, Any]) -> None:
    """One unmet condition gives its own name and a sentence."""
    refused = refusal(case(**change))
    assert refused is not None and refused.name == name and len(refused.reason) > 10


def test_every_check_is_seen_to_refuse() -> None:
    """No check of the guard is without a case that it refuses."""
    assert {name for name, _ in REFUSED} == {check.__name__.removeprefix("_") for check in CHECKS}


def test_person_may_sign_what_automatic_consent_may_not() -> None:
    """A single source, or a physical process, is no hindrance where every owner's person signed."""
    assert refusal(case(sources=1)) is None
    assert refusal(case(consent_class=ConsentClass.SAFETY)) is None
    assert refusal(case(is_physical=True)) is None


def test_one_owner_by_rule_makes_it_automatic() -> None:
    """If one of two owners' consent rests on its rule, a single source is not enough."""
    mixed = (answer(), answer("shop", Basis.RULE))
    owners = {"owners": ("edge", "shop"), "criticality": {"edge": 0.1, "shop": 0.1}}
    refused = refusal(case(consents=mixed, sources=1, **owners))
    assert refused is not None and refused.name == "single_source"


def test_findings_cannot_widen_the_blast_radius() -> None:
    """However many sources claim an attack, the budget of the owner holds."""
    refused = refusal(case(sources=1000, spent={"edge": Spent(6, 0.75)}))
    assert refused is not None and refused.name == "budget_spent"


def test_what_others_cost_an_owner_does_not_keep_it_from_its_own_responses() -> None:
    """Two accounts of one size: neither can an owner, by what it does itself, keep others from their responses."""
    assert refusal(case(spent={"edge": Spent(0, 0.0, suffered=5.0)})) is None
    assert refusal(case(criticality={"edge": 0.1, "shop": 0.5}, spent={"shop": Spent(9, 9.0, 0.2)})) is None
    assert refusal(case(criticality={"edge": 0.1, "shop": 0.0}, spent={"shop": Spent(9, 9.0, 9.0)})) is None


@given(st.lists(st.sampled_from(REFUSED), min_size=1, max_size=5))
def test_faults_never_add_up_to_permission(faults: list[tuple[str, dict[str, Any]]]) -> None:
    """Any mixture of unmet conditions is refused."""
    change: dict[str, Any] = {}
    for _, fault in faults:
        if not change.keys() & fault.keys():  # a later one in its place would mend the earlier
            change |= fault
    assert refusal(case(**change)) is not None
