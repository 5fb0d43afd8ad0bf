"""`tocsin policy search`: numbers of the rule that policies begin as, by playing a suite's tuning chains.

Flows in: settings of a search. Flows out: a file of numbers with how it came about. Heavy imports stand inside the
functions.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from .rule_search import Found, SearchSettings


def search(
    out: Annotated[Path, typer.Option(help="File of numbers to write; `rule:` of `tocsin train --config` reads it.")],
    start: Annotated[
        Path | None, typer.Option(help="File of numbers to begin from; default: the shipped ones.")
    ] = None,
    suite: Annotated[str, typer.Option(help="Suite whose tuning chains are played.")] = "tocsin-bench-1",
    generations: Annotated[int, typer.Option(help="Of candidates.")] = 30,
    candidates: Annotated[int, typer.Option(help="In a generation.")] = 14,
    attacks: Annotated[int, typer.Option(help="That each plays on every chain, by each attacker.")] = 10,
    judged_attacks: Annotated[int, typer.Option(help="Fresh ones, by which start and end are compared.")] = 50,
    workers: Annotated[int, typer.Option(help="Chains played side by side.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the draws of candidates.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Search the numbers of the rule that policies begin as. Example: tocsin policy search --out rule.yaml

    Exit code 1, and no file, where what was found is not surely better than the start on fresh attacks.
    """
    from rich.console import Console
    from rich.progress import Progress

    from .cluster import start_ray, stop_ray
    from .rule_file import read_numbers, shipped_numbers
    from .rule_search import SearchSettings
    from .rule_search import search as searched
    from .settings import TrainSettings, check_place

    check_place("--out", out)
    begun = shipped_numbers() if start is None else read_numbers(start)
    settings = SearchSettings(suite, generations, candidates, attacks, judged_attacks, workers, seed)
    started = start_ray(TrainSettings(workers=workers))
    try:
        with Progress(console=Console(stderr=True), disable=as_json, transient=True) as bar:
            task = bar.add_task("first generation", total=generations)

            def progress(generation: int, ratio: float) -> None:
                text = f"generation {generation + 1}: mean candidate at {ratio:.3f} of the start's loss"
                bar.update(task, completed=generation + 1, description=text)

            found = searched(begun, settings, progress)
    finally:
        if started:
            stop_ray()
    is_better = found.gain[1] > 0
    if is_better:
        out.write_text(numbers_yaml(found, settings))
    typer.echo(json.dumps({"written": str(out) if is_better else None, **_told(found)})) if as_json else _print(
        found, out if is_better else None
    )
    if not is_better:
        raise typer.Exit(1)


def numbers_yaml(found: Found, settings: SearchSettings) -> str:
    """A file of numbers that `read_numbers` reads, with their meanings and how they were found."""
    from dataclasses import fields

    import yaml

    from .. import __version__
    from ..envs.rule_numbers import RuleNumbers
    from .freezing import digest_of
    from .suites import read_suite

    lines = [
        "# Numbers of the rule that policies begin as (`envs/rule_layer.py`), by `tocsin policy search`.",
        "numbers:",
    ]
    for one in fields(RuleNumbers):
        value = yaml.safe_dump(float(f"{getattr(found.numbers, one.name):.6g}")).split("\n")[0]
        lines.append(f"  {one.name}: {value}  # {one.metadata['meaning']}")
    told = {
        "found": {
            "tocsin": __version__,
            "suite": settings.suite,
            "digest": digest_of(read_suite(settings.suite)),
            "settings": asdict(settings),
            "owner_hours_per_attack": {"start": round(found.begun, 4), "these": round(found.loss, 4)},
            "less_than_start": {
                name: round(value, 4) for name, value in zip(("mean", "low", "high"), found.gain, strict=True)
            },
        }
    }
    return "\n".join(lines) + "\n" + yaml.safe_dump(told, sort_keys=False)


def _told(found: Found) -> dict[str, Any]:
    mean, low, high = found.gain
    return {
        "numbers": found.numbers.as_dict(),
        "start": found.begun,
        "loss": found.loss,
        "less": {"mean": mean, "low": low, "high": high},
        "curve": list(found.curve),
    }


def _print(found: Found, out: Path | None) -> None:
    mean, low, high = found.gain
    typer.echo(
        f"on fresh attacks the start loses {found.begun:.3f} owner-hours, what was found {found.loss:.3f}: "
        f"{mean:.3f} less (95 %: {low:.3f} to {high:.3f})"
    )
    typer.echo(
        f"{out}: written" if out else "not surely better, so nothing was written; give more generations or attacks"
    )
