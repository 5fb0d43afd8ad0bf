"""`tocsin robust`.

Flows in: a suite, policies. Flows out: which claims stand under draws of all assumed numbers; a table, JSON, a picture.
Heavy imports stand inside the functions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..envs.policy_file import NumpyPolicy
    from .contenders import Tuned
    from .robust import Extent, Means, Robustness
    from .suites import Suite


def robust(
    suite: Annotated[str, typer.Option(help="Suite: the name of a shipped one, or a file.")] = "tocsin-bench-1",
    draws: Annotated[int, typer.Option(help="Draws of all assumed numbers.")] = 200,
    policy: Annotated[
        list[str] | None, typer.Option(help="Policy file beside the baselines, or NAME=FILE; may be repeated.")
    ] = None,
    policies: Annotated[str, typer.Option(help="The same, several at once: NAME=FILE,NAME=FILE.")] = "",
    chains: Annotated[int, typer.Option(help="Chains of the suite in each draw; they come in turn.")] = 2,
    attacks: Annotated[int, typer.Option(help="Attacks on each of them by each attacker.")] = 20,
    seed: Annotated[int | None, typer.Option(help="Of the draws.")] = None,
    keep: Annotated[
        Path | None, typer.Option(help="File that keeps each draw; a run with the same file goes on from there.")
    ] = None,
    chart: Annotated[Path | None, typer.Option(help="PNG: in how many draws each policy loses less than each.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say only what stands in 95 % of draws of all assumed numbers. Example: tocsin robust --draws 20 --keep d.jsonl"""
    from rich.console import Console
    from rich.progress import Progress, TimeRemainingColumn

    from .chart_file import check_chart
    from .contenders import BASELINES
    from .evaluate import check_names
    from .evaluate_commands import learned_of
    from .freezing import check
    from .judging import tune_suite
    from .robust import SEED, Extent, robustness
    from .robust_keeping import add, read_kept
    from .suites import read_suite

    check_chart(chart)
    given = [*(policy or []), *(one for one in policies.split(",") if one)]
    learned, judged = learned_of(given), read_suite(suite)
    check_names(learned)
    extent = Extent(draws, chains, attacks, SEED if seed is None else seed)
    check(judged)
    columns = (*Progress.get_default_columns()[:-1], TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=as_json, transient=True) as bar:
        task = bar.add_task("tuning", total=1.0)
        tuned = judged.tuned or tune_suite(judged, lambda share: bar.update(task, completed=share))
    header = _header(judged, tuned, extent, learned)
    known = {} if keep is None else read_kept(keep, header, {*BASELINES, *learned})
    if not learned:
        known = {**_as_assumed(judged), **known}
    with Progress(*columns, console=Console(stderr=True), disable=as_json, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        found = robustness(
            judged,
            learned,
            extent,
            tuned=tuned,
            known=known,
            keep=(lambda number, means: None) if keep is None else lambda number, means: add(keep, number, means),
            progress=lambda name, share: bar.update(task, completed=share, description=name),
        )
    typer.echo(json.dumps({**header, **as_object(found)})) if as_json else _print(found)
    if chart is not None:
        from .robust_chart import draw

        draw(found, chart)


def _header(suite: Suite, tuned: Tuned, extent: Extent, learned: Mapping[str, NumpyPolicy]) -> dict[str, Any]:
    """What is played, as a file of kept draws begins with it."""
    from .freezing import digest_of
    from .robust_keeping import weights_digest

    return {
        "suite": suite.name,
        "digest": suite.said.digest or digest_of(suite),  # of one that is not frozen too: two of one name are two
        "tuned": {**asdict(tuned), "stops": list(tuned.stops)},
        **{name: value for name, value in asdict(extent).items() if name != "draws"},
        "policies": {name: weights_digest(policy.weights) for name, policy in learned.items()},
    }


def _as_assumed(suite: Suite) -> dict[int, Means]:
    """The baselines' losses with all as assumed, where results of this very suite are kept."""
    from .contenders import BASELINES
    from .reproduce import read_results, table_names
    from .robust import DEFAULT

    kept = read_results(suite.name) if suite.said.digest and suite.name in table_names() else None
    if kept is None or kept["digest"] != suite.said.digest or not set(BASELINES) <= set(kept["policies"]):
        return {}
    return {DEFAULT: {name: kept["policies"][name]["mean"] for name in BASELINES}}


def as_object(found: Robustness) -> dict[str, Any]:
    """What stands as one JSON object."""
    return {
        "suite": found.suite,
        "draws": found.draws,
        "tau": found.tau,
        "tau_low": found.tau_low,
        "losses": [asdict(one) for one in found.spreads],
        "judged": found.judged,
        "drivers": [asdict(one) for one in found.drivers],
        "claims": [{**asdict(one), "stands": one.stands} for one in found.claims],
    }


def _print(found: Robustness) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title=f"Loss per attack under {found.draws} draws of all assumed numbers ({found.suite}, simulation)")
    for name in ("policy", "as assumed", "median", "5 % to 95 % of draws", "loses surely less than"):
        table.add_column(name, justify="left" if name in ("policy", "loses surely less than") else "right")
    order = {one.policy: place for place, one in enumerate(found.spreads, 1)}
    for one in found.spreads:
        beaten = [str(order[claim.worse]) for claim in found.claims if claim.better == one.policy and claim.stands]
        span = f"{one.low:.2f} to {one.high:.2f}"
        table.add_row(
            f"{order[one.policy]} {one.policy}", f"{one.assumed:.2f}", f"{one.median:.2f}", span, ", ".join(beaten)
        )
    console.print(table)
    for claim in found.claims:
        if not claim.stands:
            console.print(f"not said: {claim.better} loses less than {claim.worse} ({claim.holds:.0%} of draws)")
    order_kept = "all lose alike in some draw, so it is not compared"
    if found.tau is not None and found.tau_low is not None:
        order_kept = (
            f"Kendall's tau with the assumed one {found.tau:.2f} in the mean, over {found.tau_low:.2f} in 95 % of draws"
        )
    console.print(f"Order of policies: {order_kept}. A claim is said where its sign holds in 95 % of draws.")
    told = ", ".join(f"{one.number} ({one.rho:+.2f})" for one in found.drivers) or "none is sure"
    console.print(f"Numbers that decide what {found.judged} saves against doing nothing (rank correlation): {told}.")
