"""What the range is: three owners' hosts, a router between all of them, who may reach whom, who holds which key.

Flows in: a prefix. Flows out: values. Owners and hosts are invented; nothing is made here.

Every host stands on a wire of its own to the router, so that no packet between two hosts passes by the filter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

SSH: Final = 22
HTTP: Final = 8080
PORTS: Final = (SSH, HTTP)  # what every host serves, in both families
OWNERS: Final = {"shop": "Web shop", "edge": "Edge operator", "cloud": "Cloud"}
HOSTS: Final = ("shop/web", "shop/office", "edge/gateway", "edge/meter", "cloud/app", "cloud/db")
ROUTER: Final = "router"
# Source, target, port: what the router lets through. All else it drops.
ALLOWED: Final = (
    ("shop/office", "shop/web", SSH),
    ("shop/office", "shop/web", HTTP),
    ("shop/web", "edge/gateway", SSH),
    ("shop/web", "edge/gateway", HTTP),
    ("shop/web", "cloud/app", HTTP),
    ("edge/gateway", "edge/meter", SSH),
    ("edge/gateway", "edge/meter", HTTP),
    ("edge/meter", "edge/gateway", HTTP),
    ("edge/gateway", "cloud/app", SSH),
    ("cloud/app", "cloud/db", SSH),
    ("cloud/app", "cloud/db", HTTP),
    ("cloud/db", "cloud/app", HTTP),
)
# One key of the edge's operators opens three hosts, and lies on two: reused, as intruders like it.
IDENTITY: Final = "edge/identity/operator"
OPENED: Final = ("edge/gateway", "edge/meter", "cloud/app")
HELD: Final = ("shop/web", "edge/gateway")
CROWN: Final = "cloud/db"


class RangeError(ValueError):
    """A range that cannot be made, read or taken down; the message names the thing and the mend."""


@dataclass(frozen=True)
class Host:
    """One host."""

    place: str  # "shop/web"
    number: int  # from 1: third part of its IPv4 network
    namespace: str

    @property
    def owner(self) -> str:
        """Whose it is."""
        return self.place.split("/")[0]

    @property
    def asset(self) -> str:
        """Its name in the twin."""
        owner, name = self.place.split("/")
        return f"{owner}/host/{name}"

    @property
    def wire(self) -> str:
        """The router's interface to it."""
        return self.place.replace("/", "-")

    @property
    def ipv4(self) -> str:
        """Its IPv4 address."""
        return f"10.77.{self.number}.2"

    @property
    def ipv6(self) -> str:
        """Its IPv6 address (RFC 4193)."""
        return f"fd77:0:0:{self.number:x}::2"

    @property
    def gateways(self) -> tuple[str, str]:
        """The router's addresses on its wire."""
        return f"10.77.{self.number}.1", f"fd77:0:0:{self.number:x}::1"


@dataclass(frozen=True)
class Plan:
    """A range with its names; nothing of it need exist."""

    prefix: str  # of every network namespace of this range

    def __post_init__(self) -> None:
        """Refuse prefixes that could name what is not ours."""
        if not re.fullmatch(r"[a-z][a-z0-9]{1,15}", self.prefix):
            raise RangeError(f"--prefix {self.prefix!r}: write 2 to 16 small letters and digits, a letter first")

    @cached_property
    def hosts(self) -> tuple[Host, ...]:
        """Its hosts."""
        return tuple(
            Host(place, number, f"{self.prefix}-{place.replace('/', '-')}") for number, place in enumerate(HOSTS, 1)
        )

    @property
    def router(self) -> str:
        """The router's namespace."""
        return f"{self.prefix}-{ROUTER}"

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All of them, the router's first."""
        return (self.router, *(host.namespace for host in self.hosts))

    def host(self, name: str) -> Host:
        """Give a host by its place or by its name in the twin.

        Raises:
            RangeError: there is none.
        """
        for host in self.hosts:
            if name in (host.place, host.asset):
                return host
        raise RangeError(f"host {name!r} is not in the range; there are {', '.join(HOSTS)}")
