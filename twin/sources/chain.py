"""`chain.yaml`: owners, their manifests, and what joins them, to facts.

Flows in: the file's bytes and a function that reads a manifest for an owner. Flows out: a `Reading` of all. A contract
is a `reaches` link across owners and, if one depends on it, a `depends_on` link of the same assets. Every reference is
checked here, so that an error names its line. No I/O: paths are opened by the function given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from ..attack.weaknesses import parse_cvss
from ..graph import Asset, ConsentRule, Link, Owner, Sharing, TwinError, Weakness
from ..vocabulary import AssetKind, ConsentClass, ConsentMode, LinkKind, Proposer
from .chain_model import AnswerPart, AssetPart, ChainFile, ManifestPart, WeaknessPart, given_fields
from .reading import INTERNET, INTERNET_ASSET, OWNER_NAME, Reading, Scribe, asset_id
from .safe_yaml import Section, read_yaml

Manifest = Callable[[ManifestPart, str], Reading]  # the entry and its place -> what it says


def is_chain(document: object) -> bool:
    """Whether a YAML document is a chain file."""
    return isinstance(document, Section) and "tocsin" in document and "owners" in document


def read_chain_file(data: bytes, file: str, manifest: Manifest, *, time: str = "") -> Reading:
    """Read a chain file and the manifests it names.

    Raises:
        TwinError: the file or a manifest is broken, or a reference leads nowhere; names file, line and mend.
    """
    documents = read_yaml(data, file)
    if len(documents) != 1 or not is_chain(documents[0]):
        raise TwinError(f"{file}:1: no chain file; it is one document with 'tocsin: 1' and 'owners'")
    root: Section = documents[0]
    try:
        chain = ChainFile.model_validate(root)
    except ValidationError as error:
        raise _told(error, root) from None
    return _Chain(chain, root, Scribe("chain", file, "", time)).read(manifest)


class _Chain:
    """A chain file being read; lives for one call."""

    def __init__(self, chain: ChainFile, root: Section, scribe: Scribe) -> None:
        self.chain, self.root, self.scribe = chain, root, scribe
        self.assets: dict[str, Asset] = {}
        self.needed: list[tuple[Link, str]] = []  # dependencies, each with its place

    def read(self, manifest: Manifest) -> Reading:
        self.scribe.documents["chain"] += 1
        self._owners()
        manifests = []
        for index, entry in enumerate(self.chain.manifests):
            place = self.place("manifests", index)
            self._require_owner(entry.owner, place)
            manifests.append(manifest(entry, place))
        joined = Reading.join(manifests)
        self.assets = {fact.subject.id: fact.subject for fact in joined.facts if isinstance(fact.subject, Asset)}
        self._assets()
        self._overlays()
        self._links()
        self._contracts()
        self._needs()
        self._weaknesses()
        self._sharing()
        self._consent()
        return Reading.join([self.scribe.reading(), joined])

    def place(self, *location: str | int) -> str:
        """File and line of a part."""
        return _locate(self.root, location)

    def say(self, subject: Any, owner: str, place: str, values: dict[str, Any] | None = None) -> None:
        """Add a fact on behalf of an owner."""
        self.scribe.owner = owner
        self.scribe.say(subject, place, values)

    def _owners(self) -> None:
        for owner, part in self.chain.owners.items():
            place = self.place("owners", owner)
            if not OWNER_NAME.fullmatch(owner) or owner == INTERNET:
                raise TwinError(f"{place}: {owner!r} is no id of an owner; use a-z, 0-9 and '-', and not 'internet'")
            self.say(Owner(owner, part.name or owner, part.value_per_hour, part.contact), owner, place)

    def _assets(self) -> None:
        for index, part in enumerate(self.chain.assets):
            place = self.place("assets", index)
            asset = self._asset(part, place)
            if asset.id in self.assets:
                raise TwinError(f"{place}: asset {asset.id!r} is declared already; say more of it under 'overlays'")
            self.assets[asset.id] = asset
            self.say(asset, asset.owner, place)
        if self._uses_internet() and INTERNET_ASSET not in self.assets:
            place = self.place("owners")
            self.scribe.owner = INTERNET
            self.scribe.internet(place)
            self.assets[INTERNET_ASSET] = Asset(INTERNET_ASSET, AssetKind.EXTERNAL, INTERNET, INTERNET)

    def _uses_internet(self) -> bool:
        joints = [(one.source, one.target) for one in self.chain.links]
        joints += [(one.source, one.target) for one in self.chain.contracts]
        return any(INTERNET_ASSET in ends for ends in joints)

    def _asset(self, part: AssetPart, place: str) -> Asset:
        owner, kind, name = (*part.id.split("/", 2), "", "")[:3]
        self._require_owner(owner, place)
        try:
            word = AssetKind.parse(kind)
        except ValueError as error:
            raise TwinError(f"{place}: asset {part.id!r}: {error}; write owner/kind/name") from None
        if not isinstance(word, AssetKind) or asset_id(owner, word, name, place) != part.id:
            raise TwinError(f"{place}: {part.id!r} is no id of an asset; write owner/kind/name")
        return Asset(part.id, word, owner, name, attributes=part.attributes, **given_fields(part))

    def _overlays(self) -> None:
        for asset, part in self.chain.overlays.items():
            place = self.place("overlays", asset)
            known = self._require_asset(asset, place)
            values = given_fields(part)
            if part.attributes:
                values["attributes"] = {**known.attributes, **part.attributes}
            self.assets[asset] = replace(known, **values)
            self.say(asset, known.owner, place, values)

    def _links(self) -> None:
        for index, part in enumerate(self.chain.links):
            place = self.place("links", index)
            source = self._require_asset(part.source, place)
            self._require_asset(part.target, place)
            link = Link(**dict(part))
            if link.kind is LinkKind.DEPENDS_ON:
                self.needed.append((link, place))
            self.say(link, source.owner, place)

    def _contracts(self) -> None:
        for index, part in enumerate(self.chain.contracts):
            place = self.place("contracts", index)
            source, target = self._require_asset(part.source, place), self._require_asset(part.target, place)
            if source.owner == target.owner:
                raise TwinError(f"{place}: a contract joins two owners, not {source.owner!r} alone; put it in 'links'")
            ends = (part.source, part.target)
            self.say(Link(LinkKind.REACHES, *ends, part.port, part.protocol), source.owner, place)
            if part.depends:
                needed = Link(LinkKind.DEPENDS_ON, *ends, group=part.group, need=part.need)
                self.needed.append((needed, place))
                self.say(needed, source.owner, place)

    def _needs(self) -> None:
        """Refuse a dependency that needs more than its group has."""
        groups: dict[tuple[str, str, str], set[str]] = {}
        for link, _ in self.needed:
            groups.setdefault(_group_of(link), set()).add(link.target)
        for link, place in self.needed:
            size = len(groups[_group_of(link)])
            if link.need > size:
                group = f"group {link.group!r}" if link.group else "a dependency without a group"
                raise TwinError(
                    f"{place}: need: {link.need} can never be met, {group} of {link.source!r} has {size}; "
                    "lower it or add to the group"
                )

    def _weaknesses(self) -> None:
        for index, part in enumerate(self.chain.weaknesses):
            place = self.place("weaknesses", index)
            for asset in part.on:
                owner = self._require_asset(asset, place).owner
                if part.cvss:
                    _check_cvss(part, asset, place)
                self.say(Weakness(part.id, asset, part.cvss, part.epss, part.kev, part.access), owner, place)

    def _sharing(self) -> None:
        for index, part in enumerate(self.chain.sharing):
            place = self.place("sharing", index)
            self._require_owner(part.owner, place)
            for peer in part.peers:
                if peer != "*":
                    self._require_owner(peer, place)
                self.say(Sharing(part.owner, peer, part.what), part.owner, place)

    def _consent(self) -> None:
        for owner, classes in self.chain.consent.items():
            place = self.place("consent", owner)
            self._require_owner(owner, place)
            for word, part in classes.items():
                where = self.place("consent", owner, word)
                try:
                    consent_class = ConsentClass.parse(word)
                except ValueError as error:
                    raise TwinError(f"{where}: {error}") from None
                assert isinstance(consent_class, ConsentClass)
                for proposer, answer in ((Proposer.OWN, part.own), (Proposer.OTHER, part.other)):
                    self.say(_rule(owner, consent_class, proposer, answer, where), owner, where)

    def _require_owner(self, owner: str, place: str) -> None:
        if owner not in self.chain.owners:
            known = ", ".join(sorted(self.chain.owners))
            raise TwinError(f"{place}: owner {owner!r} is unknown; declare it under 'owners' or use one of {known}")

    def _require_asset(self, asset: str, place: str) -> Asset:
        if asset not in self.assets:
            raise TwinError(f"{place}: asset {asset!r} is not there; declare it under 'assets' or mend the id")
        return self.assets[asset]


def _group_of(link: Link) -> tuple[str, str, str]:
    """What dependencies have in common that are alternatives; one without a group stands alone."""
    return link.source, link.group, "" if link.group else link.target


def _check_cvss(part: WeaknessPart, asset: str, place: str) -> None:
    try:
        parse_cvss(part.cvss, weakness=part.id, asset=asset)
    except TwinError as error:
        raise TwinError(f"{place}: {error}") from None


def _rule(owner: str, consent_class: ConsentClass, proposer: Proposer, answer: AnswerPart, place: str) -> ConsentRule:
    automatic = answer.mode in (ConsentMode.AT_ONCE, ConsentMode.VETO_WINDOW)
    if consent_class is ConsentClass.SAFETY and automatic:
        raise TwinError(f"{place}: consent to safety is never automatic; use mode ask or never")
    return ConsentRule(
        owner,
        consent_class,
        proposer,
        answer.mode,
        answer.minutes * 60.0,
        answer.refusal,
        answer.hours,
        answer.quorum,
    )


def _told(error: ValidationError, root: Section) -> TwinError:
    """The first thing pydantic found, as one line with its place."""
    first = error.errors()[0]
    location = tuple(part for part in first["loc"] if isinstance(part, str | int))
    where = ".".join(str(part) for part in location)
    message = " ".join(first["msg"].removeprefix("Value error, ").split())
    if first["type"] == "extra_forbidden":
        message = "unknown key; remove it or mend its name"
    return TwinError(f"{_locate(root, location)}: {where}: {message}")


def _locate(root: Section, location: tuple[str | int, ...]) -> str:
    """File and line of the deepest part of the location that the file has."""
    place, value = root.place, root
    for part in location:
        if isinstance(value, Section) and part in value:
            place = value.place_of(part)
            value = value[part]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            break
        if isinstance(value, Section):
            place = value.place if not isinstance(part, str) else place
    return place
