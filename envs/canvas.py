"""What pictures of environments have in common: a still ground of areas, names, lines and a legend, and its squares.

Flows in: a chart and words. Flows out: uint8[HEIGHT, WIDTH, 3] and the pixels of each square. What is drawn on them
is not decided here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from .chart import Chart

WIDTH, HEIGHT, FOOT = 880, 520, 40  # of a picture, pixels; the foot holds the legend
UNSERVED, CALM, HELD, INK = "#333333", "#E8ECEF", "#D55E00", "#222222"
LINE = "#9AA5B1"
Bytes = npt.NDArray[np.uint8]
Place = tuple[slice, slice]  # rows and columns of a picture
Entry = tuple[str, str, str]  # of a legend: fill, edge, words


def rgb(colour: str) -> Bytes:
    """uint8[3] of "#RRGGBB"."""
    return np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)


def squares(chart: Chart, reach: float) -> list[Place]:
    """The pixels within `reach` sides of the middle of each asset's square."""
    half = max(chart.side * reach, 0.5)
    return [(slice(int(y - half), int(y + half) + 1), slice(int(x - half), int(x + half) + 1)) for x, y in chart.places]


def draw_still(chart: Chart, names: Sequence[str], lines: Iterable[tuple[int, int]], legend: Sequence[Entry]) -> Bytes:
    """Areas with names, lines between assets and the legend, by matplotlib; loaded here, as only pictures need it.

    Args:
        chart: where things lie.
        names: of the areas, in order.
        lines: pairs of numbers of `chart.places`.
        legend: what colours mean.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(HEIGHT, 0)
    axes.axis("off")
    for area, name in zip(chart.areas, names, strict=True):
        axes.add_patch(Rectangle((area.x, area.y), area.width, area.height, facecolor="#F6F7F9", edgecolor="#C9CED6"))
        room = max(4, int(area.width / 7.5))
        label = name if len(name) <= room else name[: room - 1] + "…"
        axes.text(area.x + 8, area.y + 10, label, fontsize=7.5, weight="bold", color=INK, va="center", parse_math=False)
    for source, target in lines:
        (x0, y0), (x1, y1) = chart.places[source], chart.places[target]
        axes.plot([x0, x1], [y0, y1], color=LINE, linewidth=0.6, alpha=0.5)
    x, y = 12.0, HEIGHT - FOOT / 2
    for fill, edge, words in legend:
        axes.add_patch(Rectangle((x, y - 6), 12, 12, facecolor=fill, edgecolor=edge, linewidth=2))
        axes.text(x + 19, y, words, fontsize=7, color=INK, va="center")
        x += 50 + 5.6 * len(words)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn: Bytes = np.asarray(canvas.buffer_rgba(), np.uint8)[:, :, :3].copy()
    return drawn


def tiled(pictures: Sequence[Bytes]) -> Bytes:
    """Pictures of one size side by side in as square a grid as they give, row by row; white where none is left."""
    across = math.ceil(math.sqrt(len(pictures)))
    high, wide, _ = pictures[0].shape
    grid = np.full((-(-len(pictures) // across) * high, across * wide, 3), 255, np.uint8)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, across)
        grid[row * high : (row + 1) * high, column * wide : (column + 1) * wide] = picture
    return grid
