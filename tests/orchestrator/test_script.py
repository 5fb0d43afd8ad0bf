"""The shipped playbooks as orders: variables filled in, undone in reverse, never active without signatures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tocsin.orchestrator.clock import SystemClock
from tocsin.orchestrator.interpreting import Due, StepOutcome
from tocsin.orchestrator.proposals import Proposal
from tocsin.orchestrator.proposing import response_of
from tocsin.orchestrator.records import Response
from tocsin.orchestrator.script import CacaoScript, owner_of_target
from tocsin.orchestrator.shelf import Shelved, Vetting, active_by_signatures, shelf_of
from tocsin.orchestrator.targets import resolve
from tocsin.orchestrator.terms import Terms
from tocsin.playbooks.actions import load_library
from tocsin.tests.orchestrator.fakes import CONTROLLER, CROSSING, GATEWAY, START, chain
from tocsin.twin.facts import key_of

LIBRARY = load_library()
SHELF = shelf_of(LIBRARY)
SCRIPT = CacaoScript()


def on(shelved: Shelved, *targets: str) -> Response:
    """Give a response of a shipped playbook on targets."""
    proposal = Proposal(shelved.id, shelved.index, targets, (), "")
    found = resolve(chain(), targets, shelved.effect)
    return response_of(proposal, shelved, found, terms=Terms(), now=START, proposer="node", person="")


def named(name: str) -> Shelved:
    """Give a shipped playbook."""
    return next(shelved for shelved in SHELF.values() if shelved.name == name)


def test_shelf_follows_the_lock() -> None:
    """Numbers and digests on the shelf are the library's."""
    assert [(one.index, one.digest) for one in SHELF.values()] == list(enumerate(LIBRARY.digests))


def test_isolate_names_the_asset_and_undoes_it() -> None:
    """The order carries the asset's name to its owner; the undo takes the same asset back."""
    isolate = named("isolate-asset")
    response = on(isolate, GATEWAY)
    (order,) = SCRIPT.due(isolate.document, response, []).orders
    assert order.owner == "edge"
    assert order.command["action"] == "contain" and order.command["target"] == {"x-tocsin:asset": GATEWAY}
    done = [StepOutcome(order.step, succeeded=True)]
    assert SCRIPT.due(isolate.document, response, done) == Due(is_over=True)
    assert SCRIPT.succeeded(isolate.document, response, done)
    (undo,) = SCRIPT.undo_orders(isolate.document, response, done)
    assert undo.command["action"] == "allow" and undo.command["args"]["x-tocsin"]["undo"] is True


def test_failure_ends_the_run_and_leaves_nothing_to_undo() -> None:
    """A step that failed is no success, and only what was done is taken back."""
    isolate = named("isolate-asset")
    response = on(isolate, GATEWAY)
    (order,) = SCRIPT.due(isolate.document, response, []).orders
    failed = [StepOutcome(order.step, succeeded=False)]
    assert SCRIPT.due(isolate.document, response, failed) == Due(is_over=True)
    assert not SCRIPT.succeeded(isolate.document, response, failed)
    assert SCRIPT.undo_orders(isolate.document, response, failed) == []


def test_many_targets_are_served_in_order_and_taken_back_in_reverse() -> None:
    """Each target has its own order; undo begins with the last."""
    isolate = named("isolate-asset")
    response = replace(on(isolate, GATEWAY), targets=(GATEWAY, CONTROLLER))
    outcomes: list[StepOutcome] = []
    seen = []
    while not (due := SCRIPT.due(isolate.document, response, outcomes)).is_over:
        (order,) = due.orders
        seen.append(order.command["target"]["x-tocsin:asset"])
        outcomes.append(StepOutcome(order.step, succeeded=True))
    undone = [
        order.command["target"]["x-tocsin:asset"] for order in SCRIPT.undo_orders(isolate.document, response, outcomes)
    ]
    assert seen == [GATEWAY, CONTROLLER] and undone == [CONTROLLER, GATEWAY]


def test_undo_covers_a_step_that_may_have_taken_effect() -> None:
    """One that was refused is left alone."""
    isolate = named("isolate-asset")
    response = on(isolate, GATEWAY)
    (order,) = SCRIPT.due(isolate.document, response, []).orders
    for perhaps, count in ((True, 1), (False, 0)):
        outcomes = [StepOutcome(order.step, succeeded=False, perhaps=perhaps)]
        assert len(SCRIPT.undo_orders(isolate.document, response, outcomes)) == count


def test_link_is_blocked_where_it_leads() -> None:
    """An order on a boundary link goes to the owner it leads to."""
    assert owner_of_target(key_of(CROSSING)) == "edge"
    (order,) = SCRIPT.due(named("block-link").document, on(named("block-link"), key_of(CROSSING)), []).orders
    assert order.command["target"] == {"x-tocsin:link": key_of(CROSSING)}


@pytest.mark.parametrize("shelved", SHELF.values(), ids=lambda shelved: shelved.name)
def test_unsigned_playbook_is_active_for_nobody(shelved: Shelved) -> None:
    """Without signatures no shipped playbook may run, for no owner."""
    is_active = active_by_signatures(LIBRARY, Vetting, SystemClock())
    assert not is_active(shelved.id, "edge") and not is_active("playbook--none", "edge")
