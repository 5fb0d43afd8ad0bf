"""Command line of scenarios: `tocsin scenario show`, `tocsin scenario generate` and `tocsin scenario numbers`.

Flows in: a scenario file, a chain or another simulator's network; settings of a generator. Flows out: what it holds, as
text or JSON; a chain as a file; the numbers that worlds rest on.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..twin.attack.step import AttackStep
    from ..twin.attack.techniques import Parameter
    from ..twin.graph import Twin
    from ..twin.sources import Note
    from .scenario import Scenario

TOLD = 20  # of a list in text; JSON has all
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
    notes = told.pop("notes")
    for key, value in told.items():
        typer.echo(f"{key}: {_line(value)}")
    for note in notes[:TOLD]:
        typer.echo(f"note: {note['place']}: {note['what']}")
    if len(notes) > TOLD:
        typer.echo(f"note: ... {len(notes) - TOLD:,} more; --json tells all")


@scenario.command(epilog="Example: tocsin scenario numbers --json")
def numbers(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object: name to value, low, high, source.")] = False,
) -> None:
    """Every number that worlds rest on: value, range, and source or the word "assumed"."""
    from .ranges import ranges

    rows = ranges()
    if as_json:
        typer.echo(json.dumps({name: _told(row) for name, row in rows.items()}, indent=2))
        return
    width = max(map(len, rows))
    for name, row in rows.items():
        typer.echo(f"{name:{width}} {row.value:>10.5g} [{row.low:.5g}, {row.high:.5g}] {row.source}")


def _told(row: Parameter) -> dict[str, Any]:
    """A number as JSON values; its name stands before it."""
    return {"value": row.value, "low": row.low, "high": row.high, "source": row.source}


@scenario.command(epilog="Example: tocsin scenario generate --assets 1000 --owners 8 --seed 3 --out chain.ndjson")
def generate(
    out: Annotated[Path, typer.Option("--out", help="File to write, NDJSON: one part of the chain a line.")],
    assets: Annotated[int, typer.Option("--assets", help="About so many assets, 10 to 1,000,000.")] = 100,
    owners: Annotated[int, typer.Option("--owners", help="2 to 20.")] = 6,
    seed: Annotated[int, typer.Option("--seed", help="Equal seeds give equal chains.")] = 0,
) -> None:
    """Make a chain up and write it to a file, which `chain:` and `tocsin twin import` read."""
    from .generate import generate_twin
    from .scenario import ScenarioError, parse_scenario

    settings = {"assets": assets, "owners": owners, "seed": seed}
    made = parse_scenario({"name": "generated", "generate": settings}, "tocsin scenario generate").made
    assert made is not None
    if out.suffix != ".ndjson":
        raise ScenarioError(f"{out}: a chain is written as NDJSON; give a name that ends in .ndjson")
    twin = generate_twin(made)
    _write(twin, out)
    typer.echo(f"{out}: {len(twin.assets)} assets of {owners} owners, digest {twin.digest[:16]}")


def _write(twin: Twin, out: Path) -> None:
    """Write a twin beside the file and put it in its place at the end, so that no half of one is left."""
    from ..twin.sources.ndjson import ndjson_lines
    from .scenario import ScenarioError

    draft = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8") as stream:
            stream.writelines(ndjson_lines(twin))
        draft.replace(out)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise ScenarioError(f"{out}: {error.strerror or error}; give a file that can be written") from None


def load(path: Path | None, beside: Sequence[Path] = ()) -> tuple[Scenario, Twin, tuple[Note, ...]]:
    """Give the scenario, its twin and what was not understood of its files.

    What is no scenario file is played by the shipped settings.

    Raises:
        ValueError: ScenarioError or TwinError; names file, place and mend.
    """
    from ..twin.sources import knows_network
    from .game import read_game_chain
    from .scenario import Scenario, read_scenario

    if path is not None and (path.is_dir() or knows_network(path)):
        others = tuple(str(one.absolute()) for one in beside)
        chosen = Scenario(name=path.stem, chain=str(path.absolute()), beside=others, folder=path.absolute().parent)
    else:
        chosen = read_scenario(path)
    return chosen, *read_game_chain(chosen)


def describe(loaded: tuple[Scenario, Twin, tuple[Note, ...]]) -> dict[str, Any]:
    """JSON values: counts of what the twin holds, and how it is played."""
    from ..twin.attack.steps import derive_steps

    chosen, twin, notes = loaded
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
        "seed": chosen.seed,
        "digest": twin.digest,
        "notes": [{"place": note.place, "what": note.what} for note in notes],
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
    if not isinstance(value, list | tuple):
        return str(value)
    rest = f", ... {len(value) - TOLD:,} more" if len(value) > TOLD else ""
    return ", ".join(map(_line, value[:TOLD])) + rest
