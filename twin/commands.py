"""Command line of the twin: `tocsin twin import` and `tocsin twin show`.

Flows in: paths of manifests, or a store. Flows out: counts as text or JSON, and a new version in the store. Reading is
in `sources`, keeping in `store`; they are imported on use, so that help stays quick.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from .graph import Twin

twin = typer.Typer(help="The twin of a chain: read it in, look at it.", no_args_is_help=True)


@twin.callback()
def _twin() -> None:
    """The twin of a chain: read it in, look at it."""


@twin.command("import", epilog="Example: tocsin twin import k8s/ --owner shop --dry-run --json")
def import_(
    paths: list[Path] = typer.Argument(..., help="Files or folders; a folder with a chain.yaml is that chain."),
    owner: str | None = typer.Option(None, "--owner", help="Whose the manifests are; a chain declares its owners."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Read and count only; keep nothing."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
    store: Path | None = typer.Option(None, "--store", help="Store to keep the twin in; by default the user's own."),
) -> None:
    """Read compose files, Kubernetes manifests and chains into the twin; what files said before is replaced.

    The counts are of the twin as kept, with what other files said before; with --dry-run, of what was read.
    """
    from rich.console import Console

    from .facts import merge
    from .graph import TwinError
    from .keeping import keep
    from .sources import read_paths
    from .store import TwinStore

    try:
        with Console(stderr=True, quiet=as_json).status("reading manifests"):
            reading = read_paths(paths, owner)
            merged = merge(reading.facts)  # what was read must be whole before the store is opened
            kept = None if dry_run else keep(reading, TwinStore(store or default_store()))
    except TwinError as error:
        _refuse("import", str(error))
    told = counts(kept.merged.twin if kept else merged.twin) | {
        "documents": dict(reading.documents),
        "not_understood": [{"place": note.place, "what": note.what} for note in reading.not_understood],
        "gone": list(kept.gone) if kept else [],
        "version": kept.version if kept else None,
    }
    typer.echo(json.dumps(told, indent=2) if as_json else _tell_import(told, dry_run=dry_run))


@twin.command(epilog="Example: tocsin twin show --json")
def show(
    version: int | None = typer.Option(None, "--version", min=1, help="Version to show; the newest by default."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
    store: Path | None = typer.Option(None, "--store", help="Store to read; by default the user's own."),
) -> None:
    """What the store holds: the counts of a version, and which versions there are."""
    from .graph import TwinError
    from .store import TwinStore

    kept = TwinStore(store or default_store())
    try:
        merged = kept.load(version)
        versions = kept.versions()
    except TwinError as error:
        _refuse("show", str(error))
    told = counts(merged.twin) | {
        "digest": merged.twin.digest,
        "version": version or versions[-1].number,
        "versions": [{"number": one.number, "time": one.time, "assets": one.assets} for one in versions],
    }
    typer.echo(json.dumps(told, indent=2) if as_json else _tell_counts(told) + "\n" + _tell_versions(told))


def default_store() -> Path:
    """The user's own store: `twin.db` in the folder TOCSIN_HOME, else where the platform keeps user data."""
    home = os.environ.get("TOCSIN_HOME")
    if home:
        return Path(home) / "twin.db"
    from platformdirs import user_data_dir

    return Path(user_data_dir("tocsin")) / "twin.db"


def counts(one: Twin) -> dict[str, Any]:
    """Owners by id, and how many assets, links and weaknesses there are of each kind."""
    weaknesses = Counter(weakness.id.partition("-")[0].lower() for weakness in one.weaknesses)
    return {
        "owners": [owner.id for owner in one.owners],
        "assets": dict(sorted(Counter(asset.kind.word for asset in one.assets).items())),
        "links": dict(sorted(Counter(link.kind.word for link in one.links).items())),
        "weaknesses": dict(sorted(weaknesses.items())),
    }


def _refuse(command: str, why: str) -> NoReturn:
    typer.echo(f"tocsin twin {command}: {' '.join(why.split())}", err=True)
    raise typer.Exit(2)


def _tell_import(told: dict[str, Any], *, dry_run: bool) -> str:
    lines = [_tell_counts(told)]
    for note in told["not_understood"]:
        lines.append(f"not understood: {note['place']}: {note['what']}")
    lines += [f"gone: {file}: what it said is dropped" for file in told["gone"]]
    lines.append("nothing kept (--dry-run)" if dry_run else f"kept as version {told['version']}")
    return "\n".join(lines)


def _tell_counts(told: dict[str, Any]) -> str:
    lines = [f"owners      {', '.join(told['owners'])}"]
    for what in ("assets", "links", "weaknesses"):
        each = ", ".join(f"{number} {kind}" for kind, number in told[what].items())
        lines.append(f"{what:<11} {sum(told[what].values())}: {each}" if each else f"{what:<11} 0")
    return "\n".join(lines)


def _tell_versions(told: dict[str, Any]) -> str:
    each = [f"version {one['number']} of {one['time']}: {one['assets']} assets" for one in told["versions"]]
    return "\n".join([*each, f"shown: version {told['version']}, digest {told['digest'][:16]}"])
