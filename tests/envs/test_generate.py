"""Generated chains: equal for equal settings, of the size asked for, and with ways across owners to what matters."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.envs.game import load_game
from tocsin.envs.generate import OUTSIDE, generate_twin
from tocsin.envs.generated_contracts import TIERS, owners_of, tier_of
from tocsin.envs.scenario import SITE, SMALL_SITE, Generator, ScenarioError, parse_scenario
from tocsin.envs.vector import ResponseWorlds
from tocsin.envs.views import view_of
from tocsin.twin.analysis.paths import best_paths
from tocsin.twin.attack.steps import derive_steps
from tocsin.twin.vocabulary import AssetKind, LinkKind


@given(owners=st.integers(2, 20), more=st.integers(0, 200), seed=st.integers(0, 99), devices=st.floats(0, 1))
@settings(deadline=None, max_examples=30)
def test_any_chain_is_whole(owners: int, more: int, seed: int, devices: float) -> None:
    """References resolve, every owner has a site, and the size is about what was asked for."""
    wanted = Generator(assets=owners * (SMALL_SITE + 1) + more, owners=owners, seed=seed, devices=devices)
    twin = generate_twin(wanted)
    assert {asset.owner for asset in twin.assets} == {owner.id for owner in twin.owners}
    assert len(twin.owners) == owners + 1
    slack = owners * 3 + 2 * SITE + 0.3 * wanted.assets  # accounts, whole sites, drawn devices
    assert abs(len(twin.assets) - wanted.assets) < slack
    assert generate_twin(wanted).digest == twin.digest


@given(owners=st.integers(2, 20), more=st.integers(0, 30), seed=st.integers(0, 9))
@settings(deadline=None, max_examples=20)
def test_small_chains_have_the_size_asked_for(owners: int, more: int, seed: int) -> None:
    """From ten assets on, with a way in from outside and something to lose at every owner."""
    wanted = Generator(assets=owners * (SMALL_SITE + 1) + more, owners=owners, seed=seed)
    twin = generate_twin(wanted)
    if wanted.assets < owners * SITE:
        assert len(twin.assets) == wanted.assets
    assert len({asset.owner for asset in twin.assets if asset.crown_jewel}) == owners
    assert any(step.source == "internet/external/internet" for step in derive_steps(twin))


def test_seeds_make_different_chains() -> None:
    """The seed is heeded."""
    assert len({generate_twin(Generator(seed=seed)).digest for seed in range(5)}) == 5


def test_attacks_cross_owners_on_generated_chains() -> None:
    """Most chains have a path from the internet over an owner's border to a crown jewel."""
    twins = [generate_twin(Generator(assets=150, owners=5, seed=seed)) for seed in range(10)]
    crossing = sum(bool(best_paths(twin, derive_steps(twin), count=1)) for twin in twins)
    assert crossing > len(twins) / 2


def test_a_scenario_file_may_ask_for_a_generated_chain() -> None:
    """Worlds are played on it as on any."""
    game = load_game(parse_scenario({"name": "made", "generate": {"assets": 60, "owners": 3}}, "test"))
    worlds = ResponseWorlds(game, range(3))
    worlds.reset()
    assert worlds.step(np.zeros(3, np.int64)).reward.shape == (3,)


@given(owners=st.integers(2, 20), each=st.integers(5, 30), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_every_owner_is_reached_from_every_other(owners: int, each: int, seed: int) -> None:
    """One whole: whichever way links point, they join all assets, the internet's too."""
    twin = generate_twin(Generator(assets=owners * each, owners=owners, seed=seed))
    beside: dict[str, set[str]] = defaultdict(set)
    for link in twin.links:
        beside[link.source].add(link.target)
        beside[link.target].add(link.source)
    found = waiting = {OUTSIDE}
    while waiting:
        waiting = {one for asset in waiting for one in beside[asset]} - found
        found = found | waiting
    assert found == set(twin.asset_by_id)


@given(owners=st.integers(2, 20), each=st.integers(5, 30), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_trust_and_supply_cross_owners(owners: int, each: int, seed: int) -> None:
    """A vendor's software is a way to its customers (T1195), a provider's desk one to whom it serves (T1199)."""
    steps = derive_steps(generate_twin(Generator(assets=owners * each, owners=owners, seed=seed)))
    for technique, tiers in (("T1195", ("vendor",)), ("T1199", ("edge", "cloud", "vendor"))):
        taken = [step for step in steps if step.technique == technique]
        assert taken and all(step.link is not None for step in taken)
        assert all(step.source.startswith(tiers) and _owner(step.source) != _owner(step.target) for step in taken)


def test_nobody_supplies_or_manages_if_told_so() -> None:
    """The shares are heeded: none, and all."""
    for share, expected in ((0.0, (0, 0)), (1.0, (8, 5))):
        twin = generate_twin(Generator(assets=130, owners=10, devices=0.0, supplied=share, managed=share))
        counts = Counter(step.technique for step in derive_steps(twin))
        users, helped = (
            sum(asset.kind is AssetKind.SEGMENT and tier_of(asset.owner) not in without for asset in twin.assets)
            for without in (("vendor",), ("vendor", "edge", "cloud"))
        )
        assert (counts["T1195"], counts["T1199"]) == (round(share) * users, round(share) * helped)
        assert expected[0] <= counts["T1195"] and expected[1] <= counts["T1199"]


def test_tiers_depend_on_the_next() -> None:
    """Services are bought down the chain: customer, operator, edge, vendor, cloud; all tiers are there from five on."""
    for count in range(2, 21):
        owners = owners_of(count)
        assert len(set(owners)) == count and [TIERS.index(tier_of(one)) for one in owners] == sorted(
            TIERS.index(tier_of(one)) for one in owners
        )
        assert count < 5 or {tier_of(one) for one in owners} == set(TIERS)
        twin = generate_twin(Generator(assets=5 * count, owners=count))
        needs = [link for link in twin.links if link.kind is LinkKind.DEPENDS_ON and twin.is_boundary(link)]
        assert {_owner(link.source) for link in needs} | {_owner(needs[-1].target), *owners[-1:]} == set(owners)
        assert all(owners.index(_owner(link.source)) < owners.index(_owner(link.target)) for link in needs)
        assert len(needs) == count - 1


def test_owners_share_differently() -> None:
    """Some share all with all, some findings with their partners, the rest nothing; shares are heeded."""
    twin = generate_twin(Generator(assets=100, owners=10, open=0.3, partial=0.5))
    partners = {(_owner(k.source), _owner(k.target)) for k in twin.links if twin.is_boundary(k)}
    rules: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for rule in twin.sharing:
        rules[rule.owner].add(rule.what)
        if rule.peer != "*":
            assert {(rule.owner, rule.peer), (rule.peer, rule.owner)} & partners
    assert Counter(next(iter(what)) for what in rules.values()) == {("findings", "assets"): 3, ("findings",): 5}
    assert all(len(what) == 1 for what in rules.values())
    quiet = generate_twin(Generator(assets=100, owners=10, open=0, partial=0))
    assert quiet.sharing == () and generate_twin(Generator(open=1, partial=0)).sharing[0].peer == "*"


def test_owners_play_what_they_see_of_a_generated_chain() -> None:
    """An owner's view is smaller than the whole where others share nothing."""
    game = load_game(parse_scenario({"name": "made", "generate": {"assets": 60, "owners": 5, "open": 0.2}}, "test"))
    sizes = [len(view_of(game, owner.id).compiled.twin.assets) for owner in game.compiled.twin.owners]
    assert min(sizes) < max(sizes) < len(game.compiled.twin.assets)


def _owner(asset: str) -> str:
    return asset.split("/")[0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"generate": {"assets": 9}}, "generate.assets"),
        ({"generate": {"owners": 21}}, "generate.owners"),
        ({"generate": {"assets": 30, "owners": 9}}, "45 assets, not 30; give at most 6 owners"),
        ({"generate": {"weak": 1.5}}, "generate.weak"),
        ({"generate": {"hosts": 5}}, "generate.hosts"),
        ({"generate": {"supplied": -0.1}}, "generate.supplied"),
        ({"generate": {"open": 0.7, "partial": 0.4}}, "give at most 1 in all"),
        ({"generate": {}, "chain": "charging"}, "leave one out"),
    ],
)
def test_settings_that_make_no_chain_are_named(content: dict[str, object], says: str) -> None:
    """Field and mend, before anything is made."""
    with pytest.raises(ScenarioError, match=says):
        parse_scenario({"name": "made", **content}, "test")
