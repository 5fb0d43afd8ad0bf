"""`tocsin evaluate`.

Flows in: arguments. Flows out: a table or JSON, a chart. Heavy imports stand inside the functions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    policy: Annotated[Path | None, typer.Option(help="Policy file to compare with the baselines.")] = None,
    scenario: Annotated[Path | None, typer.Option(help="Scenario file; default: the shipped one.")] = None,
    episodes: Annotated[int, typer.Option(min=20, max=100_000, help="Attacks, the same for every policy.")] = 500,
    chart: Annotated[Path | None, typer.Option(help="PNG of means with intervals.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare policies on attacks not trained on. Example: tocsin evaluate --policy policy.tocsin"""
    from rich.console import Console
    from rich.table import Table

    from ..envs.game import load_game
    from ..envs.policy_file import load_policy
    from ..envs.scenario import read_scenario
    from .baselines import Learned
    from .evaluate import UPPER_BOUND, baselines, draw, to_json
    from .evaluate import evaluate as run

    learned = load_policy(policy) if policy is not None else None
    game = load_game(read_scenario(scenario))
    with Console(stderr=True, quiet=as_json).status("evaluating") as status:
        policies = baselines(game, status.update)
        if learned is not None:
            last = policies.pop(UPPER_BOUND)
            policies |= {"trained": Learned(game, learned), UPPER_BOUND: last}
        scores = run(game, policies, episodes, status.update)
    if chart is not None:
        draw(scores, chart)
    if as_json:
        typer.echo(json.dumps({"scenario": game.scenario.name, "policies": to_json(scores)}))
        return
    table = Table("policy", "mean loss", "95 % interval", "service", "harm", "labour", "episodes")
    for name, score in scores.items():
        causes = [f"{score.by_cause[cause]:.2f}" for cause in ("service", "harm", "labour")]
        table.add_row(name, f"{score.mean:.2f}", f"{score.low:.2f} to {score.high:.2f}", *causes, str(score.episodes))
    Console().print(table)
