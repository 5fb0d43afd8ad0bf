"""The table in nftables JSON, whole or what changes of it, and the one place that runs `nft`.

Flows in: lists of rules by producer. Flows out: one transaction, so that what the kernel holds is either the old lists
or the new. Every producer's rules are chains of their own, and a packet has to pass all of them. Values travel as JSON
on standard input, never as words of a command line. Source: the manual pages nft(8), libnftables-json(5), nftables 1.0.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .expressions import equals, lines_of, meta, payload
from .layout import Layout, layout_of
from .rules import Rule

FAMILY: Final = "inet"
PRIORITY: Final = -10  # before the usual filter tables: what we deny, nobody allows after us
HOOKS: Final = ("input", "forward", "output")
TIMEOUT_S: Final = 60.0  # the longest lists that may stand, written whole, take some 10 s
Commands = list[dict[str, Any]]


class NftError(ValueError):
    """nft is not there, may not write, or says no; the message says which."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rules are written, and what is inside as seen from there."""

    table: str = "tocsin"
    netns: str = ""  # name of a network namespace; empty: the one of this process
    inside: tuple[str, ...] = ()  # interfaces that lead inside, or LOCAL; empty: directions are not told apart
    management: int | None = None  # TCP port that stays open, so that what was denied can be taken back


def transaction(lists: Mapping[str, Sequence[Rule]], place: Place) -> dict[str, Any]:
    """Give the nft commands that make the table hold these lists, by producer, and nothing else."""
    laid = {number: layout_of(lists[name]) for number, name in enumerate(sorted(lists), 1)}
    return {"nftables": whole(laid, place)}


def whole(laid: Mapping[int, Layout], place: Place) -> Commands:
    """Give the commands that make the table anew with these lists; by number, as a producer's name may be any text."""
    table = {"family": FAMILY, "name": place.table}
    commands: Commands = [{"add": {"table": table}}, {"delete": {"table": table}}, {"add": {"table": table}}]
    for hook in HOOKS:
        base = {"type": "filter", "hook": hook, "prio": PRIORITY, "policy": "accept"}
        commands.append({"add": {"chain": {**_chain(place.table, hook), **base}}})
        for expression in _way_back(hook, place.management):
            commands.append(_rule(place.table, hook, expression, "management"))
    for number, layout in laid.items():
        commands += begun(number, layout, place)
    return commands


def begun(number: int, layout: Layout, place: Place) -> Commands:
    """Give the commands that bring the list of a producer into a table that has none of it."""
    commands: Commands = []
    for hook in HOOKS:
        spine = f"{hook}_{number}"
        commands.append({"add": {"chain": _chain(place.table, spine)}})
        commands += _changed(number, Layout(), layout, hook, place)
        commands.append(_rule(place.table, hook, [{"jump": {"target": spine}}], "producer"))
    return commands


def changed(number: int, before: Layout, after: Layout, place: Place) -> Commands:
    """Give the commands that make one list of a producer another; none where nothing changes."""
    return [command for hook in HOOKS for command in _changed(number, before, after, hook, place)]


def removal(place: Place) -> dict[str, Any]:
    """Give the nft commands after which our table is gone."""
    table = {"family": FAMILY, "name": place.table}
    return {"nftables": [{"add": {"table": table}}, {"delete": {"table": table}}]}


def run(commands: dict[str, Any], place: Place) -> None:
    """Have the kernel take a transaction, whole or not at all.

    Raises:
        NftError: it was not taken.
    """
    done = _nft(("-j", "-f", "-"), place, json.dumps(commands))
    if done.returncode != 0:
        raise NftError(f"nft refused: {_said(done)}; run as root, in a namespace that exists")


def stands(place: Place) -> bool:
    """Say whether our table is in the kernel.

    Raises:
        NftError: that cannot be found out.
    """
    done = _nft(("-j", "list", "tables", FAMILY), place)
    if done.returncode != 0:
        raise NftError(f"nft refused: {_said(done)}; run as root, in a namespace that exists")
    listed = json.loads(done.stdout)["nftables"]
    return any(one.get("table", {}).get("name") == place.table for one in listed)


def _nft(words: Sequence[str], place: Place, given: str = "") -> subprocess.CompletedProcess[str]:
    nft = shutil.which("nft") or shutil.which("nft", path="/usr/sbin:/sbin")
    if nft is None:
        raise NftError("nft is not installed; install the package nftables")
    into = ["ip", "netns", "exec", place.netns] if place.netns else []
    try:
        return subprocess.run([*into, nft, *words], input=given, capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NftError(f"nft did not run ({type(error).__name__}); is iproute2 there, is the machine busy?") from None


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join((done.stderr or done.stdout).split())[:300]


def _changed(number: int, before: Layout, after: Layout, hook: str, place: Place) -> Commands:
    """First blocks that are new, then what changed, at last what is gone: nothing is named before it is there."""
    commands: Commands = []
    prefix, table = f"{hook}_{number}", place.table
    for name, rules in after.blocks.items():
        chain = f"{prefix}_{name}"
        if name not in before.blocks:
            commands.append({"add": {"chain": _chain(table, chain)}})
        if before.blocks.get(name) != rules:
            commands += [] if name not in before.blocks else [{"flush": {"chain": _chain(table, chain)}}]
            commands += _lines(rules, table, chain, hook, place)
    if before.spine != after.spine:
        commands += [{"flush": {"chain": _chain(table, prefix)}}] if before.spine else []
        for one in after.spine:
            if isinstance(one, str):
                commands.append(_rule(table, prefix, [{"jump": {"target": f"{prefix}_{one}"}}], "block"))
            else:
                commands += _lines((one,), table, prefix, hook, place)
    for name in before.blocks:
        if name not in after.blocks:
            gone = _chain(table, f"{prefix}_{name}")
            commands += [{"flush": {"chain": gone}}, {"delete": {"chain": gone}}]
    return commands


def _lines(rules: Iterable[Rule], table: str, chain: str, hook: str, place: Place) -> Commands:
    return [
        _rule(table, chain, line, f"rule {rule.number}")
        for rule in rules
        for line in lines_of(rule, hook, place.inside)
    ]


def _chain(table: str, name: str) -> dict[str, Any]:
    return {"family": FAMILY, "table": table, "name": name}


def _rule(table: str, chain: str, expression: list[dict[str, Any]], comment: str) -> dict[str, Any]:
    content = {"family": FAMILY, "table": table, "chain": chain, "expr": expression, "comment": comment}
    return {"add": {"rule": content}}


def _way_back(hook: str, port: int | None) -> list[list[dict[str, Any]]]:
    """Loopback and the port of our own consumer stay open: who cuts them could never undo it."""
    accept: dict[str, Any] = {"accept": None}
    if hook == "input":
        mine = [equals(payload("tcp", "dport"), port), accept]
        return [[equals(meta("iifname"), "lo"), accept], *([mine] if port else [])]
    if hook == "output":
        mine = [equals(payload("tcp", "sport"), port), accept]
        return [[equals(meta("oifname"), "lo"), accept], *([mine] if port else [])]
    return []
