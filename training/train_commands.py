"""`tocsin train`.

Flows in: arguments. Flows out: a policy file, a chart, a line or JSON. Heavy imports stand inside the functions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    from .settings import TrainError, TrainSettings

    settings = TrainSettings(seconds=seconds, workers=workers, seed=seed)
    if not out.parent.is_dir():
        raise TrainError(f"--out {out}: folder {out.parent} is not there; make it first")
    game = read_scenario(scenario)
    from .train import train as run

    with Progress(console=Console(stderr=True), disable=as_json, transient=True) as bar:
        task = bar.add_task("training, seconds", total=seconds)

        def show(report: Report) -> None:
            spent = report.losses[-1][0] if report.losses else 0.0
            loss = f"loss {report.losses[-1][1]:.2f}" if report.losses else "no episode ended yet"
            rate = report.samples / max(spent, 1.0)
            bar.update(task, completed=spent, description=f"training, {rate:.0f} decisions/s, {loss}")

        report = run(game, settings, out, show)
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


def _draw(report: Report, chart: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(*zip(*report.losses, strict=True), label="episodes in training") if report.losses else None
    axes.plot(*zip(*report.validation, strict=True), "o-", label="validation")
    axes.set(xlabel="seconds", ylabel="loss per attack, owner-hours", title="Training")
    axes.legend()
    figure.savefig(chart, dpi=120)
