"""A twin with the indices that the rules of attack steps look things up in.

Flows in: a `Twin`. Flows out: `Ground`, which lives for one derivation. It derives no step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from ..graph import Link, Twin, Weakness
from ..vocabulary import AssetKind, LinkKind
from .holding import holder, members

LinkKey = tuple[str, str, str, int]
Key = TypeVar("Key")
Item = TypeVar("Item")

MACHINES = frozenset({AssetKind.HOST, AssetKind.CONTAINER, AssetKind.DEVICE, AssetKind.NODE})


@dataclass(frozen=True)
class Ground:
    """A twin with the indices that rules look things up in; lives for one derivation."""

    twin: Twin

    @cached_property
    def held_as(self) -> dict[str, str]:
        """Asset id to the id of the asset held in its place."""
        return holder(self.twin)

    @cached_property
    def runs(self) -> dict[str, tuple[Link, ...]]:
        """Asset id to the `runs_on` links of the services it runs, through services too."""
        found: dict[str, list[Link]] = defaultdict(list)
        for link in self.links(LinkKind.RUNS_ON):
            if self.kind(link.source) is AssetKind.SERVICE:
                found[self.held_as[link.source]].append(link)
        return {asset: tuple(links) for asset, links in found.items()}

    @cached_property
    def on_machine(self) -> dict[str, tuple[Link, ...]]:
        """Machine id to the `runs_on` links of the containers on it."""
        return _group(self.containers, lambda link: link.target)

    @cached_property
    def outside(self) -> frozenset[str]:
        """Externals, and segments of which one is a member."""
        externals = {asset.id for asset in self.twin.assets if asset.kind is AssetKind.EXTERNAL}
        return frozenset(externals | {s for s, inside in self.members.items() if externals & set(inside)})

    @cached_property
    def members(self) -> dict[str, tuple[str, ...]]:
        """Segment id to the ids of what holds it while held."""
        return members(self.twin)

    @cached_property
    def around(self) -> dict[str, tuple[str, ...]]:
        """Asset id to the segments that it is a member of."""
        pairs = ((asset, segment) for segment, inside in self.members.items() for asset in inside)
        return {asset: tuple(one for _, one in group) for asset, group in _group(pairs, lambda pair: pair[0]).items()}

    @cached_property
    def ways_out(self) -> dict[str, tuple[Link, ...]]:
        """Asset or segment id to the `reaches` links by which it talks to the outside, whichever end opens them."""
        found: dict[str, list[Link]] = defaultdict(list)
        for link in self.links(LinkKind.REACHES):
            if link.target in self.outside and link.source not in self.outside:
                found[self.held_as[link.source]].append(link)
            elif link.source in self.outside and link.target not in self.outside:
                found[self.held_as[link.target]].append(link)
        return {asset: tuple(links) for asset, links in found.items()}

    @cached_property
    def processes(self) -> dict[str, tuple[Link, ...]]:
        """Device id to the `depends_on` links of the physical processes that need it."""
        needs = (k for k in self.links(LinkKind.DEPENDS_ON) if self.kind(k.source) is AssetKind.PROCESS)
        return _group((link for link in needs if self.kind(link.target) is AssetKind.DEVICE), lambda link: link.target)

    @cached_property
    def weaknesses(self) -> dict[str, tuple[Weakness, ...]]:
        """Weaknesses by the asset that has them."""
        return _group(self.twin.weaknesses, lambda weakness: weakness.asset)

    @cached_property
    def logins(self) -> dict[str, tuple[Link, ...]]:
        """`can_log_in` links by where they log in."""
        return _group(self.links(LinkKind.CAN_LOG_IN), lambda link: link.target)

    def links(self, kind: LinkKind) -> tuple[Link, ...]:
        """Links of one kind, in order, without those that touch an opaque asset."""
        return self._links.get(kind, ())

    @cached_property
    def _links(self) -> dict[LinkKind, tuple[Link, ...]]:
        clear = [
            link for link in self.twin.links if AssetKind.OPAQUE not in (self.kind(link.source), self.kind(link.target))
        ]
        return _group(clear, lambda link: link.kind)

    def kind(self, asset: str) -> AssetKind:
        """Kind of the asset."""
        return self.twin.asset_by_id[asset].kind

    @cached_property
    def containers(self) -> tuple[Link, ...]:
        """Links of containers to the machines they run on."""
        return tuple(
            link
            for link in self.links(LinkKind.RUNS_ON)
            if self.kind(link.source) is AssetKind.CONTAINER and self.kind(link.target) in MACHINES
        )

    def boundary(self, *links: Link) -> LinkKey | None:
        """Key of the first of the links that crosses owners."""
        return next((link.key for link in links if self.twin.is_boundary(link)), None)

    def exposed(self, link: Link) -> list[str]:
        """What answers at the end of a `reaches` link: the target, its runner, and all it runs if no port is named."""
        held = self.held_as[link.target]
        found = [link.target] if held == link.target else [link.target, held]
        if link.port is None and self.kind(link.target) is not AssetKind.SERVICE:
            found += [run.source for run in self.runs.get(link.target, ())]
        return found


def _group(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, tuple[Item, ...]]:
    found: dict[Key, list[Item]] = defaultdict(list)
    for item in items:
        found[key(item)].append(item)
    return {name: tuple(group) for name, group in found.items()}
