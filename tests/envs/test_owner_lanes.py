"""Owners' seats as lanes: each is its own view, rewards mix own loss and all owners', kinds of cooperation hold."""

from __future__ import annotations

import numpy as np
import pytest
from tocsin.envs.active import slot_actions
from tocsin.envs.cooperation import QUICK_S, SLOW_S, cooperating, with_cooperation
from tocsin.envs.kinds import ARMS
from tocsin.envs.owner_lanes import OwnerLanes
from tocsin.envs.owners import OwnerWorlds
from tocsin.envs.scripted import RESTORE
from tocsin.envs.views import ViewLanes, view_of
from tocsin.tests.envs.games import STEPS, short_game
from tocsin.twin.sensing.observe import STATIC_FEATURES
from tocsin.twin.vocabulary import ConsentClass, ConsentMode, Proposer, RunState


def _legal(lanes: OwnerLanes, rng: np.random.Generator) -> np.ndarray:
    return np.array([rng.choice(np.flatnonzero(mask)) for mask in lanes.masks()])


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_lanes_play_what_their_seats_play(share: float) -> None:
    """Actions over slots lead where the same actions of the views lead; a reward mixes own loss and all owners'."""
    lanes, apart = OwnerLanes(short_game(), range(3), own_share=share), OwnerWorlds(short_game(), range(3))
    rng, seats = np.random.default_rng(0), len(apart.owners)
    acted = 0
    for _ in range(STEPS):
        chosen = _legal(lanes, rng)
        dense = lanes.dense(chosen)
        for seat, (own, lane) in enumerate(zip(np.split(chosen, seats), apart.lanes, strict=True)):
            back = slot_actions(dense[:, seat], lanes._seats[seat], lane.view.compiled.targets)
            np.testing.assert_array_equal(back, own)
        step, told = lanes.advance(dense), apart.step(dense)
        own = told.loss.sum(axis=2)[:, apart.seats]
        expected = share * own + (1 - share) * told.loss.sum(axis=(1, 2))[:, None]
        np.testing.assert_allclose(step.reward, -expected.T.ravel(), rtol=1e-5)
        acted += int((chosen > 0).sum())
    assert acted and told.truncated and step.truncated.all()
    np.testing.assert_allclose(step.terminal_loss, np.tile(apart.worlds.losses().sum(axis=(1, 2)), seats))
    assert len(step.terminal_observation) == lanes.count == 3 * seats


def test_lanes_go_on_from_their_snapshot() -> None:
    """Over the end of an episode; one of other sizes is refused, and nothing has changed."""
    lanes, other, rng = OwnerLanes(short_game(), range(2)), OwnerLanes(short_game(), range(50, 52)), None
    rng = np.random.default_rng(3)
    for _ in range(4):
        lanes.advance(lanes.dense(_legal(lanes, rng)))
    with pytest.raises(ValueError, match="not of 3 worlds"):
        OwnerLanes(short_game(), range(3)).restore(lanes.snapshot())
    other.restore(lanes.snapshot())
    for _ in range(STEPS):
        chosen = _legal(lanes, rng)
        first, second = (one.advance(one.dense(chosen)) for one in (lanes, other))
        np.testing.assert_array_equal(first.observation, second.observation)
        np.testing.assert_array_equal(first.reward, second.reward)
        np.testing.assert_array_equal(lanes.masks(), other.masks())


def test_lanes_refuse_what_is_not_legal() -> None:
    """By its lane and number; nothing has changed."""
    lanes = OwnerLanes(short_game(), range(2))
    wrong = np.zeros(lanes.count, int)
    wrong[5] = int(np.flatnonzero(~lanes.masks()[5])[0])
    for actions, named in ((wrong, "lane 5"), (wrong[:3], "one a lane"), (wrong + lanes.actions, "give 0..")):
        with pytest.raises(ValueError, match=named):
            lanes.checked(actions)


def test_owners_see_each_other_where_they_share_and_else_nothing() -> None:
    """All assets, or one's own and what stands outside at the ends of one's links."""
    game = short_game()
    every = {asset.id for asset in game.compiled.twin.assets}
    for how in ARMS.values():
        twin = with_cooperation(game, how).compiled.twin
        for owner in OwnerWorlds(game, range(1)).owners:
            visible = twin.visible_assets(owner)
            own = {asset.id for asset in twin.assets if asset.owner == owner}
            assert (visible >= every - {a.id for a in twin.assets if a.kind.word == "external"}) == how.shares
            assert how.shares or visible == own
            assert (twin.visible_findings(owner) > own) == how.shares


def test_consent_to_others_is_quick_or_slow_and_to_oneself_as_it_was() -> None:
    """Quick: within a minute, never no. Slow: two hours at least, and what was never allowed is not."""
    game = short_game()
    before = {(r.owner, r.consent_class, r.proposer): r for r in game.compiled.twin.consent}
    for how in ARMS.values():
        rules = {(r.owner, r.consent_class, r.proposer): r for r in with_cooperation(game, how).compiled.twin.consent}
        assert set(rules) == set(before)
        for key, rule in rules.items():
            if key[2] is Proposer.OWN or key[1] is ConsentClass.SAFETY:
                assert rule == before[key]
            elif how.agrees:
                assert (rule.mode, rule.latency_s, rule.refusal) == (ConsentMode.VETO_WINDOW, QUICK_S, 0.0)
            elif before[key].mode is ConsentMode.NEVER:
                assert rule == before[key]
            else:
                assert rule.mode is ConsentMode.ASK and rule.latency_s >= SLOW_S
                assert rule.refusal == before[key].refusal


def test_a_view_tells_which_kind_holds() -> None:
    """Where findings are shared, others' assets are seen with how readily their owners consent."""
    column = STATIC_FEATURES.index("consent")
    for kind, ready in (("both", 2 / 3), ("findings", 1 / 3)):
        game = with_cooperation(short_game(), ARMS[kind])
        for owner in OwnerWorlds(game, range(1)).owners:
            assert view_of(game, owner).static[:, column].max() == pytest.approx(ready)


def test_times_of_consent_may_be_others() -> None:
    """Those of a standing agreement and of calls, unless the chain itself says longer."""
    twin = short_game().compiled.twin
    quick = cooperating(twin, ARMS["both"], quick_s=17.0, slow_s=1.0).consent
    slow = cooperating(twin, ARMS["findings"], quick_s=1.0, slow_s=9e4).consent
    assert {r.latency_s for r in quick if r.mode is ConsentMode.VETO_WINDOW and r.proposer is Proposer.OTHER} == {17.0}
    asked = [r for r in slow if r.proposer is Proposer.OTHER and r.consent_class is not ConsentClass.SAFETY]
    assert {r.latency_s for r in asked if r.mode is not ConsentMode.NEVER} == {9e4}


def test_a_request_that_waits_keeps_its_owner_from_the_same_response() -> None:
    """What one owner asks of another by call, that owner cannot begin itself until it has answered."""
    worlds = OwnerWorlds(with_cooperation(short_game(), ARMS["findings"]), range(1))
    asking, owning = worlds.lanes[0], worlds.lanes[1]
    restore = worlds.game.library.index_of(RESTORE)
    asset = next(
        one.id
        for one in owning.view.compiled.twin.assets
        if one.owner == owning.view.owner and worlds.legal[0][0, _numbered(asking, restore, one.id)]
    )
    own = _numbered(owning, restore, asset)
    assert worlds.legal[1][0, own]
    actions = np.zeros((1, len(worlds.owners)), np.int32)
    actions[0, 0] = _numbered(asking, restore, asset)
    assert not worlds.step(actions).refused.any()
    assert (worlds.worlds.state.run["state"] == RunState.AWAITING_CONSENT).sum() == 1
    assert not worlds.legal[1][0, own]


def _numbered(lane: ViewLanes, playbook: int, asset: str) -> int:
    """The number of an action in a view."""
    return 1 + playbook * lane.view.compiled.targets + lane.view.compiled.asset_number[asset]


def test_attacks_are_the_same_whatever_owners_agree() -> None:
    """If nobody does anything, the same is lost under every kind."""
    losses = []
    for how in ARMS.values():
        worlds = OwnerWorlds(with_cooperation(short_game(), how), range(8))
        for _ in range(STEPS):
            worlds.step(np.zeros((8, len(worlds.owners)), np.int32))
        losses.append(worlds.worlds.losses())
    assert losses[0].sum() > 0
    for other in losses[1:]:
        np.testing.assert_array_equal(losses[0], other)


def test_a_view_believes_in_shares() -> None:
    """What an owner believes is a probability for each asset of its view."""
    worlds = OwnerWorlds(short_game(), range(2))
    for _ in range(5):
        worlds.step(np.zeros((2, len(worlds.owners)), np.int32))
    for lane in worlds.lanes:
        held = lane.held()
        assert held.shape == (2, len(view_of(short_game(), lane.view.owner).compiled.twin.assets))
        assert (held >= 0).all() and (held <= 1 + 1e-6).all() and held.any()
