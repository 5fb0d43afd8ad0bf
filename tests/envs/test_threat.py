"""What a policy is told of the threat: the assumed attacker in small numbers, and nothing of the one that is played."""

from __future__ import annotations

import numpy as np
import pytest
from tocsin.envs.active import ACTIVE_FEATURES
from tocsin.envs.active_worlds import ActiveWorlds
from tocsin.envs.assumptions import Assumptions, game_under
from tocsin.envs.attackers import Attacker
from tocsin.envs.game import Game, load_game
from tocsin.envs.scenario import read_scenario
from tocsin.envs.target_graph import TARGET_FEATURES
from tocsin.envs.threat import THREAT_FEATURES, threat_features
from tocsin.envs.vector import ResponseWorlds


def game(preset: str, **said: float) -> Game:
    attacker = Attacker.model_validate({"preset": preset, **said})
    return load_game(read_scenario().model_copy(update={"attackers": (attacker,)}))


def told(one: Game) -> dict[str, int]:
    return dict(zip(THREAT_FEATURES, threat_features(one.compiled, one.assumed).tolist(), strict=True))


def test_presets_are_told_apart() -> None:
    """Who tries often, waits, wants to stop things or begins inside reads so."""
    crew, group, person = told(game("ransomware")), told(game("apt")), told(game("insider", inside=1.0))
    assert crew["threat_tempo"] > group["threat_tempo"] > person["threat_tempo"]
    assert crew["threat_impact"] > person["threat_impact"] > group["threat_impact"]
    assert group["threat_patience"] > crew["threat_patience"] > person["threat_patience"] == 0
    assert (person["threat_inside"], crew["threat_inside"]) == (255, 0)


@pytest.mark.parametrize("slower", [2.0, 4.0])
def test_a_tempo_is_told_in_octaves(slower: float) -> None:
    """Half the tempo, or a quarter, is one or two steps of the scale less."""
    fast, slow = told(game("opportunist")), told(game("opportunist", tries_per_hour=20.0 / slower))
    assert fast["threat_tempo"] - slow["threat_tempo"] == pytest.approx(24 * np.log2(slower), abs=5)


def test_what_is_played_and_not_assumed_is_not_told() -> None:
    """An attacker's script is hidden from belief, and so from this: the same numbers with and without."""
    plain = game("opportunist")
    forging = game("opportunist", forges_per_hour=12.0)
    assert told(plain) == told(forging)


def test_under_a_draw_the_threat_is_the_tables() -> None:
    """Where the world's attacker has other numbers than belief assumes, those that are assumed are told."""
    plain = game("ransomware")
    drawn = game_under(plain.scenario, Assumptions(1, 3))
    columns = [TARGET_FEATURES.index(name) for name in ("threat_tempo", "threat_patience", "threat_inside")]
    assert (drawn.graph.static[0, columns] == plain.graph.static[0, columns]).all()
    played = threat_features(drawn.compiled, drawn.parameters)
    assert (played[:2] != threat_features(drawn.compiled, drawn.assumed)[:2]).any()


def test_every_slot_that_is_filled_shows_the_threat_and_empty_ones_nothing() -> None:
    """The columns are the same for every target of a world."""
    one = game("ransomware")
    seen = ActiveWorlds(ResponseWorlds(one, range(3)))
    seen.reset(0)
    first = ACTIVE_FEATURES.index(THREAT_FEATURES[0])
    columns = seen.active.rows[:, :, first : first + len(THREAT_FEATURES)]
    filled = seen.active.target >= 0
    assert ACTIVE_FEATURES[first : first + len(THREAT_FEATURES)] == THREAT_FEATURES
    assert (columns[filled] == threat_features(one.compiled, one.assumed)).all()
    assert not columns[~filled].any()
    assert filled.any()
    assert not filled.all()
