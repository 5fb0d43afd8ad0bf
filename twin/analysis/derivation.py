"""Cheapest derivations in an AND/OR graph: which edges make a goal true, each paid for once.

Flows in: edges (all facts of the tail together give the head) with costs, and facts that hold from the start. Flows
out: least costs, and the cheapest derivation of a goal in an order in which it can be carried out. Nothing here knows
of twins or attacks.

Knuth's generalisation of Dijkstra's algorithm (D. E. Knuth, "A Generalization of Dijkstra's Algorithm", Information
Processing Letters 6(1), 1977) is exact where the cost of an edge is a superior function of the costs of its tail. The
sum is one, but counts a foothold twice that serves both facts of a tail. To pay each edge once is harder (it holds the
Steiner tree problem), so a best-first search over partial derivations closes the gap: backwards from the goal, bounded
below by Knuth's costs with the maximum in place of the sum (superior too, and never too high) given what is chosen
already, and bounded above by the derivation that the sum gives.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

Fact = tuple[str, int]
WORK = 1_000_000  # edges that one search may look at before the best found stands; assumed: about a second on one core
_ROUNDING = 1e-12  # costs closer than this are equal


@dataclass(frozen=True, slots=True)
class Edge:
    """All facts of the tail together give the head."""

    head: Fact
    tail: tuple[Fact, ...]
    cost: float  # >= 0
    row: int = -1  # what the edge stands for; -1: nothing, it is free


@dataclass(frozen=True, slots=True)
class Derivation:
    """Edges that give a goal, each after those that give its tail."""

    edges: tuple[Edge, ...]
    cost: float  # sum over the edges, each once


class AndOrGraph:
    """Edges indexed by head and tail; unchanged through its life."""

    def __init__(self, edges: Sequence[Edge], axioms: Iterable[Fact]) -> None:
        self.edges = tuple(edges)
        self.axioms = frozenset(axioms)
        self.into: dict[Fact, list[int]] = defaultdict(list)
        self._arity = [len(set(edge.tail)) for edge in self.edges]
        self._uses: dict[Fact, list[int]] = defaultdict(list)
        for number, edge in enumerate(self.edges):
            self.into[edge.head].append(number)
            for fact in set(edge.tail):
                self._uses[fact].append(number)

    def least_costs(
        self,
        combine: Callable[[Iterable[float]], float],
        *,
        banned: frozenset[int] = frozenset(),
        given: Iterable[Fact] = (),
        until: Fact | None = None,
        ceiling: float = math.inf,
    ) -> tuple[dict[Fact, float], dict[Fact, int]]:
        """Knuth's algorithm: least cost of every fact that can be derived, and the edge that gives it.

        Args:
            combine: cost of a tail from those of its facts; `sum` and `max` make superior functions.
            banned: numbers of edges that may not be used.
            given: facts that hold as axioms do.
            until: stop once this fact's cost is known; those of dearer facts are then left out.
            ceiling: leave out facts that cost more.
        """
        costs: dict[Fact, float] = {}
        chosen: dict[Fact, int] = {}
        missing = self._arity.copy()
        waiting: list[tuple[float, Fact, int]] = [(0.0, fact, -1) for fact in sorted(self.axioms.union(given))]
        while waiting:
            cost, fact, by = heapq.heappop(waiting)
            if fact in costs:
                continue
            costs[fact] = cost
            if by >= 0:
                chosen[fact] = by
            if fact == until:
                break
            for number in self._uses.get(fact, ()):
                missing[number] -= 1
                edge = self.edges[number]
                if missing[number] == 0 and number not in banned and edge.head not in costs:
                    total = edge.cost + combine(costs[one] for one in set(edge.tail))
                    if total <= ceiling:
                        heapq.heappush(waiting, (total, edge.head, number))
        return costs, chosen


@dataclass(frozen=True, slots=True)
class _Partial:
    """A derivation with facts left to derive."""

    chosen: Mapping[Fact, int]
    left: frozenset[Fact]
    cost: float  # of the chosen edges
    refined: bool = False  # whether its estimate is the sharp one


def cheapest_derivation(
    graph: AndOrGraph, goal: Fact, *, banned: frozenset[int] = frozenset(), work: int = WORK
) -> Derivation | None:
    """Give the cheapest derivation of the goal, each edge paid once; None if it cannot be derived.

    Exact while the search ends within `work` (edges looked at); beyond that it is the best found, never dearer than
    Knuth's.
    """
    known, by_sum = graph.least_costs(math.fsum, banned=banned, until=goal)
    if goal not in known:
        return None
    best = _ordered(graph, goal, by_sum)
    bound, _ = graph.least_costs(greatest, banned=banned, ceiling=best.cost + _ROUNDING)
    tie = count()
    waiting = [(bound[goal], 0, next(tie), _Partial({}, frozenset({goal}) - graph.axioms, 0.0))]
    for _ in range(max(1, work // max(1, len(graph.edges)))):
        if not waiting or waiting[0][0] >= best.cost - _ROUNDING:
            return best
        rough, _, _, partial = heapq.heappop(waiting)
        if not partial.left:
            return _ordered(graph, goal, partial.chosen)
        if partial.refined:
            onward = [(_rough(graph, goal, one, bound), one) for one in _extend(graph, partial, bound, banned)]
        else:
            onward = [(max(rough, _sharp(graph, partial, banned, best.cost)), replace(partial, refined=True))]
        for estimate, one in onward:
            if estimate < best.cost - _ROUNDING:
                heapq.heappush(waiting, (estimate, -len(one.chosen), next(tie), one))
    return best


def greatest(costs: Iterable[float]) -> float:
    """The greatest cost, 0 of none: the combination that never overrates."""
    return max(costs, default=0.0)


def _extend(
    graph: AndOrGraph, partial: _Partial, bound: Mapping[Fact, float], banned: frozenset[int]
) -> Iterator[_Partial]:
    """Every way of deriving the dearest fact that is left."""
    fact = max(partial.left, key=lambda one: (bound[one], one))
    for number in graph.into[fact]:
        edge = graph.edges[number]
        if number in banned or any(one not in bound for one in edge.tail) or _leans_on(graph, edge, partial.chosen):
            continue
        chosen = {**partial.chosen, fact: number}
        yield _Partial(
            chosen, (partial.left | frozenset(edge.tail)) - chosen.keys() - graph.axioms, partial.cost + edge.cost
        )


def _rough(graph: AndOrGraph, goal: Fact, partial: _Partial, bound: Mapping[Fact, float]) -> float:
    """No more than any completion costs: what is paid, or the dearest chain through it if that is more."""
    chain = {fact: bound[fact] for fact in partial.left}
    for edge in _ordered(graph, goal, partial.chosen, known=partial.left).edges:
        chain[edge.head] = edge.cost + greatest(chain.get(one, 0.0) for one in edge.tail)
    return max(partial.cost, chain[goal])


def _sharp(graph: AndOrGraph, partial: _Partial, banned: frozenset[int], ceiling: float) -> float:
    """No more than any completion costs: what is paid, and the dearest fact left, given the chosen."""
    room = ceiling - partial.cost
    bound, _ = graph.least_costs(greatest, banned=banned, given=partial.chosen.keys(), ceiling=room)
    return partial.cost + greatest(bound.get(fact, room) for fact in partial.left)


def _leans_on(graph: AndOrGraph, edge: Edge, chosen: Mapping[Fact, int]) -> bool:
    """Whether the chosen edges derive the edge's tail from its head: then it would hold itself up."""
    waiting, seen = list(edge.tail), set(edge.tail)
    while waiting:
        fact = waiting.pop()
        if fact == edge.head:
            return True
        if fact in chosen:
            new = set(graph.edges[chosen[fact]].tail) - seen
            seen |= new
            waiting.extend(new)
    return False


def _ordered(graph: AndOrGraph, goal: Fact, chosen: Mapping[Fact, int], *, known: Iterable[Fact] = ()) -> Derivation:
    """The chosen edges that the goal needs, tails first, in the order in which tails name their facts."""
    done = {*graph.axioms, *known}
    edges: list[Edge] = []
    waiting = [(goal, False)]
    while waiting:
        fact, ready = waiting.pop()
        if fact in done:
            continue
        edge = graph.edges[chosen[fact]]
        if ready:
            done.add(fact)
            edges.append(edge)
        else:
            waiting.append((fact, True))
            waiting.extend((one, False) for one in reversed(edge.tail))
    return Derivation(tuple(edges), math.fsum(edge.cost for edge in edges))
