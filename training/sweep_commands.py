"""`tocsin sweep`: search settings of training with Ray Tune.

Flows in: a file of a sweep. Flows out: a table of trials, and the best settings as a file for `tocsin train`. Heavy
imports stand inside the functions.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .settings import TrainSettings
    from .sweep import Sweep
    from .trials import Row


def sweep(
    config: Annotated[Path, typer.Option(help="YAML file: settings, every, search.")],
    out: Annotated[Path, typer.Option(help="Folder of the sweep: trials, checkpoints, train.yaml of the best.")],
    scheduler: Annotated[str, typer.Option(help="asha or pbt.")] = "asha",
    samples: Annotated[int, typer.Option(min=1, max=10_000, help="Trials.")] = 8,
    concurrent: Annotated[int, typer.Option(min=0, help="Trials at once; 0: as many as there are processors.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws of settings.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the sweep of the folder.")] = False,
    submit: Annotated[str | None, typer.Option(help="Dashboard of a Ray cluster, http://head:8265: run there.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Search settings of training. Example: tocsin sweep --config sweep.yaml --out sweeps/first --samples 16"""
    from rich.console import Console
    from rich.progress import Progress

    from ..envs.scenario import read_scenario
    from .sweep import SweepError, read_sweep

    read = read_sweep(config, scheduler)
    if submit is not None:
        given = {"scheduler": scheduler, "samples": samples, "concurrent": concurrent, "seed": seed}
        _submit(read, out, submit, given, resume=resume, as_json=as_json)
        return
    scenario = read_scenario(Path(read.settings.scenario) if read.settings.scenario else None)
    from .trials import run_sweep

    at_once = concurrent or max(1, len(os.sched_getaffinity(0)) // read.settings.threads)
    with Progress(console=Console(stderr=True), disable=as_json, transient=True) as bar:
        task = bar.add_task("starting", total=1.0)
        rows = run_sweep(
            read,
            scenario,
            scheduler=scheduler,
            samples=samples,
            concurrent=at_once,
            folder=out.absolute(),
            resume=resume,
            seed=seed,
            progress=lambda text, share: bar.update(task, completed=share, description=text),
        )
    if not rows or rows[0].loss is None:
        raise SweepError(f"{out}: no trial gave a result: {rows[0].why if rows else 'none ran'}")
    _print(rows, read, write_best(out, read.best(rows[0].chosen)), as_json)


def write_best(out: Path, settings: TrainSettings) -> Path:
    """The best settings as a file, with what they name beside it where that can be taken along; gives the file."""
    from .jobs import taken_along
    from .settings import TrainError, settings_yaml

    try:
        settings, files = taken_along(settings)  # a job's folder goes with it, the sweep's stays
    except TrainError:
        files = {}  # a chain of this machine's files: named where it is
    for name, content in files.items():
        (out / name).write_bytes(content)
    best = out / "train.yaml"
    best.write_text(settings_yaml(settings))
    return best


def _submit(read: Sweep, out: Path, address: str, given: Mapping[str, Any], *, resume: bool, as_json: bool) -> None:
    from .jobs import sweep_job
    from .submit import submit

    job = sweep_job(read, out, **given, resume=resume)
    sent = submit(job, address, say=lambda text: typer.echo(text, nl=False, err=as_json))
    typer.echo(json.dumps({"job": sent, "out": str(out)}) if as_json else f"{sent}: done, see {out}")


def _print(rows: list[Row], read: Sweep, best: Path, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        typer.echo(json.dumps({"best": str(best), "trials": [asdict(row) for row in rows]}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("trial", "loss", "overrun", "iterations", "ended", *read.search, title="Trials, the best first")
    for row in rows:
        values = [row.chosen[name] for name in read.search]
        chosen = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in values]
        figures = ("", "") if row.loss is None else (f"{row.loss:.3f}", f"{row.overrun:.2f}")
        table.add_row(row.name, *figures, str(row.iterations), row.ended, *chosen)
    Console().print(table)
    typer.echo(f"{best}: settings of the best; tocsin train --config {best}")
