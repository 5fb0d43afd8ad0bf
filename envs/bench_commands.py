"""Command line of measurements: `tocsin bench belief`, `tocsin bench worlds`.

Flows in: sizes. Flows out: a table or one JSON object. Heavy imports stand inside the functions.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

bench = typer.Typer(help="Measure how good and how fast.", no_args_is_help=True)


@bench.callback()
def _bench() -> None:
    """Measure how good and how fast."""


@bench.command(epilog="Example: tocsin bench belief --assets 1000 --json")
def belief(
    assets: Annotated[int, typer.Option(help="Assets of the generated chain, about so many.")] = 100,
    worlds: Annotated[int, typer.Option(help="Attacks on which filters are judged; twice as many train them.")] = 32,
    ticks: Annotated[int, typer.Option(help="Length of an attack, in minutes.")] = 240,
    seed: Annotated[int, typer.Option(help="Of the chain.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """How good the belief is beside simpler filters, when the world is as assumed and when it is not."""
    from rich.console import Console
    from rich.progress import Progress

    from .bench_belief import Settings, bench, check

    settings = Settings(assets, worlds, ticks, seed)
    check(settings)
    with Progress(console=Console(stderr=True), disable=as_json, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        result = bench(settings, lambda doing, share: bar.update(task, completed=share, description=doing))
    typer.echo(json.dumps(result, indent=2)) if as_json else _print(result)


@bench.command(epilog="Example: tocsin bench worlds --assets 100 --worlds 1024 --with observation --json")
def worlds(
    assets: Annotated[int, typer.Option(help="Assets of the generated chain, about so many.")] = 100,
    count: Annotated[int, typer.Option("--worlds", help="Worlds side by side.")] = 1024,
    threads: Annotated[int, typer.Option(help="Threads.")] = 2,
    active: Annotated[int, typer.Option(help="Assets that attackers may hold at once in one world.")] = 4096,
    part: Annotated[
        str, typer.Option("--with", help="rules, observation or belief, each with what is before.")
    ] = "rules",
    act_every: Annotated[int, typer.Option(help="The defender acts in one tick of so many, on average.")] = 10,
    ticks: Annotated[int, typer.Option(help="Ticks of a block; the quickest of three counts.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the chain and its attacks.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """World-ticks per second at random legal play; bytes written are those that a tick leaves changed."""
    from rich.console import Console
    from rich.progress import Progress

    from .bench_worlds import Settings, bench, check

    settings = Settings(assets, count, threads, active, part, act_every, ticks, seed)
    try:
        check(settings)
    except ValueError as error:
        typer.echo(f"tocsin bench worlds: {error}", err=True)
        raise typer.Exit(2) from None
    with Progress(console=Console(stderr=True), disable=as_json, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        result = bench(settings, lambda doing, share: bar.update(task, completed=share, description=doing))
    if as_json:
        typer.echo(json.dumps(result, indent=2))
    else:
        for name, value in result.items():
            typer.echo(f"{name.replace('_', ' '):>24}  {value:,}" if isinstance(value, int) else f"{name:>24}  {value}")


def _print(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for case, played in result["cases"].items():
        table = Table(title=f"{case}: {played['share_held']:.2%} held, {played['mean_active']:.0f} assets in belief")
        for column in ("filter", "log loss", "Brier", "calibration error", "of suspects", "us a tick"):
            table.add_column(column, justify="left" if column == "filter" else "right")
        for name, score in played["filters"].items():
            figures = (score["log_loss"], score["brier"], score["calibration_error"])
            shown = [f"{one:.5f}" for one in figures] + [f"{score['calibration_error_suspects']:.3f}"]
            table.add_row(name, *shown, f"{score['us_per_tick']:.1f}")
        console.print(table)
    console.print(
        f"{result['assets']} assets, {result['attack_steps']} attack steps, {result['worlds']} attacks of "
        f"{result['ticks']} ticks. Log loss in nats per asset and tick; one core. The others learned on "
        f"{result['training_worlds']} attacks of the first kind; belief learned nothing."
    )
