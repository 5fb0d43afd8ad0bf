"""`tocsin evaluate`.

Flows in: arguments. Flows out: a table, a chart, JSON. Heavy imports stand inside the functions.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from .evaluate import Evaluation

MOST_EPISODES = 100_000


def evaluate(
    policy: Annotated[Path | None, typer.Option(help="Policy file to evaluate beside the baselines.")] = None,
    scenario: Annotated[Path | None, typer.Option(help="Scenario file; default: the shipped one.")] = None,
    episodes: Annotated[int, typer.Option(help="Attacks that every policy plays.")] = 500,
    chart: Annotated[Path | None, typer.Option(help="PNG of means with intervals.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare policies over attacks not trained on. Example: tocsin evaluate --policy policy.tocsin --chart p.png"""
    from rich.console import Console
    from rich.progress import Progress

    from ..envs.game import load_game
    from ..envs.policy_file import load_policy
    from ..envs.scenario import read_scenario
    from .evaluate import EvaluationError, compare

    if not 2 <= episodes <= MOST_EPISODES:
        raise EvaluationError(f"--episodes {episodes}: give 2 to {MOST_EPISODES}")
    if chart is not None and not chart.parent.is_dir():
        raise EvaluationError(f"--chart {chart}: folder {chart.parent} is not there; make it first")
    game = load_game(read_scenario(scenario))
    learned = None if policy is None else load_policy(policy)
    with Progress(console=Console(stderr=True), disable=as_json, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        result = compare(
            game,
            learned,
            episodes=episodes,
            progress=lambda name, share: bar.update(task, completed=share, description=name),
        )
    if chart is not None:
        _draw(result, chart)
    typer.echo(json.dumps(as_object(result))) if as_json else _print(result)


def as_object(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as one JSON object; `policies` by name."""
    policies = {score.name: {k: v for k, v in asdict(score).items() if k != "name"} for score in evaluation.scores}
    return {
        "scenario": evaluation.scenario,
        "threshold": evaluation.threshold,
        "isolate_threshold": evaluation.isolate_threshold,
        "policies": policies,
        "differences": [asdict(difference) for difference in evaluation.differences],
    }


def _print(evaluation: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    from .evaluate import CUT_OFF, THRESHOLD

    levels = {THRESHOLD: f" {evaluation.threshold:g}", CUT_OFF: f" {evaluation.isolate_threshold:g}"}
    causes = list(evaluation.scores[0].by_cause)
    against = {difference.policy: difference for difference in evaluation.differences}
    reference = evaluation.differences[0].reference
    table = Table(title=f"Loss per attack, owner-hours (simulation, scenario {evaluation.scenario})")
    for column in ("policy", "mean", "95 % interval", *causes, "responses", "saved", f"more than {reference}"):
        table.add_column(column, justify="left" if column == "policy" else "right")
    for score in evaluation.scores:
        difference = against.get(score.name)
        table.add_row(
            score.name + levels.get(score.name, ""),
            f"{score.mean:.2f}",
            f"{score.low:.2f} to {score.high:.2f}",
            *(f"{score.by_cause[cause]:.2f}" for cause in causes),
            f"{sum(score.responses.values()):.1f}",
            "" if score.saved is None else f"{score.saved:.0%}",
            f"{difference.mean:+.2f} ({difference.low:+.2f} to {difference.high:+.2f})" if difference else "",
        )
    console = Console()
    console.print(table)
    console.print(
        f"{evaluation.scores[0].episodes} attacks not trained on, the same for all. The clairvoyant sees the truth: an "
        "upper bound. saved: share of what it saves against doing nothing."
    )


def _draw(evaluation: Evaluation, chart: Path) -> None:
    from matplotlib.figure import Figure

    from .evaluate import CLAIRVOYANT, EvaluationError

    scores = evaluation.scores[::-1]
    names = [score.name for score in scores]
    colours = ["lightgrey" if score.name == CLAIRVOYANT else "tab:blue" for score in scores]
    means = [score.mean for score in scores]
    spans = [[score.mean - score.low for score in scores], [score.high - score.mean for score in scores]]
    figure = Figure(figsize=(8, 0.7 * len(scores) + 1.5), layout="constrained")
    axes = figure.add_subplot()
    axes.barh(names, means, xerr=spans, color=colours, capsize=4)
    axes.set(
        xlabel="mean loss per attack, owner-hours, with 95 % interval",
        title=f"{scores[0].episodes} attacks not trained on (simulation)",
    )
    try:
        figure.savefig(chart, dpi=120, format="png")
    except OSError as error:
        raise EvaluationError(f"--chart {chart}: {error.strerror or error}; name a file that can be written") from None
