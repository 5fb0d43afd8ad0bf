"""Where owners and assets lie on a plain chart of a chain: an area per owner, a square per asset.

Flows in: a `Twin`, or how many assets each owner has, and a size. Flows out: positions, the same for the same twin.
Nothing is drawn here; pictures of environments and replays share it. Pictures of attack paths have a layout of their
own, `twin.analysis.layout`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..twin.graph import Asset, Twin

PAD, HEAD = 8.0, 22.0  # room around the squares of an area, and over them for its name
PLEASANT = 1.3  # width of an area by its height
LARGEST = 42.0  # side of a square with its gap


@dataclass(frozen=True, slots=True)
class Area:
    """The place of one owner."""

    x: float  # of its upper left corner
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Positions of everything drawn, in units of the size given; y grows downwards."""

    areas: tuple[Area, ...]  # in order of owners
    places: tuple[tuple[float, float], ...]  # middle of each asset's square, in order of assets
    side: float  # of a square


def lay_chart(twin: Twin, *, width: float, height: float) -> Chart:
    """Areas in rows, in the order of owners; squares by kind and id, as large as the fullest area allows."""
    held: dict[str, list[Asset]] = {owner.id: [] for owner in twin.owners}
    for asset in sorted(twin.assets, key=lambda one: (one.kind, one.id)):
        held[asset.owner].append(asset)
    chart = lay_groups([len(assets) for assets in held.values()], width=width, height=height)
    members = [asset.id for assets in held.values() for asset in assets]
    places = dict(zip(members, chart.places, strict=True))
    return Chart(chart.areas, tuple(places[asset.id] for asset in twin.assets), chart.side)


def lay_groups(counts: Sequence[int], *, width: float, height: float) -> Chart:
    """Areas in rows, one for each group, with so many squares each; places in the order of groups."""
    areas = _areas(len(counts), width, height)
    step = min((_step(area, count) for area, count in zip(areas, counts, strict=True)), default=LARGEST)
    places: list[tuple[float, float]] = []
    for area, count in zip(areas, counts, strict=True):
        across = max(1, int((area.width - 2 * PAD) // step))
        for row, column in (divmod(number, across) for number in range(count)):
            x, y = area.x + PAD + (column + 0.5) * step, area.y + HEAD + (row + 0.5) * step
            places.append((round(x, 2), round(y, 2)))
    return Chart(areas, tuple(places), round(0.8 * step, 2))


def _areas(count: int, width: float, height: float) -> tuple[Area, ...]:
    across = min(range(1, count + 1), key=lambda one: _misfit(one, count, width, height), default=1)
    down = -(-count // across)
    wide, high = width / across, height / max(down, 1)
    return tuple(
        Area(
            round(number % across * wide + PAD / 2, 2),
            round(number // across * high + PAD / 2, 2),
            wide - PAD,
            high - PAD,
        )
        for number in range(count)
    )


def _misfit(across: int, count: int, width: float, height: float) -> float:
    """How far areas are from a pleasant shape, and how much room stays empty."""
    down = -(-count // across)
    shape = abs(math.log(width / across / (height / down) / PLEASANT))
    return shape + (across * down - count) / count


def _step(area: Area, count: int) -> float:
    """Side of a square with its gap, so that `count` of them fit into an area."""
    width, height = area.width - 2 * PAD, area.height - HEAD - PAD / 2
    step = LARGEST
    while step > 0.5 and int(width // step) * int(height // step) < count:
        step *= 0.95
    return step
