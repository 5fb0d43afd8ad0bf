"""Command line of scenarios: `tocsin scenario show`.

Flows in: a scenario file, a chain or another simulator's network. Flows out: what it holds, as text or JSON.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..twin.attack.step import AttackStep
    from ..twin.graph import Twin
    from .scenario import Scenario

scenario = typer.Typer(help="Scenarios: files that say what is played.", no_args_is_help=True)


@scenario.callback()
def _scenario() -> None:
    """Scenarios: files that say what is played."""


@scenario.command(epilog="Example: tocsin scenario show Scenario2.yaml images/ --json")
def show(
    file: Annotated[
        Path | None, typer.Argument(help="A scenario, a chain's folder or a network; default: the shipped one.")
    ] = None,
    beside: Annotated[
        list[Path] | None, typer.Argument(help="Files and folders that a network draws on: images, types of hosts.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """What a scenario, a chain or a network of NASim, CAGE Challenge 2 or 4 or Cyberwheel holds, once it is read in."""
    told = describe(load(file, beside or []))
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    for key, value in told.items():
        typer.echo(f"{key}: {_line(value)}")


def load(path: Path | None, beside: Sequence[Path] = ()) -> tuple[Scenario, Twin]:
    """Give the scenario and its twin; what is no scenario file is played by the shipped settings.

    Raises:
        ValueError: ScenarioError or TwinError; names file, place and mend.
    """
    from ..twin.sources import knows_network
    from .game import load_chain
    from .scenario import Scenario, read_scenario

    if path is not None and (path.is_dir() or knows_network(path)):
        others = tuple(str(one.absolute()) for one in beside)
        chosen = Scenario(name=path.stem, chain=str(path.absolute()), beside=others, folder=path.absolute().parent)
    else:
        chosen = read_scenario(path)
    return chosen, load_chain(chosen)


def describe(loaded: tuple[Scenario, Twin]) -> dict[str, Any]:
    """JSON values: counts of what the twin holds, and how it is played."""
    from ..twin.attack.steps import derive_steps

    chosen, twin = loaded
    steps = derive_steps(twin)
    return {
        "name": chosen.name,
        "owners": [owner.id for owner in twin.owners],
        "assets": dict(sorted(Counter(asset.kind.word for asset in twin.assets).items())),
        "links": dict(sorted(Counter(link.kind.word for link in twin.links).items())),
        "weaknesses": len(twin.weaknesses),
        "attack_steps": dict(sorted(Counter(step.technique for step in steps).items())),
        "crown_jewels": [asset.id for asset in twin.assets if asset.crown_jewel],
        "consent_rules": len(twin.consent),
        "attackers": _attackers(chosen, twin, steps),
        "between_owners": chosen.between_owners,
        "horizon_ticks": chosen.horizon_ticks,
        "decide_every": chosen.decide_every,
        "tick_s": chosen.tick_s,
        "digest": twin.digest,
    }


def _attackers(chosen: Scenario, twin: Twin, steps: Sequence[AttackStep]) -> list[dict[str, Any]]:
    """Profiles as JSON values, with campaigns as they are laid on this chain."""
    from ..twin.compiled import compile_twin
    from .campaigns import profiles_of

    told = [asdict(one) for one in profiles_of(chosen.attackers, compile_twin(twin, steps), chosen.folder)]
    for one in told:
        for stage in one["campaign"]:
            stage["kind"] = None if stage["kind"] is None else stage["kind"].word
    return told


def _line(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_line(one)}" for key, one in value.items())
    return ", ".join(map(_line, value)) if isinstance(value, list | tuple) else str(value)
