"""Active views: what is going on has a slot, rows and legality are the chain's own, whatever its size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.envs.active import (
    COALITION,
    INPUTS,
    OWN,
    PRESENT,
    Active,
    ActiveError,
    ActiveSettings,
    dense_actions,
    legal_of_masks,
    new_active,
    sees_active,
    sees_rows,
    slot_actions,
)
from tocsin.envs.active_worlds import ActiveWorlds
from tocsin.envs.game import Game, load_game
from tocsin.envs.owners import OwnerWorlds
from tocsin.envs.scenario import read_scenario
from tocsin.envs.target_graph import TargetGraph
from tocsin.envs.vector import ResponseWorlds
from tocsin.tests.envs.games import short_game, some_legal
from tocsin.twin.sensing.observe import FEATURES

SMALL = ActiveSettings(slots=9, neighbours=2, dearest=2)
AGE, HELD, PENDING = FEATURES.index("age"), FEATURES.index("held"), FEATURES.index("pending")


@pytest.fixture(scope="module")
def game() -> Game:
    return load_game(read_scenario())


def _at_rest(graph: TargetGraph) -> np.ndarray:
    rows = np.zeros((1, len(graph.static), len(FEATURES)), np.uint8)
    rows[:, : graph.first_owner, AGE] = 255
    return rows


def _believed(draw: st.DataObject, graph: TargetGraph) -> tuple[np.ndarray, list[int]]:
    """An observation at rest but for some assets that are believed to be held, and those."""
    rows = _at_rest(graph)
    assets = draw.draw(st.lists(st.integers(0, graph.first_link - 1), unique=True, max_size=15))
    for asset in assets:
        rows[0, asset, HELD] = draw.draw(st.integers(1, 255))
    return rows, assets


@given(st.data())
@settings(deadline=None, max_examples=40)
def test_the_likeliest_held_have_slots(data: st.DataObject) -> None:
    """No asset without a slot is believed more surely held than one that has a slot and is not among the dearest."""
    graph = short_game().graph
    rows, assets = _believed(data, graph)
    active = sees_rows(rows, graph, settings=SMALL, playbooks=1)
    chosen = active.target[0][active.target[0] >= 0]
    assert (np.diff(chosen) > 0).all() and set(graph.dearest[:2]) <= set(chosen)
    others = set(chosen) - set(graph.dearest[:2])
    left = [asset for asset in assets if asset not in chosen]
    assert others <= set(assets)
    assert not left or len(chosen) == SMALL.slots
    assert max((rows[0, one, HELD] for one in left), default=0) <= min(
        (rows[0, one, HELD] for one in others), default=255
    )


def test_a_response_that_waits_has_a_slot_before_belief() -> None:
    """Where more is believed than there are slots, a response on its way is still seen."""
    graph = short_game().graph
    rows = _at_rest(graph)
    rows[0, : graph.first_link, HELD] = 250
    rows[0, graph.first_link - 1, [HELD, PENDING]] = 0, 255
    active = sees_rows(rows, graph, settings=SMALL, playbooks=1)
    assert graph.first_link - 1 in active.target[0]


def test_a_chain_at_rest_shows_what_is_dearest_alone(game: Game) -> None:
    """Where nothing is going on the slots kept for what is dearest are filled, and no others."""
    active = sees_rows(_at_rest(game.graph), game.graph, settings=SMALL, playbooks=1)
    assert sorted(game.graph.dearest[:2]) == list(active.target[0][:2])
    assert (active.target[0][2:] == -1).all() and not active.rows[0, 2:].any()


def test_rows_are_those_of_their_targets(game: Game) -> None:
    """A slot's features are its target's; neighbours are its ties, likeliest first, that have slots too."""
    seen, graph = ActiveWorlds(ResponseWorlds(game, range(8))), game.graph
    for step in range(40):
        seen.advance(some_legal(seen.worlds, list(range(8)), step))
    most, ties = seen.settings.neighbours, 0
    for world in range(8):
        count = int((seen.active.target[world] >= 0).sum())
        assert (seen.active.rows[world, :count, PRESENT] == 255).all() and not seen.active.rows[world, count:].any()
        for slot, target in enumerate(seen.active.target[world, :count]):
            row = seen.active.rows[world, slot]
            np.testing.assert_array_equal(row[: len(FEATURES)], seen.worlds.observation[world, target])
            np.testing.assert_array_equal(row[len(FEATURES) : OWN], graph.static[target])
            odds = row[INPUTS + most : INPUTS + 2 * most]
            expected = [
                (seen.active.target[world].tolist().index(other), weight)
                for other, weight in zip(
                    graph.source[graph.source_first[target] : graph.source_first[target + 1]],
                    graph.source_odds[graph.source_first[target] : graph.source_first[target + 1]],
                    strict=True,
                )
                if other in seen.active.target[world]
            ][:most]
            assert list(zip(row[INPUTS : INPUTS + most], odds, strict=True))[: len(expected)] == expected
            assert not odds[len(expected) :].any()
            ties += len(expected)
    assert ties > 50


def test_lists_and_bare_observations_give_one_view(game: Game) -> None:
    """What worlds keep lists of and what is found by looking through an observation are equal, as is what is legal."""
    seen = ActiveWorlds(ResponseWorlds(game, range(6)), ActiveSettings(slots=16, neighbours=3, dearest=1))
    running = False
    for step in range(40):
        seen.advance(some_legal(seen.worlds, list(range(6)), step))
        playbooks = len(game.effects.playbook)
        other = sees_rows(seen.worlds.observation, game.graph, settings=seen.settings, playbooks=playbooks)
        legal_of_masks(seen.worlds.masks(), other)
        for name in Active._fields:
            np.testing.assert_array_equal(getattr(other, name), getattr(seen.active, name), err_msg=name)
        running |= bool((seen.worlds.observation[:, :, PENDING] > 0).any())
    assert running


def test_actions_come_back(game: Game) -> None:
    """A legal action over slots names a legal action of the chain, and that one the slot again."""
    seen = ActiveWorlds(ResponseWorlds(game, range(4)))
    for step in range(10):
        seen.advance(some_legal(seen.worlds, list(range(4)), step))
    masks, dense = seen.masks(), seen.worlds.masks()
    assert masks[:, 0].all() and masks.sum() > 40
    for action in np.flatnonzero(masks.any(axis=0)):
        worlds = np.flatnonzero(masks[:, action])
        chosen = seen.dense(np.full(4, action))
        assert dense[worlds, chosen[worlds]].all()
        assert (seen.slotted(chosen)[worlds] == action).all()


def test_an_action_outside_the_slots_waits() -> None:
    """A target without a slot gives 0, as does an empty slot."""
    active = Active(np.zeros((1, 2, 1), np.uint8), np.array([[5, -1]], np.int32), np.zeros((1, 5), np.bool_))
    assert slot_actions(np.array([1 + 10 + 7]), active, 10) == 0
    assert slot_actions(np.array([1 + 10 + 5]), active, 10) == 3
    assert dense_actions(np.array([2]), active, 10) == 0 and dense_actions(np.array([3]), active, 10) == 16


def test_an_owner_sees_what_is_its_own(game: Game) -> None:
    """In an owner's view its targets are marked, also links that end at it; in the coalition's all are."""
    whole = ActiveWorlds(ResponseWorlds(game, [0]))
    assert (whole.active.rows[0, whole.active.target[0] >= 0, OWN] == 255).all()
    worlds = OwnerWorlds(game, [0, 1])
    for _ in range(30):
        worlds.step(np.zeros((2, len(worlds.owners)), np.int32))
    marks = set()
    for owner, lane in zip(worlds.owners, worlds.lanes, strict=True):
        compiled = lane.view.compiled
        into = new_active(2, len(game.effects.playbook), ActiveSettings())
        lane.see_active(ActiveSettings(), into)
        targets, own = into.target[1][into.target[1] >= 0], into.rows[1, :, OWN] > 0
        is_own = [any(compiled.twin.owners[n].id == owner for n in lane.view.graph.owner[one]) for one in targets]
        assert list(own[: len(targets)]) == is_own
        assert (into.legal[:, 1:].reshape(2, -1, 32) <= (into.target >= 0)[:, None]).all()
        marks |= set(is_own)
    assert marks == {True, False}


def test_sizes_that_make_no_view_are_named() -> None:
    """Each size out of range is refused with its name."""
    for name, value in (("slots", 0), ("slots", 255), ("neighbours", 0), ("dearest", -1), ("dearest", 33)):
        with pytest.raises(ActiveError, match=name):
            ActiveSettings(**{name: value})


def test_a_seat_is_the_coalitions_unless_given(game: Game) -> None:
    """The default seat marks everything, a named one its own alone."""
    worlds = ResponseWorlds(game, [0])
    worlds.reset()
    into = new_active(1, 1, SMALL)
    owners = set()
    for seat in (COALITION, 0, 1, 2):
        sees_active(worlds.observed, game.graph, settings=SMALL, into=into, seat=seat)
        filled = into.target[0] >= 0
        mine = (game.graph.owner[into.target[0, filled]] == seat).any(axis=1) | (seat == COALITION)
        np.testing.assert_array_equal(into.rows[0, filled, OWN] == 255, mine)
        owners.add(int(mine.sum()))
    assert len(owners) > 1
