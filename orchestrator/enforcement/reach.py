"""Which packets a producer may decide on: those from or to addresses that the filter's owner lists for it.

Flows in: address ranges as the owner writes them, flows of a rule. Flows out: a judgement. A producer that is not
listed reaches nothing. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Final

from .rules import Flow

Network = IPv4Network | IPv6Network
WHOLE: Final[Mapping[int, Network]] = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}


@dataclass(frozen=True, slots=True)
class Reach:
    """Address ranges of one producer; none: it may decide nothing."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, texts: Iterable[str]) -> Reach:
        """From ranges such as 10.77.0.0/16, joined where they touch.

        Raises:
            ValueError: one is no range, or has bits set beyond its length.
        """
        networks = [ip_network(text) for text in texts]
        fours = collapse_addresses(one for one in networks if isinstance(one, IPv4Network))
        sixes = collapse_addresses(one for one in networks if isinstance(one, IPv6Network))
        return cls((*fours, *sixes))

    def covers(self, flow: Flow) -> bool:
        """Whether one end of the flow lies wholly inside: an owner decides who speaks with its own addresses.

        An end that is left open is every address there is.
        """
        return any(self._holds(ip_network(end) if end else WHOLE[flow.family]) for end in (flow.src, flow.dst))

    def _holds(self, wanted: Network) -> bool:
        for own in self.networks:
            if isinstance(own, IPv4Network):
                if isinstance(wanted, IPv4Network) and wanted.subnet_of(own):
                    return True
            elif isinstance(wanted, IPv6Network) and wanted.subnet_of(own):
                return True
        return False


EVERYWHERE: Final = Reach(tuple(WHOLE.values()))
NOWHERE: Final = Reach()
