"""Who is cut off when a link is cut: assets whose every modelled path to something they need crosses it.

Flows in: a twin and one of its links. Flows out: ids of assets. A path leads from an asset, or what it runs on, through
network segments to what it needs, or what that runs on. Where two assets stand at the very ends of the link they are
taken as cut off even if another path is modelled. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..twin.graph import Link, Twin
from ..twin.vocabulary import AssetKind, LinkKind

Edges = Mapping[str, Iterable[str]]


def cut_off(twin: Twin, cut: Link) -> set[str]:
    """Give the assets that lose something they need."""
    needs = [link for link in twin.links if link.kind in (LinkKind.DEPENDS_ON, LinkKind.RUNS_ON)]
    ends = {cut.source, cut.target}
    lost = {link.source for link in needs if {link.source, link.target} == ends}
    if cut.kind is not LinkKind.REACHES:
        return lost
    below = _edges(link for link in needs if link.kind is LinkKind.RUNS_ON)
    roads = [link for link in twin.links if link.kind is LinkKind.REACHES]
    behind, before = _edges(roads), _edges(roads, backward=True)
    starts, goals = _beyond(twin, cut.source, before), _beyond(twin, cut.target, behind)
    others = _edges(road for road in roads if (road.source, road.target) != (cut.source, cut.target))
    for need in needs:
        source, target = _whole(need.source, below), _whole(need.target, below)
        crosses = not source.isdisjoint(starts) and not target.isdisjoint(goals)
        if crosses and _through_segments(twin, source, others).isdisjoint(target):
            lost.add(need.source)
    return lost


def _edges(links: Iterable[Link], *, backward: bool = False) -> dict[str, list[str]]:
    edges: dict[str, list[str]] = {}
    for link in links:
        source, target = (link.target, link.source) if backward else (link.source, link.target)
        edges.setdefault(source, []).append(target)
    return edges


def _whole(asset: str, below: Edges) -> set[str]:
    """The asset and all that it runs on."""
    whole, frontier = {asset}, [asset]
    while frontier:
        for lower in below.get(frontier.pop(), ()):
            if lower not in whole:
                whole.add(lower)
                frontier.append(lower)
    return whole


def _beyond(twin: Twin, end: str, edges: Edges) -> set[str]:
    """An end of the link; if that is a segment, also what lies on its other side."""
    return _through_segments(twin, {end}, edges) if twin.asset_by_id[end].kind is AssetKind.SEGMENT else {end}


def _through_segments(twin: Twin, starts: set[str], edges: Edges) -> set[str]:
    """What is met from `starts` along the edges, going on through segments only; the starts among it."""
    met, frontier = set(starts), list(starts)
    while frontier:
        for other in edges.get(frontier.pop(), ()):
            if other not in met:
                met.add(other)
                if twin.asset_by_id[other].kind is AssetKind.SEGMENT:
                    frontier.append(other)
    return met
