"""What an environment shows of itself: a table in text, a picture of the chain. Both show what a learner may know.

Flows in: a game, one world's observation, its running responses, loss so far. Flows out: a string, or uint8[H, W, 3].
The picture's still parts are drawn once; each step only colours squares. Hidden truth is never read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..twin.compiled import Compiled
from ..twin.rulebook.state import WorldState
from ..twin.sensing.observe import FEATURES
from ..twin.vocabulary import RunState
from .canvas import CALM, FOOT, HEIGHT, HELD, UNSERVED, WIDTH, Bytes, draw_still, rgb, squares
from .chart import HEAD, Chart, lay_chart
from .game import Game

SHOWN = 8  # assets in the table
MODES = ("isolated", "patched", "credential_reset", "monitored", "restoring", "unserved")
COLUMN = {name: number for number, name in enumerate(FEATURES)}
# Okabe and Ito, "Color Universal Design", 2008: told apart by the colour-blind
FRAMES = {"pending": "#E69F00", "working": "#0072B2", "restoring": "#009E73", "isolated": "#0072B2"}
LEGEND = (
    (HELD, HELD, "believed held"),
    (CALM, FRAMES["pending"], "awaits consent"),
    (CALM, FRAMES["working"], "response at work, isolated"),
    (CALM, FRAMES["restoring"], "restoring"),
    (UNSERVED, CALM, "out of service (bar: share of the owner's)"),
)
MOST_LINES = 400  # boundary links drawn: more make no picture


@dataclass(frozen=True, slots=True)
class Running:
    """One running response: public."""

    playbook: str
    target: str
    state: RunState


def running(game: Game, state: WorldState, world: int, *, view: Compiled | None = None) -> list[Running]:
    """The responses that await consent, are at work or hold in a world, in order of their slots.

    Args:
        game: the game.
        state: worlds.
        world: which of them.
        view: whose numbers `state` is in; left out: the game's whole twin.
    """
    rows, shown = state.run[world], view or game.compiled
    return [
        Running(
            game.library.names[row["playbook"]],
            shown.target_name(int(row["target"])),
            RunState(int(row["state"])),
        )
        for row in rows[rows["state"] != RunState.FREE]
    ]


def probability(log_odds: Bytes) -> npt.NDArray[np.float64]:
    """What a byte of log-odds in an observation stands for, 0..1."""
    chance: npt.NDArray[np.float64] = 1.0 / (1.0 + np.exp(-(log_odds.astype(np.float64) - 128.0) / 18.0))
    return np.where(log_odds == 0, 0.0, chance)


def in_words(
    game: Game,
    observation: Bytes,
    responses: Sequence[Running],
    loss: npt.NDArray[np.float64],
    place: str,
    *,
    view: Compiled | None = None,
) -> str:
    """A table: most believed assets, running responses, owners with their loss so far.

    Args:
        game: the game.
        observation: uint8[T, FEATURES].
        responses: what runs.
        loss: float64[O] so far; NaN: not known.
        place: where in which episode this is, for the first line.
        view: the twin that the observation is of; left out: the game's whole twin.
    """
    shown = view or game.compiled
    assets, links, _ = shown.sizes
    held, admin = probability(observation[:assets, 0]), probability(observation[:assets, 1])
    lost = float(np.nansum(loss))
    lines = [f"{game.scenario.name}: {place}, loss so far {lost:.3f} owner-hours", "  held admin  age asset"]
    for a in np.argsort(-held, kind="stable")[:SHOWN]:
        age = observation[a, COLUMN["age"]]
        modes = [name for name in MODES if observation[a, COLUMN[name]]]
        told = f"{held[a]:6.2f}{admin[a]:6.2f}{'   -' if age == 255 else f'{age:4d}'} {shown.assets[a].id}"
        lines.append(f"{told}  [{', '.join(modes)}]" if modes else told)
    lines.append("responses:" if responses else "responses: none")
    lines += [f"  {one.playbook} on {one.target}: {one.state.word.replace('_', ' ')}" for one in responses]
    lines.append("owners:      loss  out of service")
    out = observation[assets + links :, COLUMN["cut"]] / 255.0
    for owner, one, share in zip(shown.twin.owners, loss, out, strict=True):
        lines.append(f"  {'-' if np.isnan(one) else f'{one:.3f}':>14}  {share:6.0%}  {owner.id}")
    return "\n".join(lines)


class Picture:
    """A chain, or what a view shows of it: squares are assets, redder the more surely held; frames, marks tell modes.

    It lives as long as its environment. Equal observations give equal pictures.
    """

    def __init__(self, compiled: Compiled, *, viewer: str = "") -> None:
        """Draw what does not change, and note where each asset lies; an owner whose view it is is named as that."""
        chart = lay_chart(compiled.twin, width=WIDTH, height=HEIGHT - FOOT)
        self._sizes = compiled.sizes
        marks = {viewer: "VIEW OF "}
        names = [f"{marks.get(owner.id, '')}{owner.name or owner.id}" for owner in compiled.twin.owners]
        lines = [(int(source), int(target)) for source, target in compiled.arrays.link_end[:MOST_LINES]]
        self._still = draw_still(chart, names, lines, LEGEND)
        self._frame, self._inside, self._mark = (squares(chart, reach) for reach in (0.5, 0.36, 0.14))
        self._outage = _outage_pixels(chart)

    def draw(self, observation: Bytes) -> Bytes:
        """uint8[HEIGHT, WIDTH, 3] of what uint8[T, FEATURES] shows."""
        assets, links, _ = self._sizes
        rows, picture = observation[:assets], self._still.copy()
        for name, colour in FRAMES.items():
            for asset in np.flatnonzero(rows[:, COLUMN[name]]):
                picture[self._frame[asset]] = rgb(colour)
        believed = probability(rows[:, COLUMN["held"]])[:, None]
        colours = np.round((1.0 - believed) * rgb(CALM) + believed * rgb(HELD)).astype(np.uint8)
        for place, inside in zip(self._inside, colours, strict=True):
            picture[place] = inside
        for asset in np.flatnonzero(rows[:, COLUMN["unserved"]]):
            picture[self._mark[asset]] = rgb(UNSERVED)
        for (row, left, right), share in zip(self._outage, observation[assets + links :, COLUMN["cut"]], strict=True):
            picture[row : row + 4, left : left + (right - left) * int(share) // 255] = rgb(UNSERVED)
        return picture


def _outage_pixels(chart: Chart) -> list[tuple[int, int, int]]:
    """Row, first and last column of each owner's bar of lost service."""
    return [(int(area.y + HEAD) - 5, int(area.x) + 8, int(area.x + area.width) - 8) for area in chart.areas]
