"""Where owners and assets lie on the picture of a model: owners are boxes in rows, their assets a lattice inside.

Flows in: a `Twin`. Flows out: a `Board` in inches, the same for the same twin. Nothing is drawn here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..twin.graph import Twin

WIDTH, HEIGHT = 14.0, 7.0  # of the picture, inches
MARGIN, GAP = 0.15, 0.15
BOTTOM, TOP = 0.75, 6.55  # the legend is below, the title above
ROOM_FOR_NAME = 0.62  # height of an owner's name in its box
WIDEST_CELL = 0.85
MOST_ACROSS = 4  # boxes in a row


@dataclass(frozen=True, slots=True)
class Box:
    """The place of one owner."""

    owner: int
    left: float
    bottom: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """Positions of everything drawn."""

    boxes: tuple[Box, ...]
    place: npt.NDArray[np.float64]  # [N, 2] of each asset
    cell: float  # side of the smallest lattice


def lay_board(twin: Twin) -> Board:
    """Give the places: boxes by number of owner, assets in them by kind, then by id."""
    numbers = {owner.id: number for number, owner in enumerate(twin.owners)}
    members: list[list[int]] = [[] for _ in twin.owners]
    for number, asset in enumerate(twin.assets):
        members[numbers[asset.owner]].append(number)
    boxes = _boxes(len(twin.owners))
    place, cell = np.zeros((len(twin.assets), 2)), WIDEST_CELL
    for box in boxes:
        inside = sorted(members[box.owner], key=lambda number: (twin.assets[number].kind, twin.assets[number].id))
        if inside:
            place[inside], side = _lattice(box, len(inside))
            cell = min(cell, side)
    return Board(boxes, place, cell)


def _boxes(owners: int) -> tuple[Box, ...]:
    rows = math.ceil(owners / MOST_ACROSS)
    height = (TOP - BOTTOM - GAP * (rows - 1)) / rows
    boxes = []
    for row in range(rows):
        first, last = row * owners // rows, (row + 1) * owners // rows
        width = (WIDTH - 2 * MARGIN - GAP * (last - first - 1)) / (last - first)
        bottom = TOP - (row + 1) * height - row * GAP
        boxes += [
            Box(owner, MARGIN + (owner - first) * (width + GAP), bottom, width, height) for owner in range(first, last)
        ]
    return tuple(boxes)


def _lattice(box: Box, count: int) -> tuple[npt.NDArray[np.float64], float]:
    """float64[count, 2] places in a box, row by row from the top, and the side of a cell."""
    width, height = box.width - 0.2, box.height - ROOM_FOR_NAME - 0.1
    across = min(count, max(1, math.ceil(math.sqrt(count * width / height))))
    down = math.ceil(count / across)
    step_x, step_y = min(width / across, 1.2 * WIDEST_CELL), min(height / down, WIDEST_CELL)
    rows, columns = np.divmod(np.arange(count), across)
    x = box.left + 0.1 + (columns + 0.5) * step_x
    y = box.bottom + box.height - ROOM_FOR_NAME - (rows + 0.4) * step_y
    return np.stack([x, y], axis=1), min(step_x, step_y)
