"""Figures with intervals: what they must equal, and that intervals hold what they should."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, trim_mean
from tocsin.training import intervals
from tocsin.training.intervals import (
    Losses,
    estimates,
    interquartile_mean,
    interval,
    mean,
    mean_of,
    probability_of_improvement,
)


def drawn(*sizes: int, policies: int = 2, seed: int = 0) -> Losses:
    rng = np.random.default_rng(seed)
    return Losses.of([rng.exponential(1.0 + chain, (size, policies)) for chain, size in enumerate(sizes)])


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(0, 99))
def test_the_mean_weighs_every_chain_alike(sizes: list[int], seed: int) -> None:
    """However many attacks a chain was played with."""
    losses = drawn(*sizes, seed=seed)
    chains = np.split(losses.table[:, 0], np.cumsum(sizes)[:-1])
    assert mean(losses, 0)(np.ones((1, sum(sizes))))[0] == pytest.approx(np.mean([chain.mean() for chain in chains]))


@given(st.integers(1, 40), st.integers(0, 99))
def test_the_interquartile_mean_is_scipys_trimmed_mean(quarter: int, seed: int) -> None:
    """Where a quarter is a whole number of attacks, both cut the same."""
    losses = drawn(4 * quarter, seed=seed)
    ours = interquartile_mean(losses, 0)(np.ones((1, 4 * quarter)))[0]
    assert ours == pytest.approx(trim_mean(losses.table[:, 0], 0.25))


def test_the_worst_quarter_does_not_move_the_interquartile_mean() -> None:
    """One attack that costs a fortune changes the mean alone."""
    plain, ones = drawn(40), np.ones((1, 40))
    table = plain.table.copy()
    table[table[:, 0].argmax(), 0] = 1e6
    worse = Losses(table, plain.sizes)
    assert interquartile_mean(worse, 0)(ones) == pytest.approx(interquartile_mean(plain, 0)(ones))
    assert mean(worse, 0)(ones) > 1e4


@given(st.integers(0, 99), st.integers(1, 3))
def test_the_probability_of_improvement_is_the_mann_whitney_statistic(seed: int, digits: int) -> None:
    """Rounded losses tie; ties count half, as in scipy."""
    plain = drawn(30, 20, seed=seed)
    losses = Losses(plain.table.round(digits - 1), plain.sizes)
    chains = np.split(losses.table, [30])
    expected = np.mean([mannwhitneyu(c[:, 1], c[:, 0]).statistic / len(c) ** 2 for c in chains])
    assert probability_of_improvement(losses, 0, 1)(np.ones((1, 50)))[0] == pytest.approx(expected)


def test_two_sides_of_an_improvement_add_up_to_one() -> None:
    """On every resample."""
    losses, rng = drawn(25, 15), np.random.default_rng(3)
    weights = np.concatenate([rng.multinomial(25, np.full(25, 1 / 25), 50), rng.multinomial(15, [1 / 15] * 15, 50)], 1)
    there = probability_of_improvement(losses, 0, 1)(weights.astype(float))
    back = probability_of_improvement(losses, 1, 0)(weights.astype(float))
    assert there + back == pytest.approx(np.ones(50))


def test_attacks_are_drawn_within_their_chain() -> None:
    """Two chains of constant losses: nothing varies, though they differ from each other."""
    losses = Losses.of([np.full((10, 1), 1.0), np.full((10, 1), 5.0)])
    (found,) = estimates(losses, [mean(losses, 0)])
    assert (found.value, found.low, found.high) == (3.0, 3.0, 3.0)


def test_results_do_not_depend_on_how_many_weights_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One resample at a time or all at once."""
    losses = drawn(30, 30)
    at_once = estimates(losses, [mean(losses, 0), interquartile_mean(losses, 1)])
    monkeypatch.setattr(intervals, "BLOCK", 1)
    one_by_one = estimates(losses, [mean(losses, 0), interquartile_mean(losses, 1)])
    assert [astuple(one) for one in one_by_one] == [pytest.approx(astuple(one)) for one in at_once]


def test_pairing_makes_differences_sure() -> None:
    """All policies play the same attacks: a policy that always loses 1 more has a difference of exactly 1."""
    table = np.random.default_rng(1).exponential(5.0, (50, 1))
    losses = Losses.of([np.concatenate([table, table + 1.0], axis=1)])
    (found,) = estimates(losses, [mean_of(losses, losses.table[:, 1] - losses.table[:, 0])])
    assert (found.low, found.high) == (pytest.approx(1.0), pytest.approx(1.0))


def test_intervals_cover_as_often_as_they_say() -> None:
    """Over 150 samples of two chains of 60 skewed losses the 95 % interval holds the true mean in 88 to 99 %."""
    rng = np.random.default_rng(5)
    tables = [rng.exponential(1.0, (60, 150)), rng.exponential(3.0, (60, 150))]
    losses = Losses.of(tables)
    found = estimates(losses, [mean(losses, sample) for sample in range(150)])
    assert 0.88 <= np.mean([one.low <= 2.0 <= one.high for one in found]) <= 0.99


def test_an_interval_is_the_middle_of_what_was_resampled() -> None:
    """95 of 100 equally spaced figures."""
    assert interval(np.arange(1001.0)) == (pytest.approx(25.0), pytest.approx(975.0))


def test_intervals_hold_what_attacks_share_on_every_chain() -> None:
    """Where an attack's luck is the same on all chains, twenty chains make the interval no narrower than one does."""
    rng = np.random.default_rng(3)
    luck = rng.exponential(2.0, (40, 1))
    alone = estimates(Losses.of([luck]), [mean(Losses.of([luck]), 0)])[0]
    alike = Losses.of([luck + 0.01 * rng.random((40, 1)) for _ in range(20)])
    together = estimates(alike, [mean(alike, 0)])[0]
    assert together.high - together.low == pytest.approx(alone.high - alone.low, rel=0.05)
