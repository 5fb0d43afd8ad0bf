"""`tocsin bench training`: how fast training is, where the time goes, what more workers would bring.

Flows in: sizes. Flows out: tables or one JSON object. Heavy imports stand inside the functions.
"""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import typer


def bench_training(
    workers: Annotated[int, typer.Option(min=1, max=64, help="Workers on Ray, measured beside one.")] = 2,
    assets: Annotated[
        list[int] | None, typer.Option(help="Assets of the generated chain, repeated; default: 100.")
    ] = None,
    shape: Annotated[list[str] | None, typer.Option(help="decentralised or central, repeated; default: both.")] = None,
    threads: Annotated[
        list[int] | None, typer.Option(help="Torch threads of one process without Ray, repeated; default: 1 and 2.")
    ] = None,
    worlds: Annotated[int, typer.Option(help="Worlds of a worker.")] = 48,
    epochs: Annotated[int, typer.Option(help="Passes over each iteration's data.")] = 4,
    minibatches: Annotated[int, typer.Option(help="Per pass.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="Iterations of each kind; the quickest counts.")] = 5,
    sb3: Annotated[bool, typer.Option("--sb3", help="Measure SB3's own vector environments too.")] = False,
    latency_us: Annotated[float, typer.Option(min=0, help="Of a hop, for the projection.")] = 50.0,
    gigabits: Annotated[float, typer.Option(min=0.001, help="Per second and link, for the projection.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Decisions per second of training, end to end. Example: tocsin bench training --workers 2 --assets 100 --json"""
    from rich.console import Console
    from rich.progress import Progress

    from .bench import bench, kinds_of
    from .projection import Network
    from .settings import CENTRAL, DECENTRALISED, TrainError, parse_settings

    shapes = shape or [DECENTRALISED, CENTRAL]
    for one in shapes:
        if one not in (DECENTRALISED, CENTRAL):
            raise TrainError(f"--shape {one!r}: give {DECENTRALISED} or {CENTRAL}")
    settings = parse_settings(
        {"iterations": 1, "worlds": worlds, "epochs": epochs, "minibatches": minibatches, "patience_s": 600},
        "tocsin bench training",
    )
    for number in threads or ():
        parse_settings({"threads": number}, "--threads")
    sizes, kinds = assets or [100], kinds_of(workers, shapes, threads or [1, 2])
    with Progress(console=Console(stderr=True), disable=as_json, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        rows, messages = bench(
            sizes,
            kinds,
            settings,
            rounds=rounds,
            progress=lambda text, share: bar.update(task, completed=share, description=text),
        )
    others = [row for size in sizes for row in _sb3(size, settings, rounds)] if sb3 else []
    network = Network(latency_us * 1e-6, gigabits * 1e9 / 8)
    result = {
        "load": round(os.getloadavg()[0], 1),
        "processors": len(os.sched_getaffinity(0)),
        "settings": {"worlds": worlds, "steps": settings.steps, "epochs": epochs, "minibatches": minibatches},
        "rows": [row.as_object() for row in rows] + others,
        "projection": {str(size): _projected(one, network) for size, one in messages.items()},
    }
    typer.echo(json.dumps(result)) if as_json else _print(result)


def _sb3(size: int, settings: Any, rounds: int) -> list[dict[str, Any]]:
    from .bench import chain_of
    from .bench_sb3 import sb3_rates

    return sb3_rates(chain_of(size), settings, processes=min(8, settings.worlds), rounds=rounds)


def _projected(messages: Any, network: Any) -> dict[str, Any]:
    from dataclasses import asdict

    from .projection import COUNTS, central, decentralised, saturation

    return {
        "messages": {name: round(value, 4) for name, value in asdict(messages).items()},
        "network": asdict(network),
        "decentralised": [decentralised(messages, count, network).as_object() for count in COUNTS],
        "central": [central(messages, count, network).as_object() for count in COUNTS],
        "central, learner 30 times as fast": [
            central(messages, count, network, faster=30.0).as_object() for count in COUNTS
        ],
        "half_busy_at_workers": saturation(messages, network),
    }


def _print(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    title = f"Decisions of training, load {result['load']} on {result['processors']} processors"
    table = Table("assets", "kind", "workers", "threads", "per s", "per processor s", "shares of time", title=title)
    for row in result["rows"]:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in row.get("shares_of_time", {}).items())
        cells = [str(row[name]) for name in ("assets", "shape", "workers", "threads")]
        table.add_row(*cells, f"{row['samples_per_s']:.0f}", f"{row['samples_per_processor_s']:.0f}", shares)
    console.print(table)
    for size, told in result["projection"].items():
        columns = {name: rows for name, rows in told.items() if isinstance(rows, list)}
        table = Table("workers", *columns, title=f"Projected, {size} assets, decisions per s")
        for number in range(len(told["decentralised"])):
            ours = [rows[number] for rows in columns.values()]
            table.add_row(str(ours[0]["workers"]), *(f"{one['samples_per_s']:,}" for one in ours))
        console.print(table)
        half = ", ".join(f"{name} {count:g}" for name, count in told["half_busy_at_workers"].items())
        console.print(f"workers busy half of the time at: {half}")
