"""`tocsin cooperation`.

Flows in: arguments. Flows out: tables, JSON. Heavy imports stand inside the functions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from .cooperation import Table
    from .intervals import Estimate


def cooperation(
    scenario: Annotated[
        list[Path] | None, typer.Option(help="Scenario file; default: the shipped one; may be repeated.")
    ] = None,
    chains: Annotated[
        int, typer.Option(help="Chains to judge on for each scenario that generates them; as many others are tuned on.")
    ] = 1,
    policy: Annotated[
        list[str] | None, typer.Option(help="Policy file for all owners' seats, or NAME=FILE; may be repeated.")
    ] = None,
    attacks: Annotated[int, typer.Option(help="Attacks on each chain, 2 or more.")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """What shared findings and quick consent are worth. Example: tocsin cooperation --policy owners.tocsin"""
    from rich.console import Console
    from rich.progress import Progress

    from ..envs.scenario import read_scenario
    from .chains import trials
    from .cooperation import CooperationError, as_dict, check_policies, compare
    from .evaluate_commands import learned_of

    if attacks < 2:
        raise CooperationError(f"--attacks {attacks}: give 2 or more")
    learned = learned_of(policy or [])
    check_policies(learned)
    read = [read_scenario(path) for path in (scenario or (None,))]
    made = [one for one in read if one.generate is not None]
    judged = {one.name: trials([one], chains if one in made or not made else 1) for one in read}
    if len(judged) < len(read):
        raise CooperationError("two scenarios have one name; give each a name of its own")
    tables = []
    with Progress(console=Console(stderr=True), disable=as_json, transient=True) as bar:
        for name, of in judged.items():
            task = bar.add_task(name, total=1.0)
            tables.append(
                compare(name, of, learned, attacks, progress=lambda share, at=task: bar.update(at, completed=share))  # type: ignore[misc]
            )
    if as_json:
        typer.echo(json.dumps({"tables": [as_dict(table) for table in tables]}))
        return
    for table in tables:
        _print(table)


def _print(table: Table) -> None:
    from rich.console import Console
    from rich.table import Table as Grid

    from ..envs.cooperation import ARMS
    from .cooperation import told_kind

    said = f"{table.scenario}: {len(table.chains)} chain{'s' * (len(table.chains) > 1)} x {table.attacks} attacks"
    grid = Grid(title=f"{said}; owner-hours per attack, 95 % intervals", title_justify="left")
    for name in ("policy", "cooperation", "loss", "worth against neither"):
        grid.add_column(name)
    for row in table.rows:
        kind = told_kind(ARMS[row.kind]) if row.kind else "-"
        grid.add_row(row.policy, kind, _told(row.loss), "-" if row.worth is None else _told(row.worth))
    console = Console()
    console.print(grid)
    tuned = "; ".join(
        f"{told_kind(ARMS[kind])}: above {rule.level:g}{', asks others' * rule.helps}"
        for kind, rule in table.tuned.items()
    )
    console.print(f"The rule, tuned: {tuned}.")


def _told(one: Estimate) -> str:
    return f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]"
