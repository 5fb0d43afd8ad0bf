"""Choices among very many steps from one asset: as likely as in a race of all of them, at less work."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import stats
from tocsin.envs.attackers import Attacker
from tocsin.envs.game import Game, load_game
from tocsin.envs.scenario import Generator, Scenario
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.twin.rulebook.attacking import ARRIVALS, NO_STEP, decide_attacker
from tocsin.twin.rulebook.crowds import CROWD, crowds_of
from tocsin.twin.rulebook.rules import BITS
from tocsin.twin.rulebook.worlds import STREAM_EVALUATION, Worlds
from tocsin.twin.vocabulary import Mode

WORLDS = 6_000
ISOLATED = 1 << BITS * Mode.ISOLATED


@cache
def large() -> Game:
    """A chain on which some 45 fronts are reached from the internet, by an attacker who tries in every tick."""
    attacker = Attacker(onset_s=(0.0, 0.0), absent=0.0)
    game = load_game(Scenario(name="large", generate=Generator(assets=6_000, owners=6), attackers=(attacker,)))
    game.parameters.attacker["try_p"] = 1.0
    return game


def chosen(isolated: np.ndarray) -> np.ndarray:
    """int64[WORLDS] step that the attacker of each world chooses while it holds the internet alone."""
    game = large()
    ids = np.arange(WORLDS)
    worlds = Worlds.make(game.compiled, game.effects, game.parameters, world_ids=ids, stream=STREAM_EVALUATION, held=64)
    worlds.state.asset["modes"][:, isolated] = ISOLATED
    worlds.roll(1)
    arrays, parameters = game.compiled.arrays, game.parameters
    return np.array([decide_attacker(b, 0, arrays, parameters, worlds.state) for b in range(WORLDS)])


def steps_out() -> np.ndarray:
    """Attack steps from the internet."""
    t = large().compiled.arrays
    outside = int(t.external[0])
    return t.out_step[t.asset["out_first"][outside] : t.asset["out_last"][outside]]


@pytest.mark.parametrize("open_", ["all", "half", "two of little taste"])
def test_steps_of_a_crowd_are_chosen_by_taste(open_: str) -> None:
    """Chi-square over the open steps; where few are open the race goes on with each alone."""
    steps, t, weight = steps_out(), large().compiled.arrays, large().parameters.weight[0]
    assert len(steps) > CROWD
    by_taste = steps[np.argsort(weight[steps], kind="stable")]
    left = {"all": steps, "half": by_taste[::2], "two of little taste": by_taste[:2]}[open_]
    shut = np.setdiff1d(t.step["dst"][steps], t.step["dst"][left])
    left = steps[~np.isin(t.step["dst"][steps], shut)]
    found = chosen(shut)
    assert set(found.tolist()) <= set(left.tolist())
    counts = np.array([(found == step).sum() for step in left])
    expected = weight[left].astype(float) / weight[left].sum(dtype=float) * WORLDS
    assert stats.chisquare(counts, expected).pvalue > 1e-4
    if open_ == "two of little taste":
        assert (1 - weight[left].sum() / weight[steps].sum()) ** ARRIVALS > 0.01, "the race of each alone is seen too"


def test_a_crowd_that_is_shut_gives_no_step() -> None:
    """With every front isolated nothing is chosen."""
    t = large().compiled.arrays
    assert (chosen(np.unique(t.step["dst"][steps_out()])) == NO_STEP).all()


def test_crowds_are_listed_with_their_tastes() -> None:
    """The internet comes first; the last cumulative taste is the sum; all have more than `CROWD` steps."""
    game, steps = large(), steps_out()
    crowds = crowds_of(game.compiled.arrays, game.parameters.weight)
    assert crowds.crowd_asset[0] == game.compiled.arrays.external[0] and crowds.crowd_first[0] == 0
    ends = [*crowds.crowd_first[1:], crowds.crowd_taste.shape[1]]
    assert ends[0] == len(steps) and (np.diff([0, *ends]) > CROWD).all()
    assert crowds.crowd_taste[0, ends[0] - 1] == pytest.approx(game.parameters.weight[0, steps].sum(), rel=1e-5)
