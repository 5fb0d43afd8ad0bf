"""`tocsin league`.

Flows in: arguments, a file of settings. Flows out: a folder of attackers and defenders, a table, JSON. Heavy imports
stand inside the functions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from .league import League
    from .league_settings import LeagueSettings


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
    attack_steps: Annotated[int | None, typer.Option(help="Ticks each attacker learns from.")] = None,
    defend_steps: Annotated[int | None, typer.Option(help="Decisions each defender learns from.")] = None,
    attacks: Annotated[int | None, typer.Option(help="Attacks of each pair in the table.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights and sampling; default: 0.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print all settings with their meaning, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train attackers and defenders against each other. Example: tocsin league --rounds 2 --out league"""
    from .league_settings import read_league
    from .settings import settings_yaml

    given = {"rounds": rounds, "attack_steps": attack_steps, "defend_steps": defend_steps}
    settings = read_league(config, **given, attacks=attacks, seed=seed)
    if show:
        typer.echo(settings_yaml(settings), nl=False)
        return
    _check_folder(out)
    from rich.console import Console
    from rich.progress import Progress

    from ..envs.scenario import read_scenario
    from .chains import kept_for_judging
    from .evaluate_commands import learned_of
    from .league_settings import LeagueError

    read, learned = read_scenario(scenario), learned_of(policy or [])
    fault = kept_for_judging(read)
    if fault:
        raise LeagueError(fault)
    from .league import play_league

    with Progress(console=Console(stderr=True), disable=as_json, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        played = play_league(
            read,
            settings,
            learned,
            progress=lambda stage, share: bar.update(task, description=stage, completed=share),
        )
    told = as_dict(played, settings)
    _write(played, told, out)
    if as_json:
        typer.echo(json.dumps(told))
    else:
        _print(played, told)


def as_dict(played: League, settings: LeagueSettings) -> dict[str, Any]:
    """What `--json` prints."""
    from dataclasses import asdict

    return {
        "settings": asdict(settings),
        "attackers": {name: "learned" if name in played.learned_attackers else "script" for name in played.attackers},
        "defenders": {name: "learned" if name in played.learned_defenders else "script" for name in played.defenders},
        "losses": [
            {"attacker": attacker, "defender": defender, **asdict(loss)}
            for (attacker, defender), loss in played.losses.items()
        ],
        **played.exploitability,
    }


def _write(played: League, told: dict[str, Any], out: Path) -> None:
    from ..envs.policy_file import save_policy
    from .attacker_file import save_attacker

    out.mkdir(parents=True, exist_ok=True)
    for name, attacker in played.learned_attackers.items():
        save_attacker(out / f"{name.replace(' ', '-')}.npz", attacker.weights, attacker.card)
    for name, policy in played.learned_defenders.items():
        if name.startswith("defender "):  # those that were given have their files
            save_policy(out / f"{name.replace(' ', '-')}.tocsin", policy.weights, policy.card)
    (out / "league.json").write_text(json.dumps(told, indent=1) + "\n")


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
    console, gap = Console(), told["exploitability"]
    console.print(table)
    console.print(
        f"{told['defender']}: {told['best_response']} takes {told['best_response_loss']:.2f}, the worst script "
        f"({told['worst_scripted']}) {told['worst_scripted_loss']:.2f}: exploitability {gap['value']:.2f} "
        f"[{gap['low']:.2f}, {gap['high']:.2f}]"
    )


def _check_folder(out: Path) -> None:
    from .league_settings import LeagueError

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise LeagueError(f"--out {out}: holds something; name a new folder")
    if not out.parent.is_dir():
        raise LeagueError(f"--out {out}: folder {out.parent} is not there; make it first")
