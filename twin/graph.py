"""What is: owners, assets, links, weaknesses and agreements of one chain at one time.

Flows in: values read by sources (through facts). Flows out: an immutable `Twin`. Nothing here derives attack steps or
compiles arrays. Ids are `owner/kind/name`, so that they stay readable in every file and page.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property

from .vocabulary import Access, AssetKind, ConsentClass, ConsentMode, LinkKind, Proposer, SensorClass


class TwinError(ValueError):
    """What was given does not make a twin; the message names the place and the mend."""


@dataclass(frozen=True, slots=True)
class Owner:
    """An administrative domain: it alone decides about its assets."""

    id: str
    name: str = ""
    value_per_hour: float = 1.0  # loss per hour when all its services are lost; 1: owner-hours
    contact: str = ""


@dataclass(frozen=True, slots=True)
class Asset:
    """Anything an attacker can hold."""

    id: str  # owner/kind/name
    kind: AssetKind
    owner: str
    name: str
    criticality: float = 0.0  # weight >= 0; shares per owner are normalised to sum to 1
    harm_per_hour: float = 0.0  # loss per hour, in the owner's unit, while an attacker holds or manipulates it
    crown_jewel: bool = False
    sensors: tuple[SensorClass, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)  # image, version, ports, namespace, ...


@dataclass(frozen=True, slots=True)
class Link:
    """A typed, directed relation of two assets."""

    kind: LinkKind
    source: str
    target: str
    port: int | None = None
    protocol: str = "tcp"
    access: Access = Access.USER  # can_log_in, manages: access gained; holds_credential: access needed to read it
    group: str = ""  # depends_on: links with the same source and group are alternatives (k of n)
    need: int = 0  # depends_on: how many of the group must serve; 0: all

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What identifies the link in a twin."""
        return (self.kind.word, self.source, self.target, self.port or 0)


@dataclass(frozen=True, slots=True)
class Weakness:
    """A vulnerability (CVE) or misconfiguration (CWE) on an asset."""

    id: str  # CVE-2021-44228, CWE-250
    asset: str
    cvss: str = ""  # CVSS v3.1 vector; empty for a CWE
    epss: float | None = None  # probability 0..1, where a file gave it
    kev: bool = False  # on CISA's list of known exploited vulnerabilities
    access: Access = Access.USER  # gained on the asset
    success: float | None = None  # probability per try, 0..1, where the source states it; then nothing is estimated


@dataclass(frozen=True, slots=True)
class Sharing:
    """What one owner lets another see of its own: `findings` and/or `assets`."""

    owner: str
    peer: str  # an owner id, or "*"
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """One row of the consent table, the same in scenarios and production."""

    owner: str
    consent_class: ConsentClass
    proposer: Proposer
    mode: ConsentMode
    latency_s: float = 0.0  # ask: mean time to an answer; veto window: its length
    refusal: float = 0.0  # ask, veto window: probability of a no, 0..1
    hours: tuple[int, int] = (0, 24)  # UTC hours in which somebody answers
    quorum: int = 1


@dataclass(frozen=True)
class Twin:
    """One version of a chain. All is sorted by id, so equal chains are equal values.

    Tuples, or `Shelves` that a version shares with the one before; neither changes.
    """

    owners: tuple[Owner, ...]
    assets: Sequence[Asset]
    links: Sequence[Link]
    weaknesses: Sequence[Weakness] = ()
    sharing: tuple[Sharing, ...] = ()
    consent: tuple[ConsentRule, ...] = ()

    @classmethod
    def build(
        cls,
        *,
        owners: list[Owner],
        assets: list[Asset],
        links: list[Link],
        weaknesses: list[Weakness] | None = None,
        sharing: list[Sharing] | None = None,
        consent: list[ConsentRule] | None = None,
    ) -> Twin:
        """Sort, check references and give the twin.

        Raises:
            TwinError: a duplicate id, or a reference to an owner or asset that is not there.
        """
        twin = cls(
            owners=tuple(sorted(owners, key=lambda owner: owner.id)),
            assets=tuple(sorted(assets, key=lambda asset: asset.id)),
            links=tuple(sorted(links, key=lambda link: link.key)),
            weaknesses=tuple(sorted(weaknesses or [], key=lambda weakness: (weakness.asset, weakness.id))),
            sharing=tuple(sorted(sharing or [], key=lambda rule: (rule.owner, rule.peer))),
            consent=tuple(sorted(consent or [], key=lambda rule: (rule.owner, rule.consent_class, rule.proposer))),
        )
        twin._check()
        return twin

    def _check(self) -> None:
        _refuse_duplicates("owner", [owner.id for owner in self.owners])
        _refuse_duplicates("asset", [asset.id for asset in self.assets])
        _refuse_duplicates("link", [str(link.key) for link in self.links])
        owners, assets = self.owner_by_id, self.asset_by_id
        for asset in self.assets:
            _require(asset.owner, owners, f"asset {asset.id!r}", "owner")
        for link in self.links:
            _require(link.source, assets, f"link {link.kind.word} {link.source} -> {link.target}", "asset")
            _require(link.target, assets, f"link {link.kind.word} {link.source} -> {link.target}", "asset")
        for weakness in self.weaknesses:
            _require(weakness.asset, assets, f"weakness {weakness.id}", "asset")
        for rule in self.sharing:
            _require(rule.owner, owners, "sharing rule", "owner")
            if rule.peer != "*":
                _require(rule.peer, owners, f"sharing rule of {rule.owner!r}", "owner")
        for consent in self.consent:
            _require(consent.owner, owners, "consent rule", "owner")

    @cached_property
    def owner_by_id(self) -> dict[str, Owner]:
        """Owners by id."""
        return {owner.id: owner for owner in self.owners}

    @cached_property
    def asset_by_id(self) -> dict[str, Asset]:
        """Assets by id."""
        return {asset.id: asset for asset in self.assets}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, 64 hex digits: equal twins have equal digests."""
        content = [
            [{name: getattr(item, name) for name in _FIELDS[type(item)]} for item in items]
            for items in (self.owners, self.assets, self.links, self.weaknesses, self.sharing, self.consent)
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    def is_boundary(self, link: Link) -> bool:
        """Whether the link crosses from one owner to another."""
        return self.asset_by_id[link.source].owner != self.asset_by_id[link.target].owner

    def visible_assets(self, viewer: str) -> frozenset[str]:
        """Ids of the assets that `viewer` may see: its own and those whose owners share `assets` with it."""
        return self._shared_with(viewer, "assets")

    def visible_findings(self, viewer: str) -> frozenset[str]:
        """Ids of the assets whose findings `viewer` may see: its own and those of owners that share `findings`."""
        return self._shared_with(viewer, "findings")

    def _shared_with(self, viewer: str, what: str) -> frozenset[str]:
        sharers = {rule.owner for rule in self.sharing if rule.peer in (viewer, "*") and what in rule.what}
        return frozenset(asset.id for asset in self.assets if asset.owner == viewer or asset.owner in sharers)


# Fields of what a twin holds; `dataclasses.asdict` gives the same and takes five times as long, as it copies values.
_FIELDS: Mapping[type, tuple[str, ...]] = {
    kind: tuple(one.name for one in fields(kind)) for kind in (Owner, Asset, Link, Weakness, Sharing, ConsentRule)
}


def _refuse_duplicates(what: str, ids: list[str]) -> None:
    seen: set[str] = set()
    for one in ids:
        if one in seen:
            raise TwinError(f"{what} {one!r} is declared twice; remove one or rename it")
        seen.add(one)


def _require(reference: str, known: Mapping[str, object], place: str, kind: str) -> None:
    if reference not in known:
        raise TwinError(f"{place} refers to {kind} {reference!r}, which is not there; declare it or mend the reference")
