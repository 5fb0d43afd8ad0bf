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
from .chart import HEAD, Chart, lay_chart
from .game import Game

WIDTH, HEIGHT, FOOT = 880, 520, 40  # of the picture, pixels; the foot holds the legend
SHOWN = 8  # assets in the table
MODES = ("isolated", "patched", "credential_reset", "monitored", "restoring", "unserved")
COLUMN = {name: number for number, name in enumerate(FEATURES)}
# Okabe and Ito, "Color Universal Design", 2008: told apart by the colour-blind
FRAMES = {"pending": "#E69F00", "working": "#0072B2", "restoring": "#009E73", "isolated": "#0072B2"}
UNSERVED, CALM, HELD, INK = "#333333", "#E8ECEF", "#D55E00", "#222222"
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Running:
    """One running response: public."""

    playbook: str
    target: str
    state: RunState


def running(game: Game, state: WorldState, world: int) -> list[Running]:
    """The responses that await consent, are at work or hold in a world, in order of their slots."""
    rows = state.run[world]
    return [
        Running(
            game.library.names[row["playbook"]],
            game.compiled.target_name(int(row["target"])),
            RunState(int(row["state"])),
        )
        for row in rows[rows["state"] != RunState.FREE]
    ]


def probability(log_odds: Bytes) -> npt.NDArray[np.float64]:
    """What a byte of log-odds in an observation stands for, 0..1."""
    chance: npt.NDArray[np.float64] = 1.0 / (1.0 + np.exp(-(log_odds.astype(np.float64) - 128.0) / 18.0))
    return np.where(log_odds == 0, 0.0, chance)


def in_words(
    game: Game, observation: Bytes, responses: Sequence[Running], loss: npt.NDArray[np.float64], place: str
) -> str:
    """A table: most believed assets, running responses, owners with their loss so far.

    Args:
        game: the game.
        observation: uint8[T, FEATURES].
        responses: what runs.
        loss: float64[O] so far.
        place: where in which episode this is, for the first line.
    """
    assets, links, _ = game.compiled.sizes
    held, admin = probability(observation[:assets, 0]), probability(observation[:assets, 1])
    lines = [f"{game.scenario.name}: {place}, loss so far {loss.sum():.3f} owner-hours", "  held admin  age asset"]
    for a in np.argsort(-held, kind="stable")[:SHOWN]:
        age = observation[a, COLUMN["age"]]
        modes = [name for name in MODES if observation[a, COLUMN[name]]]
        told = f"{held[a]:6.2f}{admin[a]:6.2f}{'   -' if age == 255 else f'{age:4d}'} {game.compiled.assets[a].id}"
        lines.append(f"{told}  [{', '.join(modes)}]" if modes else told)
    lines.append("responses:" if responses else "responses: none")
    lines += [f"  {one.playbook} on {one.target}: {one.state.word.replace('_', ' ')}" for one in responses]
    lines.append("owners:      loss  out of service")
    out = observation[assets + links :, COLUMN["cut"]] / 255.0
    for owner, lost, share in zip(game.compiled.twin.owners, loss, out, strict=True):
        lines.append(f"  {lost:14.3f}  {share:6.0%}  {owner.id}")
    return "\n".join(lines)


class Picture:
    """The chain as a picture: squares are assets, redder the more surely held; frames and marks tell modes.

    It lives as long as its environment. Equal observations give equal pictures.
    """

    def __init__(self, compiled: Compiled) -> None:
        """Draw what does not change, and note where each asset lies."""
        chart = lay_chart(compiled.twin, width=WIDTH, height=HEIGHT - FOOT)
        self._sizes = compiled.sizes
        self._still = _draw_still(compiled, chart)
        self._frame, self._inside, self._mark = (_squares(chart, reach) for reach in (0.5, 0.36, 0.14))
        self._outage = _outage_pixels(chart)

    def draw(self, observation: Bytes) -> Bytes:
        """uint8[HEIGHT, WIDTH, 3] of what uint8[T, FEATURES] shows."""
        assets, links, _ = self._sizes
        rows, picture = observation[:assets], self._still.copy()
        for name, colour in FRAMES.items():
            for asset in np.flatnonzero(rows[:, COLUMN[name]]):
                picture[self._frame[asset]] = _rgb(colour)
        believed = probability(rows[:, COLUMN["held"]])[:, None]
        colours = np.round((1.0 - believed) * _rgb(CALM) + believed * _rgb(HELD)).astype(np.uint8)
        for place, inside in zip(self._inside, colours, strict=True):
            picture[place] = inside
        for asset in np.flatnonzero(rows[:, COLUMN["unserved"]]):
            picture[self._mark[asset]] = _rgb(UNSERVED)
        for (row, left, right), share in zip(self._outage, observation[assets + links :, COLUMN["cut"]], strict=True):
            picture[row : row + 4, left : left + (right - left) * int(share) // 255] = _rgb(UNSERVED)
        return picture


Place = tuple[slice, slice]  # rows and columns of a picture


def _squares(chart: Chart, reach: float) -> list[Place]:
    """The pixels within `reach` sides of the middle of each asset's square."""
    half = max(chart.side * reach, 0.5)
    return [(slice(int(y - half), int(y + half) + 1), slice(int(x - half), int(x + half) + 1)) for x, y in chart.places]


def _outage_pixels(chart: Chart) -> list[tuple[int, int, int]]:
    """Row, first and last column of each owner's bar of lost service."""
    return [(int(area.y + HEAD) - 5, int(area.x) + 8, int(area.x + area.width) - 8) for area in chart.areas]


def _rgb(colour: str) -> Bytes:
    return np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)


def _draw_still(compiled: Compiled, chart: Chart) -> Bytes:
    """Areas, names, boundary links and the legend, by matplotlib; loaded here, as only pictures need it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(HEIGHT, 0)
    axes.axis("off")
    for area in chart.areas:
        axes.add_patch(Rectangle((area.x, area.y), area.width, area.height, facecolor="#F6F7F9", edgecolor="#C9CED6"))
        name = compiled.twin.owner_by_id[area.owner].name or area.owner
        room = max(4, int(area.width / 7.5))
        label = name if len(name) <= room else name[: room - 1] + "…"
        axes.text(area.x + 8, area.y + 10, label, fontsize=7.5, weight="bold", color=INK, va="center", parse_math=False)
    for source, target in compiled.arrays.link_end[:400]:
        (x0, y0), (x1, y1) = chart.places[source], chart.places[target]
        axes.plot([x0, x1], [y0, y1], color="#9AA5B1", linewidth=0.6, alpha=0.5)
    _draw_legend(axes)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn: Bytes = np.asarray(canvas.buffer_rgba(), np.uint8)[:, :, :3].copy()
    return drawn


def _draw_legend(axes: object) -> None:
    from matplotlib.patches import Rectangle

    entries = [
        (HELD, HELD, "believed held"),
        (CALM, FRAMES["pending"], "awaits consent"),
        (CALM, FRAMES["working"], "response at work, isolated"),
        (CALM, FRAMES["restoring"], "restoring"),
        (UNSERVED, CALM, "out of service (bar: share of the owner's)"),
    ]
    x, y = 12.0, HEIGHT - FOOT / 2
    for fill, edge, words in entries:
        patch = Rectangle((x, y - 6), 12, 12, facecolor=fill, edgecolor=edge, linewidth=2)
        axes.add_patch(patch)  # type: ignore[attr-defined]
        axes.text(x + 19, y, words, fontsize=7, color=INK, va="center")  # type: ignore[attr-defined]
        x += 50 + 5.6 * len(words)
