"""The tables of `tocsin cooperation` in words and as plain values.

Flows in: a `Table`, a `Drawing`. Flows out: what `--json` prints, rich tables. It prints nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.table import Table as Grid

from ..envs.kinds import ARMS
from .cooperation import NEITHER, Networks, Row, Table, told_kind
from .cooperation_draws import Drawing
from .intervals import Estimate


def as_dict(table: Table, learned: Networks | None = None) -> dict[str, Any]:
    """A table as plain values; with `learned`, what each network was trained for by its own card."""
    return {
        "scenario": table.scenario,
        "chains": list(table.chains),
        "attacks": table.attacks,
        "against": table.against,
        "rows": [_row(row, learned or {}) for row in table.rows],
        "tuned": {kind: {"level": rule.level, "asks_others": rule.helps} for kind, rule in table.tuned.items()},
    }


def _row(row: Row, learned: Networks) -> dict[str, Any]:
    network = learned.get(row.policy, {}).get(row.kind)
    said = {} if network is None else network.card.get("settings", {})
    trained = None if network is None else {name: said.get(name) for name in ("cooperation", "own_share", "seed")}
    return {
        "policy": row.policy,
        "cooperation": row.kind,
        "trained": trained,
        "loss": _told(row.loss),
        "worth": _told(row.worth),
        "by_owner": _each(row.by_owner),
        "by_chain": {name: round(value, 4) for name, value in row.by_chain.items()},
        "asked": None if row.asked is None else round(row.asked, 3),
        "more": _told(row.more),
        "more_by_owner": None if row.more_by_owner is None else _each(row.more_by_owner),
    }


def _told(estimate: Estimate | None) -> dict[str, float] | None:
    return None if estimate is None else {name: round(value, 4) for name, value in asdict(estimate).items()}


def _each(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: _told(one) for name, one in estimates.items()}


def draws_as_dict(found: Drawing) -> dict[str, Any]:
    """What came of draws as plain values."""
    return {
        "draws": found.draws,
        "attacks": found.attacks,
        "worths": [{**asdict(one), "stands": one.stands} for one in found.worths],
        "loses_less_than_nothing": [
            {"policy": policy, "cooperation": kind, "share": share}
            for (policy, kind), share in found.beats_nothing.items()
        ],
    }


def losses(table: Table) -> Grid:
    """What is lost under each kind, and what the kind is worth."""
    said = f"{table.scenario}: {len(table.chains)} chain{'s' * (len(table.chains) > 1)} x {table.attacks} attacks"
    grid = Grid(title=f"{said}; owner-hours per attack, 95 % intervals", title_justify="left")
    for name in ("policy", "cooperation", "loss", "worth against neither", "asks of others"):
        grid.add_column(name)
    for row in table.rows:
        asked = "-" if row.asked is None else f"{row.asked:.1f}"
        grid.add_row(row.policy, _kind(row.kind), _words(row.loss), _words(row.worth), asked)
    return grid


def owners(table: Table) -> Grid:
    """What each owner loses more than by the policy that all are compared with, under the same kind."""
    compared = [row for row in table.rows if row.more is not None]
    names = [name for name, one in table.rows[0].by_owner.items() if one.value or _is_moved(name, compared)]
    grid = Grid(
        title=f"Lost more than by {table.against!r} under the same kind, attack by attack", title_justify="left"
    )
    for name in ("policy", "cooperation", "all owners", *names):
        grid.add_column(name)
    for row in compared:
        more = row.more_by_owner or {}
        grid.add_row(row.policy, _kind(row.kind), _signed(row.more), *(_signed(more.get(name)) for name in names))
    return grid


def _is_moved(owner: str, rows: list[Row]) -> bool:
    return any(row.more_by_owner is not None and row.more_by_owner[owner].value for row in rows)


def draws(found: Drawing) -> Grid:
    """In what share of draws each kind is worth something."""
    grid = Grid(
        title=f"Worth against {NEITHER} under {found.draws} draws of all assumed numbers, {found.attacks} attacks each",
        title_justify="left",
    )
    for name in ("policy", "cooperation", "as assumed", "median", "5 % to 95 % of draws", "gains in", "harms in", ""):
        grid.add_column(name)
    for one in found.worths:
        figures = (f"{one.assumed:.2f}", f"{one.median:.2f}", f"{one.low:.2f} to {one.high:.2f}")
        shares = (f"{one.gains:.0%}", f"{one.harms:.0%}", "stands" if one.stands else "not said")
        grid.add_row(one.policy, _kind(one.kind), *figures, *shares)
    return grid


def tuned(table: Table) -> str:
    """The rule's numbers."""
    of_each = "; ".join(
        f"{told_kind(ARMS[kind])}: above {rule.level:g}{', asks others' * rule.helps}"
        for kind, rule in table.tuned.items()
    )
    return f"The rule, tuned: {of_each}."


def _kind(kind: str) -> str:
    return told_kind(ARMS[kind]) if kind else "-"


def _words(one: Estimate | None) -> str:
    return "-" if one is None else f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]"


def _signed(one: Estimate | None) -> str:
    return "-" if one is None else f"{one.value:+.2f} [{one.low:+.2f}, {one.high:+.2f}]"
