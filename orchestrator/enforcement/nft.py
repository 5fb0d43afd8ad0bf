"""Rules as nftables JSON, and the one place that runs `nft`.

Flows in: rules. Flows out: one transaction that replaces our own table whole, so that what the kernel holds is either
the old list or the new. Every producer's rules are a chain of their own, and a packet has to pass all of them. Values
travel as JSON on standard input, never as words of a command line. Start and stop are matched by the kernel itself
(`meta time`), so that a rule ends on time even where this process is gone. Source: the manual pages nft(8) and
libnftables-json(5), nftables 1.0.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from .rules import Flow, Rule

FAMILY: Final = "inet"
PRIORITY: Final = -10  # before the usual filter tables: what we deny, nobody allows after us
HOOKS: Final = ("input", "forward", "output")
LOCAL: Final = "local"  # as an inside: this machine itself
TIMEOUT_S: Final = 10.0
PORTED: Final = ("tcp", "udp", "sctp")


class NftError(ValueError):
    """nft is not there, may not write, or says no; the message says which."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rules are written, and what is inside as seen from there."""

    table: str = "tocsin"
    netns: str = ""  # name of a network namespace; empty: the one of this process
    inside: tuple[str, ...] = ()  # interfaces that lead inside, or LOCAL; empty: directions are not told apart
    management: int | None = None  # TCP port that stays open, so that what was denied can be taken back


def transaction(rules: Sequence[Rule], place: Place) -> dict[str, Any]:
    """Give the nft commands that make the table hold these rules and nothing else."""
    table = {"family": FAMILY, "name": place.table}
    commands: list[dict[str, Any]] = [
        {"add": {"table": table}},
        {"delete": {"table": table}},
        {"add": {"table": table}},
    ]
    makers = {name: number for number, name in enumerate(sorted({rule.producer for rule in rules}), 1)}
    for hook in HOOKS:
        for number in makers.values():
            commands.append({"add": {"chain": _chain(place.table, _list_of(hook, number))}})
        base = {"type": "filter", "hook": hook, "prio": PRIORITY, "policy": "accept"}
        commands.append({"add": {"chain": {**_chain(place.table, hook), **base}}})
        for expression in _way_back(hook, place.management):
            commands.append(_rule(place.table, hook, expression, "management"))
        for number in makers.values():
            commands.append(_rule(place.table, hook, [{"jump": {"target": _list_of(hook, number)}}], "producer"))
    for rule in sorted(rules, key=lambda one: one.number):
        for hook in HOOKS:
            for side in _sides(rule, hook, place.inside):
                for flow in rule.flows:
                    body = [*_time(rule), *side, *_match(flow), _verdict(rule)]
                    commands.append(
                        _rule(place.table, _list_of(hook, makers[rule.producer]), body, f"rule {rule.number}")
                    )
    return {"nftables": commands}


def removal(place: Place) -> dict[str, Any]:
    """Give the nft commands after which our table is gone."""
    table = {"family": FAMILY, "name": place.table}
    return {"nftables": [{"add": {"table": table}}, {"delete": {"table": table}}]}


def run(commands: dict[str, Any], place: Place) -> None:
    """Have the kernel take a transaction, whole or not at all.

    Raises:
        NftError: it was not taken.
    """
    nft = shutil.which("nft") or shutil.which("nft", path="/usr/sbin:/sbin")
    if nft is None:
        raise NftError("nft is not installed; install the package nftables")
    words = [nft, "-j", "-f", "-"]
    if place.netns:
        words = ["ip", "netns", "exec", place.netns, *words]
    try:
        done = subprocess.run(words, input=json.dumps(commands), capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NftError(f"nft did not run ({type(error).__name__}); is iproute2 there, is the machine busy?") from None
    if done.returncode != 0:
        told = " ".join((done.stderr or done.stdout).split())[:300]
        raise NftError(f"nft refused: {told}; run as root, in a namespace that exists")


def _chain(table: str, name: str) -> dict[str, Any]:
    return {"family": FAMILY, "table": table, "name": name}


def _list_of(hook: str, producer: int) -> str:
    """The chain of one producer's rules at a hook; numbers, as its name may be any text."""
    return f"{hook}_{producer}"


def _rule(table: str, chain: str, expression: list[dict[str, Any]], comment: str) -> dict[str, Any]:
    content = {"family": FAMILY, "table": table, "chain": chain, "expr": expression, "comment": comment}
    return {"add": {"rule": content}}


def _way_back(hook: str, port: int | None) -> list[list[dict[str, Any]]]:
    """Loopback and the port of our own consumer stay open: who cuts them could never undo it."""
    accept: dict[str, Any] = {"accept": None}
    if hook == "input":
        mine = [_equals(_payload("tcp", "dport"), port), accept]
        return [[_equals(_meta("iifname"), "lo"), accept], *([mine] if port else [])]
    if hook == "output":
        mine = [_equals(_payload("tcp", "sport"), port), accept]
        return [[_equals(_meta("oifname"), "lo"), accept], *([mine] if port else [])]
    return []


def _sides(rule: Rule, hook: str, inside: tuple[str, ...]) -> list[list[dict[str, Any]]]:
    """The matches of a direction at a hook; no list at all where the rule says nothing there."""
    if rule.direction == "both":
        return [[]]
    if hook == ("output" if rule.direction == "ingress" else "input"):
        return []
    if hook != "forward":
        return [[]]
    interfaces = sorted(name for name in inside if name != LOCAL)
    if not interfaces:
        return []
    members = {"set": interfaces}
    to_inside = [_compares("!=", _meta("iifname"), members), _equals(_meta("oifname"), members)]
    to_outside = [_equals(_meta("iifname"), members), _compares("!=", _meta("oifname"), members)]
    return [to_inside if rule.direction == "ingress" else to_outside]


def _time(rule: Rule) -> list[dict[str, Any]]:
    """Whole seconds since 1970, outwards: a rule is never shorter than asked for."""
    found = []
    if rule.start_ms > 0:
        found.append(_compares(">=", _meta("time"), rule.start_ms // 1000))
    if rule.stop_ms is not None:
        found.append(_compares("<", _meta("time"), -(-rule.stop_ms // 1000)))
    return found


def _match(flow: Flow) -> list[dict[str, Any]]:
    family = "ip" if flow.family == 4 else "ip6"
    found = [_equals(_meta("nfproto"), "ipv4" if flow.family == 4 else "ipv6")]
    for word, address in (("saddr", flow.src), ("daddr", flow.dst)):
        if address is not None:
            found.append(_equals(_payload(family, word), _network(address)))
    if flow.protocol is not None:
        name = "ipv6-icmp" if flow.protocol == "icmp" and flow.family == 6 else flow.protocol
        found.append(_equals(_meta("l4proto"), name))
    elif flow.sport is not None or flow.dport is not None:
        found.append(_equals(_meta("l4proto"), {"set": list(PORTED)}))
    for word, port in (("sport", flow.sport), ("dport", flow.dport)):
        if port is not None:
            found.append(_equals(_payload("th", word), port))
    return found


def _network(text: str) -> Any:
    address, _, length = text.partition("/")
    if not length or length == ("128" if ":" in address else "32"):
        return address
    return {"prefix": {"addr": address, "len": int(length)}}


def _verdict(rule: Rule) -> dict[str, Any]:
    if rule.verb == "allow":
        return {"return": None}  # to the lists of the other producers: it lifts nothing of theirs
    return {"reject": {"type": "icmpx", "expr": "host-unreachable"}} if rule.reject else {"drop": None}


def _meta(key: str) -> dict[str, Any]:
    return {"meta": {"key": key}}


def _payload(protocol: str, name: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": name}}


def _equals(left: dict[str, Any], right: Any) -> dict[str, Any]:
    return _compares("==", left, right)


def _compares(operator: str, left: dict[str, Any], right: Any) -> dict[str, Any]:
    return {"match": {"op": operator, "left": left, "right": right}}
