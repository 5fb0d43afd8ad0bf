"""Whom a playbook touches in a twin: what it may act on, whose that is, and who would feel it.

Flows in: a `Playbook` that declares its effect, a `Twin`. Flows out: `Touched`. It resolves kinds and links as the
action space does; which of them a response really names is decided later, by people or a policy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..twin.compiled import BOUNDARY_KINDS
from ..twin.facts import key_of
from ..twin.graph import Twin
from ..twin.vocabulary import LinkKind
from .cacao import Playbook
from .effects import declaration_of

CARRYING = (LinkKind.DEPENDS_ON, LinkKind.RUNS_ON)  # source fails with its target


@dataclass(frozen=True, slots=True)
class Touched:
    """The share of one owner in what a playbook may touch."""

    owner: str
    targets: tuple[str, ...]  # ids of assets, keys of boundary links as text, or the owner itself
    consent: tuple[str, ...]  # the owner's rules for the playbook's consent class, proposer: mode
    feels: tuple[str, ...]  # ids of its assets that depend on any target, of whatever owner


def touched_by(playbook: Playbook, twin: Twin) -> list[Touched]:
    """What the playbook may act on, by owner, ordered by owner; owners that only feel it are among them.

    Raises:
        PlaybookError: no effect is declared, or a malformed one.
    """
    declared = declaration_of(playbook)
    targets, assets = _targets(declared, twin)
    leaning = _leaning(twin, assets)
    owners = sorted(set(targets) | {twin.asset_by_id[asset].owner for asset in leaning})
    return [
        Touched(
            owner,
            tuple(sorted(targets.get(owner, ()))),
            tuple(_consent(twin, owner, declared["consent_class"])),
            tuple(sorted(asset for asset in leaning if twin.asset_by_id[asset].owner == owner)),
        )
        for owner in owners
    ]


def _targets(declared: dict[str, Any], twin: Twin) -> tuple[dict[str, list[str]], set[str]]:
    """Targets by owner, and the assets that they are or that they lead to."""
    targets: dict[str, list[str]] = {}
    assets: set[str] = set()
    if declared["target_type"] == "owner":
        return {owner.id: [owner.id] for owner in twin.owners}, assets
    if declared["target_type"] == "asset":
        for asset in twin.assets:
            if asset.kind.word in declared["kinds"]:
                targets.setdefault(asset.owner, []).append(asset.id)
                assets.add(asset.id)
        return targets, assets
    for link in twin.links:
        if link.kind in BOUNDARY_KINDS and twin.is_boundary(link):
            for end in (link.source, link.target):  # either side is asked
                targets.setdefault(twin.asset_by_id[end].owner, []).append(key_of(link))
            assets.add(link.target)
    return targets, assets


def _leaning(twin: Twin, assets: Iterable[str]) -> set[str]:
    """Assets that depend on these, directly or through others, these left out."""
    above: dict[str, list[str]] = {}
    for link in twin.links:
        if link.kind in CARRYING:
            above.setdefault(link.target, []).append(link.source)
    first = set(assets)
    met, waiting = set(first), list(first)
    while waiting:
        for asset in above.get(waiting.pop(), ()):
            if asset not in met:
                met.add(asset)
                waiting.append(asset)
    return met - first


def _consent(twin: Twin, owner: str, consent_class: str) -> list[str]:
    return [
        f"{rule.proposer.word}: {rule.mode.word.replace('_', ' ')}"
        for rule in twin.consent
        if rule.owner == owner and rule.consent_class.word == consent_class
    ]
