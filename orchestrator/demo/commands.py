"""`tocsin demo` and `tocsin worth`.

Flows in: arguments. Flows out: one page for people or one JSON object. Heavy imports stand inside the functions.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def demo(
    folder: Annotated[Path | None, typer.Option(help="Empty folder for what it writes; default: a new one.")] = None,
    seconds: Annotated[int, typer.Option(min=10, max=3600, help="Of training.")] = 60,
    episodes: Annotated[int, typer.Option(min=50, max=100_000, help="Of evaluation.")] = 500,
    pairs: Annotated[int, typer.Option(min=20, max=100_000, help="Attacks in simulation, with and without.")] = 200,
    attack_seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="The attack that the plant runs.")] = 7,
    as_json: JsonFlag = False,
) -> None:
    """Show an attack across owners seen, decided, consented and contained. Example: tocsin demo --json"""
    from rich.console import Console

    from .page import write_page
    from .stages import Demo, Settings

    place = folder or Path(tempfile.mkdtemp(prefix="tocsin-demo-"))
    place.mkdir(parents=True, exist_ok=True)
    if any(place.iterdir()):
        raise DemoError(f"{place} is not empty; name an empty --folder")
    console = Console(stderr=True, quiet=as_json)
    run = Demo(
        Settings(place, seconds=seconds, episodes=episodes, pairs=pairs, attack_seed=attack_seed),
        lambda stage: console.print(f"[bold]{stage}[/bold] ..."),
    )
    run.result["quiet"] = as_json
    run.run()
    run.result.pop("quiet")
    if as_json:
        typer.echo(json.dumps(run.result))
    else:
        write_page(Console(), run.result, place)


class DemoError(ValueError):
    """The demonstration cannot start; the message names the mend."""


def worth(
    policy: Annotated[Path | None, typer.Option(help="Policy file; default: the tuned threshold rule.")] = None,
    scenario: Annotated[Path | None, typer.Option(help="Scenario file; default: the shipped one.")] = None,
    pairs: Annotated[int, typer.Option(min=2, max=100_000, help="Attacks, each played with and without.")] = 200,
    as_json: JsonFlag = False,
) -> None:
    """Compare attacks in simulation with and without a policy. Example: tocsin worth --policy policy.tocsin"""
    from dataclasses import asdict

    from rich.console import Console

    from ...envs.game import load_game
    from ...envs.scenario import read_scenario
    from ..supply import policy_of
    from .worth import play_pairs

    game = load_game(read_scenario(scenario))
    with Console(stderr=True, quiet=as_json).status(f"playing {pairs} attacks twice"):
        found = play_pairs(game, policy_of(game, policy), pairs)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    typer.echo(
        f"{found.n} attacks: {found.mean_without:.2f} owner-hours lost without, {found.mean_with:.2f} with; "
        f"saved {found.mean_difference:.2f} (95 % {found.low:.2f} to {found.high:.2f})"
    )
