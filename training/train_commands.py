"""`tocsin train`.

Flows in: arguments. Flows out: a policy file, a chart, a line or JSON. Heavy imports stand inside the functions.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from .train import Report


def train(
    out: Annotated[Path, typer.Option(help="Policy file to write.")] = Path("policy.tocsin"),
    scenario: Annotated[Path | None, typer.Option(help="Scenario file; default: the shipped one.")] = None,
    seconds: Annotated[float, typer.Option(help="Wall time in all.")] = 60.0,
    workers: Annotated[int, typer.Option(help="Roll-out workers on Ray.")] = 2,
    seed: Annotated[int, typer.Option(help="Of weights, sampling and worlds.")] = 0,
    chart: Annotated[Path | None, typer.Option(help="PNG of the learning curve.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train a response policy on Ray with MaskablePPO. Example: tocsin train --seconds 60 --out policy.tocsin"""
    from rich.console import Console
    from rich.progress import Progress

    from ..envs.scenario import read_scenario
    from .settings import TrainSettings

    settings = TrainSettings(seconds=seconds, workers=workers, seed=seed)
    _check_place("--out", out)
    if chart is not None:
        _check_place("--chart", chart)
    game = read_scenario(scenario)
    from .train import train as run

    with Progress(console=Console(stderr=True), disable=as_json, transient=True) as bar:
        task = bar.add_task("starting", total=seconds)
        report = run(game, settings, out, lambda report: bar.update(task, **_shown(report)))
    if chart is not None:
        _draw(report, chart)
    result = {
        "policy": str(out),
        "samples": report.samples,
        "iterations": report.iterations,
        "seconds": round(report.seconds, 1),
        "samples_per_s": round(report.samples / report.seconds, 1),
        "validation_loss": round(report.best_loss, 4),
        "validation": [[round(at, 1), round(loss, 4)] for at, loss in report.validation],
        "replaced_workers": report.replaced_workers,
    }
    typer.echo(
        json.dumps(result)
        if as_json
        else f"{out}: {report.samples} decisions in {report.seconds:.0f} s, validation loss {report.best_loss:.2f}"
    )


def _check_place(flag: str, path: Path) -> None:
    from .settings import TrainError

    if path.is_dir():
        raise TrainError(f"{flag} {path}: is a folder; name a file")
    if not path.parent.is_dir():
        raise TrainError(f"{flag} {path}: folder {path.parent} is not there; make it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise TrainError(f"{flag} {path}: cannot be written; name another place")


def _shown(report: Report) -> dict[str, Any]:
    """What the progress bar says."""
    spent = report.clock()
    loss = f"loss {report.losses[-1][1]:.2f}" if report.losses else "no episode ended yet"
    rate = f"{report.samples / max(spent, 1.0):.0f} decisions/s"
    return {"completed": spent, "description": f"{report.stage}, {rate}, {loss}"}


def _draw(report: Report, chart: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(*zip(*report.losses, strict=True), label="episodes in training") if report.losses else None
    axes.plot(*zip(*report.validation, strict=True), "o-", label="validation")
    axes.set(xlabel="seconds", ylabel="loss per attack, owner-hours", title="Training")
    axes.legend()
    figure.savefig(chart, dpi=120)
