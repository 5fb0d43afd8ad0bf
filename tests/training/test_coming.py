"""What is gained soon: it comes from who is believed held, grows with belief and time, and stops at what is cut off."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.tests.envs.games import short_game
from tocsin.training.coming import Coming, soon
from tocsin.twin.vocabulary import Gain

GAME = short_game()
COMING = Coming(GAME)
ASSETS = GAME.compiled.sizes[0]
NONE = np.zeros((1, ASSETS), np.bool_)


def sure(asset: int) -> np.ndarray:
    held = np.zeros((1, ASSETS))
    held[0, asset] = 1.0
    return held


def test_one_sure_hold_leads_where_its_steps_lead_by_taste_and_odds() -> None:
    """Against the steps themselves, one by one: tries a minute x share of taste x odds of success."""
    t, p = GAME.compiled.arrays, GAME.assumed
    source = int(np.asarray(t.step["src"])[np.asarray(p.weight)[0] > 0][0])
    steps = [n for n in range(len(t.step)) if t.step["src"][n] == source]
    taste = {n: float(np.asarray(p.weight)[:, n].mean()) for n in steps}
    expected = np.zeros(ASSETS)
    for n in steps:
        if t.step["gain"][n] in (Gain.USER, Gain.ADMIN):
            tries = float(p.attacker["try_p"].mean()) * 60.0 / p.tick_s
            expected[t.step["dst"][n]] += tries * taste[n] / sum(taste.values()) * float(t.step["probability"][n])
    assert expected.sum() > 0
    assert COMING.per_minute(sure(source), NONE)[0] == pytest.approx(expected, rel=1e-6)


def test_nothing_comes_from_nowhere_nor_from_what_is_cut_off() -> None:
    assert (COMING.per_minute(np.zeros((1, ASSETS)), NONE) == 0).all()
    held = np.full((1, ASSETS), 0.7)
    assert COMING.per_minute(held, NONE).sum() > 0
    assert (COMING.per_minute(held, ~NONE) == 0).all()


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**16), st.floats(0, 1440), st.floats(0, 1440))
def test_it_grows_with_belief_and_with_time_and_stays_odds(seed: int, minutes: float, more: float) -> None:
    rng = np.random.default_rng(seed)
    held = rng.random((3, ASSETS)) * (rng.random((3, 1)) < 0.8)
    blocked = rng.random((3, ASSETS)) < 0.2

    def odds(held: np.ndarray, minutes: float) -> np.ndarray:
        return soon(held, COMING.per_minute(held, blocked), minutes)

    first = odds(held, minutes)
    assert (first >= held - 1e-12).all() and (first <= 1.0).all()
    assert odds(held, 0.0) == pytest.approx(held)
    assert (odds(held, minutes + more) >= first - 1e-12).all()
    assert (odds(np.minimum(1.0, held + 0.1), minutes) >= first - 1e-12).all()
