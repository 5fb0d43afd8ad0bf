"""Best attack paths: from outside the chain to its crown jewels, identities obtained on the way.

Flows in: a `Twin` and its attack steps. Flows out: `AttackPath`s, most probable first. The twin is taken as it stands:
nobody defends, nothing is drawn, every step is tried once. Forecasts and beliefs are not here.

A fact is (asset, level). A step needs its source at a level, and its identity, and gives its target at a level; a held
member gives its segment, admin gives user, both for nothing. The probability of a path is the product over its steps,
each counted once, with the steps that obtain identities among them.

Alternatives come by banning: a path's next-best rivals are found by closing, one at a time, each of the hops (source,
target) that it takes (after E. L. Lawler, "A Procedure for Computing the K Best Solutions", Management Science 18(7),
1972). Interchangeable assets (see `alike`) count as one. So two paths differ in a hop, not merely in the weakness used
or in which of many chargers is taken; and one that uses every stepping stone of a better path to the same jewel, and
more, is no alternative and left out.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from ..attack.holding import holder, members
from ..attack.step import AttackStep
from ..facts import key_of
from ..graph import Twin
from ..vocabulary import Access, AssetKind, Gain, LinkKind
from .alike import representatives
from .derivation import AndOrGraph, Derivation, Edge, Fact, cheapest_derivation

GOAL = max(Gain) + 1  # level of the fact that a jewel is held or harmed
# How many searches look for alternatives to one jewel's best path: per path wanted, and as many as the work allows.
SEARCHES_PER_PATH, LEAST_SEARCHES = 20, 8  # assumed
WORK = 2_000_000  # edges looked at for alternatives to all jewels; assumed: some ten seconds on one core at most

Hop = tuple[str, str]
Rank = tuple[float, int, str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class AttackPath:
    """Steps that lead from outside to a crown jewel, in an order in which they can be taken."""

    jewel: str  # asset id
    steps: tuple[AttackStep, ...]
    probability: float  # that every step succeeds at its first try, 0..1
    owners: tuple[str, ...]  # owners of what is taken, in the order in which they are entered
    facts: tuple[str, ...]  # keys of the facts used, see facts.key_of; sorted

    @property
    def crosses_owners(self) -> bool:
        """Whether assets of at least two owners are taken."""
        return len(self.owners) > 1


def best_paths(twin: Twin, steps: Sequence[AttackStep], *, count: int, across_owners: bool = True) -> list[AttackPath]:
    """Give up to `count` paths, most probable first: the best to each crown jewel, then the best alternatives.

    Args:
        twin: the chain; its externals are held from the start, its `crown_jewel` assets are the goals (held at user or
            harmed; a service in the person of its runner).
        steps: its attack steps, see `derive_steps`.
        count: how many paths at most; fewer if there are no more.
        across_owners: only paths on which assets of at least two owners are taken.
    """
    search = _Search(twin, steps, attack_graph(twin, steps), representatives(twin, steps))
    jewels = _jewels(twin)
    allowed = WORK // (max(1, len(search.graph.edges)) * max(1, len(jewels)))
    searches = max(LEAST_SEARCHES, min(SEARCHES_PER_PATH * count, allowed))
    rivals = [_descending(search, jewel, across_owners=across_owners, searches=searches) for jewel in jewels]
    first = [path for one in rivals for path in islice(one, 1)]
    chosen = heapq.nsmallest(count, first, key=_rank)
    if len(chosen) < count:
        chosen += islice(heapq.merge(*rivals, key=_rank), count - len(chosen))
    return sorted(chosen, key=_rank)


def attack_graph(twin: Twin, steps: Sequence[AttackStep]) -> AndOrGraph:
    """The twin's attack steps as an AND/OR graph over (asset, level); the goal of a jewel is (jewel, `GOAL`)."""
    user, admin = int(Access.USER), int(Access.ADMIN)
    edges = [
        Edge((step.target, int(step.gains)), _tail(step), -math.log(step.probability), row)
        for row, step in enumerate(steps)
        if step.probability > 0 and step.gains not in (Gain.PERSISTENCE, Gain.EXFILTRATION)
    ]
    edges += [Edge((asset.id, user), ((asset.id, admin),), 0.0) for asset in twin.assets]
    for segment, inside in members(twin).items():
        edges += [Edge((segment, user), ((member, user),), 0.0) for member in inside]
    held_as = holder(twin)
    for jewel in _jewels(twin):
        ends = {(jewel, user), (held_as[jewel], user), (jewel, int(Gain.IMPACT)), (held_as[jewel], int(Gain.IMPACT))}
        edges += [Edge((jewel, GOAL), (end,), 0.0) for end in sorted(ends)]
    return AndOrGraph(edges, [(asset.id, user) for asset in twin.assets if asset.kind is AssetKind.EXTERNAL])


def _tail(step: AttackStep) -> tuple[Fact, ...]:
    source = (step.source, int(step.needs))
    return (source,) if step.identity is None else (source, (step.identity, int(Access.USER)))


def _jewels(twin: Twin) -> list[str]:
    return [asset.id for asset in twin.assets if asset.crown_jewel]


def _rank(path: AttackPath) -> Rank:
    return (-path.probability, len(path.steps), path.jewel, tuple(f"{s.source} {s.target}" for s in path.steps))


@dataclass(frozen=True)
class _Search:
    """What all searches on one twin share."""

    twin: Twin
    steps: Sequence[AttackStep]
    graph: AndOrGraph
    alike: Mapping[str, str]

    def hop(self, step: AttackStep) -> Hop:
        """Source and target of the step, each in the person of those like it."""
        return (self.alike[step.source], self.alike[step.target])

    def stones(self, steps: Sequence[AttackStep]) -> list[str]:
        """What the steps take, in their order; a segment that is mapped is not taken."""
        kinds = {step.target: self.twin.asset_by_id[step.target].kind for step in steps}
        return [step.target for step in steps if kinds[step.target] is not AssetKind.SEGMENT]

    @cached_property
    def edges_of(self) -> dict[Hop, list[int]]:
        """Numbers of the graph's edges by hop."""
        found: dict[Hop, list[int]] = {}
        for number, edge in enumerate(self.graph.edges):
            if edge.row >= 0:
                found.setdefault(self.hop(self.steps[edge.row]), []).append(number)
        return found

    def entries(self, owner: str) -> frozenset[Hop]:
        """Hops from outside straight to an asset of the owner."""
        assets = self.twin.asset_by_id
        outside = {asset.id for asset in self.twin.assets if asset.kind is AssetKind.EXTERNAL}
        outside |= {segment for segment, inside in members(self.twin).items() if outside & set(inside)}
        return frozenset(
            self.hop(step) for step in self.steps if step.source in outside and assets[step.target].owner == owner
        )

    def _memberships(self, derivation: Derivation) -> set[str]:
        """Keys of the links by which held members open the segments of the derivation."""
        pairs = {(edge.tail[0][0], edge.head[0]) for edge in derivation.edges if edge.row < 0}
        held_as = holder(self.twin)
        reaching = (link for link in self.twin.links if link.kind is LinkKind.REACHES)
        return {key_of(link) for link in reaching if (held_as[link.source], link.target) in pairs}

    def cheapest(self, jewel: str, closed: frozenset[Hop]) -> AttackPath | None:
        """The most probable path that takes none of the closed hops."""
        banned = frozenset(number for hop in closed for number in self.edges_of.get(hop, ()))
        derivation = cheapest_derivation(self.graph, (jewel, GOAL), banned=banned)
        if derivation is None:
            return None
        taken = tuple(self.steps[edge.row] for edge in derivation.edges if edge.row >= 0)
        return AttackPath(
            jewel=jewel,
            steps=taken,
            probability=math.prod(step.probability for step in taken),
            owners=tuple(dict.fromkeys(self.twin.asset_by_id[asset].owner for asset in self.stones(taken))),
            facts=tuple(sorted({fact for step in taken for fact in step.facts} | self._memberships(derivation))),
        )


def _descending(search: _Search, jewel: str, *, across_owners: bool, searches: int) -> Iterator[AttackPath]:
    """Paths to one jewel, most probable first, none using every stepping stone of one before it."""
    fresh = [frozenset[Hop]()]
    if across_owners:  # or else every path may be one that enters at the jewel's owner
        fresh.append(search.entries(search.twin.asset_by_id[jewel].owner))
    tried: set[frozenset[Hop]] = set()
    given: list[set[str]] = []  # stepping stones of the paths given so far
    waiting: list[tuple[Rank, tuple[Hop, ...], AttackPath]] = []
    while fresh or waiting:
        for closed in fresh:
            path = None if closed in tried else search.cheapest(jewel, closed)
            tried.add(closed)
            if path is not None:
                heapq.heappush(waiting, (_rank(path), tuple(sorted(closed)), path))
        if not waiting:
            return
        _, closed_by, best = heapq.heappop(waiting)
        stones = {search.alike[asset] for asset in search.stones(best.steps)} - {search.alike[jewel]}
        again = any(one and one <= stones for one in given) or (not stones and stones in given)
        if (best.crosses_owners or not across_owners) and not again:
            given.append(stones)
            yield best
        further = [frozenset(closed_by) | {search.hop(step)} for step in best.steps]
        fresh = further if len(tried) < searches else []
