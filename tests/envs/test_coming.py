"""What is gained soon: from who is believed held, by taste and odds; not from what is cut off; as a view tells it."""

from __future__ import annotations

import numpy as np
import pytest
from tocsin.envs.active import (
    ACTIVE_FEATURES,
    BUSY,
    BUSY_STEP,
    COMING,
    COMING_MOST,
    COMING_OCTAVE,
    PROBABILITIES,
    ActiveSettings,
    sees_rows,
)
from tocsin.envs.coming import coming
from tocsin.tests.envs.games import short_game
from tocsin.twin.sensing.observe import FEATURES, log_odds
from tocsin.twin.vocabulary import Gain

GAME = short_game()
ASSETS, TARGETS = GAME.compiled.sizes[0], GAME.compiled.targets
HELD, ISOLATED, PENDING = (FEATURES.index(name) for name in ("held", "isolated", "pending"))
VIEW = ActiveSettings(slots=64)


def source_with_steps() -> int:
    step, taste = np.asarray(GAME.compiled.arrays.step), np.asarray(GAME.assumed.weight)[0]
    is_held = (taste > 0) & np.isin(step["gain"], (Gain.USER, Gain.ADMIN)) & (step["src"] != step["dst"])
    return int(step["src"][is_held][0])


def expected_from(source: int) -> np.ndarray:
    """Gains a minute by the steps themselves, one by one: tries x share of taste x odds of success."""
    t, p = GAME.compiled.arrays, GAME.assumed
    steps = [n for n in range(len(t.step)) if t.step["src"][n] == source]
    taste = {n: float(np.asarray(p.weight)[:, n].mean()) for n in steps}
    found = np.zeros(ASSETS)
    for n in steps:
        if t.step["gain"][n] in (Gain.USER, Gain.ADMIN):
            tries = float(p.attacker["try_p"].mean()) * 60.0 / p.tick_s
            found[t.step["dst"][n]] += tries * taste[n] / sum(taste.values()) * float(t.step["probability"][n])
    return found


def told(held: dict[int, int], isolated: tuple[int, ...] = ()) -> dict[int, float]:
    """Gains a minute that an active view tells of assets, where `held` is believed."""
    rows = np.zeros((1, TARGETS, len(FEATURES)), np.uint8)
    for asset, level in held.items():
        rows[0, asset, HELD] = level
    rows[0, list(isolated), ISOLATED] = 255
    rows[0, :ASSETS, FEATURES.index("near")] = 1  # all are seen
    active = sees_rows(rows, GAME.graph, settings=VIEW, playbooks=1)
    values = {int(target): int(row[COMING]) for target, row in zip(active.target[0], active.rows[0], strict=True)}
    return {
        target: 2.0 ** ((value - 255.0) / COMING_OCTAVE + COMING_MOST) if value else 0.0
        for target, value in values.items()
        if 0 <= target < ASSETS
    }


def test_one_sure_hold_leads_where_its_steps_lead_by_taste_and_odds() -> None:
    source = source_with_steps()
    expected = expected_from(source)
    assert expected.sum() > 0
    rates = coming(GAME.compiled, GAME.assumed)
    assert np.asarray(rates[:, [source]].todense()).ravel() == pytest.approx(expected, rel=1e-6)


def test_an_active_view_tells_it_to_a_twentieth_and_weighs_it_by_belief() -> None:
    """Along ties between assets; steps on the asset itself gain nothing that is not held already."""
    source = source_with_steps()
    expected = expected_from(source)
    found = told({source: 255})
    shown = [target for target in found if expected[target] > 1e-4 and target != source]
    assert shown
    for target in shown:
        assert found[target] == pytest.approx(expected[target] * PROBABILITIES[255], rel=0.07)
    half = told({source: 128})
    for target in shown:
        assert half[target] == pytest.approx(found[target] * PROBABILITIES[128] / PROBABILITIES[255], rel=0.12)


def test_nothing_comes_from_nowhere_nor_from_what_is_cut_off() -> None:
    source = source_with_steps()
    assert set(told({}).values()) == {0.0}
    assert set(told({source: 255}, isolated=(source,)).values()) == {0.0}


def test_responses_under_way_are_counted_in_every_slot() -> None:
    rows = np.zeros((1, TARGETS, len(FEATURES)), np.uint8)
    rows[0, [0, 1, 2], ISOLATED] = 255
    rows[0, [2, 3], PENDING] = 255
    active = sees_rows(rows, GAME.graph, settings=VIEW, playbooks=1)
    filled = active.rows[0][active.target[0] >= 0]
    assert len(filled) and (filled[:, BUSY] == 5 * BUSY_STEP).all()


@pytest.mark.parametrize("probability", [0.002, 0.05, 0.3, 0.5, 0.7, 0.99])
def test_what_held_tells_is_read_back_to_a_step(probability: float) -> None:
    level = log_odds.py_func(probability) if hasattr(log_odds, "py_func") else log_odds(probability)
    odds = probability / (1.0 - probability)
    read = float(PROBABILITIES[level])
    assert read / (1.0 - read) == pytest.approx(odds, rel=0.06)


def test_the_view_names_its_columns() -> None:
    assert ACTIVE_FEATURES[COMING] == "coming" and ACTIVE_FEATURES[BUSY] == "busy"
