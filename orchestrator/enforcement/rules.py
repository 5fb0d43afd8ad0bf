"""Packet rules as values: what a command asks for, before any tool is spoken to.

Flows in: checked OpenC2 commands. Flows out: `Rule` values. The rules of one producer are read top-down by number, the
lowest first; the first that matches decides for that producer. What any producer denies is denied. Nothing is written
here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_network
from typing import Any, Final, Literal

from ..openc2.language import Command
from ..openc2.packet_filter import FilterArgs
from ..openc2.reading import NOT_IMPLEMENTED, OpenC2Error

TOP: Final = 1_000_000_000  # a producer's first rule without a number of its own gets this; later ones go on top of it
LARGEST: Final = 2_147_483_647  # of a number that a producer gives; assumed, far beyond any list
LAST_S: Final = 9_223_372_036  # since 1970, in 2262: the kernel counts nanoseconds in 64 bits, one of them the sign
Verb = Literal["deny", "allow"]
Direction = Literal["both", "ingress", "egress"]


@dataclass(frozen=True, slots=True)
class Flow:
    """Packets by addresses, ports and protocol; None is any."""

    family: Literal[4, 6]
    src: str | None = None  # address or network, "10.0.0.0/8"
    dst: str | None = None
    sport: int | None = None
    dport: int | None = None
    protocol: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a producer's list."""

    number: int  # its producer's own: two producers may have the same
    verb: Verb
    flows: tuple[Flow, ...]  # any of them
    direction: Direction = "both"
    reject: bool = False  # tell the sender, else drop silently
    persistent: bool = True  # whether it survives a restart
    start_ms: int = 0  # since 1970
    stop_ms: int | None = None  # None: until taken away
    key: str = ""  # producer and request that made it
    subject: str = ""  # name in the twin, where the command named one
    response: str = ""  # response that holds it

    @property
    def producer(self) -> str:
        """Who made it."""
        return maker_of(self.key)

    def is_over(self, now_ms: int) -> bool:
        """Whether its time is up."""
        return self.stop_ms is not None and self.stop_ms <= now_ms


def key_of(producer: str, request_id: str) -> str:
    """Give one text for a producer and its request, from which both can be read again."""
    return json.dumps([producer, request_id])


def maker_of(key: str) -> str:
    """Give the producer of a rule's key; also of the older form, `PRODUCER REQUEST`."""
    if key.startswith("["):
        return str(json.loads(key)[0])
    return key.rpartition(" ")[0]


def flows_of(target_type: str, target: Any) -> tuple[Flow, ...]:
    """Give the flows of a packet-filter target.

    Raises:
        OpenC2Error: ports of a protocol that has none.
    """
    if target_type in ("ipv4_net", "ipv6_net"):
        return flows_of_address(target)
    if target.protocol == "icmp" and (target.src_port is not None or target.dst_port is not None):
        raise OpenC2Error(f"target.{target_type}", "icmp has no ports; leave them out or give another protocol")
    return (
        Flow(
            4 if target_type == "ipv4_connection" else 6,
            _text(target.src_addr),
            _text(target.dst_addr),
            target.src_port,
            target.dst_port,
            target.protocol,
        ),
    )


def flows_of_address(address: IPv4Interface | IPv6Interface) -> tuple[Flow, ...]:
    """A range counts as source or destination (packet filter 2.3.1.3)."""
    family: Literal[4, 6] = 4 if address.version == 4 else 6
    text = _text(address)
    return Flow(family, src=text), Flow(family, dst=text)


def filter_args(command: Command) -> FilterArgs:
    """Give the packet-filter arguments of a command, with what is not supported refused.

    Raises:
        OpenC2Error: 501, "Option not supported", as the profile asks.
    """
    args = command.extended.get("slpf")
    found = args if isinstance(args, FilterArgs) else FilterArgs.model_construct()
    if found.drop_process == "false_ack":
        raise OpenC2Error(
            "args.slpf.drop_process", "Option not supported: false_ack; use none or reject", NOT_IMPLEMENTED
        )
    if found.insert_rule is not None and not 1 <= found.insert_rule <= LARGEST:
        raise OpenC2Error("args.slpf.insert_rule", f"a rule number is 1 to {LARGEST}")
    return found


def window_of(command: Command, now_ms: int) -> tuple[int, int | None]:
    """Give a command's start (0: at once) and stop, ms since 1970.

    Raises:
        OpenC2Error: 400, later than the kernel can count.
    """
    start, stop = command.window(now_ms)
    if command.args.start_time is None:
        start = 0
    if max(start, stop or 0) > LAST_S * 1000:
        raise OpenC2Error("args", f"start or stop is later than {LAST_S} s since 1970; give an earlier one")
    return start, stop


def next_number(taken: set[int], lowest_ever: int) -> int:
    """Give a number for a rule that goes on top of those without numbers of their own; never one used before.

    Args:
        taken: numbers that the producer has in use.
        lowest_ever: the lowest number ever given to it by this function, or TOP + 1.

    Raises:
        OpenC2Error: 503, all of this producer are used up: after three years of 600 a minute.
    """
    number = min(lowest_ever, TOP + 1) - 1
    while number in taken:
        number -= 1
    if number < 1:
        raise OpenC2Error("", "no rule numbers of this producer are left; have the owner lift its rules", 503)
    return number


def _text(address: IPv4Interface | IPv6Interface | None) -> str | None:
    if address is None:
        return None
    network = ip_network(address.network)
    return str(network.network_address) if network.num_addresses == 1 else str(network)
