"""Command line of attack analysis: `tocsin attack paths`.

Flows in: a folder or file that declares a chain, or a store. Flows out: text, JSON, a picture. Deriving and searching
are in `attack.steps` and `analysis.paths`; heavy modules are imported on use, so that help stays quick.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from .analysis.paths import AttackPath
    from .attack.step import AttackStep
    from .facts import Merged

attack = typer.Typer(help="What an attacker could do to a chain.", no_args_is_help=True)


@attack.callback()
def _attack() -> None:
    """What an attacker could do to a chain."""


@attack.command(epilog="Example: tocsin attack paths my-chain/ --count 3 --picture paths.png")
def paths(
    path: Path | None = typer.Argument(None, help="Folder or file of the chain; by default the shipped example."),
    store: Path | None = typer.Option(None, "--store", help="Store to read the twin from, in place of PATH."),
    count: int = typer.Option(5, "--count", min=1, max=1000, help="How many paths at most."),
    within: bool = typer.Option(False, "--within", help="Also paths that stay inside one owner."),
    picture: Path | None = typer.Option(None, "--picture", help="Write a picture of the twin with the paths (PNG)."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Best attack paths from the internet across owners to crown jewels, with probability and the facts used."""
    from .graph import TwinError

    if path is not None and store is not None:
        _refuse("give PATH or --store, not both")
    if picture is not None and picture.suffix.lower() != ".png":
        _refuse(f"--picture {picture}: only PNG is drawn; give a name that ends in .png")
    try:
        merged = _read(path, store)
        found, steps = _search(merged, count=count, across_owners=not within, quiet=as_json)
    except TwinError as error:
        _refuse(str(error))
    if picture is not None:
        _draw(merged, found, picture)
    if as_json:
        typer.echo(json.dumps(_as_json(merged, found, steps), indent=2))
    else:
        _tell(merged, found, steps, picture)


def _refuse(why: str) -> NoReturn:
    typer.echo(f"tocsin attack paths: {' '.join(why.split())}", err=True)
    raise typer.Exit(2)


def _read(path: Path | None, store: Path | None) -> Merged:
    """The twin with its facts, from where the caller says."""
    from .sources.folder import is_there

    if store is not None:
        if not is_there(store) or not store.is_file():
            _refuse(f"store {store} is not there; make it with: tocsin twin import PATH --store {store}")
        from .store import TwinStore

        return TwinStore(store).load()
    if path is not None and not is_there(path):
        _refuse(f"{path} is not there; give a folder or file of a chain")
    from .facts import merge
    from .sources import load_example, read_chain

    return load_example() if path is None else merge(read_chain(path).facts)


def _search(
    merged: Merged, *, count: int, across_owners: bool, quiet: bool
) -> tuple[list[AttackPath], tuple[AttackStep, ...]]:
    from rich.console import Console

    from .analysis.paths import best_paths
    from .attack.steps import derive_steps

    with Console(stderr=True, quiet=quiet).status("deriving attack steps") as status:
        steps = derive_steps(merged.twin)
        status.update(f"searching {len(steps)} attack steps")
        return best_paths(merged.twin, steps, count=count, across_owners=across_owners), steps


def _draw(merged: Merged, found: list[AttackPath], picture: Path) -> None:
    from .analysis.picture import draw

    try:
        draw(merged.twin, found, picture)
    except OSError as error:
        _refuse(f"--picture {picture}: {error.strerror or error}; give a place that can be written")


def _as_json(merged: Merged, found: list[AttackPath], steps: tuple[AttackStep, ...]) -> dict[str, Any]:
    twin = merged.twin
    return {
        "twin": {
            "digest": twin.digest,
            "owners": len(twin.owners),
            "assets": len(twin.assets),
            "links": len(twin.links),
            "weaknesses": len(twin.weaknesses),
            "attack_steps": len(steps),
        },
        "paths": [
            {
                "jewel": one.jewel,
                "probability": one.probability,
                "owners": list(one.owners),
                "steps": [_step_as_json(step) for step in one.steps],
                "facts": [{"key": key, "places": _places(merged, key)} for key in one.facts],
            }
            for one in found
        ],
    }


def _step_as_json(step: AttackStep) -> dict[str, Any]:
    from .attack.techniques import TECHNIQUES

    return {
        "technique": step.technique,
        "name": TECHNIQUES[step.technique].name,
        "matrix": TECHNIQUES[step.technique].matrix,
        "class": step.step_class.word,
        "source": step.source,
        "target": step.target,
        "needs": step.needs.word,
        "gains": step.gains.word,
        "identity": step.identity,
        "weakness": step.weakness,
        "probability": step.probability,
        "parameter": step.parameter,
        "boundary": None if step.link is None else list(step.link),
        "facts": list(step.facts),
    }


def _places(merged: Merged, key: str) -> list[str]:
    """Where the fact was read."""
    return [f"{fact.provenance.source} {fact.provenance.place}" for fact in merged.facts.get(key, ())]


def _tell(merged: Merged, found: list[AttackPath], steps: tuple[AttackStep, ...], picture: Path | None) -> None:
    """Print the paths for people."""
    from .attack.techniques import TECHNIQUES

    typer.echo(f"{len(merged.twin.assets)} assets of {len(merged.twin.owners)} owners, {len(steps)} attack steps")
    if not found:
        jewels = any(asset.crown_jewel for asset in merged.twin.assets)
        typer.echo(
            "no path to a crown jewel; --within also shows paths that stay inside one owner"
            if jewels
            else "no asset is marked crown_jewel; mark one in chain.yaml"
        )
    for number, one in enumerate(found, start=1):
        typer.echo(f"\n{number}. p {one.probability:.3g}  {' > '.join(one.owners)}  to {one.jewel}")
        for step in one.steps:
            details = [step.weakness or "", f"as {step.identity}" if step.identity else ""]
            details.append("crosses owners" if step.link else "")
            name = f"{step.technique} {TECHNIQUES[step.technique].name}"
            where = step.target if step.source == step.target else f"{step.source} -> {step.target}"
            more = "".join(f", {detail}" for detail in details if detail)
            typer.echo(f"   p {step.probability:.2f}  {name}: {where} ({step.gains.word}{more})")
        typer.echo(f"   facts: {len(one.facts)}")
        for key in one.facts:
            places = _places(merged, key)
            typer.echo(f"     {key}" + (f"  [{'; '.join(places)}]" if places else ""))
    if picture is not None:
        typer.echo(f"\npicture: {picture}")
