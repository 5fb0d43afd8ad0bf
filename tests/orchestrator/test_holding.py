"""What holds no longer is in nobody's way: an owner may isolate, release and isolate again, and evict anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tocsin.orchestrator.identity import Caller, Role
from tocsin.orchestrator.lifecycle import State
from tocsin.orchestrator.proposing import ProposalRefused
from tocsin.orchestrator.records import Response, list_responses
from tocsin.tests.orchestrator.fakes import CONTROLLER, GATEWAY, ISOLATE, House, chain, house
from tocsin.twin.graph import ConsentRule
from tocsin.twin.rulebook.effects import Effect
from tocsin.twin.vocabulary import Access, ConsentClass, ConsentMode, Mode, Proposer

RELEASE, RESTORE, REVOKE = "playbook--release", "playbook--restore", "playbook--revoke"
HOURS_4 = 4 * 3600.0
EDGE = Caller("edge", frozenset({Role.VIEWER, Role.APPROVER}))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A node whose owner edge says yes to its own persons after no time; isolation holds for four hours."""
    for room in ("guard", "asking"):  # how many speak for it is not the matter here
        monkeypatch.setattr(f"tocsin.orchestrator.{room}.MIN_SOURCES", 0)
    return started(tmp_path)


def started(path: Path) -> House:
    """Give the node, as after a restart where the home exists."""
    silent = ConsentRule("edge", ConsentClass.CONTAIN, Proposer.OWN, ConsentMode.AT_ONCE)
    made = house(path, twin=chain(silent), hold_s=HOURS_4)
    isolation = made.node.shelf[ISOLATE]
    for number, (name, change) in enumerate(others().items(), 2):
        effect: Effect = replace(isolation.effect, playbook=name, **change)
        made.node.shelf[name] = replace(isolation, id=name, index=number, effect=effect)  # type: ignore[index]
    return made


def others() -> dict[str, dict[str, Any]]:
    """Give what playbooks beside isolation do differently, as in the library."""
    evicts = {"mode": None, "ceiling": Access.NONE}
    return {
        RELEASE: {"mode": None, "clear_mode": Mode.ISOLATED, "undoable": False, "hold_s": 0.0},
        RESTORE: {**evicts, "undoable": False, "hold_s": 86_400.0},
        REVOKE: {**evicts, "undoable": True, "hold_s": 7200.0},
    }


def carry_out(home: House, playbook: str, *targets: str) -> Response:
    """Propose as edge's person, whose rule is content with it, and let it succeed."""
    made = home.node.propose(EDGE, playbook=playbook, targets=targets, reason="it beacons")
    home.tick()
    home.tick(20)
    assert stored(home, made).state is State.SUCCEEDED
    return made


def stored(home: House, response: Response) -> Response:
    """Give a response as it is now."""
    with home.engine.begin() as conn:
        return next(row for row in list_responses(conn) if row.id == response.id)


def test_an_owner_isolates_releases_and_isolates_again(home: House) -> None:
    """A release ends the isolation, so both may come again; the ended one sends nothing when its time is over."""
    first = carry_out(home, ISOLATE, GATEWAY)
    with pytest.raises(ProposalRefused, match="does the same"):
        home.node.propose(EDGE, playbook=ISOLATE, targets=[GATEWAY], reason="")
    carry_out(home, RELEASE, GATEWAY)
    assert stored(home, first).state is State.UNDONE and home.advisor.holds[GATEWAY,] is False
    home.tick(60)
    second = carry_out(home, ISOLATE, GATEWAY)
    sent = len(home.actuator.sent)
    home.tick(180)
    assert stored(home, second).state is State.SUCCEEDED and len(home.actuator.sent) == sent
    carry_out(home, RELEASE, GATEWAY)


def test_a_release_of_some_targets_leaves_the_others_isolated(home: House) -> None:
    """Its undo acts on all of them, so the isolation holds until each was released."""
    first = carry_out(home, ISOLATE, GATEWAY, CONTROLLER)
    carry_out(home, RELEASE, GATEWAY)
    assert stored(home, first).state is State.SUCCEEDED
    carry_out(home, RELEASE, CONTROLLER)
    assert stored(home, first).state is State.UNDONE


@pytest.mark.parametrize("playbook", [RESTORE, REVOKE])
def test_what_evicts_may_run_again_while_it_holds(home: House, playbook: str) -> None:
    """An asset may be taken again within the day: the new hold takes the place of the old, without orders."""
    first = carry_out(home, playbook, GATEWAY)
    second = carry_out(home, playbook, GATEWAY)
    assert home.actuator.actions == ["deny", "set"] * 2
    assert (stored(home, first).state, stored(home, second).state) == (State.UNDONE, State.SUCCEEDED)


def test_what_evicts_is_not_sent_twice_at_once(home: House) -> None:
    """While its work goes on the same is refused."""
    home.node.propose(EDGE, playbook=RESTORE, targets=[GATEWAY], reason="")
    with pytest.raises(ProposalRefused, match="does the same"):
        home.node.propose(EDGE, playbook=RESTORE, targets=[GATEWAY], reason="")
