"""`tocsin evaluate`.

Flows in: arguments. Flows out: tables, a chart, JSON. Heavy imports stand inside the functions.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..envs.policy_file import NumpyPolicy
    from .costs import Budget
    from .evaluate import Evaluation, Progress, Score
    from .planned_contenders import PlannerBase
    from .suites import Suite

DEFAULT_EPISODES = 500
MOST_COLUMNS = 8  # of chains or owners in a table; --json tells all


def evaluate(
    policy: Annotated[
        list[str] | None,
        typer.Option(help="Policy file to evaluate beside the baselines, or NAME=FILE; may be repeated."),
    ] = None,
    policies: Annotated[str, typer.Option(help="The same, several at once: NAME=FILE,NAME=FILE.")] = "",
    suite: Annotated[str, typer.Option(help="Suite to judge on: the name of a shipped one, or a file.")] = "",
    list_suites: Annotated[bool, typer.Option("--list-suites", help="Name the shipped suites and end.")] = False,
    first: Annotated[int | None, typer.Option(help="The first so many chains of the suite alone.")] = None,
    scenario: Annotated[
        list[Path] | None, typer.Option(help="Scenario file; default: the shipped one; may be repeated.")
    ] = None,
    chains: Annotated[
        int, typer.Option(help="Chains to judge on for each scenario that generates them; as many others are tuned on.")
    ] = 1,
    episodes: Annotated[
        int | None, typer.Option(help="Attacks on each chain by each attacker; default: the suite's, else 500.")
    ] = None,
    budget_false: Annotated[
        float | None, typer.Option(help="Most containments per attack of what no attacker holds.")
    ] = None,
    budget_downtime: Annotated[
        float | None, typer.Option(help="Most owner-hours per attack of service lost to responses.")
    ] = None,
    budget_consents: Annotated[float | None, typer.Option(help="Most answers per attack asked of people.")] = None,
    planner: Annotated[
        bool, typer.Option("--planner", help="Let a planner play too, alone and on each policy: some 0.1 s a plan.")
    ] = False,
    planner_base: Annotated[
        str, typer.Option(help="With --planner, who decides after a plan's first step: rule or policy.")
    ] = "",
    chart: Annotated[Path | None, typer.Option(help="PNG of losses by cause with intervals.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare policies over attacks not trained on. Example: tocsin evaluate --suite charging --policy p.tocsin"""
    from rich.console import Console
    from rich.progress import Progress

    from .chart_file import check_chart
    from .evaluate import EvaluationError, check_episodes
    from .suites import read_suite

    if list_suites:
        _print_suites(as_json)
        return
    if episodes is not None:
        check_episodes(episodes)
    check_chart(chart)
    if suite and (scenario or chains != 1):
        raise EvaluationError("--suite says which chains are judged on; leave --scenario and --chains out")
    if not suite and (first is not None or planner):
        raise EvaluationError("--first and --planner go with a suite; give --suite NAME")
    base = _base(planner, planner_base)
    budget = _budget(budget_downtime, budget_false, budget_consents)
    learned = learned_of([*(policy or []), *(one for one in policies.split(",") if one)])
    judged = read_suite(suite) if suite else None
    with Progress(console=Console(stderr=True), disable=as_json, transient=True) as bar:
        task = bar.add_task("", total=1.0)

        def progress(name: str, share: float) -> None:
            bar.update(task, completed=share, description=name)

        if judged is not None:
            result = _judge(judged, learned, first, episodes, budget, base, progress)
        else:
            result = _compare(scenario or [], learned, chains, episodes, budget, progress)
    told = _told(result, judged, first, episodes)
    typer.echo(json.dumps(told)) if as_json else _print(result)
    if chart is not None:
        from .evaluate_chart import draw

        draw(result, chart)


def _told(result: Evaluation, suite: Suite | None, first: int | None, episodes: int | None) -> dict[str, Any]:
    """The object that `--json` prints; a suite is named with its digest, and whether all of it was played."""
    told = as_object(result)
    if suite is None:
        return told
    whole = first is None and episodes in (None, suite.said.episodes)
    return {"suite": suite.name, "digest": suite.said.digest, "whole": whole, **told}


def _base(planner: bool, name: str) -> PlannerBase | None:
    """Who decides after a plan's first step; None: nobody plans."""
    from .evaluate import EvaluationError
    from .planned_contenders import PlannerBase

    if name and not planner:
        raise EvaluationError("--planner-base: says how planners go on; give --planner too")
    if name not in ["", *PlannerBase]:
        raise EvaluationError(f"--planner-base {name!r}: give {' or '.join(PlannerBase)}")
    return PlannerBase(name or PlannerBase.RULE) if planner else None


def _judge(
    suite: Suite,
    learned: dict[str, NumpyPolicy],
    first: int | None,
    episodes: int | None,
    budget: Budget,
    planner: PlannerBase | None,
    progress: Progress,
) -> Evaluation:
    from .judging import judge

    return judge(suite, learned, chains=first, episodes=episodes, budget=budget, planner=planner, progress=progress)


def _compare(
    scenarios: list[Path],
    learned: dict[str, NumpyPolicy],
    chains: int,
    episodes: int | None,
    budget: Budget,
    progress: Progress,
) -> Evaluation:
    from ..envs.scenario import read_scenario
    from .chains import trials
    from .evaluate import compare

    files: list[Path | None] = [*scenarios] if scenarios else [None]
    judged = trials([read_scenario(path) for path in files], chains)
    attacks = DEFAULT_EPISODES if episodes is None else episodes
    return compare(judged, learned, episodes=attacks, budget=budget, progress=progress)


def _budget(downtime: float | None, false: float | None, consents: float | None) -> Budget:
    from .costs import Budget
    from .evaluate import EvaluationError

    given = {"downtime": downtime, "false": false, "consents": consents}
    try:
        return Budget(**{name: bound for name, bound in given.items() if bound is not None})
    except ValueError as error:
        raise EvaluationError(str(error)) from None


def _print_suites(as_json: bool) -> None:
    from .suites import read_suite, shipped_suites

    suites = {name: read_suite(name).said for name in shipped_suites()}
    if as_json:
        typer.echo(json.dumps({name: {"says": said.says, "digest": said.digest} for name, said in suites.items()}))
        return
    for name, said in suites.items():
        typer.echo(f"{name}: {said.says}" + (f" (frozen as {said.digest[:16]})" if said.digest else ""))


def learned_of(given: list[str]) -> dict[str, NumpyPolicy]:
    """Load FILE or NAME=FILE; a single file without a name is called `trained`, several by their file names."""
    from ..envs.policy_file import load_policy
    from .contenders import TRAINED
    from .evaluate import EvaluationError

    learned: dict[str, NumpyPolicy] = {}
    for one in given:
        name, equals, file = one.partition("=")
        if not equals:
            name, file = (TRAINED if len(given) == 1 else Path(one).stem), one
        if not name or name in learned:
            raise EvaluationError(f"--policy {one}: name {name!r} is empty or taken; write NAME=FILE with another name")
        learned[name] = load_policy(Path(file))
    return learned


def as_object(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as one JSON object; `policies` by name."""
    policies = {score.name: {k: v for k, v in asdict(score).items() if k != "name"} for score in evaluation.scores}
    return {
        "scenario": evaluation.scenario,
        "tuned": {chain: asdict(tuned) for chain, tuned in evaluation.tuned.items()},
        "policies": policies,
        "differences": [asdict(difference) for difference in evaluation.differences],
        "clairvoyant": dict(evaluation.bound),
    }


def _print(evaluation: Evaluation) -> None:
    from rich.console import Console

    console = Console()
    console.print(_losses(evaluation))
    console.print(_against(evaluation))
    console.print(_conduct(evaluation))
    if 1 < len(evaluation.scores[0].by_chain) <= MOST_COLUMNS:
        console.print(_split(evaluation, "chain", "by_chain"))
    if evaluation.scores[0].by_attacker:
        console.print(_split(evaluation, "attacker", "by_attacker"))
    if len(evaluation.scores[0].by_owner) <= MOST_COLUMNS:
        console.print(_split(evaluation, "owner", "by_owner"))
    reference = evaluation.differences[0].reference
    for chain, tuned in evaluation.tuned.items():
        stops = ", ".join(f"{level:.2f}" for level in tuned.stops)
        evict = f"evict from {tuned.worth:g}, with a closer look from {tuned.watchful:g}"
        levels = f"restore from {tuned.restore:g}, isolate from {tuned.isolate:g}, {evict}"
        console.print(f"{chain}: tuned to {levels}, stop at {stops}")
    console.print(
        f"{evaluation.scores[0].episodes} attacks not trained on, the same for all. The clairvoyant sees the truth "
        "and is no competitor: on each chain the best of a few scripts and of the baselines, so it is never worse than "
        "these, and no proven bound. saved: share of what it saves against "
        "doing nothing. IQM: mean of the middle half of attacks. "
        f"P: probability that {reference} loses less on an attack. breached: something was held. contained: share of "
        "those with nothing held at the end. minutes: from first to last hold. false: containments of what was free. "
        "down: owner-hours of service that responses alone cost. asked: answers of people that were needed. "
        "Intervals: bootstrap within each chain."
    )


def _losses(evaluation: Evaluation) -> Any:
    from rich.table import Table

    table = Table(title=f"Loss per attack, owner-hours (simulation, {_short(evaluation)})")
    causes = list(evaluation.scores[0].by_cause)
    _columns(table, "policy", "mean (95 % interval)", "IQM", *causes, "saved")
    for score in evaluation.scores:
        table.add_row(
            score.name,
            f"{score.mean:.2f} ({score.low:.2f} to {score.high:.2f})",
            f"{score.iqm.value:.2f}",
            *(f"{score.by_cause[cause]:.2f}" for cause in causes),
            "" if score.saved is None else f"{score.saved:.0%}",
        )
    return table


def _against(evaluation: Evaluation) -> Any:
    from rich.table import Table

    table = Table(title=f"Against {evaluation.differences[0].reference}, on the same attacks")
    _columns(table, "policy", "loses more by (95 % interval)", "P (95 % interval)")
    for one in evaluation.differences:
        better = one.improvement
        table.add_row(
            one.policy,
            f"{one.mean:+.2f} ({one.low:+.2f} to {one.high:+.2f})",
            f"{better.value:.2f} ({better.low:.2f} to {better.high:.2f})",
        )
    return table


def _conduct(evaluation: Evaluation) -> Any:
    from rich.table import Table

    table = Table(title="Conduct per attack")
    _columns(table, "policy", "breached", "contained", "minutes", "responses", "false", "down", "asked", "budget")
    for score in evaluation.scores:
        broken = score.over_budget
        table.add_row(
            score.name,
            f"{score.breached:.0%}",
            "" if score.contained is None else f"{score.contained:.0%}",
            "" if score.minutes is None else f"{score.minutes:.0f}",
            f"{sum(score.responses.values()):.1f}",
            f"{score.false_containments:.2f}",
            f"{score.downtime:.2f}",
            f"{score.consents:.1f}",
            "" if broken is None else "over" if broken else "kept",
        )
    return table


def _columns(table: Any, *names: str) -> None:
    for name in names:
        table.add_column(name, justify="left" if name == "policy" else "right")


def _split(evaluation: Evaluation, what: str, column: str) -> Any:
    from rich.table import Table

    def parts(score: Score) -> dict[str, float]:
        found: dict[str, float] = getattr(score, column)
        return found

    table = Table(title=f"Mean loss by {what}, owner-hours")
    shown = [name for name in parts(evaluation.scores[0]) if any(parts(score)[name] > 0 for score in evaluation.scores)]
    _columns(table, "policy", *shown)
    for score in evaluation.scores:
        table.add_row(score.name, *(f"{parts(score)[name]:.2f}" for name in shown))
    return table


def _short(evaluation: Evaluation) -> str:
    chains = len(evaluation.scores[0].by_chain)
    return evaluation.scenario if chains == 1 else f"{chains} chains"
