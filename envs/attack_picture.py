"""What the attacker's seat shows of itself: a text and a picture of what it has discovered.

Flows in: an observation of the seat, names of what is in it. Flows out: a string, or uint8[H, W, 3]. Places follow the
order of discovery, so that a picture tells nothing of what is not in the observation.
"""

from __future__ import annotations

import numpy as np

from .canvas import CALM, FOOT, HEIGHT, HELD, LINE, UNSERVED, WIDTH, Bytes, draw_still, rgb, squares
from .chart import lay_groups
from .discovery import ASSET_COLUMNS, Discovery, Seen

COLUMN = {name: number for number, name in enumerate(ASSET_COLUMNS)}
# Okabe and Ito, "Color Universal Design", 2008: told apart by the colour-blind
FILLS = {"had": "#BBBBBB", "user": "#F0E442", "admin": HELD}  # the last that holds
FRAMES = {"entry": "#CC79A7", "in_reach": "#0072B2", "cut_off": "#009E73"}
LEGEND = (
    (CALM, FRAMES["in_reach"], "in reach"),
    (FILLS["user"], FILLS["user"], "held, user"),
    (FILLS["admin"], FILLS["admin"], "held, admin"),
    (FILLS["had"], FILLS["had"], "lost again"),
    (CALM, FRAMES["cut_off"], "held, cut off"),
    (CALM, FRAMES["entry"], "entry"),
    (UNSERVED, CALM, "stopped"),
)


def in_words(seen: Seen, discovery: Discovery, place: str) -> str:
    """What is held, what is known beside it, and what may be tried, by the number of the action.

    Args:
        seen: the observation.
        discovery: gives the names of its rows.
        place: where in which episode this is, for the first line.
    """
    told = ("entry", "user", "admin", "persists", "stopped", "cut_off", "in_reach")
    holds, knows = list[str](), list[str]()
    for name, row in zip(discovery.asset_names, seen["assets"], strict=False):
        words = ", ".join(column for column in told if row[COLUMN[column]])
        (holds if row[COLUMN["user"]] else knows).append(f"  {name}: {words}" if words else f"  {name}")
    tries = [f"  {number}: {name}" for number, name in enumerate(discovery.step_names, 1)]
    return "\n".join([place, "holds:", *holds, "knows of:", *knows, "may try:", *tries])


class AttackPicture:
    """What is discovered as a picture: an area per owner, a square per asset, a line per open step.

    It lives as long as its environment. The still ground is drawn anew when something is discovered.
    """

    def __init__(self) -> None:
        """Nothing is drawn yet."""
        self._drawn_for: tuple[list[str], list[str]] | None = None

    def draw(self, seen: Seen, assets: list[str], owners: list[str]) -> Bytes:
        """uint8[HEIGHT, WIDTH, 3] of an observation.

        Args:
            seen: the observation.
            assets: names of its assets, by slot.
            owners: names of its owners, by number.
        """
        if self._drawn_for != (assets, owners):
            self._draw_ground(seen, assets, owners)
        picture, rows = self._ground.copy(), seen["assets"]
        for source, target in seen["ends"][:, :2]:
            if source and source != target:
                self._draw_line(picture, self._slots[source - 1], self._slots[target - 1])
        for place, slot in enumerate(self._order):
            picture[self._frame[place]] = rgb(self._last(FRAMES, rows[slot]))
            picture[self._inside[place]] = rgb(self._last(FILLS, rows[slot]))
            if rows[slot, COLUMN["stopped"]]:
                picture[self._mark[place]] = rgb(UNSERVED)
        return picture

    def _draw_ground(self, seen: Seen, assets: list[str], owners: list[str]) -> None:
        numbers = seen["owners"][: len(assets)]
        self._order = np.argsort(numbers, kind="stable")  # slots in order of places
        groups = [int(np.count_nonzero(numbers == number)) for number in range(1, len(owners) + 1)]
        chart = lay_groups(groups, width=WIDTH, height=HEIGHT - FOOT)
        self._slots = np.argsort(self._order)  # the place of each slot
        self._middle = np.array(chart.places).reshape(-1, 2)
        self._frame, self._inside, self._mark = (squares(chart, reach) for reach in (0.5, 0.36, 0.14))
        self._ground = draw_still(chart, owners, [], LEGEND)
        self._drawn_for = (list(assets), list(owners))

    def _draw_line(self, picture: Bytes, source: int, target: int) -> None:
        start, end = self._middle[source], self._middle[target]
        points = np.linspace(start, end, int(np.abs(end - start).max()) + 1).astype(int)
        picture[points[:, 1], points[:, 0]] = rgb(LINE)

    @staticmethod
    def _last(colours: dict[str, str], row: Bytes) -> str:
        """The colour of the last of the columns that is set."""
        found = CALM
        for name, colour in colours.items():
            if row[COLUMN[name]]:
                found = colour
        return found
