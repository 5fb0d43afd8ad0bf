"""What the belief reads in its own order says what the twin and its attackers' tastes say, no more and no less."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from tocsin.tests.twin.random_twins import (
    FEW,
    RandomGame,
    one_thread,  # noqa: F401  (a fixture of the module)
    random_games,
)
from tocsin.twin.sensing.belief import BeliefState, new_belief, update_beliefs
from tocsin.twin.sensing.prospects import SILENT
from tocsin.twin.vocabulary import AssetKind

TICKS, VIEWS = 20, 5


@given(random_games(attackers=1))
@FEW
def test_every_step_that_is_liked_lies_once_by_its_source(game: RandomGame) -> None:
    """`ahead` holds the steps with a taste above 0, in order of their sources, and `place` says where."""
    p, t = game.parameters, game.compiled.arrays
    liked = np.flatnonzero(p.weight[0] > 0.0)
    columns = ("src", "dst", "identity", "seen_at", "link", "step_class")
    told = sorted(tuple(int(row[name]) for name in columns) for row in p.ahead)
    assert told == sorted(tuple(int(row[name]) for name in columns) for row in t.step[liked])
    for a, place in enumerate(p.place):
        assert (p.ahead["src"][place["ahead_first"] : place["ahead_last"]] == a).all()
    assert (p.place["ahead_last"] - p.place["ahead_first"]).sum() == len(liked)


@given(random_games(attackers=1))
@FEW
def test_what_lies_behind_an_asset_is_all_that_leads_to_it(game: RandomGame) -> None:
    """Shares of `behind` add up to taste times odds of the steps from elsewhere; externals are told nothing."""
    p, t = game.parameters, game.compiled.arrays
    step, kind = np.asarray(t.step), t.asset["kind"]
    from_elsewhere = (p.weight[0] * step["probability"] * (step["src"] != step["dst"])).astype(np.float64)
    for a, place in enumerate(p.place):
        rows = p.behind[place["behind_first"] : place["behind_last"]]
        assert np.isclose(rows["share"].sum(), from_elsewhere[step["dst"] == a].sum(), rtol=1e-5)
        assert ((rows["passes"] == 1) == (kind[rows["src"]] != AssetKind.EXTERNAL)).all()
        assert len(set(zip(rows["src"].tolist(), rows["need"].tolist(), strict=True))) == len(rows)


@given(random_games(attackers=1))
@FEW
def test_segments_and_externals_are_not_asked_for_their_presence(game: RandomGame) -> None:
    """`still` is the odds of silence of all else, and `inside` names the segments an asset is a member of."""
    p, t = game.parameters, game.compiled.arrays
    kind = t.asset["kind"]
    unasked = np.isin(kind, (int(AssetKind.SEGMENT), int(AssetKind.EXTERNAL)))
    assert ((p.place["still"] == SILENT) == unasked).all()
    for a, place in enumerate(p.place):
        wholes = t.whole[t.asset["whole_first"][a] : t.asset["whole_last"][a]]
        inside = p.inside[place["inside_first"] : place["inside_last"]]
        assert inside.tolist() == wholes[kind[wholes] == AssetKind.SEGMENT].tolist()


def updated(game: RandomGame, ids: list[int]) -> BeliefState:
    """Views of played worlds, one each."""
    worlds, belief = game.worlds(ids), new_belief(game.compiled, len(ids))
    rows = np.arange(len(ids))
    for _ in range(TICKS):
        worlds.tick(np.zeros((len(ids), 1), np.int32))
        update_beliefs(rows, game.compiled.arrays, game.effects, game.parameters, worlds.state, belief)
    return belief


@given(random_games())
@FEW
def test_views_that_share_their_scratch_do_not_touch_each_other(game: RandomGame) -> None:
    """A view alone and among others believes the same to the last bit, and scratch is left as it was found."""
    together = updated(game, list(range(VIEWS)))
    for one in range(VIEWS):
        alone = updated(game, [one])
        assert alone.asset[0].tobytes() == together.asset[one].tobytes()
    assert not together.sum.any() and not together.listed.any()
