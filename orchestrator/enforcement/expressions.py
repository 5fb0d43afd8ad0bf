"""Rules as nftables expressions, in the JSON of libnftables-json(5).

Flows in: rules. Flows out: lists of expressions, one per line of a chain. Start and stop are matched by the kernel
itself (`meta time`), so that a rule ends on time even where this process is gone. Pure.
"""

from __future__ import annotations

from typing import Any, Final

from .rules import Flow, Rule

LOCAL: Final = "local"  # as an inside: this machine itself
PORTED: Final = ("tcp", "udp", "sctp")


def lines_of(rule: Rule, hook: str, inside: tuple[str, ...]) -> list[list[dict[str, Any]]]:
    """Give the lines that a rule is at a hook; none where its direction says nothing there."""
    return [
        [*_times(rule), *side, *_match(flow), _verdict(rule)]
        for side in _sides(rule, hook, inside)
        for flow in rule.flows
    ]


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
    to_inside = [_compares("!=", meta("iifname"), members), equals(meta("oifname"), members)]
    to_outside = [equals(meta("iifname"), members), _compares("!=", meta("oifname"), members)]
    return [to_inside if rule.direction == "ingress" else to_outside]


def _times(rule: Rule) -> list[dict[str, Any]]:
    """Whole seconds since 1970, outwards: a rule is never shorter than asked for."""
    found = []
    if rule.start_ms > 0:
        found.append(_compares(">=", meta("time"), rule.start_ms // 1000))
    if rule.stop_ms is not None:
        found.append(_compares("<", meta("time"), -(-rule.stop_ms // 1000)))
    return found


def _match(flow: Flow) -> list[dict[str, Any]]:
    family = "ip" if flow.family == 4 else "ip6"
    found = [equals(meta("nfproto"), "ipv4" if flow.family == 4 else "ipv6")]
    for word, address in (("saddr", flow.src), ("daddr", flow.dst)):
        if address is not None:
            found.append(equals(payload(family, word), _network(address)))
    if flow.protocol is not None:
        name = "ipv6-icmp" if flow.protocol == "icmp" and flow.family == 6 else flow.protocol
        found.append(equals(meta("l4proto"), name))
    elif flow.sport is not None or flow.dport is not None:
        found.append(equals(meta("l4proto"), {"set": list(PORTED)}))
    for word, port in (("sport", flow.sport), ("dport", flow.dport)):
        if port is not None:
            found.append(equals(payload("th", word), port))
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


def meta(key: str) -> dict[str, Any]:
    """A property of the packet's way: interface, time, protocol."""
    return {"meta": {"key": key}}


def payload(protocol: str, name: str) -> dict[str, Any]:
    """A field of a header."""
    return {"payload": {"protocol": protocol, "field": name}}


def equals(left: dict[str, Any], right: Any) -> dict[str, Any]:
    """A match that both are equal."""
    return _compares("==", left, right)


def _compares(operator: str, left: dict[str, Any], right: Any) -> dict[str, Any]:
    return {"match": {"op": operator, "left": left, "right": right}}
