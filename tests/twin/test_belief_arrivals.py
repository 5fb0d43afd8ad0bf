"""Belief expects attackers where they begin, and several of them as one of their pooled tempo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tocsin.envs.game import Game, load_game
from tocsin.envs.scenario import Generator, Scenario
from tocsin.twin.rulebook.entering import MACHINES, places
from tocsin.twin.rulebook.parameters import AttackerProfile, Parameters, assumable, build_parameters
from tocsin.twin.rulebook.worlds import STREAM_EVALUATION, Worlds
from tocsin.twin.sensing.arriving import held_shares
from tocsin.twin.sensing.belief import BeliefState, new_belief, update_beliefs
from tocsin.twin.sensing.confusion import shipped_confusion
from tocsin.twin.vocabulary import AssetKind, SensorClass, StepClass

OUTSIDER = AttackerProfile("outsider", tries_per_hour=0.0, onset_s=(0.0, 1800.0), absent=0.2)
DESK = "vendor-01/host/desk-0"
NEVER_COMES = AttackerProfile("nobody", absent=1.0)


@pytest.fixture(scope="module")
def game() -> Game:
    return load_game(Scenario(name="small", generate=Generator(assets=40, owners=2)))


def assumed_of(game: Game, *attackers: AttackerProfile) -> Parameters:
    return build_parameters(game.compiled, attackers, shipped_confusion())


def believed(game: Game, *attackers: AttackerProfile, ticks: int = 40, found: str = "") -> BeliefState:
    """Belief that assumes these attackers after a quiet time, in a world without any finding."""
    played = build_parameters(game.compiled, [NEVER_COMES] * len(attackers), shipped_confusion())
    worlds = Worlds.make(
        game.compiled, game.effects, _quiet(played), world_ids=range(1), stream=STREAM_EVALUATION, episode=0
    )
    belief, assumed = new_belief(game.compiled, 1), assumed_of(game, *attackers)
    for tick in range(ticks):
        worlds.roll(1)
        if found and tick >= ticks - 3:  # somebody is seen there, in each of the last ticks
            worlds.state.finding[0, 0] = (game.compiled.asset_number[found], SensorClass.HOST, StepClass.PRESENCE, 2)
            worlds.state.world["finding_n"] = 1
        update_beliefs(np.zeros(1, np.int64), game.compiled.arrays, game.effects, assumed, worlds.state, belief)
    return belief


def _quiet(parameters: Parameters) -> Parameters:
    return parameters._replace(false_total=0.0)


def held(game: Game, belief: BeliefState, asset: str) -> float:
    """P(any access)."""
    row = belief.asset[0, game.compiled.asset_number[asset]]
    return float(row["user"] + row["admin"])


def outside(game: Game, belief: BeliefState) -> float:
    """P(an attacker has come from outside)."""
    return float(belief.asset["user"][0, game.compiled.arrays.external].max())


def test_an_attacker_from_outside_is_expected_there(game: Game) -> None:
    """One that tries nothing tells nothing: it is there as surely as it was to come."""
    belief = believed(game, OUTSIDER)
    assert outside(game, belief) == pytest.approx(0.8, abs=0.01)
    assert held(game, belief, DESK) == 0.0


def test_an_insider_is_expected_where_it_begins(game: Game) -> None:
    """Its entry is suspected while it may come, less the more it keeps silent; nobody is expected outside."""
    belief = believed(game, replace(OUTSIDER, entry=(DESK,)))
    assert 0.4 < held(game, belief, DESK) < 0.8
    assert outside(game, belief) == 0.0
    assert held(game, believed(game, replace(OUTSIDER, entry=(DESK,)), ticks=200), DESK) < 0.1


def test_one_who_may_begin_anywhere_inside_is_spread_over_machines(game: Game) -> None:
    """As the places say, over no other assets, and none of them is looked at before a finding hints at it."""
    anywhere = replace(OUTSIDER, inside=1.0, onset_s=(0.0, 0.0))
    assumed, belief = assumed_of(game, anywhere), believed(game, anywhere, ticks=1)
    shares = held_shares(assumed, belief)[0]
    assert shares.sum() == pytest.approx(0.8, abs=0.01)
    assert np.allclose(shares, 0.8 * places(game.compiled), atol=1e-3)
    assert shares[game.compiled.asset_number[DESK]] == shares.max()
    assert belief.active_n[0] == 0 and outside(game, belief) == 0.0


def test_one_of_some_who_begin_inside_is_expected_both_ways(game: Game) -> None:
    """A quarter inside, the rest outside."""
    some = replace(OUTSIDER, inside=0.25, onset_s=(0.0, 0.0))
    belief = believed(game, some, ticks=1)
    assert outside(game, belief) == pytest.approx(0.6, abs=0.01)
    assert float(belief.insider["come"][0]) == pytest.approx(0.2, abs=0.01)


def test_silence_makes_one_inside_less_likely(game: Game) -> None:
    """Whoever held a machine would have been seen there at times."""
    anywhere = replace(OUTSIDER, inside=1.0, onset_s=(0.0, 0.0), tries_per_hour=20.0)
    soon, later = (believed(game, anywhere, ticks=ticks).insider["hidden"][0] for ticks in (5, 100))
    assert later < 0.2 * soon


def test_what_is_found_gathers_what_was_spread(game: Game) -> None:
    """Presence at a desk: one from inside is there, hence has come, and is nowhere else."""
    anywhere = replace(OUTSIDER, inside=1.0, tries_per_hour=4.0)
    before, after = (believed(game, anywhere, found=found) for found in ("", DESK))
    assert held(game, after, DESK) > 0.9
    assert after.insider["come"][0] > 0.9
    assert after.insider["hidden"][0] < 0.2 * before.insider["hidden"][0]


def test_a_world_begins_at_one_machine_where_places_say(game: Game) -> None:
    """Of a thousand worlds as many begin inside as the profile says, each at one machine."""
    played = _quiet(assumed_of(game, AttackerProfile("some", 0.0, inside=0.3, onset_s=(0.0, 0.0), absent=0.0)))
    worlds = Worlds.make(game.compiled, game.effects, played, world_ids=range(1000), stream=STREAM_EVALUATION)
    worlds.roll(1)
    user = worlds.state.asset["user"] != 0
    kinds = game.compiled.arrays.asset["kind"]
    inside = user[:, ~np.isin(kinds, (AssetKind.SEGMENT, AssetKind.EXTERNAL))]
    assert set(inside.sum(axis=1).tolist()) == {0, 1}
    assert inside.any(axis=1).mean() == pytest.approx(0.3, abs=0.05)
    assert (user[:, game.compiled.arrays.external].any(axis=1) != inside.any(axis=1)).all()
    assert (places(game.compiled)[user.any(axis=0) & np.isin(kinds, MACHINES)] > 0).all()


def test_what_cannot_be_is_refused(game: Game) -> None:
    """An entry beside a share that says otherwise; a share that is none."""
    with pytest.raises(ValueError, match="beside an entry"):
        assumed_of(game, replace(OUTSIDER, entry=(DESK,), inside=0.5))
    with pytest.raises(ValueError, match="share of insiders"):
        assumable(game.compiled, assumed_of(game, OUTSIDER), inside=1.5)


def test_two_attackers_are_expected_as_either(game: Game) -> None:
    """Nobody has come only if neither has."""
    belief = believed(game, OUTSIDER, OUTSIDER)
    assert outside(game, belief) == pytest.approx(1 - 0.2**2, abs=0.01)


def test_an_attacker_of_no_tempo_beside_another_changes_little(game: Game) -> None:
    """What is expected of an attacker is not spoilt by one that does nothing and hardly ever comes."""
    busy = replace(OUTSIDER, tries_per_hour=20.0)
    alone, beside = (believed(game, *some) for some in ((busy,), (busy, replace(OUTSIDER, absent=0.999))))
    assert np.allclose(alone.asset["user"], beside.asset["user"], atol=0.02)
