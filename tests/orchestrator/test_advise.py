"""The advisor: what it proposes is rehearsed on worlds in which nothing unanswered happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from tocsin.envs.game import Game, load_game
from tocsin.envs.scenario import read_scenario
from tocsin.orchestrator.advise import Policy, Situation, TwinAdvisor
from tocsin.orchestrator.clock import SKEW
from tocsin.orchestrator.proposals import Proposal, Verification
from tocsin.orchestrator.supply import policy_of
from tocsin.playbooks.actions import encode
from tocsin.twin.compiled import Int32
from tocsin.twin.rulebook.rules import BITS
from tocsin.twin.sensing.events import Event, EventClass
from tocsin.twin.vocabulary import Mode, RunState

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
HELD, OTHER = "csms/container/desk", "fleet/host/vpn"


@pytest.fixture(scope="module")
def game() -> Game:
    return load_game(read_scenario())


def action(game: Game, playbook: str, target: str) -> int:
    """Number of an action."""
    return encode(game.library.index_of(playbook), game.compiled.target_number[target], game.compiled.targets)


def always(number: int) -> Policy:
    """A policy that proposes one action wherever it is legal."""

    def policy(situation: Situation) -> Int32:
        return np.where(situation.masks[:, number], number, 0).astype(np.int32)

    return policy


def advisor(game: Game, policy: Policy, *held: str) -> TwinAdvisor:
    """An advisor that is sure that the given assets are held."""
    made = TwinAdvisor(game.compiled, game.library, game.effects, game.assumed, policy)
    for row, name in enumerate(held):
        number = game.compiled.asset_number[name]
        made._belief.asset["user"][0, number] = 0.99
        made._belief.asset["active"][0, number] = 1
        made._belief.active[0, row] = number
    made._belief.active_n[0] = len(held)
    return made


def test_a_rehearsal_of_what_the_policy_proposed_differs_from_doing_nothing(game: Game) -> None:
    """The proposal itself awaits consent, and yet only the option that carries it out does."""
    ours = advisor(game, always(action(game, "restore-asset", HELD)), HELD)
    (proposal,) = ours.propose()
    forecast = ours.rehearse(proposal)
    assert forecast.worlds >= 1000
    assert forecast.this.mean != forecast.nothing.mean
    assert forecast.alternative is not None
    assert forecast.alternative.mean not in (forecast.this.mean, forecast.nothing.mean)


def test_what_awaits_consent_does_not_happen_in_a_rehearsal(game: Game) -> None:
    """Another proposal that nobody answered changes no option's forecast."""
    ours = advisor(game, always(action(game, "restore-asset", HELD)), HELD, OTHER)
    (proposal,) = ours.propose()
    alone = ours.rehearse(proposal)
    ours.policy = always(action(game, "restore-asset", OTHER))
    assert len(ours.propose()) == 1
    assert ours.rehearse(proposal) == alone


def test_the_same_proposal_is_not_made_twice_while_it_awaits_consent(game: Game) -> None:
    """The mask shows the policy what is on its way."""
    ours = advisor(game, always(action(game, "restore-asset", HELD)), HELD)
    assert len(ours.propose()) == 1
    assert not ours.propose()


def test_the_threshold_rule_proposes_to_restore_what_is_surely_held(game: Game) -> None:
    """A node without a policy file acts by the tuned baseline."""
    ours = advisor(game, policy_of(game, None), HELD)
    (proposal,) = ours.propose()
    assert proposal.targets == (HELD,)
    assert proposal.playbook == game.library.playbooks[game.library.index_of("restore-asset")].id
    assert proposal.owners == ("csms",)
    assert not advisor(game, policy_of(game, None)).propose()


def test_a_response_on_what_left_the_chain_hinders_nothing(game: Game) -> None:
    """After a restart on a smaller chain its holding responses are recalled; nobody can confirm this one."""
    ours = advisor(game, always(action(game, "restore-asset", HELD)), HELD)
    (proposal,) = ours.propose()
    gone = replace(proposal, targets=("csms/host/gone",))
    ours.applied(gone, holds=True, since=NOON)
    ours.recalled(gone, until=None)
    ours.observe([], NOON)
    assert ours.verify(gone, datetime(2026, 11, 1, tzinfo=UTC)) is Verification.PENDING


def test_what_comes_between_ticks_of_the_rulebook_is_kept_for_the_next(game: Game) -> None:
    """A node ticks each second, the rulebook each minute: belief is that of seeing all at the minute."""
    noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
    at_ms = round(noon.timestamp() * 1000)
    exploit = {"url": "/?q=${jndi:ldap://x}", "http_code": 500}
    shells = [Event(f"e{n}", EventClass.HTTP, 1, at_ms, HELD, "csms", "sensor", **exploit) for n in range(1)]
    piecemeal, at_once, blind = (advisor(game, always(0)) for _ in range(3))
    for one in (piecemeal, at_once, blind):
        one.observe([], noon)
    for second in range(1, 61):
        piecemeal.observe(shells[second - 1 : second], noon + timedelta(seconds=second))
    at_once.observe(shells, noon + timedelta(seconds=60))
    blind.observe([], noon + timedelta(seconds=60))
    held = [{row.asset: row.user for row in one.belief("csms")}[HELD] for one in (piecemeal, at_once, blind)]
    assert held[0] == held[1] > held[2]


def report(
    game: Game,
    asset: str,
    *,
    playbook: str = "block-link",
    success: bool = True,
    states: tuple[str, ...] | None = None,
    time: datetime = NOON,
) -> Event:
    """What an owner's inventory says of its own asset: work of a playbook ended, or the states it is in."""
    operation = game.library.playbooks[game.library.index_of(playbook)].id
    owner, at_ms = asset.split("/")[0], round(time.timestamp() * 1000)
    if states is not None:
        return Event("s", EventClass.CONFIG_STATE, 1, at_ms, asset, owner, "inventory", states=states)
    return Event(
        "w", EventClass.REMEDIATION, 99, at_ms, asset, owner, "inventory", success=success, operation=operation
    )


def test_one_end_of_a_link_does_not_report_for_the_other(game: Game) -> None:
    """Blocking a link is confirmed once both ends say so; one end alone leaves it open, one no contradicts it."""
    link = game.compiled.links[0]
    name = game.compiled.target_name(len(game.compiled.twin.assets))
    noon, number = datetime(2026, 11, 1, 12, tzinfo=UTC), len(game.compiled.twin.assets)
    for said, expected in (
        ({link.source: True}, Verification.PENDING),
        ({link.target: True}, Verification.PENDING),
        ({link.source: True, link.target: True}, Verification.CONFIRMED),
        ({link.source: True, link.target: False}, Verification.CONTRADICTED),
        ({link.target: False}, Verification.CONTRADICTED),
    ):
        ours = advisor(game, always(action(game, "block-link", name)))
        ours.observe([], noon)
        (proposal,) = ours.propose()
        ours.applied(proposal, holds=True, since=noon)
        events = [report(game, asset, success=success) for asset, success in said.items()]
        ours.observe(events, noon + timedelta(seconds=60))
        assert ours.verify(proposal, noon) is expected, said
        (state,) = ours.state.world.run["state"][0, ours.state._rows(proposal.playbook_index, number)].tolist() or [
            RunState.FREE
        ]
        has_ended = len(said) == 2
        assert (state == RunState.WORKING) is not has_ended


def test_one_end_of_a_link_does_not_say_for_the_other_that_it_is_cut(game: Game) -> None:
    """The twin takes a link as cut while both ends report it, so one owner cannot feign safety for its neighbour."""
    link = game.compiled.links[0]
    name = game.compiled.target_name(len(game.compiled.twin.assets))
    ours, now = advisor(game, always(0)), datetime(2026, 11, 1, 12, tzinfo=UTC)
    cut: tuple[str, ...] = (f"cut {name}",)
    for end, states, is_cut in ((link.source, cut, 0), (link.target, cut, 1), (link.source, (), 0)):
        ours.observe([report(game, end, states=states)], now)
        now += timedelta(seconds=60)
        assert ours.state.world.cut[0, 0] == is_cut


def proposal_of(game: Game, playbook: str, target: str) -> Proposal:
    """A proposal as the store gives it back."""
    index = game.library.index_of(playbook)
    return Proposal(game.library.playbooks[index].id, index, (target,), (target.split("/")[0],), "")


@pytest.mark.parametrize("success", [True, False])
def test_old_telemetry_says_nothing_of_a_new_response(game: Game, success: bool) -> None:
    """A report of before the response was sent, but for what clocks differ, neither confirms nor fails it."""
    ours, proposal = advisor(game, always(0)), proposal_of(game, "isolate-asset", HELD)
    ours.observe([], NOON)
    ours.applied(proposal, holds=True, since=NOON)
    (row,) = ours.state._rows(proposal.playbook_index, game.compiled.target_number[HELD])
    said = Verification.CONFIRMED if success else Verification.CONTRADICTED
    for minute, age, expected in (
        (1, timedelta(days=300), Verification.PENDING),
        (2, SKEW + timedelta(seconds=1), Verification.PENDING),
        (3, SKEW, said),
        (4, timedelta(days=300), said),
    ):
        old = report(game, HELD, playbook="isolate-asset", success=success, time=NOON - age)
        ours.observe([old], NOON + timedelta(minutes=minute))
        assert ours.verify(proposal, NOON) is expected, age
        is_working = bool(ours.state.world.run["state"][0, row] == RunState.WORKING)
        assert is_working is (expected is Verification.PENDING)


def test_an_old_report_of_one_end_of_a_link_says_nothing_of_a_new_cut(game: Game) -> None:
    """One end says so now, the other did nine days ago: the cut waits."""
    link, name = game.compiled.links[0], game.compiled.target_name(len(game.compiled.twin.assets))
    ours, proposal = advisor(game, always(0)), replace(proposal_of(game, "block-link", HELD), targets=(name,))
    ours.observe([], NOON)
    ours.applied(proposal, holds=True, since=NOON)
    old = report(game, link.target, time=NOON - timedelta(days=9))
    ours.observe([report(game, link.source), old], NOON + timedelta(minutes=1))
    (row,) = ours.state._rows(proposal.playbook_index, len(game.compiled.twin.assets))
    assert ours.verify(proposal, NOON) is Verification.PENDING
    assert ours.state.world.run["state"][0, row] == RunState.WORKING


def test_a_restart_forgets_no_mode_that_a_response_holds(game: Game) -> None:
    """Recalled, an isolated host is isolated and its run holds to the minute; what is over already is not entered."""
    ours, number = advisor(game, always(0)), game.compiled.target_number[HELD]
    over, held = proposal_of(game, "isolate-asset", OTHER), proposal_of(game, "isolate-asset", HELD)
    ours.recalled(over, until=NOON - timedelta(minutes=1))
    ours.recalled(held, until=NOON + timedelta(minutes=30))
    ours.observe([], NOON)
    (row,) = ours.state._rows(held.playbook_index, number)
    modes, run = ours.state.world.asset["modes"][0], ours.state.world.run[0, row]
    assert modes[number] == 1 << BITS * Mode.ISOLATED and modes[game.compiled.target_number[OTHER]] == 0
    assert (run["state"], run["due"]) == (RunState.HOLDING, 30)
    ours.observe([report(game, HELD, states=("isolated",))], NOON + timedelta(minutes=1))
    assert modes[number] == 1 << BITS * Mode.ISOLATED
    ours.applied(held, holds=False, since=NOON)
    ours.observe([report(game, HELD, states=())], NOON + timedelta(minutes=2))
    assert modes[number] == 0 and run["state"] == RunState.FREE


def test_a_restart_forgets_no_cut_that_a_response_holds(game: Game) -> None:
    """Recalled, a link is cut until one of its ends says otherwise."""
    link, name = game.compiled.links[0], game.compiled.target_name(len(game.compiled.twin.assets))
    ours = advisor(game, always(0))
    ours.recalled(replace(proposal_of(game, "block-link", HELD), targets=(name,)), until=NOON + timedelta(hours=1))
    ours.observe([], NOON)
    assert ours.state.world.cut[0, 0] == 1
    ours.observe([report(game, link.source, states=())], NOON + timedelta(minutes=1))
    assert ours.state.world.cut[0, 0] == 0
