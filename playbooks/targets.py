"""Abstract targets made concrete: which assets of a twin a category, sector, group, place or address names.

Flows in: the definition of a CACAO agent or target with its values, a twin. Flows out: assets with their owners and
with what manages them, ordered by id; or a named refusal where nothing matches. Pure. What answers a definition:

    security-category  `category` of the asset; its kind (KINDS below); `os` or `product` for os-linux, os-mac,
                       os-windows
    sector             `sector`
    location           a place in `logical` is the asset's `location`; each civic property that is given (country, city,
                       region ...) is the asset's property of that name, its `name` the `location`
    group              `group`; and the members of a segment of that name
    net-address, ssh, linux, http-api
                       one of its addresses is the asset's `ipv4`, `ipv6`, `dname`, `l2mac`, `vlan` or `url`; an asset's
                       name answers a `dname` too; an address block in `ipv4` or `ipv6` names all within it

The words in quotes are keys of an asset's `attributes`, as a chain file gives them; several values are parted by
commas, case does not count. An asset is where it runs: `sector`, `location` and civic properties are taken from what
it runs on where it states none. Assets outside the chain and undisclosed ones (`external`, `opaque`) are never found.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..twin.graph import Asset, Twin
from ..twin.vocabulary import AssetKind, LinkKind
from .executor.values import StepFault

KINDS: Mapping[str, tuple[AssetKind, ...]] = {  # categories of CACAO v2.0 (7.11.1) that a kind answers by itself
    "endpoint": (AssetKind.HOST, AssetKind.DEVICE),
    "orchestrator": (AssetKind.NODE,),
}
SYSTEMS = {"os-linux": "linux", "os-mac": "macos", "os-windows": "windows"}
CIVIC = (
    "region", "country", "administrative_area", "city", "street_address", "postal_code", "building_details",
    "network_details",
)  # fmt: skip
ADDRESSES = ("ipv4", "ipv6", "dname", "l2mac", "vlan", "url")
NEVER = (AssetKind.EXTERNAL, AssetKind.OPAQUE)


@dataclass(frozen=True, slots=True)
class Found:
    """One system that a definition names."""

    asset: str  # id
    owner: str
    actuators: tuple[str, ...]  # ids of what manages it; empty: its owner's own


def resolve_targets(definition: Mapping[str, Any], twin: Twin) -> list[Found]:
    """The assets that a definition names, ordered by id.

    Args:
        definition: of a CACAO agent or target, variables filled in.
        twin: the chain.

    Raises:
        StepFault: a type that names no systems, or nothing in the twin answers; the message says what was asked.
    """
    rule = RULES.get(str(definition.get("type")))
    if rule is None:
        raise StepFault(f"a target of type {definition.get('type')} names no systems of a twin; use another type")
    asked, matches = rule(definition, twin)
    found = [asset for asset in twin.assets if asset.kind not in NEVER and matches(asset)]
    if not found:
        name = str(definition.get("name", ""))[:60]
        raise StepFault(f"target {name!r}: nothing in the twin answers {asked}; state it in the assets' attributes")
    managers: dict[str, list[str]] = {}
    for link in twin.links:
        if link.kind is LinkKind.MANAGES:
            managers.setdefault(link.target, []).append(link.source)
    return [Found(asset.id, asset.owner, tuple(sorted(managers.get(asset.id, ())))) for asset in found]


def expand_in(twin: Twin) -> Callable[[Mapping[str, Any]], list[dict[str, Any]]]:
    """What an interpreter needs to resolve abstract targets in a twin, see `execute.Program`."""

    def expand(definition: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [{**asdict(one), "actuators": list(one.actuators)} for one in resolve_targets(definition, twin)]

    return expand


Rule = Callable[[Mapping[str, Any], Twin], tuple[str, Callable[[Asset], bool]]]


def _category(definition: Mapping[str, Any], _twin: Twin) -> tuple[str, Callable[[Asset], bool]]:
    wanted = {str(one).lower() for one in definition.get("category") or ()}

    def matches(asset: Asset) -> bool:
        runs = f"{asset.attributes.get('os', '')} {asset.attributes.get('product', '')}".lower()
        mine = set(_values(asset.attributes.get("category", "")))
        mine |= {name for name, kinds in KINDS.items() if asset.kind in kinds}
        mine |= {name for name, word in SYSTEMS.items() if word in runs}
        return bool(wanted & mine)

    return f"category {', '.join(sorted(wanted)) or 'none'}", matches


def _sector(definition: Mapping[str, Any], twin: Twin) -> tuple[str, Callable[[Asset], bool]]:
    wanted = str(definition.get("sector", "")).lower()
    grounds = _grounds(twin)
    return f"sector {wanted or 'none'}", lambda asset: wanted in _values(_stated(asset, "sector", twin, grounds))


def _location(definition: Mapping[str, Any], twin: Twin) -> tuple[str, Callable[[Asset], bool]]:
    civic = definition.get("location") or {}
    logical = {str(one).lower() for one in definition.get("logical") or ()}
    wanted = {key: str(civic[key]).lower() for key in CIVIC if civic.get(key)}
    wanted |= {"location": str(civic["name"]).lower()} if civic.get("name") else {}
    grounds = _grounds(twin)

    def matches(asset: Asset) -> bool:
        places = set(_values(_stated(asset, "location", twin, grounds)))
        if logical and not logical & places:
            return False
        stated = {key: _values(_stated(asset, key, twin, grounds)) for key in wanted}
        return bool(logical or wanted) and all(value in stated[key] for key, value in wanted.items())

    return f"place {', '.join(sorted(logical) + sorted(wanted.values())) or 'none'}", matches


def _group(definition: Mapping[str, Any], twin: Twin) -> tuple[str, Callable[[Asset], bool]]:
    wanted = str(definition.get("name", "")).lower()
    segments = {asset.id for asset in twin.assets if asset.kind is AssetKind.SEGMENT and asset.name.lower() == wanted}
    members = {link.source for link in twin.links if link.kind is LinkKind.REACHES and link.target in segments}
    return (
        f"group {wanted or 'none'}",
        lambda asset: asset.id in members or wanted in _values(asset.attributes.get("group", "")),
    )


def _address(definition: Mapping[str, Any], _twin: Twin) -> tuple[str, Callable[[Asset], bool]]:
    wanted = {
        kind: [str(one).lower() for one in addresses]
        for kind, addresses in (definition.get("address") or {}).items()
        if kind in ADDRESSES
    }

    def matches(asset: Asset) -> bool:
        if asset.name.lower() in wanted.get("dname", ()):
            return True
        return any(
            _is_address(kind, one, mine)
            for kind, addresses in wanted.items()
            for one in addresses
            for mine in _values(asset.attributes.get(kind, ""))
        )

    return f"address {', '.join(one for addresses in wanted.values() for one in addresses) or 'none'}", matches


def _is_address(kind: str, wanted: str, mine: str) -> bool:
    if kind not in ("ipv4", "ipv6"):
        return wanted.replace("-", ":") == mine.replace("-", ":") if kind == "l2mac" else wanted == mine
    try:
        return ipaddress.ip_address(mine) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return wanted == mine


RULES: Mapping[str, Rule] = {
    "security-category": _category,
    "sector": _sector,
    "location": _location,
    "group": _group,
    **dict.fromkeys(("net-address", "ssh", "linux", "http-api"), _address),
}


def _values(text: str) -> list[str]:
    return [part.strip().lower() for part in text.split(",") if part.strip()]


def _grounds(twin: Twin) -> dict[str, list[str]]:
    """What each asset runs on."""
    grounds: dict[str, list[str]] = {}
    for link in twin.links:
        if link.kind is LinkKind.RUNS_ON:
            grounds.setdefault(link.source, []).append(link.target)
    return grounds


def _stated(asset: Asset, key: str, twin: Twin, grounds: Mapping[str, list[str]]) -> str:
    """What an asset states, else what it runs on states."""
    return next((text for one in _below(asset, twin, grounds) if (text := one.attributes.get(key, ""))), "")


def _below(asset: Asset, twin: Twin, grounds: Mapping[str, list[str]]) -> Iterator[Asset]:
    """The asset, what it runs on, what that runs on; each once."""
    met, waiting = {asset.id}, [asset.id]
    for name in waiting:
        yield twin.asset_by_id[name]
        new = [ground for ground in grounds.get(name, ()) if ground not in met]
        met |= set(new)
        waiting += new
