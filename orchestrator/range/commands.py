"""`tocsin range`: a small real network on one machine, up, down, and looked at.

Flows in: arguments. Flows out: text or JSON. Heavy imports stand inside the functions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from .topology import Plan

PrefixFlag = Annotated[str, typer.Option("--prefix", help="Of the names of its network namespaces.")]
FolderFlag = Annotated[Path | None, typer.Option("--folder", help="Where its files lie; default: the state folder.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]

range_ = typer.Typer(
    help="A small real network on this machine: six hosts of three owners, a router, sshd and HTTP.",
    no_args_is_help=True,
)


@range_.command(epilog="Example: tocsin range up --json")
def up(prefix: PrefixFlag = "tocsin", folder: FolderFlag = None, as_json: JsonFlag = False) -> None:
    """Build it in network namespaces and write the chain that is its twin. Needs root."""
    from .running import up as make

    plan, place = _find(prefix, folder)
    shown = make(plan, place)
    if as_json:
        typer.echo(json.dumps(shown, indent=2))
        return
    for asset, host in shown["hosts"].items():
        typer.echo(f"{asset:<18} {host['ipv4']:<12} {host['ipv6']:<14} ip netns exec {host['namespace']} ...")
    typer.echo(f"its chain: {shown['chain']}; its router: {shown['router']}; its names: {shown['names']}")


@range_.command(epilog="Example: tocsin range down")
def down(prefix: PrefixFlag = "tocsin", folder: FolderFlag = None, as_json: JsonFlag = False) -> None:
    """Take it away: its own namespaces, the processes inside them, its own files. Nothing else."""
    from .running import down as remove

    gone = remove(*_find(prefix, folder))
    if as_json:
        typer.echo(json.dumps({"removed": gone}))
    else:
        typer.echo(f"removed {len(gone)} namespaces" if gone else "there was none")


@range_.command(epilog="Example: tocsin range status --probe --json")
def status(
    prefix: PrefixFlag = "tocsin",
    folder: FolderFlag = None,
    probe: Annotated[bool, typer.Option("--probe", help="Try every connection, and compare with the twin.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Say whether it is up; exit code 1 where it is not, or where a probe differs from the twin."""
    from .running import describe

    plan, place = _find(prefix, folder)
    shown = describe(plan, place)
    if probe and shown["up"]:
        shown["probes"] = _probes(plan, Path(shown["chain"]))
    if as_json:
        typer.echo(json.dumps(shown, indent=2))
    else:
        typer.echo(f"range {prefix}: {'up' if shown['up'] else 'not up'}, {len(shown['namespaces'])} namespaces")
        for family, found in shown.get("probes", {}).items():
            typer.echo(
                f"{family}: {found['reached']} of {found['tried']} reached, {len(found['differs'])} unlike the twin"
            )
    differs = any(found["differs"] for found in shown.get("probes", {}).values())
    raise typer.Exit(0 if shown["up"] and not differs else 1)


def _probes(plan: Plan, chain: Path) -> dict[str, dict[str, object]]:
    from ..assemble import load_twin
    from .probing import probe_all
    from .topology import PORTS
    from .twin_of import predicted

    wanted = predicted(load_twin(chain))
    tried = len(plan.hosts) * (len(plan.hosts) - 1) * len(PORTS)
    return {
        f"ipv{family}": {"tried": tried, "reached": len(reached), "differs": sorted(map(list, reached ^ wanted))}
        for family, reached in probe_all(plan).items()
    }


def _find(prefix: str, folder: Path | None) -> tuple[Plan, Path]:
    from .running import default_folder
    from .topology import Plan

    plan = Plan(prefix)
    return plan, (folder or default_folder(plan)).absolute()
