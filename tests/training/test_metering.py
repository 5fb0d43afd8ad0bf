"""Budgets in training: costs are those of evaluation, prices rise until budgets are kept, and go on after a break."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tocsin.envs.active_worlds import ActiveWorlds
from tocsin.envs.joined import JoinedWorlds
from tocsin.envs.policy_file import load_policy
from tocsin.envs.scenario import Scenario
from tocsin.envs.scripted import Threshold
from tocsin.envs.vector import ResponseWorlds
from tocsin.tests.envs.games import short_game
from tocsin.tests.training.in_process import without_ray
from tocsin.training import family
from tocsin.training import train as module
from tocsin.training.checkpoint import Shelf
from tocsin.training.family import single
from tocsin.training.metering import COSTS, Metering, budgets, is_bound, next_multipliers, overrun, prices
from tocsin.training.playing import play
from tocsin.training.ppo import make_learner
from tocsin.training.rollout import Roller
from tocsin.training.settings import TrainSettings

STREAM = 1
SMALL = TrainSettings(
    iterations=4,
    seconds=0,
    worlds=8,
    steps=15,
    workers=1,
    minibatches=2,
    imitation_worlds=8,
    imitation_passes=6,
    validation_worlds=32,
    validations=2,
)


def test_costs_are_those_that_evaluation_tells() -> None:
    """A rule's costs, metered decision by decision through slots, are what `play` says of the same attacks."""
    game, count = short_game(), 12
    part = ActiveWorlds(ResponseWorlds(game, range(count), stream=STREAM))
    rule, joined, steps = Threshold(game, 0.2), JoinedWorlds([part]), []
    metering = Metering(joined)
    part.reset()
    for _ in range(game.decisions):
        chosen = part.slotted(rule(part.worlds))
        steps.append(metering.read(chosen))
        joined.step(chosen)
    played = play(game, rule, range(count), stream=STREAM)
    expected = [played.downtime.mean(), played.false.mean(), played.consents.mean()]
    np.testing.assert_allclose(metering.per_attack(steps), expected, rtol=1e-9)
    assert all(cost > 0 for cost in expected)


def test_prices_are_taken_off_rewards() -> None:
    """The same draws with a price on a cost give rewards that are less by what the step cost."""
    learner = make_learner(short_game(), SMALL)
    free, priced = (
        Roller(single(short_game()), worlds=8, first_world=0, seed=3, gamma=0.0).roll(
            learner.policy, 15, 0.5, np.array([0.0, price, 0.0])
        )
        for price in (0.0, 2.0)
    )
    np.testing.assert_array_equal(free.actions, priced.actions)
    np.testing.assert_array_equal(free.costs, priced.costs)
    taken = free.rewards - priced.rewards
    assert set(np.round(np.unique(taken), 5)) == {0.0, 1.0}, "a containment is false or it is not: 2 x 0.5"
    np.testing.assert_allclose(taken.sum() / 8, free.costs[COSTS.index("false")], rtol=1e-4)
    unmetered = Roller(single(short_game()), worlds=8, first_world=0, seed=3, gamma=0.0).roll(learner.policy, 15, 0.5)
    np.testing.assert_array_equal(unmetered.rewards, free.rewards)
    assert np.isnan(unmetered.costs).all()


@given(st.lists(st.floats(0, 50), min_size=3, max_size=3), st.lists(st.floats(0, 9), min_size=3, max_size=3))
def test_multipliers_rise_where_a_budget_is_overrun_and_fall_where_not(costs: list[float], before: list[float]) -> None:
    """Never below 0; what has no bound has no price, whatever it costs."""
    settings = replace(SMALL, false_budget=2.0, downtime_budget=0.5)
    spent, held = np.array(costs), np.array(before)
    after = next_multipliers(held, spent, settings)
    bounds = budgets(settings)
    assert (after >= 0).all()
    assert (after[spent > bounds] > held[spent > bounds]).all()
    assert (after[spent < bounds] <= held[spent < bounds]).all()
    assert prices(after, settings)[COSTS.index("consents")] == 0
    assert (overrun(spent, settings) > 0) == bool((spent > bounds).any())
    assert is_bound(settings) and not is_bound(SMALL)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    without_ray(monkeypatch)
    monkeypatch.setattr(family, "load_game", lambda scenario: short_game())


def test_a_tight_budget_is_kept_where_without_one_it_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights kept contain the free within the budget; those of the same run without it do not."""
    without_ray(monkeypatch)
    scenario = Scenario(name="two hours", horizon_ticks=120)
    tight = replace(SMALL, iterations=48, validations=6, worlds=16, steps=30, budget_rate=0.05, learning_rate=1e-3)
    tight = replace(tight, imitation_worlds=48, imitation_passes=10)  # enough to act at all
    found: dict[float, float] = {}
    for budget in (0.0, 1.0):
        out = tmp_path / f"{budget}.tocsin"
        report = module.train(scenario, replace(tight, false_budget=budget), out)
        found[budget] = load_policy(out).card["validation_costs"]["false"]
        assert (max(report.multipliers) > 0) == (budget > 0)
    assert found[1.0] <= 1.0 < found[0.0]


@pytest.mark.usefixtures("short")
def test_multipliers_go_on_when_a_run_is_resumed(tmp_path: Path) -> None:
    """A run cut in two has the multipliers and the weights of one that was not; each iteration's figures tell them."""

    def run(folder: str, iterations: int, **more: Any) -> Any:
        settings = replace(SMALL, false_budget=0.1, run=str(tmp_path / folder), checkpoint_every=2)
        kept = None if "cut" not in folder else settings
        return module.train(Scenario(name="short"), replace(kept or settings, iterations=iterations), None, **more)

    whole = run("whole", 4)

    class StoppedError(Exception):
        pass

    def stop(report: Any) -> None:
        if report.iterations == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        run("cut", 4, progress=stop)
    resumed = run("cut", 4, resume=True)
    assert whole.multipliers == resumed.multipliers and max(whole.multipliers) > 0
    states = [Shelf.at(str(tmp_path / name)).newest()["learner"]["policy"] for name in ("whole", "cut")]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert '"multiplier false": ' in (tmp_path / "cut" / "figures.jsonl").read_text().splitlines()[-1]
