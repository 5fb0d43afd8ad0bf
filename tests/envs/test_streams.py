"""The seed of a scenario is in the stream of draws of every world that this room makes."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tocsin.envs.attack import AttackEnv
from tocsin.envs.bench_worlds import Settings, _Play
from tocsin.envs.filter_training import _play
from tocsin.envs.game import Game
from tocsin.envs.owners import OwnerWorlds
from tocsin.envs.vector import ResponseWorlds
from tocsin.tests.envs.games import short_game
from tocsin.twin.rulebook.worlds import Worlds

ROOM = Path(__file__).parents[2] / "envs"
MAKERS = {
    "ResponseWorlds": lambda game: ResponseWorlds(game, [0]).worlds,
    "OwnerWorlds": lambda game: OwnerWorlds(game, [0]).worlds,
    "AttackEnv": lambda game: AttackEnv(game=game)._worlds.worlds,
    "filters": lambda game: _play(game, range(1)),
    "bench": lambda game: _Play.make(Settings(assets=40, worlds=1, threads=1, active=8, ticks=1), game).worlds,
}


def seeded(seed: int) -> Game:
    game = short_game()
    return replace(game, scenario=game.scenario.model_copy(update={"seed": seed}))


@pytest.mark.parametrize("name", MAKERS)
def test_other_seeds_give_other_worlds(name: str) -> None:
    """Equal seeds equal streams, others others; so the first draws differ as well."""

    def made(seed: int) -> Worlds:
        worlds: Worlds = MAKERS[name](seeded(seed))
        return worlds

    one, again, other = made(1), made(1), made(2)
    assert (one.state.world["stream"] == again.state.world["stream"]).all()
    assert (one.state.world["stream"] != other.state.world["stream"]).all()
    assert (one.state.world["start_hour"] == again.state.world["start_hour"]).all()
    assert not np.array_equal(one.state.world["start_hour"], other.state.world["start_hour"])


def test_no_world_is_made_past_the_seed() -> None:
    """Wherever the room calls `Worlds.make`, the stream is the scenario's."""
    calls = [
        (path.name, call)
        for path in sorted(ROOM.rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "Worlds.make"
    ]
    assert len(calls) >= 5
    for name, call in calls:
        stream = next(word.value for word in call.keywords if word.arg == "stream")
        assert "scenario.stream(" in ast.unparse(stream), f"{name}: give stream=game.scenario.stream(...)"
