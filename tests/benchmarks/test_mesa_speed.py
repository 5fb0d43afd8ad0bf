"""How fast a Mesa model ticks at 1,000 assets: agents, data collector and settling, with and without belief.

`make bench` prints it; nothing here fails for being slow.
"""

from __future__ import annotations

import time

import pytest
from tocsin.agents.defender import RandomDefender
from tocsin.agents.model import ChainModel
from tocsin.envs.attackers import Attacker
from tocsin.envs.game import load_game
from tocsin.envs.scenario import Generator, Scenario
from tocsin.tests.benchmarks.figures import Figures

ASSETS, TICKS, REPEATS = 1_000, 300, 5


@pytest.mark.parametrize("believes", [False, True], ids=["without belief", "with belief"])
def test_mesa_ticks(believes: bool, figures: Figures) -> None:
    """An attack of an opportunist who comes at once, a random defender, eight owners; the best of five stretches."""
    attacker = Attacker(onset_s=(0.0, 0.0), absent=0.0)
    game = load_game(Scenario(name="speed", generate=Generator(assets=ASSETS, owners=8), attackers=(attacker,)))
    model = ChainModel(
        game.compiled,
        game.effects,
        game.parameters,
        defenders=[RandomDefender],
        assumed=game.assumed if believes else None,
    )
    for _ in range(60):
        model.step()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        for _ in range(TICKS):
            model.step()
        times.append(time.perf_counter() - started)
    assets, held = len(game.compiled.twin.assets), len(model.held())
    said = "with" if believes else "without"
    what = f"Mesa {said} belief, {assets:,} assets, {held} held at the end"
    figures.add(what, f"{TICKS / min(times):,.0f} ticks/s", "200 or more")
