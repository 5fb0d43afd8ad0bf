"""Where owners and assets lie on a picture of a chain: owners are boxes side by side, in the order paths enter them.

Flows in: a `Twin` and attack paths. Flows out: positions in inches. Nothing is drawn here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..graph import Asset, Twin
from ..vocabulary import AssetKind
from .paths import AttackPath

WIDTH, HEIGHT = 16.0, 10.0  # of the picture, inches
MARGIN, GAP = 0.25, 0.22
TOP, BOTTOM = 9.05, 2.35  # of the boxes
CROWD_ROW, CROWD_STEP = 0.2, 0.2  # spacing of assets that are on no path


@dataclass(frozen=True, slots=True)
class Box:
    """The place of one owner."""

    owner: str
    left: float
    width: float
    bottom: float = BOTTOM
    top: float = TOP


@dataclass(frozen=True, slots=True)
class Layout:
    """Positions of everything drawn."""

    boxes: tuple[Box, ...]
    on_path: Mapping[str, tuple[float, float]]  # asset id to (x, y)
    crowd: Mapping[str, tuple[float, float]]  # the assets on no path


def lay_out(twin: Twin, paths: Sequence[AttackPath]) -> Layout:
    """Give the positions: path assets in the order they are taken, from the top, the rest in rows at the bottom."""
    taken = assets_of(paths)
    owners = _in_order_of_entry(twin, paths)
    owners += [owner.id for owner in twin.owners if owner.id not in owners]
    boxes = _boxes(twin, owners, taken)
    on_path: dict[str, tuple[float, float]] = {}
    crowd: dict[str, tuple[float, float]] = {}
    for box in boxes:
        others = sorted(
            (a for a in twin.assets if a.owner == box.owner and a.id not in taken), key=lambda a: (a.kind, a.id)
        )
        floor = _place_crowd(box, others, crowd)
        _place_taken(box, [asset for asset in taken if twin.asset_by_id[asset].owner == box.owner], floor, on_path)
    return Layout(tuple(boxes), on_path, crowd)


def assets_of(paths: Sequence[AttackPath]) -> list[str]:
    """Ids of the assets on the paths, in the order they are taken."""
    return list(
        dict.fromkeys(
            asset
            for path in paths
            for step in path.steps
            for asset in (step.source, *filter(None, [step.identity]), step.target)
        )
    )


def _in_order_of_entry(twin: Twin, paths: Sequence[AttackPath]) -> list[str]:
    """Owners on the paths: those outside first, then by the earliest step into them on any path."""
    entry: dict[str, int] = {}
    for path in paths:
        for number, step in enumerate(path.steps):
            for asset, when in ((step.source, number), (step.target, number + 1)):
                owner = twin.asset_by_id[asset].owner
                entry[owner] = min(when, entry.get(owner, when))
    return sorted(entry, key=lambda owner: (not _is_outside(twin, owner), entry[owner]))


def _is_outside(twin: Twin, owner: str) -> bool:
    kinds = {asset.kind for asset in twin.assets if asset.owner == owner}
    return kinds == {AssetKind.EXTERNAL}


def _boxes(twin: Twin, owners: list[str], taken: list[str]) -> list[Box]:
    """Boxes side by side: broader with more path assets, narrow where there are none."""
    load: dict[str, int] = defaultdict(int)
    for asset in taken:
        load[twin.asset_by_id[asset].owner] += 1
    weight = {owner: (0.8 if load[owner] else 0.6) + 0.14 * min(max(0, load[owner] - 1), 5) for owner in owners}
    room = WIDTH - 2 * MARGIN - GAP * (len(owners) - 1)
    boxes, left = [], MARGIN
    for owner in owners:
        width = room * weight[owner] / sum(weight.values())
        boxes.append(Box(owner, left, width))
        left += width + GAP
    return boxes


def _place_crowd(box: Box, others: list[Asset], crowd: dict[str, tuple[float, float]]) -> float:
    """Put the rest in rows from the bottom; give the height where they end."""
    across = max(1, int((box.width - 0.3) / CROWD_STEP))
    rows = min(-(-len(others) // across), 9)
    for number, asset in enumerate(others[: across * rows]):
        row, column = divmod(number, across)
        crowd[asset.id] = (box.left + 0.2 + column * CROWD_STEP, box.bottom + 0.18 + (rows - 1 - row) * CROWD_ROW)
    return box.bottom + rows * CROWD_ROW + (0.45 if rows else 0.1)


def _place_taken(box: Box, taken: list[str], floor: float, on_path: dict[str, tuple[float, float]]) -> None:
    """Spread path assets from the top down, left and right in turn, so that arrows and labels have room."""
    ceiling = box.top - 0.95
    step = min(1.5, (ceiling - floor - 0.3) / max(1, len(taken) - 1)) if len(taken) > 1 else 0.0
    start = ceiling if len(taken) > 1 else ceiling - 0.75
    for number, asset in enumerate(taken):
        lean = 0.0 if box.width < 1.6 or len(taken) == 1 else (-0.22 if number % 2 == 0 else 0.22)
        on_path[asset] = (box.left + box.width * (0.5 + lean), start - number * step)
