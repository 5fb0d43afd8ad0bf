"""The decision to promote: every reason is named, and intervals that meet are not a win."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.training.promote import Bounds, Interval, Shown, reasons_against, told

GOOD = Shown(
    suite="held-out",
    suite_digest="0" * 64,
    chains=("one", "two"),
    attacks=400,
    loss=Interval(2.0, 1.8, 2.2),
    baselines={"do nothing": Interval(9.0, 8.5, 9.5), "evict by worth": Interval(3.0, 2.7, 3.3)},
    clairvoyant=Interval(1.0, 0.9, 1.1),
    downtime=0.5,
    false=1.0,
    consents=3.0,
    baseline_costs={},
)
BOUNDS = Bounds(downtime=1.0, false=2.0)


def _names(**change: Any) -> list[str]:
    return [one.name for one in reasons_against(replace(GOOD, **change), BOUNDS)]


def test_a_policy_that_beats_all_within_budget_may_go() -> None:
    """Intervals apart from every baseline, costs within bounds: nothing speaks against it."""
    assert reasons_against(GOOD, BOUNDS) == ()
    assert reasons_against(replace(GOOD, downtime=1.0, false=2.0), BOUNDS) == ()


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"loss": Interval(2.0, 1.2, 2.8)}, ["not_better"]),  # better, but the intervals meet
        ({"loss": Interval(2.0, 1.8, 2.7)}, ["not_better"]),  # they touch
        ({"loss": Interval(9.1, 9.0, 9.2)}, ["not_better", "not_better"]),
        ({"downtime": 1.01}, ["downtime"]),
        ({"false": 2.01}, ["false_containments"]),
        ({"downtime": float("nan"), "false": float("inf")}, ["downtime", "false_containments"]),
        ({"loss": Interval(float("nan"), float("nan"), float("nan"))}, ["not_better", "not_better"]),
        ({"baselines": {}}, ["no_baselines"]),
        (
            {"loss": Interval(4.0, 3.9, 4.1), "downtime": 2.0, "false": 5.0},
            ["not_better", "downtime", "false_containments"],
        ),
    ],
)
def test_every_reason_is_named(change: dict[str, Any], names: list[str]) -> None:
    """All that speaks against a policy is said at once; what is no number passes nothing."""
    assert _names(**change) == names


def test_a_reason_names_baseline_and_figures() -> None:
    """The message says whom it did not beat, and by which figures."""
    (reason,) = reasons_against(replace(GOOD, loss=Interval(2.5, 2.2, 2.8)), BOUNDS)
    assert "evict by worth" in reason.message and "2.50 (2.20 to 2.80)" in reason.message
    assert "intervals meet" in reason.message


@given(st.floats(0, 20), st.floats(0, 5), st.floats(0, 5), st.floats(0, 5))
def test_no_worse_figure_is_promoted_than_a_better(loss: float, half: float, downtime: float, more: float) -> None:
    """Whoever loses more, less surely, or costs more has at least the reasons of one that does not."""
    better = _names(loss=Interval(loss, loss - half, loss + half), downtime=downtime)
    worse = _names(loss=Interval(loss + more, loss - half, loss + half + more), downtime=downtime + more)
    assert set(better) <= set(worse)


def test_the_card_tells_what_was_shown() -> None:
    """Suite with digest, figures with intervals, budget and limits are on the card, as JSON values."""
    import json

    card = json.loads(json.dumps(told(GOOD, BOUNDS, seeds=[1])))
    assert card["suite"] == {"name": "held-out", "digest": "0" * 64, "chains": ["one", "two"], "attacks": 400}
    assert card["figures"]["loss"] == {"mean": 2.0, "low": 1.8, "high": 2.2}
    assert card["budget"] == {"downtime": 1.0, "false": 2.0} and card["limits"] and card["seeds"] == [1]
