"""Which numbers decide what a policy saves: what does is named, what does not is not, few draws name nothing."""

from __future__ import annotations

import numpy as np
from tocsin.envs.assumptions import CHOSEN, Assumptions
from tocsin.envs.ranges import ranges
from tocsin.training.robust_drivers import LEAST_DRAWS, drivers, saved_by

SEED = 5
NAMES = [name for name, row in ranges().items() if not row.source.startswith(CHOSEN)]


def test_a_number_that_decides_is_named_with_its_sign() -> None:
    """Of all numbers the two that what is saved was made from come first, one raising, one lowering it."""
    up, down = NAMES[3], NAMES[40]
    draws = [Assumptions(SEED, number) for number in range(150)]
    saved = [2 * one.quantile(up) - one.quantile(down) for one in draws]
    first, second = drivers(saved, SEED)[:2]
    assert (first.number, second.number) == (up, down)
    assert first.rho > 0.7
    assert second.rho < -0.2


def test_luck_is_named_no_more_often_than_said() -> None:
    """In noise, some run in twenty names a number; here at most three of twenty do."""
    named = [bool(drivers(np.random.default_rng(run).random(60).tolist(), SEED)) for run in range(20)]
    assert sum(named) <= 3


def test_few_draws_or_equal_losses_name_nothing() -> None:
    assert drivers([1.0, 2.0] * (LEAST_DRAWS // 2 - 1), SEED) == ()
    assert drivers([1.0] * 50, SEED) == ()


def test_what_is_saved_is_the_others_loss_less_the_policys() -> None:
    assert saved_by("mine", "nothing", [{"mine": 1.0, "nothing": 3.0}, {"mine": 2.0, "nothing": 1.5}]) == [2.0, -0.5]
