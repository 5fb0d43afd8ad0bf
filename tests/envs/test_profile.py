"""Histograms of what a policy meets: counts are exact, distances are nought for equals, chance is kept apart."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.envs.active import ACTIVE_FEATURES, INPUTS, PRESENT
from tocsin.envs.profile import (
    BINS,
    COUNTED,
    MAJOR,
    SIZES,
    STRATA,
    Profile,
    ProfileError,
    Window,
    counted,
    indices,
    novelties,
    profile_of,
)

EVIDENCE = ACTIVE_FEATURES.index("evidence")


def _rows(rng: np.random.Generator, views: int = 20, *, high: int = 256, alert: bool = True) -> np.ndarray:
    rows = rng.integers(0, high, (views, 6, INPUTS + 8)).astype(np.uint8)
    rows[:, :, PRESENT] = 0
    rows[:, :3, PRESENT] = 255
    rows[:, :, EVIDENCE] = 9 if alert else 0
    return rows


def _windows(seed: int, count: int = 40, high: int = 256) -> list[Window]:
    rng = np.random.default_rng(seed)
    return [counted(_rows(rng, high=high)) for _ in range(count)]


def test_every_filled_slot_is_counted_once_in_its_bin() -> None:
    """0 stands alone, the other values lie in eight equal ranges; empty slots and neighbours do not count."""
    rows = np.zeros((2, 3, INPUTS + 8), np.uint8)
    rows[0, :2, PRESENT] = 255
    rows[0, :2, 0] = (0, 1)
    rows[1, 0, [PRESENT, 0, EVIDENCE]] = (255, 255, 1)
    found = counted(rows)
    assert found.decisions.tolist() == [1, 1] and STRATA == ("quiet", "alert")
    assert found.counts[0, 0].tolist() == [1, 1, *[0] * 7] and found.counts[1, 0].tolist() == [*[0] * 8, 1]
    assert found.counts.sum() == 3 * len(COUNTED)
    edges = np.zeros((1, 256, INPUTS), np.uint8)
    edges[0, :, PRESENT], edges[0, :, 0] = 255, np.arange(256)
    assert counted(edges).counts[0, 0].tolist() == [1, *[32] * 7, 31]


@given(seed=st.integers(0, 2**20))
@settings(max_examples=30, deadline=None)
def test_the_index_is_nought_for_equals_and_never_below(seed: int) -> None:
    """It is symmetric, at least 0, and 0 for shares that are equal, however many were counted."""
    rng = np.random.default_rng(seed)
    one, other = (rng.integers(0, 50, (4, BINS)) for _ in range(2))
    np.testing.assert_allclose(indices(one, 7 * one), 0.0, atol=1e-12)
    np.testing.assert_allclose(indices(one, other), indices(other, one), atol=1e-9)
    assert (indices(one, other) >= -1e-12).all()


def test_novelty_is_the_share_never_seen() -> None:
    """What falls where the reference has nothing is novel."""
    reference = np.array([[50, 50, 0, 0, 0, 0, 0, 0, 0]])
    assert novelties(np.array([[6, 1, 3, 0, 0, 0, 0, 0, 0]]), reference).tolist() == [0.3]
    assert novelties(reference, reference).tolist() == [0.0]


def test_chance_is_smaller_the_more_windows_there_are() -> None:
    """Windows of the same kind stay within what chance makes; others go far beyond it and the major shift."""
    profile = profile_of([_windows(1), _windows(2)], 20)
    alert = profile.strata["alert"]
    chance = [alert.index[size] for size in SIZES]
    assert chance == sorted(chance, reverse=True) and chance[0] < MAJOR
    same = sum(_windows(3, 20), Window.empty())
    other = sum(_windows(3, 20, high=128), Window.empty())
    assert indices(same.counts[1], alert.counts)[:16].max() <= 1.5 * alert.index[20]
    assert indices(other.counts[1], alert.counts)[:16].max() > MAJOR
    assert profile.strata["quiet"].windows == 0 and not profile.strata["quiet"].index


def test_profiles_and_windows_come_back_from_json() -> None:
    """What a card and a store hold reads to the same numbers."""
    window = _windows(5, 1)[0]
    back = Window.of_object(json.loads(json.dumps(window.as_object())))
    assert (back.counts == window.counts).all() and (back.decisions == window.decisions).all()
    profile = profile_of([_windows(1, 12)], 20)
    again = Profile.of_object(json.loads(json.dumps(profile.as_object())))
    assert again.as_object() == profile.as_object()


@pytest.mark.parametrize(
    "content", [None, {}, [], {"version": 2}, {"version": 1, "length": 3, "strata": {"alert": {}}}, {"version": 1}]
)
def test_what_is_no_profile_is_refused(content: object) -> None:
    """Whatever a card holds, the message says to promote again."""
    with pytest.raises(ProfileError, match="promote"):
        Profile.of_object(content)
    with pytest.raises(ProfileError, match="store"):
        Window.of_object(content)
