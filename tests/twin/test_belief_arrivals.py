"""Belief expects attackers where they begin, and several of them as one of their pooled tempo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tocsin.envs.game import Game, load_game
from tocsin.envs.scenario import Generator, Scenario
from tocsin.twin.rulebook.parameters import AttackerProfile, Parameters, build_parameters
from tocsin.twin.rulebook.worlds import STREAM_EVALUATION, Worlds
from tocsin.twin.sensing.belief import BeliefState, new_belief, update_beliefs
from tocsin.twin.sensing.confusion import shipped_confusion

OUTSIDER = AttackerProfile("outsider", tries_per_hour=0.0, onset_s=(0.0, 1800.0), absent=0.2)
DESK = "vendor-01/host/desk-0"
NEVER_COMES = AttackerProfile("nobody", absent=1.0)


@pytest.fixture(scope="module")
def game() -> Game:
    return load_game(Scenario(name="small", generate=Generator(assets=40, owners=2)))


def believed(game: Game, *attackers: AttackerProfile, ticks: int = 40) -> BeliefState:
    """Belief that assumes these attackers after a quiet time, in a world without any finding."""
    played = build_parameters(game.compiled, [NEVER_COMES] * len(attackers), shipped_confusion())
    worlds = Worlds.make(
        game.compiled, game.effects, _quiet(played), world_ids=range(1), stream=STREAM_EVALUATION, episode=0
    )
    belief, assumed = new_belief(game.compiled, 1), build_parameters(game.compiled, attackers, shipped_confusion())
    for _ in range(ticks):
        worlds.roll(1)
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


def test_two_attackers_are_expected_as_either(game: Game) -> None:
    """Nobody has come only if neither has."""
    belief = believed(game, OUTSIDER, OUTSIDER)
    assert outside(game, belief) == pytest.approx(1 - 0.2**2, abs=0.01)


def test_an_attacker_of_no_tempo_beside_another_changes_little(game: Game) -> None:
    """What is expected of an attacker is not spoilt by one that does nothing and hardly ever comes."""
    busy = replace(OUTSIDER, tries_per_hour=20.0)
    alone, beside = (believed(game, *some) for some in ((busy,), (busy, replace(OUTSIDER, absent=0.999))))
    assert np.allclose(alone.asset["user"], beside.asset["user"], atol=0.02)
