"""The tools of one machine: network namespaces, processes in them, the router's base filter.

Flows in: words of commands, as lists. Flows out: what they say. Only namespaces by their full names are touched, and
only processes that run inside them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Any, Final

from ..enforcement.nft import Place, run
from .topology import ALLOWED, Plan, RangeError

TIMEOUT_S: Final = 20.0
TOOLS: Final = {
    "ip": "iproute2",
    "nft": "nftables",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "unshare": "util-linux",
}


def find(tool: str) -> str | None:
    """Where a tool is, also outside PATH where Debian keeps those for root."""
    return shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/sbin")


def lacking() -> str:
    """What this machine lacks for a range; empty where nothing."""
    if os.geteuid() != 0:
        return "root is needed for network namespaces"
    missing = [f"{tool} (package {package})" for tool, package in TOOLS.items() if find(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    tried = subprocess.run(["unshare", "--net", "nft", "list", "tables"], capture_output=True)
    return "the kernel permits no nftables in network namespaces here" if tried.returncode != 0 else ""


def call(words: Sequence[str], *, given: str = "", check: bool = True) -> str:
    """Run a command to its end; give its standard output.

    Raises:
        RangeError: it failed; the message has its words and the end of what it said.
    """
    try:
        done = subprocess.run(words, input=given, capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RangeError(f"{' '.join(words[:4])} ...: did not run ({type(error).__name__}); is it installed?") from None
    if check and done.returncode != 0:
        raise RangeError(f"{' '.join(words[:6])} ...: {done.stderr.strip()[-300:]}; are you root, is it up already?")
    return done.stdout


def existing(plan: Plan) -> list[str]:
    """Which of the plan's namespaces exist."""
    names = {line.split()[0] for line in call(["ip", "netns", "list"]).splitlines() if line.strip()}
    return [name for name in plan.namespaces if name in names]


def build(plan: Plan) -> None:
    """Make namespaces, wires, addresses, routes and the router's base filter.

    Raises:
        RangeError: a step failed.
    """
    call(["ip", "-batch", "-"], given="".join(f"netns add {name}\n" for name in plan.namespaces))
    wires = (
        f"link add name {host.wire} netns {plan.router} type veth peer name eth0 netns {host.namespace}\n"
        for host in plan.hosts
    )
    call(["ip", "-batch", "-"], given="".join(wires))
    router = ["link set lo up"]
    for host in plan.hosts:
        ipv4, ipv6 = host.gateways
        router += [f"link set {host.wire} up", f"addr add {ipv4}/30 dev {host.wire}"]
        router += [f"addr add {ipv6}/64 dev {host.wire} nodad"]
        inside = ["link set lo up", "link set eth0 up", f"addr add {host.ipv4}/30 dev eth0"]
        inside += [f"addr add {host.ipv6}/64 dev eth0 nodad"]
        inside += [f"route add {net} via {ip}" for net, ip in (("0.0.0.0/0", ipv4), ("::/0", ipv6))]
        call(["ip", "-n", host.namespace, "-batch", "-"], given="\n".join(inside) + "\n")
    call(["ip", "-n", plan.router, "-batch", "-"], given="\n".join(router) + "\n")
    forwarding = "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"
    call(["ip", "netns", "exec", plan.router, "sh", "-c", forwarding])
    place = Place("range", plan.router)
    run(_base_filter(plan), place)


def start(namespace: str, words: Sequence[str], log: str) -> int:
    """Start a process in a namespace that outlives this one; give its id."""
    with open(log, "ab") as file:
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, *words],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            cwd="/",
        )
    return process.pid


def destroy(plan: Plan) -> list[str]:
    """End the processes inside the plan's namespaces and take the namespaces away; give those that were there."""
    found = existing(plan)
    for name in found:
        _end_processes(name)
    for name in found:
        call(["ip", "netns", "del", name])
    return found


def _end_processes(namespace: str) -> None:
    for sent in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + 2.0
        while pids := [int(word) for word in call(["ip", "netns", "pids", namespace]).split()]:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sent)
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)


def _base_filter(plan: Plan) -> dict[str, Any]:
    """The owners' own firewall: contracts pass, with their answers; all else is dropped. Not Tocsin's table."""
    table, chain = {"family": "inet", "name": "range"}, {"family": "inet", "table": "range", "name": "forward"}

    def rule(*expression: dict[str, Any]) -> dict[str, Any]:
        body = {"family": "inet", "table": "range", "chain": "forward", "expr": [*expression, {"accept": None}]}
        return {"add": {"rule": body}}

    def equals(left: dict[str, Any], right: Any) -> dict[str, Any]:
        return {"match": {"op": "==", "left": left, "right": right}}

    def field(protocol: str, name: str) -> dict[str, Any]:
        return {"payload": {"protocol": protocol, "field": name}}

    rules = [rule(equals({"ct": {"key": "state"}}, {"set": ["established", "related"]}))]
    for source, target, port in ALLOWED:
        from_host, to_host = plan.host(source), plan.host(target)
        for family, ends in (("ip", (from_host.ipv4, to_host.ipv4)), ("ip6", (from_host.ipv6, to_host.ipv6))):
            rules.append(
                rule(
                    equals(field(family, "saddr"), ends[0]),
                    equals(field(family, "daddr"), ends[1]),
                    equals(field("tcp", "dport"), port),
                )
            )
    base = {"type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}
    return {"nftables": [{"add": {"table": table}}, {"add": {"chain": {**chain, **base}}}, *rules]}
