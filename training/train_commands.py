"""`tocsin train`: on this machine, or as a job on a Ray cluster.

Flows in: arguments, a file of settings. Flows out: a policy file, a chart, a line or JSON. Heavy imports stand inside
the functions.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from .report import Report
    from .settings import TrainSettings


def train(
    out: Annotated[Path | None, typer.Option(help="Policy file to write; default: policy.tocsin.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file of settings; flags go before what it says.")] = None,
    scenario: Annotated[Path | None, typer.Option(help="Scenario file; default: the shipped one.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Wall time in all; default: 60.")] = None,
    iterations: Annotated[int | None, typer.Option(help="Updates in all; default: what the time allows.")] = None,
    workers: Annotated[int | None, typer.Option(help="Workers on Ray; default: 2.")] = None,
    shape: Annotated[str | None, typer.Option(help="decentralised (default) or central.")] = None,
    chains: Annotated[int | None, typer.Option(help="Generated chains played side by side; default: 0, one.")] = None,
    cooperation: Annotated[
        str | None, typer.Option(help="With owners' seats: mixed (all kinds), both, findings, consent or neither.")
    ] = None,
    own_share: Annotated[
        float | None, typer.Option(help="With owners' seats: share of its own loss in what each learns from, 0 to 1.")
    ] = None,
    stages: Annotated[int | None, typer.Option(help="Parts of the run, each with new, larger chains.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, sampling and worlds; default: 0.")] = None,
    run: Annotated[str | None, typer.Option(help="Folder or URL for checkpoints and figures.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's newest checkpoint.")] = False,
    submit: Annotated[str | None, typer.Option(help="Dashboard of a Ray cluster, http://head:8265: run there.")] = None,
    pack: Annotated[Path | None, typer.Option(help="Write the folder of a job for `ray job submit`, and end.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print all settings with their meaning, and end.")] = False,
    chart: Annotated[Path | None, typer.Option(help="PNG of the learning curve.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train a response policy on Ray with MaskablePPO. Example: tocsin train --seconds 60 --out policy.tocsin"""
    from .settings import TrainError, check_place, parse_settings, read_settings, settings_yaml

    place = None if scenario is None else str(scenario)
    given = {
        "scenario": place,
        "seconds": seconds,
        "iterations": iterations,
        "workers": workers,
        "shape": shape,
        "chains": chains,
        "stages": stages,
        "cooperation": cooperation,
        "own_share": own_share,
        "seed": seed,
        "run": run,
    }
    said = {name: value for name, value in given.items() if value is not None}
    settings = parse_settings(said, "tocsin train") if config is None else read_settings(config, **said)  # type: ignore[arg-type]
    if pack is not None and submit is not None:
        raise TrainError("--pack and --submit: give one of them; --submit packs by itself")
    if pack is not None or submit is not None:
        _check_job("--pack" if submit is None else "--submit", config, said, out=out, chart=chart)
    if show:
        typer.echo(settings_yaml(settings), nl=False)
    elif pack is not None:
        _pack(settings, pack)
    elif submit is not None:
        _submit(settings, submit, as_json=as_json)
    elif resume and not settings.run:
        raise TrainError("--resume: there is no run to go on with; give --run")
    else:
        out = out or Path("policy.tocsin")
        check_place("--out", out)
        if chart is not None:
            check_place("--chart", chart)
        _train_here(settings, out, chart, resume=resume, as_json=as_json)


def _train_here(settings: TrainSettings, out: Path, chart: Path | None, *, resume: bool, as_json: bool) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from ..envs.scenario import read_scenario

    game = read_scenario(Path(settings.scenario) if settings.scenario else None)
    from .train import train as run

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=Console(stderr=True), disable=as_json, transient=True) as bar:
        task = bar.add_task("starting", total=1.0, left="")
        report = run(game, settings, out, lambda report: bar.update(task, **shown(report, settings)), resume=resume)
    if chart is not None:
        _draw(report, chart)
    typer.echo(
        json.dumps(summary(report, settings, out))
        if as_json
        else f"{out}: {report.samples} decisions in {report.seconds:.0f} s, validation loss {report.best_loss:.2f}"
    )


def summary(report: Report, settings: TrainSettings, out: Path) -> dict[str, Any]:
    """What `--json` prints."""
    from .metering import COSTS

    spent = sum(report.spent.values())
    return {
        "policy": str(out),
        "shape": settings.shape,
        "workers": settings.workers,
        "stage": report.chains_stage,
        "samples": report.samples,
        "iterations": report.iterations,
        "seconds": round(report.seconds, 1),
        "samples_per_s": round(report.samples / report.seconds, 1),
        "learning_samples_per_s": round(report.samples / spent, 1) if spent else 0.0,
        "shares_of_time": {name: round(seconds / spent, 3) for name, seconds in report.spent.items()},
        "validation_loss": round(report.best_loss, 4),
        "multipliers": dict(zip(COSTS, report.multipliers, strict=True)),
        "costs": dict(zip(COSTS, report.costs, strict=False)),
        "validation": [[round(at, 1), round(loss, 4)] for at, loss in report.validation],
        "replaced_workers": report.replaced_workers,
        "lost_iterations": report.lost_iterations,
    }


def shown(report: Report, settings: TrainSettings) -> dict[str, Any]:
    """What the progress bar says: stage, rate, loss, how much is done and how long the rest takes."""
    spent = report.clock()
    loss = f"loss {report.losses[-1][1]:.2f}" if report.losses else "no episode ended yet"
    if settings.iterations:
        done = report.iterations / settings.iterations
        pace = (spent - report.learning_since) / max(report.iterations, 1)
        left = pace * (settings.iterations - report.iterations) if report.iterations else None
    else:
        done, left = spent / settings.seconds, settings.seconds - spent
    return {
        "completed": min(done, 1.0),
        "description": f"{report.stage}, {report.rate():.0f} decisions/s, {loss}",
        "left": "" if left is None else f"{max(left, 0.0):.0f} s left",
    }


def _pack(settings: TrainSettings, folder: Path) -> None:
    from .jobs import training_job
    from .submit import entry, pack

    job = training_job(settings)
    pack(job, folder)
    typer.echo(f"{folder}: ray job submit --working-dir {folder} -- {entry(job)}")


def _submit(settings: TrainSettings, address: str, *, as_json: bool) -> None:
    from .jobs import training_job
    from .submit import submit

    job = submit(training_job(settings), address, say=lambda text: typer.echo(text, nl=False, err=as_json))
    typer.echo(json.dumps({"job": job, "run": settings.run}) if as_json else f"{job}: done, see {settings.run}")


def _check_job(flag: str, config: Path | None, said: Collection[str], *, out: Path | None, chart: Path | None) -> None:
    """A job writes into its run alone, and its length is said by who sends it, not by a default meant for laptops."""
    from .settings import TrainError, names_in

    for name, place in (("--out", out), ("--chart", chart)):
        if place is not None:
            raise TrainError(f"{name} {place}: with {flag} the policy lies in the run's folder; leave {name} out")
    if not {"seconds", "iterations"} & (set(said) | (names_in(config) if config is not None else set())):
        raise TrainError(f"{flag}: say how long the job trains; give --seconds or --iterations, or one in the file")


def _draw(report: Report, chart: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(*zip(*report.losses, strict=True), label="episodes in training") if report.losses else None
    axes.plot(*zip(*report.validation, strict=True), "o-", label="validation")
    axes.set(xlabel="seconds", ylabel="loss per attack, owner-hours or in units of the chains", title="Training")
    axes.legend()
    figure.savefig(chart, dpi=120)
