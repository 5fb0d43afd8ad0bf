"""What a response acts on, resolved against the twin: owners to ask, owners to notify, and the digest of that part.

Flows in: a twin and target names (asset id, name of a boundary link, owner id). Flows out: a `Resolved`. Pure; it
neither judges nor stores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import rfc8785

from ..twin.facts import key_of
from ..twin.graph import Asset, Link, Owner, Twin
from ..twin.rulebook.effects import Effect
from ..twin.vocabulary import AssetKind, LinkKind, Mode, TargetType
from .crossing import cut_off

MAX_TARGETS = 32  # assumed: a playbook for more targets is several responses, each with its own consents
_INTERRUPTING = frozenset({Mode.ISOLATED, Mode.DOWN, Mode.RESTORING})  # modes in which an asset serves nobody


class TargetError(ValueError):
    """A target that is not there or that the playbook does not act on; the message names it."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Targets as the twin knows them."""

    targets: tuple[str, ...]  # sorted
    owners: tuple[str, ...]  # whose consent is needed, sorted
    notified: tuple[str, ...]  # other owners of services that depend on the targets, sorted
    stopped: frozenset[str]  # ids of assets that go out of service meanwhile, whoever owns them
    criticality: Mapping[str, float]  # per owner of targets or of what stops, the share 0..1 of its criticality
    twin_part: str  # SHA-256, 64 hex digits
    is_physical: bool  # a physical process is among the targets, or stops with them


def resolve(twin: Twin, names: Iterable[str], effect: Effect) -> Resolved:
    """Find the targets of a playbook with `effect` in the twin.

    Raises:
        TargetError: none or too many, one that is not in the twin, not of the playbook's type, or inside one owner
            where a boundary link is asked for.
    """
    targets = tuple(sorted(set(names)))
    if not 1 <= len(targets) <= MAX_TARGETS:
        raise TargetError(f"{len(targets)} targets; name 1 to {MAX_TARGETS}")
    found = [_find(twin, name, effect.target_type) for name in targets]
    assets = {id_ for part in found for id_ in _assets_of(part)}
    owners = {part.id if isinstance(part, Owner) else "" for part in found} - {""}
    owners |= {twin.asset_by_id[id_].owner for id_ in assets}
    stopped = frozenset(_dependents(twin, _interrupted(twin, found, effect)))
    touched = owners | {twin.asset_by_id[id_].owner for id_ in stopped}
    dependents = {twin.asset_by_id[id_].owner for id_ in _dependents(twin, assets)}
    return Resolved(
        targets=targets,
        owners=tuple(sorted(owners)),
        notified=tuple(sorted((dependents | touched) - owners)),
        stopped=stopped,
        criticality={owner: _share(twin, owner, stopped) for owner in sorted(touched)},
        twin_part=_digest(twin, found, assets),
        is_physical=any(twin.asset_by_id[id_].kind is AssetKind.PROCESS for id_ in assets | stopped),
    )


def _find(twin: Twin, name: str, target_type: TargetType) -> Asset | Link | Owner:
    if target_type is TargetType.ASSET:
        if name in twin.asset_by_id:
            return twin.asset_by_id[name]
    elif target_type is TargetType.OWNER:
        if name in twin.owner_by_id:
            return twin.owner_by_id[name]
    else:
        for link in twin.links:
            if key_of(link) == name and twin.is_boundary(link):
                return link
    what = "boundary link" if target_type is TargetType.LINK else target_type.word
    raise TargetError(f"target {name!r} is no {what} of the twin, which is what the playbook acts on; mend the name")


def _assets_of(part: Asset | Link | Owner) -> tuple[str, ...]:
    match part:
        case Asset():
            return (part.id,)
        case Link():
            return (part.source, part.target)
        case Owner():
            return ()


def _dependents(twin: Twin, assets: set[str]) -> set[str]:
    """Assets that stand or fall with `assets`: what depends on them, runs on them, and so on.

    Alternatives (`need` of a group) are not counted on: the others may be down already.
    """
    above: dict[str, list[str]] = {}
    for link in twin.links:
        if link.kind in (LinkKind.DEPENDS_ON, LinkKind.RUNS_ON):
            above.setdefault(link.target, []).append(link.source)
    reached, frontier = set(assets), list(assets)
    while frontier:
        for upper in above.get(frontier.pop(), ()):
            if upper not in reached:
                reached.add(upper)
                frontier.append(upper)
    return reached


def _interrupted(twin: Twin, found: list[Asset | Link | Owner], effect: Effect) -> set[str]:
    """Assets whose service the playbook itself takes away: isolated ones, and those cut off from what they need."""
    if effect.cut:
        return {id_ for link in found if isinstance(link, Link) for id_ in cut_off(twin, link)}
    if effect.mode in _INTERRUPTING or effect.mode_during in _INTERRUPTING:
        return {asset.id for asset in found if isinstance(asset, Asset)}
    return set()


def _share(twin: Twin, owner: str, touched: frozenset[str]) -> float:
    """Share of the owner's criticality that sits on the assets, 0..1."""
    weights = {asset.id: asset.criticality for asset in twin.assets if asset.owner == owner}
    total = sum(weights.values())
    return sum(weight for id_, weight in weights.items() if id_ in touched) / total if total > 0 else 0.0


def _digest(twin: Twin, found: list[Asset | Link | Owner], assets: set[str]) -> str:
    """Digest of the targets, of every link at their assets and of the weaknesses on them."""
    parts: list[dict[str, Any]] = [asdict(part) for part in found]
    parts += [asdict(twin.asset_by_id[id_]) for id_ in sorted(assets)]
    parts += [asdict(link) for link in twin.links if link.source in assets or link.target in assets]
    parts += [asdict(weakness) for weakness in twin.weaknesses if weakness.asset in assets]
    return hashlib.sha256(rfc8785.dumps(_plain(parts))).hexdigest()


def _plain(value: Any) -> Any:
    """Make enumerations numbers and tuples lists, as canonical JSON has neither."""
    match value:
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case int() if not isinstance(value, bool):
            return int(value)
        case None | str() | float() | bool():
            return value
        case _:
            return str(value)
