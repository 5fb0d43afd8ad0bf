"""Sites of generated chains: a draft to which assets, links and weaknesses are added, site by site.

Flows in: settings and a generator of random numbers. Flows out: a `Draft` with its assets, links and weaknesses. What
joins sites and owners is in `generated_contracts`. A site is about a dozen assets: a segment, an administrator's desk,
an engine that runs containers, two identities, a data store, now and then a device with a physical process. Where there
are too few assets for that, a small site has a segment, a desk that runs containers itself, a data store.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..twin.graph import Asset, Link, Weakness
from ..twin.vocabulary import Access, AssetKind, LinkKind, SensorClass
from .scenario import SITE, SMALL_SITE, Generator

OUTSIDE = "internet/external/internet"
WATCHED = (SensorClass.NETWORK, SensorClass.HOST)
AT_LOGIN = (SensorClass.AUTHENTICATION,)
# CVE, CVSS vector, on CISA's list of known exploited vulnerabilities; from memory, none looked up here
EASY = ("CVE-2021-44228", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", True)
HARD = ("CVE-2017-0144", "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H", True)
LOCAL = ("CVE-2021-4034", "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", True)
ESCAPE = "CWE-250"  # a container with needless privileges


@dataclass(frozen=True, slots=True)
class Site:
    """The assets of a site that other owners' assets have to do with, by id."""

    owner: str
    number: int
    segment: str
    desk: str
    engine: str  # runs the containers; in a small site the desk does
    front: str  # the container that others reach
    software: str  # the container whose software a vendor may supply


@dataclass
class Draft:
    """The chain so far; lives for one call of `generate_twin`."""

    settings: Generator
    rng: np.random.Generator
    assets: list[Asset] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    weaknesses: list[Weakness] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)  # assets with a weakness that a network opens

    def site(self, owner: str, number: int) -> Site:
        """Add one site."""
        segment = self.asset(owner, AssetKind.SEGMENT, f"site-{number}")
        desk = self.machine(owner, AssetKind.HOST, f"desk-{number}")
        engine = self.machine(owner, AssetKind.HOST, f"engine-{number}", criticality=0.2)
        identity = self.asset(owner, AssetKind.IDENTITY, f"operator-{number}", sensors=AT_LOGIN)
        store = self.asset(owner, AssetKind.DATA_STORE, f"data-{number}", harm=0.2, jewel=True)
        boxes = [self.container(owner, f"app-{number}-{row}", engine) for row in range(SITE - 6)]
        middle, last = boxes[len(boxes) // 2], boxes[-1]
        self._open_one((desk, middle, last))
        self._wire(segment, (desk, engine, *boxes), boxes)
        self.link(LinkKind.REACHES, segment, engine, port=22)
        self.link(LinkKind.REACHES, segment, desk, port=445)
        self.link(LinkKind.CAN_LOG_IN, identity, engine, access=Access.ADMIN)
        self.link(LinkKind.HOLDS_CREDENTIAL, desk, identity, access=Access.ADMIN)
        service = self.asset(owner, AssetKind.IDENTITY, f"service-{number}", sensors=AT_LOGIN)
        self.link(LinkKind.HOLDS_CREDENTIAL, middle, service)
        self.link(LinkKind.CAN_LOG_IN, service, last)
        self.link(LinkKind.STORES, last, store)
        if self.rng.random() < self.settings.devices:
            self._field(owner, number, segment, last)
        return Site(owner, number, segment, desk, engine, boxes[0], middle)

    def small_site(self, owner: str, size: int) -> Site:
        """Add a site of so few assets that one machine runs all of it."""
        has_field = size >= SMALL_SITE + 2 and self.rng.random() < self.settings.devices
        segment = self.asset(owner, AssetKind.SEGMENT, "site-0")
        desk = self.machine(owner, AssetKind.HOST, "desk-0", criticality=0.2)
        store = self.asset(owner, AssetKind.DATA_STORE, "data-0", harm=0.2, jewel=True)
        count = size - SMALL_SITE + 1 - 2 * has_field
        boxes = [self.container(owner, f"app-0-{row}", desk) for row in range(count)]
        self._open_one((desk, *boxes[1:]))
        self._wire(segment, (desk, *boxes), boxes)
        self.link(LinkKind.REACHES, segment, desk, port=445)
        self.link(LinkKind.STORES, boxes[-1], store)
        if has_field:
            self._field(owner, 0, segment, boxes[-1])
        return Site(owner, 0, segment, desk, desk, boxes[0], boxes[len(boxes) // 2])

    def _wire(self, segment: str, members: tuple[str, ...], boxes: list[str]) -> None:
        """Put members on a segment; let each container depend on the next, behind a port of its own."""
        for machine in members:
            self.link(LinkKind.REACHES, machine, segment)
        for row, box in enumerate(boxes[1:]):
            self.link(LinkKind.REACHES, segment, box, port=8000 + row)
            self.link(LinkKind.DEPENDS_ON, boxes[row], box)

    def _field(self, owner: str, number: int, segment: str, controller: str) -> None:
        device = self.machine(owner, AssetKind.DEVICE, f"plc-{number}", criticality=0.5)
        process = self.asset(
            owner,
            AssetKind.PROCESS,
            f"process-{number}",
            criticality=1.0,
            harm=0.5,
            jewel=True,
            sensors=(SensorClass.CONTROL,),
        )
        self.link(LinkKind.REACHES, segment, device, port=502)
        self.link(LinkKind.MANAGES, device, process)
        self.link(LinkKind.MANAGES, controller, device)
        self.link(LinkKind.DEPENDS_ON, process, device)

    def container(self, owner: str, name: str, engine: str) -> str:
        """Add a container on a machine, which it may open."""
        box = self.machine(owner, AssetKind.CONTAINER, name, criticality=0.1)
        self.link(LinkKind.RUNS_ON, box, engine)
        if self.rng.random() < self.settings.escape:
            self.weaknesses.append(Weakness(ESCAPE, box, access=Access.ADMIN))
        return box

    def machine(self, owner: str, kind: AssetKind, name: str, *, criticality: float = 0.0) -> str:
        """Add a machine, which may be weak to a network and locally."""
        asset = self.asset(owner, kind, name, criticality=criticality, sensors=WATCHED)
        if self.rng.random() < self.settings.weak:
            self.open(asset, hard=bool(self.rng.random() < 0.5))
        if self.rng.random() < self.settings.local:
            name, vector, kev = LOCAL
            self.weaknesses.append(Weakness(name, asset, cvss=vector, kev=kev, access=Access.ADMIN))
        return asset

    def _open_one(self, machines: tuple[str, ...]) -> None:
        """Make one of these weak if none is: without that most chains would be safe, and teach nothing."""
        chosen = machines[int(self.rng.integers(len(machines)))]
        if self.settings.weak and self.opened.isdisjoint(machines):
            self.open(chosen, hard=False)

    def open(self, asset: str, *, hard: bool) -> None:
        """Give a machine a weakness that a network opens."""
        self.opened.add(asset)
        name, vector, kev = HARD if hard else EASY
        self.weaknesses.append(Weakness(name, asset, cvss=vector, kev=kev, access=Access.USER))

    def asset(
        self,
        owner: str,
        kind: AssetKind,
        name: str,
        *,
        criticality: float = 0.0,
        harm: float = 0.0,
        jewel: bool = False,
        sensors: tuple[SensorClass, ...] = (),
    ) -> str:
        """Add an asset; gives its id."""
        asset = f"{owner}/{kind.word}/{name}"
        self.assets.append(
            Asset(
                asset,
                kind,
                owner,
                name,
                criticality=criticality,
                harm_per_hour=harm,
                crown_jewel=jewel,
                sensors=sensors,
            )
        )
        return asset

    def link(
        self, kind: LinkKind, source: str, target: str, *, port: int | None = None, access: Access = Access.USER
    ) -> None:
        """Add a link."""
        self.links.append(Link(kind, source, target, port=port, access=access))
