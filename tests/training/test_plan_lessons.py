"""Lessons of a planner: what they say of responses, that networks learn it, and that a run plans on its workers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tocsin.tests.envs.games import short_game
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.training.family import Chain
from tocsin.training.imitate import Lesson, clone
from tocsin.training.network import PairNetwork
from tocsin.training.plan_lessons import LEAST_WEIGHT, MOST_HARM, OF_HARM, plan_lesson, weighed
from tocsin.training.settings import TrainError, TrainSettings

SETTINGS = TrainSettings(seed=3)


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    return plan_lesson(Chain(short_game()), 6, 1.0, SETTINGS)


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 2)), min_size=1, max_size=9),
    st.integers(0, 8),
)
def test_chances_follow_gains_and_noise_takes_from_them(told: list[tuple[float, float]], which: int) -> None:
    """Chances sum to 1; waiting has gain 0; of two equal gains the surer one says more; weights stay in bounds."""
    gains = np.array([0.0, *(gain for gain, _ in told)])
    errors = np.array([0.0, *(error for _, error in told)])
    chances, weight = weighed(gains, errors)
    assert chances.sum() == pytest.approx(1.0)
    assert (chances[1:][gains[1:] < 0] <= chances[0]).all() and (chances[1:][gains[1:] > 0] >= chances[0]).all()
    assert LEAST_WEIGHT <= weight <= LEAST_WEIGHT + max(gains.max(), 0.0) + OF_HARM * MOST_HARM
    one = 1 + which % len(told)
    errors[one] *= 2
    unsure, _ = weighed(gains, errors)
    ratios = np.log(np.maximum(np.stack([chances, unsure])[:, [0, one]], 1e-300))
    if (ratios > -600).all():  # what one is likelier than waiting, in the lesson
        surer, less = np.abs(ratios[:, 1] - ratios[:, 0])
        assert less <= surer + 1e-6


def test_a_lesson_says_what_is_legal_on_slots_that_are_there(lesson: Lesson) -> None:
    """Every row is a distribution over legal actions; some rows leave the rule's wait or act on what it leaves."""
    assert len(lesson.observations) > 10
    assert np.allclose(lesson.chances.sum(axis=1), 1.0, atol=1e-5)
    assert not lesson.chances[~lesson.masks].any()
    assert (lesson.weights >= LEAST_WEIGHT).all() and np.isfinite(lesson.returns).all()
    assert len(set(lesson.chances.argmax(axis=1))) > 2


def test_a_lesson_comes_again_from_its_seed(lesson: Lesson) -> None:
    """The same seed plans the same worlds; another does not."""
    again = plan_lesson(Chain(short_game()), 6, 1.0, SETTINGS)
    assert (again.observations == lesson.observations).all() and (again.chances == lesson.chances).all()
    other = plan_lesson(Chain(short_game()), 6, 1.0, replace(SETTINGS, seed=4))
    assert other.observations.shape != lesson.observations.shape or (other.observations != lesson.observations).any()


def test_a_network_learns_what_plans_found_where_it_is_at_stake(lesson: Lesson) -> None:
    """The weighed chance of what it picks rises well above that of a fresh network, which waits."""
    torch.manual_seed(0)
    network = PairNetwork(short_game().effects)

    def worth() -> float:
        with torch.no_grad():
            logits, _ = network(torch.from_numpy(lesson.observations), torch.from_numpy(lesson.masks))
        picked = lesson.chances[np.arange(len(logits)), logits.argmax(dim=1).numpy()]
        return float((lesson.weights * picked).sum() / lesson.weights.sum())

    before = worth()
    clone(network, [lesson], 40, 0)
    assert worth() > before + 0.1


@pytest.mark.parametrize(("name", "value"), [("planned_worlds", -1), ("planned_passes", 1001), ("planned_worlds", 2.5)])
def test_settings_out_of_range_are_named(name: str, value: float) -> None:
    with pytest.raises(TrainError, match=name):
        TrainSettings(**{name: value})  # type: ignore[arg-type]
