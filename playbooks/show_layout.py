"""Where the boxes of a workflow stand in a picture: layers from top to bottom, few crossings, room for long arrows.

Flows in: boxes with sizes, arrows between them. Flows out: `Spot` of each box and the points that each arrow passes. It
draws nothing. Method: layers by longest path, order by the mean of neighbours, long arrows through empty places in the
layers between (Sugiyama, Tagawa and Toda 1981).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import networkx as nx

GAP_X = 36.0  # between neighbours of a layer, in the picture's unit
GAP_Y = 64.0  # between layers: room for the words on arrows
LANE = 18.0  # width of an arrow that passes a layer
SWEEPS = 12

Point = tuple[float, float]
Arrow = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Spot:
    """A box's middle and size."""

    x: float
    y: float
    width: float
    height: float


@dataclass(slots=True)
class Layout:
    """Spots by box, and the points between its ends that an arrow passes, by index of the arrow."""

    spots: dict[str, Spot]
    bends: dict[int, list[Point]]
    width: float
    height: float


@dataclass(slots=True)
class _Grid:
    rows: list[list[str]]
    widths: dict[str, float]
    above: dict[str, list[str]] = field(default_factory=dict)
    below: dict[str, list[str]] = field(default_factory=dict)


def layout(sizes: Mapping[str, tuple[float, float]], arrows: Sequence[Arrow], after: Sequence[Arrow] = ()) -> Layout:
    """Places for all boxes.

    Args:
        sizes: width and height of each box, by name, in the order that neighbours should keep.
        arrows: (from, to), both among the boxes; they may form cycles.
        after: pairs of which the second must stand below the first, without an arrow.
    """
    layers = _layers(sizes, [*arrows, *after])
    grid, lanes = _grid(sizes, arrows, layers)
    for sweep in range(SWEEPS):
        _order(grid, downwards=sweep % 2 == 0)
    xs = _columns(grid)
    heights = [max((sizes[name][1] for name in row if name in sizes), default=0.0) for row in grid.rows]
    tops = [sum(heights[:index]) + GAP_Y * index for index in range(len(heights))]
    middles = {name: tops[row] + heights[row] / 2 for row, names in enumerate(grid.rows) for name in names}
    low = min((xs[name] - grid.widths[name] / 2 for name in xs), default=0.0)
    high = max((xs[name] + grid.widths[name] / 2 for name in xs), default=0.0)
    spots = {name: Spot(xs[name] - low, middles[name], *size) for name, size in sizes.items()}
    bends: dict[int, list[Point]] = {}
    for index, names in lanes.items():
        bends[index] = []
        for name in names:
            row = next(row for row, members in enumerate(grid.rows) if name in members)
            x = xs[name] - low
            bends[index] += [(x, tops[row]), (x, tops[row] + heights[row])]
    total = tops[-1] + heights[-1] if tops else 0.0
    return Layout(spots, bends, high - low, total)


def _layers(sizes: Mapping[str, tuple[float, float]], pairs: Sequence[Arrow]) -> dict[str, int]:
    """Longest path from the top; arrows that close a cycle are left out."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(sizes)
    for source, target in pairs:
        if source != target and not (graph.has_node(target) and nx.has_path(graph, target, source)):
            graph.add_edge(source, target)
    layers: dict[str, int] = {}
    for name in nx.topological_sort(graph):
        layers[name] = max((layers[one] + 1 for one in graph.predecessors(name)), default=0)
    return layers


def _grid(
    sizes: Mapping[str, tuple[float, float]], arrows: Sequence[Arrow], layers: Mapping[str, int]
) -> tuple[_Grid, dict[int, list[str]]]:
    grid = _Grid([[] for _ in range(max(layers.values(), default=0) + 1)], {name: sizes[name][0] for name in sizes})
    for name in sizes:
        grid.rows[layers[name]].append(name)
    lanes: dict[int, list[str]] = {}
    for index, (source, target) in enumerate(arrows):
        down = layers[source] <= layers[target]
        upper, lower = (source, target) if down else (target, source)
        names = [f"lane {index} {layer}" for layer in range(layers[upper] + 1, layers[lower])]
        for layer, name in enumerate(names, layers[upper] + 1):
            grid.rows[layer].append(name)
            grid.widths[name] = LANE
        chain = [upper, *names, lower]
        for one, other in zip(chain, chain[1:], strict=False):
            grid.below.setdefault(one, []).append(other)
            grid.above.setdefault(other, []).append(one)
        lanes[index] = names if down else names[::-1]
    return grid, lanes


def _order(grid: _Grid, *, downwards: bool) -> None:
    """Sort each layer by the mean place of its neighbours in the layer before."""
    rows = grid.rows if downwards else grid.rows[::-1]
    near = grid.above if downwards else grid.below
    place: dict[str, float] = {name: index for index, name in enumerate(rows[0])} if rows else {}
    for row in rows[1:]:
        keys = {}
        for index, name in enumerate(row):
            others = [place[one] for one in near.get(name, ()) if one in place]
            keys[name] = sum(others) / len(others) if others else float(index)
        row.sort(key=lambda name: keys[name])
        place |= {name: float(index) for index, name in enumerate(row)}


def _columns(grid: _Grid) -> dict[str, float]:
    """The middle of each member, pulled towards its neighbours without overlap."""
    xs: dict[str, float] = {}
    for row in grid.rows:
        at = 0.0
        for name in row:
            xs[name] = at + grid.widths[name] / 2
            at += grid.widths[name] + GAP_X
        shift = (at - GAP_X) / 2
        xs |= {name: xs[name] - shift for name in row}
    for sweep in range(2 * SWEEPS):
        near = grid.above if sweep % 2 == 0 else grid.below
        for row in grid.rows if sweep % 2 == 0 else reversed(grid.rows):
            wanted = {}
            for name in row:
                others = [xs[one] for one in near.get(name, ())]
                wanted[name] = sum(others) / len(others) if others else xs[name]
            _settle(row, wanted, grid.widths, xs)
    return xs


def _settle(row: list[str], wanted: Mapping[str, float], widths: Mapping[str, float], xs: dict[str, float]) -> None:
    """Nearest places in order to the wanted ones: groups that collide move as one to their common mean."""
    groups: list[tuple[float, float, list[str]]] = []  # (place of the first, number of wishes, members)
    offset = 0.0
    offsets: dict[str, float] = {}
    for index, name in enumerate(row):
        if index:
            offset += (widths[row[index - 1]] + widths[name]) / 2 + GAP_X
        offsets[name] = offset
        groups.append((wanted[name] - offset, 1, [name]))
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            later, earlier = groups.pop(), groups.pop()
            count = earlier[1] + later[1]
            groups.append(((earlier[0] * earlier[1] + later[0] * later[1]) / count, count, earlier[2] + later[2]))
    for place, _, members in groups:
        for name in members:
            xs[name] = place + offsets[name]
