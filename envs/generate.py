"""Generated chains: twins of any size whose structure is that of real ones, for training and measuring.

Flows in: `Generator`. Flows out: a `Twin`, equal for equal settings. A chain is a row of owners, each depending
on the next; an owner is a row of sites of about a dozen assets: a segment, an administrator's desk, an engine that runs
containers, two identities, a data store, now and then a device with a physical process. Where there are too few assets
for that, each owner has one small site: a segment, a desk that runs containers itself, a data store. Weaknesses
are drawn from classes with real CVSS vectors; every site has one at least that opens it from within. No rule of the
world is here: attack steps are derived as for any twin.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..twin.graph import Asset, ConsentRule, Link, Owner, Sharing, Twin, Weakness
from ..twin.vocabulary import Access, AssetKind, ConsentClass, ConsentMode, LinkKind, Proposer, SensorClass
from .scenario import SITE, SMALL_SITE, Generator

OUTSIDE = "internet/external/internet"
WATCHED = (SensorClass.NETWORK, SensorClass.HOST)
REMOTE_VECTOR = "CVSS:3.1/AV:N/AC:{ac}/PR:N/UI:N/S:U/C:H/I:H/A:H"  # as of CVE-2021-44228 (L), CVE-2024-6387 (H)
LOCAL_VECTOR = "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"  # as of CVE-2021-4034, CVE-2022-0847
ESCAPE = "CWE-250"  # a container with needless privileges


def generate_twin(settings: Generator) -> Twin:
    """Make the chain that the settings describe."""
    draft = _Draft(settings, np.random.Generator(np.random.Philox(key=[settings.seed, 0x70C51])))
    names = [f"owner-{number:02d}" for number in range(settings.owners)]
    small = settings.assets < settings.owners * SITE
    whole = round((settings.assets - 1) / (SITE + 2 * settings.devices))
    sites = settings.owners if small else max(settings.owners, whole)
    draft.assets.append(Asset(OUTSIDE, AssetKind.EXTERNAL, "internet", "internet"))
    fronts: dict[str, list[str]] = {name: [] for name in names}
    for number in range(sites):
        owner = names[number * settings.owners // sites]
        row = len(fronts[owner])
        fronts[owner].append(draft.small_site(owner, _share(settings, number)) if small else draft.site(owner, row))
    draft.expose([front for name in names for front in fronts[name]])
    for name in names:
        draft.join_sites(name, len(fronts[name]))
    for customer, supplier in zip(names, names[1:], strict=False):
        draft.contract(customer, len(fronts[customer]), supplier)
    return Twin.build(
        owners=[*(Owner(name) for name in names), Owner("internet", value_per_hour=0.0)],
        assets=draft.assets,
        links=draft.links,
        weaknesses=draft.weaknesses,
        sharing=[Sharing(name, "*", ("findings", "assets")) for name in names],
        consent=[rule for name in names for rule in _consent(name)],
    )


@dataclass
class _Draft:
    """The chain so far; lives for one call of `generate_twin`."""

    settings: Generator
    rng: np.random.Generator
    assets: list[Asset] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    weaknesses: list[Weakness] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)  # assets with a weakness that a network opens
    around: dict[str, str] = field(default_factory=dict)  # segment of each site's front

    def site(self, owner: str, number: int) -> str:
        """Add one site; gives the id of the container at its front."""
        segment = self._asset(owner, AssetKind.SEGMENT, f"site-{number}")
        desk = self._machine(owner, AssetKind.HOST, f"desk-{number}")
        engine = self._machine(owner, AssetKind.HOST, f"engine-{number}", criticality=0.2)
        identity = self._asset(owner, AssetKind.IDENTITY, f"operator-{number}", sensors=(SensorClass.AUTHENTICATION,))
        store = self._asset(owner, AssetKind.DATA_STORE, f"data-{number}", harm=0.2, jewel=True)
        boxes = [self._container(owner, f"app-{number}-{row}", engine) for row in range(SITE - 6)]
        front, last = boxes[0], boxes[-1]
        self.around[front] = segment
        self._open_one((desk, boxes[len(boxes) // 2], last))
        for machine in (desk, engine, *boxes):
            self._link(LinkKind.REACHES, machine, segment)
        for row, box in enumerate(boxes[1:]):
            self._link(LinkKind.REACHES, segment, box, port=8000 + row)
            self._link(LinkKind.DEPENDS_ON, boxes[row], box)
        self._link(LinkKind.REACHES, segment, engine, port=22)
        self._link(LinkKind.REACHES, segment, desk, port=445)
        self._link(LinkKind.CAN_LOG_IN, identity, engine, access=Access.ADMIN)
        self._link(LinkKind.HOLDS_CREDENTIAL, desk, identity, access=Access.ADMIN)
        service = self._asset(owner, AssetKind.IDENTITY, f"service-{number}", sensors=(SensorClass.AUTHENTICATION,))
        self._link(LinkKind.HOLDS_CREDENTIAL, boxes[len(boxes) // 2], service)
        self._link(LinkKind.CAN_LOG_IN, service, last)
        self._link(LinkKind.STORES, last, store)
        if self.rng.random() < self.settings.devices:
            self._field(owner, number, segment, last)
        return front

    def small_site(self, owner: str, size: int) -> str:
        """Add a site of so few assets that one machine runs all of it; gives the id of the container at its front."""
        has_field = size >= SMALL_SITE + 2 and self.rng.random() < self.settings.devices
        segment = self._asset(owner, AssetKind.SEGMENT, "site-0")
        desk = self._machine(owner, AssetKind.HOST, "desk-0", criticality=0.2)
        store = self._asset(owner, AssetKind.DATA_STORE, "data-0", harm=0.2, jewel=True)
        count = size - SMALL_SITE + 1 - 2 * has_field
        boxes = [self._container(owner, f"app-0-{row}", desk) for row in range(count)]
        self.around[boxes[0]] = segment
        self._open_one((desk, *boxes[1:]))
        for machine in (desk, *boxes):
            self._link(LinkKind.REACHES, machine, segment)
        for row, box in enumerate(boxes[1:]):
            self._link(LinkKind.REACHES, segment, box, port=8000 + row)
            self._link(LinkKind.DEPENDS_ON, boxes[row], box)
        self._link(LinkKind.REACHES, segment, desk, port=445)
        self._link(LinkKind.STORES, boxes[-1], store)
        if has_field:
            self._field(owner, 0, segment, boxes[-1])
        return boxes[0]

    def expose(self, fronts: list[str]) -> None:
        """Let the internet reach the fronts of some sites, of the first at least, make those weak, and let them out."""
        drawn = self.rng.random(len(fronts)) < self.settings.exposed
        drawn[0] = True
        for front, is_exposed in zip(fronts, drawn, strict=True):
            if is_exposed:
                self._link(LinkKind.REACHES, OUTSIDE, front, port=443)
                self._link(LinkKind.REACHES, self.around[front], OUTSIDE, port=443)
                if front not in self.opened:
                    self._open(front, hard=False)

    def join_sites(self, owner: str, count: int) -> None:
        """Let each site of an owner reach the next one's desk; one ring, so that no owner falls apart."""
        for number in range(count if count > 1 else 0):
            following = (number + 1) % count
            self._link(LinkKind.REACHES, f"{owner}/segment/site-{number}", f"{owner}/host/desk-{following}", port=3389)
            self._link(
                LinkKind.CAN_LOG_IN,
                f"{owner}/identity/operator-{number}",
                f"{owner}/host/desk-{following}",
                access=Access.ADMIN,
            )

    def contract(self, customer: str, sites: int, supplier: str) -> None:
        """Let a customer's first site depend on the supplier's front and hold an account there."""
        account = self._asset(
            supplier, AssetKind.IDENTITY, f"account-{customer}", sensors=(SensorClass.AUTHENTICATION,)
        )
        front, number = f"{supplier}/container/app-0-0", int(self.rng.integers(sites))
        box = f"{customer}/container/app-{number}-0"
        self._link(LinkKind.REACHES, f"{customer}/segment/site-{number}", front, port=443)
        self._link(LinkKind.HOLDS_CREDENTIAL, box, account)
        self._link(LinkKind.CAN_LOG_IN, account, front)
        self._link(LinkKind.DEPENDS_ON, box, front)

    def _field(self, owner: str, number: int, segment: str, controller: str) -> None:
        device = self._machine(owner, AssetKind.DEVICE, f"plc-{number}", criticality=0.5)
        process = self._asset(
            owner,
            AssetKind.PROCESS,
            f"process-{number}",
            criticality=1.0,
            harm=0.5,
            jewel=True,
            sensors=(SensorClass.CONTROL,),
        )
        self._link(LinkKind.REACHES, segment, device, port=502)
        self._link(LinkKind.MANAGES, device, process)
        self._link(LinkKind.MANAGES, controller, device)
        self._link(LinkKind.DEPENDS_ON, process, device)

    def _container(self, owner: str, name: str, engine: str) -> str:
        box = self._machine(owner, AssetKind.CONTAINER, name, criticality=0.1)
        self._link(LinkKind.RUNS_ON, box, engine)
        if self.rng.random() < self.settings.escape:
            self.weaknesses.append(Weakness(ESCAPE, box, access=Access.ADMIN))
        return box

    def _machine(self, owner: str, kind: AssetKind, name: str, *, criticality: float = 0.0) -> str:
        asset = self._asset(owner, kind, name, criticality=criticality, sensors=WATCHED)
        if self.rng.random() < self.settings.weak:
            self._open(asset, hard=bool(self.rng.random() < 0.5))
        if self.rng.random() < self.settings.local:
            self.weaknesses.append(Weakness("CVE-2021-4034", asset, cvss=LOCAL_VECTOR, kev=True, access=Access.ADMIN))
        return asset

    def _open_one(self, machines: tuple[str, ...]) -> None:
        """Make one of these weak if none is: without that most chains would be safe, and teach nothing."""
        chosen = machines[int(self.rng.integers(len(machines)))]
        if self.settings.weak and self.opened.isdisjoint(machines):
            self._open(chosen, hard=False)

    def _open(self, asset: str, *, hard: bool) -> None:
        self.opened.add(asset)
        vector, name = REMOTE_VECTOR.format(ac="H" if hard else "L"), "CVE-2024-6387" if hard else "CVE-2021-44228"
        self.weaknesses.append(Weakness(name, asset, cvss=vector, kev=True, access=Access.USER))

    def _asset(
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

    def _link(
        self, kind: LinkKind, source: str, target: str, *, port: int | None = None, access: Access = Access.USER
    ) -> None:
        self.links.append(Link(kind, source, target, port=port, access=access))


def _share(settings: Generator, number: int) -> int:
    """Assets of a small site: all but the internet and the accounts of contracts, shared out evenly."""
    each, rest = divmod(settings.assets - settings.owners, settings.owners)
    return each + (number < rest)


def _consent(owner: str) -> list[ConsentRule]:
    """Own proposals: at once, but recovery asks; others' are asked, and never recover. Assumed."""
    rules = []
    for one in ConsentClass:
        asks = one in (ConsentClass.RECOVER, ConsentClass.SAFETY)
        own = ConsentMode.ASK if asks else ConsentMode.AT_ONCE
        rules.append(ConsentRule(owner, one, Proposer.OWN, own, latency_s=600.0, refusal=0.05))
        other = ConsentMode.NEVER if asks else ConsentMode.ASK
        rules.append(ConsentRule(owner, one, Proposer.OTHER, other, latency_s=1200.0, refusal=0.2))
    return rules
