"""Compile every kernel once, so that the first command of a user does not wait for it.

Flows in: nothing. Flows out: compiled code in the cache folder. Playing a tiny game touches every kernel.
"""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer


def warm_up(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Compile and cache the kernels; about four minutes once, then seconds. Example: tocsin warm-up"""
    from rich.console import Console

    from ..twin.rulebook.jit import cache_folder

    started = time.monotonic()
    with Console(stderr=True, quiet=as_json).status("compiling the rulebook, belief and observation"):
        compile_kernels()
    seconds = round(time.monotonic() - started, 1)
    if as_json:
        typer.echo(json.dumps({"seconds": seconds, "cache": str(cache_folder())}))
    else:
        typer.echo(f"kernels compiled in {seconds} s, kept in {cache_folder()}")


def compile_kernels() -> None:
    """Play a few ticks of the shipped scenario through every kernel."""
    import numpy as np

    from ..agents.model import ChainModel
    from ..twin.analysis.forecast import rehearse
    from ..twin.rulebook.mask import is_legal
    from .active import sees_rows
    from .active_worlds import ActiveWorlds
    from .game import load_game
    from .owners import OwnerWorlds
    from .scenario import read_scenario
    from .scripted import DEFENDERS, defender
    from .vector import ResponseWorlds

    game = load_game(read_scenario())
    worlds = ResponseWorlds(game, range(2))
    worlds.reset()
    worlds.masks()
    worlds.step(np.zeros(2, np.int32))
    for name in DEFENDERS:
        defender(game, name)(worlds)
    worlds.legal_pairs(0)
    seen = ActiveWorlds(worlds)
    seen.step(np.zeros(2, np.int32))
    sees_rows(worlds.observation, game.graph, settings=seen.settings, playbooks=len(game.effects.playbook))
    alone = ResponseWorlds(game, [0])  # one world alone goes another way
    alone.reset()
    alone.step(np.zeros(1, np.int32))
    worlds.worlds.open_steps(0)
    owners = OwnerWorlds(game, [0])
    owners.step(np.zeros((1, len(owners.owners)), np.int32))
    is_legal(0, 1, game.compiled.arrays, game.effects, worlds.worlds.state)
    ChainModel(game.compiled, game.effects, game.parameters).step()
    rehearse(
        game.compiled,
        game.effects,
        game.assumed,
        belief=worlds.belief,
        view=0,
        state=worlds.worlds.state,
        world=0,
        options=[],
        horizons_s=[game.scenario.tick_s],
    )
