"""`tocsin league`.

Flows in: arguments, a file of settings. Flows out: a folder of attackers and defenders, a table, JSON. Heavy imports
stand inside the functions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from ..envs.policy_file import NumpyPolicy
    from ..envs.scenario import Scenario
    from .league import League
    from .league_settings import LeagueSettings

TABLE = "league.json"


def league(
    out: Annotated[Path, typer.Option(help="Folder to write attackers and defenders into; new or empty.")] = Path(
        "league"
    ),
    config: Annotated[Path | None, typer.Option(help="YAML file of settings; flags go before what it says.")] = None,
    scenario: Annotated[Path | None, typer.Option(help="Scenario file; default: the shipped one.")] = None,
    policy: Annotated[
        list[str] | None, typer.Option(help="Policy file that defends from the start, or NAME=FILE; may be repeated.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Times that both pools grow; default: 2.")] = None,
    tempo: Annotated[
        str | None, typer.Option(help="Of learned attackers: scenario (default), fastest or unbound.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Workers on Ray, of either side; default: 2.")] = None,
    attacks: Annotated[int | None, typer.Option(help="Attacks of each pair in the table.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights and sampling; default: 0.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the league in the folder.")] = False,
    submit: Annotated[str | None, typer.Option(help="Dashboard of a Ray cluster, http://head:8265: run there.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print all settings with their meaning, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train attackers and defenders against each other on Ray. Example: tocsin league --rounds 2 --out league"""
    from .league_settings import LeagueError, league_yaml, read_league

    settings = read_league(config, rounds=rounds, tempo=tempo, workers=workers, attacks=attacks, seed=seed)
    if show:
        typer.echo(league_yaml(settings), nl=False)
        return
    if submit is not None:
        _submit(settings, scenario, policy or [], out, submit, resume=resume, as_json=as_json)
        return
    from ..envs.scenario import read_scenario
    from .chains import kept_for_judging
    from .evaluate_commands import learned_of
    from .league import check_pools
    from .league_folder import open_folder

    read, learned = read_scenario(scenario), learned_of(policy or [])
    fault = kept_for_judging(read)
    if fault:
        raise LeagueError(fault)
    check_pools(settings, learned)
    open_folder(out, read, settings, learned, resume=resume)
    played = _play(read, settings, learned, out, quiet=as_json)
    told = as_dict(played, settings)
    (out / TABLE).write_text(json.dumps(told, indent=1) + "\n")
    if as_json:
        typer.echo(json.dumps(told))
    else:
        _print(played, told)


def _submit(
    settings: LeagueSettings,
    scenario: Path | None,
    policies: list[str],
    out: Path,
    address: str,
    *,
    resume: bool,
    as_json: bool,
) -> None:
    from .jobs import league_job
    from .submit import submit

    job = league_job(settings, scenario, policies, out, resume=resume)
    sent = submit(job, address, say=lambda text: typer.echo(text, nl=False, err=as_json))
    typer.echo(json.dumps({"job": sent, "out": str(out)}) if as_json else f"{sent}: done, see {out}")


def _play(
    scenario: Scenario, settings: LeagueSettings, learned: Mapping[str, NumpyPolicy], out: Path, *, quiet: bool
) -> League:
    from rich.console import Console
    from rich.progress import Progress

    from .cluster import settle_in, start_ray, stop_ray
    from .league import play_league

    largest = max((settings.attackers, settings.defenders), key=lambda side: side.workers * side.threads)
    started = start_ray(largest)  # once for all trainings
    settle_in(largest)
    try:
        with Progress(console=Console(stderr=True), disable=quiet, transient=True) as bar:
            task = bar.add_task("", total=1.0)
            return play_league(
                scenario,
                settings,
                learned,
                out,
                progress=lambda stage, share: bar.update(task, description=stage, completed=share),
            )
    finally:
        if started:
            stop_ray()


def as_dict(played: League, settings: LeagueSettings) -> dict[str, Any]:
    """What `--json` prints."""
    from dataclasses import asdict

    return {
        "settings": asdict(settings),
        "tries_per_hour": played.tries_per_hour,
        "attackers": {name: "learned" if name in played.learned_attackers else "script" for name in played.attackers},
        "defenders": {name: "learned" if name in played.learned_defenders else "script" for name in played.defenders},
        "losses": [
            {"attacker": attacker, "defender": defender, **asdict(loss)}
            for (attacker, defender), loss in played.losses.items()
        ],
        **played.exploitability,
        "by_round": played.by_round,
    }


def _print(played: League, told: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Owner-hours lost per attack, 95 % intervals of the mean", title_justify="left")
    table.add_column("attacker")
    for defender in played.defenders:
        table.add_column(defender)
    for attacker in played.attackers:
        cells = [played.losses[attacker, defender] for defender in played.defenders]
        table.add_row(attacker, *[f"{cell.value:.2f} [{cell.low:.2f}, {cell.high:.2f}]" for cell in cells])
    console = Console()
    console.print(table)
    console.print(
        f"{told['defender']}: {told['best_response']} takes {told['best_response_loss']:.2f}, the worst script "
        f"({told['worst_scripted']}) {told['worst_scripted_loss']:.2f}: exploitability "
        f"{_with_ends(told['exploitability'])}"
    )
    console.print(
        f"of that {_with_ends(told['by_tempo'])} by tempo (a script as fast: {told['as_fast_loss']:.2f}), "
        f"{_with_ends(told['by_choice'])} by choice of steps"
    )
    if len(told["by_round"]) > 1:
        console.print(_rounds(told["by_round"]))


def _rounds(told: Sequence[Mapping[str, Any]]) -> Table:
    """What can be taken from each defender."""
    from rich.table import Table

    table = Table(title="The best response found against each defender", title_justify="left")
    for name in ("defender", "best response", "takes", "less than from the first", "exploitability", "by choice"):
        table.add_column(name)
    for one in told:
        gaps = [_with_ends(one[name]) for name in ("less_than_first", "exploitability", "by_choice")]
        table.add_row(one["defender"], one["best_response"], f"{one['best_response_loss']:.2f}", *gaps)
    return table


def _with_ends(gap: Mapping[str, float]) -> str:
    return f"{gap['value']:.2f} [{gap['low']:.2f}, {gap['high']:.2f}]"
