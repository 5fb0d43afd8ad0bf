"""The page that ends the demonstration: what happened, what it was worth, where to look next.

Flows in: the demonstration's result. Flows out: tables on a console. Nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def write_page(console: Console, result: Mapping[str, Any], folder: Path) -> None:
    """Write the page."""
    twin = result["twin"]
    console.rule("Tocsin: an attack across owners")
    console.print(
        f"Twin: {twin['owners']} owners, {twin['assets']} assets, {twin['links']} links, "
        f"{twin['weaknesses']} weaknesses, {twin['attack_steps']} attack steps"
    )
    console.print(_policies(result["policies"]))
    console.print(_responses(result["responses"]))
    refused = result["refused_consent"]
    console.print(
        f"Consent by {refused['attempt_by']} for {', '.join(refused['owners'])}: refused, "
        f"{refused['status']} {refused['reason']}. Undone: {len(result['undone'])}. "
        f"Audit log verifies: {'yes' if result['audit_verified'] else 'NO'}."
    )
    console.print(_losses(result["loss_without"], result["loss_with"]))
    pairs = result["pairs"]
    console.print(
        f"Over {pairs['n']} other attacks in simulation, the policy saves {pairs['mean_difference']:.2f} owner-hours "
        f"an attack (95 % {pairs['low']:.2f} to {pairs['high']:.2f})."
    )
    total = sum(result["seconds"].values())
    console.print(f"{total:.0f} s in all. Pictures, logs, policy, store: {folder}")
    console.print("Next: tocsin audit verify, tocsin response list, tocsin evaluate, tocsin attack paths (see --help)")


def _policies(policies: Mapping[str, Any]) -> Table:
    table = Table("policy", "mean loss", "95 % interval", "episodes", title="Loss per attack, owner-hours (simulation)")
    for name, row in policies.items():
        interval = f"{row['low']:.2f} to {row['high']:.2f}"
        table.add_row(name, f"{row['mean']:.2f}", interval, str(row["episodes"]))
    return table


def _responses(responses: list[Mapping[str, Any]]) -> Table:
    table = Table(title="Responses; expected loss if nothing / this / the best other is done", show_lines=True)
    for column in ("response", "targets", "consents", "state", "next hour", "next four hours"):
        table.add_column(column, overflow="fold")
    for row in responses:
        forecast = row["forecast"] or {}
        consents = ", ".join(f"{given['owner']} ({given['basis']})" for given in row["consents"])
        numbers = _numbers(forecast), _numbers(forecast.get("later") or {})
        table.add_row(row["playbook"], ", ".join(row["targets"]), consents, row["state"], *numbers)
    return table


def _numbers(forecast: Mapping[str, Any]) -> str:
    shown = [forecast.get(name) for name in ("nothing", "this", "alternative")]
    return " / ".join(f"{option['mean']:.2f}" if option else "-" for option in shown)


def _losses(without: Mapping[str, Any], with_: Mapping[str, Any]) -> Table:
    table = Table("", "without Tocsin", "with Tocsin", title="The same attack on the simulated plant, owner-hours")
    for owner in without["per_owner"]:
        table.add_row(owner, f"{without['per_owner'][owner]:.2f}", f"{with_['per_owner'][owner]:.2f}")
    table.add_row("all owners", f"{without['loss_total']:.2f}", f"{with_['loss_total']:.2f}", style="bold")
    table.add_row("assets held at the end", str(len(without["held"])), str(len(with_["held"])))
    table.add_row("time to contain", _minutes(without), _minutes(with_))
    table.add_row("eradicated", _word(without["eradicated"]), _word(with_["eradicated"]))
    return table


def _minutes(truth: Mapping[str, Any]) -> str:
    seconds = truth["time_to_contain_s"]
    return "not contained" if seconds is None else f"{seconds / 60:.0f} min"


def _word(value: bool) -> str:
    return "yes" if value else "no"
