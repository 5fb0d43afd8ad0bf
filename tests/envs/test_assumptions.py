"""Draws of assumed numbers: within their ranges, half on each side, and the world as assumed in the middle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.envs import assumptions as module
from tocsin.envs.assumptions import Assumptions, drawn, game_under
from tocsin.envs.attackers import PRESETS
from tocsin.envs.game import load_game
from tocsin.envs.ranges import ranges
from tocsin.envs.scenario import Generator, Scenario, parse_scenario
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.twin.attack.techniques import PARAMETERS, Parameter, success_of, supposing
from tocsin.twin.rulebook.worlds import Worlds

NAMES = sorted(ranges())


def made(phone: bool = False) -> Scenario:
    content = {
        "name": "made",
        "generate": {"assets": 30, "owners": 3, "seed": 5},
        "attackers": [{"preset": "apt", "tries_per_hour": 20, "absent": 0.0, "onset_s": [0, 0]}],
        "horizon_ticks": 60,
    }
    return parse_scenario({**content, **({"between_owners": "phone"} if phone else {})}, "made")


@given(name=st.sampled_from(NAMES), number=st.integers(0, 10_000))
def test_a_draw_lies_in_the_range(name: str, number: int) -> None:
    """Of every number there is; settings of the game stay."""
    row = ranges()[name]
    value = Assumptions(1, number).value(name)
    assert min(row.low, row.value) - 1e-9 <= value <= max(row.high, row.value) + 1e-9
    assert value == row.value or not row.source.startswith("chosen")


NUMBER = st.just(0.0) | st.floats(1e-6, 10)


@given(low=NUMBER, middle=NUMBER, high=NUMBER, q=st.floats(0, 1), r=st.floats(0, 1))
def test_values_grow_with_the_quantile(low: float, middle: float, high: float, q: float, r: float) -> None:
    """From low by the assumed value at one half to high, on either scale."""
    low, middle, high = sorted((low, middle, high))
    row = Parameter("x", middle, low, high, "assumed")
    small, large = (drawn(row, middle, one) for one in sorted((q, r)))
    assert low - 1e-9 <= small <= large + 1e-9 and large <= high + 1e-9
    assert drawn(row, middle, 0.0) == pytest.approx(low) and drawn(row, middle, 1.0) == pytest.approx(high)
    assert drawn(row, middle, 0.5) == pytest.approx(middle)


def test_draws_are_keyed_by_name() -> None:
    """Equal seeds and numbers draw equal values; other numbers and names others."""
    one, same, other = Assumptions(1, 2), Assumptions(1, 2), Assumptions(1, 3)
    assert one.value("game.repair_h") == same.value("game.repair_h") != other.value("game.repair_h")
    quantiles = [Assumptions(4, number).quantile("game.repair_h") for number in range(400)]
    assert abs(np.mean(quantiles) - 0.5) < 0.05 and abs(np.mean(np.array(quantiles) < 0.5) - 0.5) < 0.1


@pytest.mark.parametrize("phone", [False, True])
def test_in_the_middle_of_all_ranges_is_the_game_as_assumed(phone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every array of the world, of what is believed of it and of what playbooks do is the same."""
    monkeypatch.setattr(Assumptions, "quantile", lambda self, name: 0.5)
    middle, plain = game_under(made(phone), Assumptions(0, 0)), load_game(made(phone))
    for name in ("parameters", "assumed", "effects"):
        for field, one, other in zip(
            getattr(plain, name)._fields, getattr(plain, name), getattr(middle, name), strict=True
        ):
            assert np.array_equal(one, other), f"{name}.{field}"
    assert np.array_equal(middle.compiled.arrays.step, plain.compiled.arrays.step)
    assert middle.compiled.twin.digest == plain.compiled.twin.digest


def test_worlds_differ_where_numbers_do() -> None:
    """Attackers, detectors, owners, playbooks, the chain itself; what is believed of attackers and detectors stays."""
    plain, other = load_game(made()), game_under(made(), Assumptions(3, 1))
    assert other.parameters.attacker["try_p"][0] != plain.parameters.attacker["try_p"][0]
    assert other.assumed.attacker["try_p"][0] == plain.assumed.attacker["try_p"][0]
    assert (other.parameters.hit != plain.parameters.hit).any() and (other.assumed.hit == plain.assumed.hit).all()
    assert (other.parameters.consent["latency"] != plain.parameters.consent["latency"]).any()
    assert (other.effects.playbook["work"] != plain.effects.playbook["work"]).any()
    assert other.compiled.twin.digest != plain.compiled.twin.digest
    assert other.parameters.repair != plain.parameters.repair


def test_who_an_attacker_is_stays() -> None:
    """None begins inside or forges because of a draw."""
    for name, preset in PRESETS.items():
        for number in range(5):
            profile = module._profile(preset.profile, Assumptions(2, number))
            assert profile.inside == preset.profile.inside
            assert (profile.forges_per_hour > 0) == (preset.profile.forges_per_hour > 0), name


def test_steps_are_derived_under_what_is_supposed() -> None:
    """Inside the block alone, and in no other number."""
    before = success_of("T1003")[0]
    with supposing({"success.T1003": 0.123}):
        assert success_of("T1003")[0] == 0.123 and success_of("T1552")[0] == PARAMETERS["success.T1552"].value
    assert success_of("T1003")[0] == before


def test_worlds_of_a_draw_can_be_played() -> None:
    """A game of a draw ticks like any other."""
    game = game_under(made(), Assumptions(3, 2))
    worlds = Worlds.make(game.compiled, game.effects, game.parameters, world_ids=range(4), stream=1)
    worlds.roll(30)
    assert (worlds.state.world["tick"] == 30).all()


def test_every_draw_makes_a_chain_that_can_be_generated() -> None:
    """Shares of the same owners come to 1 at most in thousands of draws, where rounding once took them above."""
    generator = made().made
    assert generator is not None
    at_most = 0
    for number in range(3000):
        shares = module._shares(generator, Assumptions(20263, number))
        Generator.model_validate({**generator.model_dump(), **shares})
        at_most += shares["open"] + shares["partial"] == pytest.approx(1.0)
    assert at_most > 100
