"""Findings where there are many: how many are drawn, where they fall, and what has room.

Rates of the shipped chain are raised to those of a chain of a million assets (430 false findings a tick).
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from tocsin.tests.twin.played import NOBODY, chain, numbers, worlds_of
from tocsin.tests.twin.random_twins import FEW, one_thread  # noqa: F401  (a fixture of the module)
from tocsin.twin.rulebook import settle
from tocsin.twin.rulebook.draws import FALSE_COUNT, POISSON_PART, poisson, tick_key
from tocsin.twin.rulebook.parameters import AttackerProfile, Parameters, Phone
from tocsin.twin.rulebook.state import (
    FINDINGS,
    MOST_FINDINGS,
    MOST_PENDING,
    PENDING,
    new_state,
    reset_worlds,
    room_for_findings,
)
from tocsin.twin.rulebook.worlds import Worlds

DRAWS = 20_000
MILLION = 430.0  # false findings a tick at a million assets
CALLED = Phone(call_h=1.0, late_s=600.0, part=0.5, desk="csms")


def flooded(parameters: Parameters, false_total: float = MILLION) -> Parameters:
    return parameters._replace(false_total=false_total)


@pytest.mark.parametrize("mean", [0.5, POISSON_PART, 33.0, 60.0, MILLION])
def test_numbers_of_findings_are_poisson(mean: float) -> None:
    """Mean and variance within four standard errors, and the whole distribution by a test of Kolmogorov's kind."""
    keys = (np.uint64(tick_key(1, world, 0, 0)) for world in range(DRAWS))
    drawn = np.array([poisson(key, FALSE_COUNT, 0, mean) for key in keys])
    assert abs(drawn.mean() - mean) < 4 * np.sqrt(mean / DRAWS)
    assert abs(drawn.var(ddof=1) - mean) < 4 * np.sqrt((mean + 2 * mean**2) / DRAWS)
    counts = np.bincount(drawn, minlength=int(mean * 3) + 30)
    gap = np.abs(np.cumsum(counts) / DRAWS - stats.poisson(mean).cdf(np.arange(len(counts))))
    assert gap.max() < 1.63 / np.sqrt(DRAWS)  # one in a hundred for a continuous distribution, rarer for this one


def test_no_finding_is_poisson_too() -> None:
    """At mean 0 nothing is drawn."""
    assert poisson(np.uint64(tick_key(1, 2, 3, 4)), FALSE_COUNT, 0, 0.0) == 0


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=60), st.floats(1e-12, 1.0))
@FEW
def test_the_guide_finds_the_place_that_halving_finds(weights: list[float], draw: float) -> None:
    """Any weights, any draw, the draws that fall on a bound among them."""
    cdf = np.cumsum(weights) / np.sum(weights)
    guide = np.searchsorted(cdf, np.arange(len(cdf)) / len(cdf)).astype(np.int32)
    parameters = numbers()._replace(false_cdf=cdf, false_guide=guide)
    for one in (draw, *cdf):
        expected = min(int(np.searchsorted(cdf, one)), len(cdf) - 1)
        assert getattr(settle._place, "py_func", settle._place)(one, parameters) == expected


def test_every_false_finding_of_a_large_chain_is_kept() -> None:
    """At the rate of a million assets: some 430 a tick are made and kept, none dropped."""
    worlds = worlds_of(flooded(numbers()), 20)
    kept = 0
    for _ in range(20):
        worlds.roll(1)
        kept += int(worlds.state.world["finding_n"].sum())
    assert kept == worlds.state.world["finding_count"].sum() and not worlds.state.world["dropped"].any()
    assert abs(kept - 400 * MILLION) < 4 * np.sqrt(400 * MILLION)


def test_room_grows_with_the_rate_and_small_chains_do_not_grow() -> None:
    """The shipped chain keeps its 64 rows; room covers the mean and eight deviations; bounds hold."""
    held = chain().sizes[0]
    assert room_for_findings(numbers(), held) == (FINDINGS, 0)
    assert room_for_findings(numbers(phone=CALLED), held) == (FINDINGS, PENDING)
    room, none = room_for_findings(flooded(numbers()), held)
    assert MILLION + 8 * np.sqrt(MILLION) < room < 2 * MILLION and none == 0
    told, pending = room_for_findings(flooded(numbers(phone=CALLED)), held)
    assert told > 1.5 * MILLION and pending > 11 * 0.5 * MILLION
    assert room_for_findings(flooded(numbers(load_amplitude=1.0)), held)[0] > 2 * MILLION
    assert room_for_findings(flooded(numbers(phone=CALLED), 1e9), held) == (MOST_FINDINGS, MOST_PENDING)


def test_forgers_have_room_for_what_they_forge() -> None:
    """A forger with ticks of an hour forges sixty a tick, more than were drawn at most; none is dropped."""
    forger = AttackerProfile("forger", onset_s=(0.0, 0.0), absent=0.0, forges_per_hour=60.0, forges_at_once=True)
    parameters = numbers(forger)
    parameters.attacker["forgeries"] = 150.0
    worlds = worlds_of(parameters._replace(false_total=0.0), 10)
    worlds.roll(30)
    count = int(worlds.state.world["finding_count"].sum())
    assert abs(count - 290 * 150.0) < 0.1 * 290 * 150.0 and not worlds.state.world["dropped"].any()


def cramped(parameters: Parameters, findings: int, count: int = 6) -> Worlds:
    """Worlds with room for so many findings a tick, whatever the rate."""
    worlds = worlds_of(parameters, count)
    state = new_state(chain(), parameters, count, findings=findings)
    for name in ("stream", "id", "episode"):
        state.world[name] = worlds.state.world[name]
    state.seat_owner[:] = worlds.state.seat_owner
    reset_worlds(np.arange(count), parameters, state)
    return Worlds(worlds.compiled, worlds.effects, parameters, state)


def test_what_has_no_room_is_counted() -> None:
    """Made are as many as with room; what is not kept is dropped, and a reset begins to count anew."""
    parameters = flooded(numbers())
    roomy, narrow, kept = worlds_of(parameters, 6), cramped(parameters, 100), np.zeros(6, int)
    for _ in range(10):
        roomy.roll(1)
        narrow.roll(1)
        kept += narrow.state.world["finding_n"]
        for b in range(6):
            assert (narrow.state.finding[b] == roomy.state.finding[b, :100]).all()
    assert (narrow.state.world["finding_count"] == roomy.state.world["finding_count"]).all()
    assert (kept + narrow.state.world["dropped"] == narrow.state.world["finding_count"]).all() and kept.all()
    assert (narrow.state.world["dropped"] > 0).all()
    narrow.reset(np.arange(6))
    assert not narrow.state.world["dropped"].any()


def test_what_is_not_told_for_want_of_room_is_counted() -> None:
    """By phone, all told: what was made and never told is on its way, or dropped, on the way in or on the way out."""
    parameters = flooded(numbers(NOBODY, phone=Phone(call_h=1.0, late_s=300.0, part=1.0, desk="csms")), 100.0)
    worlds, told = cramped(parameters, 150), np.zeros(6, int)
    narrow = worlds.state._replace(pending=np.ascontiguousarray(worlds.state.pending[:, :450]))
    worlds = Worlds(worlds.compiled, worlds.effects, parameters, narrow)
    for _ in range(20):
        worlds.roll(1)
        told += narrow.world["late_n"]
    made, waiting, dropped = (narrow.world[name] for name in ("finding_count", "pending_n", "dropped"))
    assert (made == told + waiting + dropped).all() and (dropped > 0).all() and (told > 0).all()
