"""Kept results as tables of a Markdown page.

Flows in: kept results; a page with `<!-- NAME -->` and `<!-- end -->` around each table. Flows out: the page with that
table written anew. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .contenders import BASELINES, CLAIRVOYANT, PHONE
from .reproduce import ReproduceError

END = "<!-- end -->"


def tables(kept: Mapping[str, Any]) -> str:
    """Loss with intervals, gap closed and costs of each policy, then loss by attacker."""
    policies = kept["policies"]
    bound, best = policies[CLAIRVOYANT]["mean"], best_baseline(kept)
    rows = [
        "| policy | loss (95 % interval) | IQM | service, harm, labour | saved | gap | false | down | asked |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in policies.items():
        room = policies[best]["mean"] - bound
        gap = (policies[best]["mean"] - one["mean"]) / room if room > 0 else None
        rows.append(
            f"| {name} | {one['mean']:.2f} ({one['low']:.2f} to {one['high']:.2f}) | {one['iqm']['value']:.2f} "
            f"| {', '.join(f'{loss:.2f}' for loss in one['by_cause'].values())} | {_percent(one['saved'])} "
            f"| {'' if name in BASELINES else _percent(gap)} "
            f"| {one['false_containments']:.1f} | {one['downtime']:.2f} | {one['consents']:.1f} |"
        )
    attackers = list(policies[best]["by_attacker"])
    rows += ["", f"| policy | {' | '.join(attackers)} |", "|---" * (1 + len(attackers)) + "|"]
    rows += [
        f"| {name} | {' | '.join(f'{loss:.2f}' for loss in one['by_attacker'].values())} |"
        for name, one in policies.items()
    ]
    chains = len(policies[best]["chains"])
    attacks, digest = policies[best]["episodes"], (kept["digest"] or "none")[:16]
    rows += ["", f"{attacks:,} attacks on {chains} chains, digest {digest}; gap from {best}."]
    return "\n".join(rows)


def best_baseline(kept: Mapping[str, Any]) -> str:
    """Name of the tuned baseline that loses least: not the one that sees the truth, nor where owners call."""
    competing = [name for name in kept["policies"] if name in BASELINES and name not in (CLAIRVOYANT, PHONE)]
    return min(competing, key=lambda name: float(kept["policies"][name]["mean"]))


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


def rewritten(page: str, name: str, table: str) -> str:
    """The page with the table between its marks.

    Raises:
        ReproduceError: the page has no such marks.
    """
    mark = f"<!-- {name} -->"
    before, found, rest = page.partition(mark + "\n")
    _, ends, after = rest.partition(END)
    if not found or not ends:
        raise ReproduceError(f"--page: has no lines {mark} and {END}; put them where the table is to stand")
    return f"{before}{mark}\n{table}\n{END}{after}"
