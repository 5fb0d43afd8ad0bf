"""Generated chains: equal for equal settings, of the size asked for, and with ways across owners to what matters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.envs.game import load_game
from tocsin.envs.generate import generate_twin
from tocsin.envs.scenario import SITE, SMALL_SITE, Generator, ScenarioError, parse_scenario
from tocsin.envs.vector import ResponseWorlds
from tocsin.twin.analysis.paths import best_paths
from tocsin.twin.attack.steps import derive_steps


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
    assert crossing >= 7


def test_a_scenario_file_may_ask_for_a_generated_chain() -> None:
    """Worlds are played on it as on any."""
    game = load_game(parse_scenario({"name": "made", "generate": {"assets": 60, "owners": 3}}, "test"))
    worlds = ResponseWorlds(game, range(3))
    worlds.reset()
    assert worlds.step(np.zeros(3, np.int64)).reward.shape == (3,)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"generate": {"assets": 9}}, "generate.assets"),
        ({"generate": {"owners": 21}}, "generate.owners"),
        ({"generate": {"assets": 30, "owners": 9}}, "45 assets, not 30; give at most 6 owners"),
        ({"generate": {"weak": 1.5}}, "generate.weak"),
        ({"generate": {"hosts": 5}}, "generate.hosts"),
        ({"generate": {}, "chain": "charging"}, "leave one out"),
    ],
)
def test_settings_that_make_no_chain_are_named(content: dict[str, object], says: str) -> None:
    """Field and mend, before anything is made."""
    with pytest.raises(ScenarioError, match=says):
        parse_scenario({"name": "made", **content}, "test")
