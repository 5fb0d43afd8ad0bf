"""Pictures of a model as it stands: the chain with what seats believe and what is true, and how it came there.

Flows in: a `ChainModel`. Flows out: matplotlib figures. Truth is drawn in one colour of its own and says so, since no
defender sees it. Any number of assets is drawn: marks shrink with it, names go.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch

from ..twin.vocabulary import AssetKind, Mode, OccurrenceKind, RunState
from .board import HEIGHT, WIDTH, Board, lay_board
from .model import ChainModel

INK, GREY, PALE = "#222222", "#9AA1AB", "#F6F7F9"
TRUTH, BELIEF, WORK, QUIET = "#C2185B", "#E69F00", "#0072B2", "#C9CED6"
LINES = ("#0072B2", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#D55E00", "#666666", "#B8A100")  # Okabe and Ito, 2008
LINKS = 300  # links between owners that are drawn at most; more are a grey cloud
ROOM_FOR_NAMES = 0.5  # inches a cell must have for its asset to be named
LETTER = 4.1  # points across, of a name
MARKS = {
    AssetKind.HOST: "s",
    AssetKind.CONTAINER: "h",
    AssetKind.SERVICE: "o",
    AssetKind.IDENTITY: "P",
    AssetKind.DEVICE: "D",
    AssetKind.PROCESS: "*",
    AssetKind.DATA_STORE: "p",
    AssetKind.SEGMENT: "_",
    AssetKind.EXTERNAL: "X",
    AssetKind.OPAQUE: "$?$",
    AssetKind.NODE: "^",
}


def draw_chain(model: ChainModel, *, seat: int = 0, shows_truth: bool = True) -> Figure:
    """The chain at the model's tick.

    Args:
        model: the model; with `sight`, marks are filled by what a seat believes.
        seat: whose belief.
        shows_truth: whether to ring what attackers hold, and draw the tries of the tick.
    """
    board = lay_board(model.worlds.compiled.twin)
    figure = Figure(figsize=(WIDTH, HEIGHT), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(0, HEIGHT)
    axes.axis("off")
    _draw_title(axes, model, shows_truth)
    _draw_owners(axes, model, board)
    _draw_links(axes, model, board)
    _draw_assets(axes, model, board, seat)
    _draw_responses(axes, model, board)
    if shows_truth:
        _draw_truth(axes, model, board)
    _draw_legend(axes, model, shows_truth)
    return figure


def draw_course(model: ChainModel, *, shows_truth: bool = True) -> Figure:
    """The ticks gone by: loss per owner; assets held in truth and as believed, and out of service."""
    figure = Figure(figsize=(WIDTH, 3.3), facecolor="white")
    losses = _axes(figure, 0.05, "Loss per owner so far, owner-hours or the owner's currency")
    collected = model.datacollector.model_vars
    for number, owner in enumerate(model.worlds.compiled.twin.owners):
        if owner.value_per_hour > 0:
            colour = LINES[number % len(LINES)]
            losses.plot(collected[f"loss {owner.id}"], color=colour, linewidth=2, label=owner.id)
    assets = _axes(figure, 0.55, "Assets")
    if shows_truth:
        assets.plot(collected["held"], color=TRUTH, linewidth=2, linestyle="--", label="TRUTH: held")
    if "believed" in collected:
        assets.plot(collected["believed"], color=BELIEF, linewidth=2, label="held, as seat 0 expects")
    assets.plot(collected["unserved"], color=INK, linewidth=1.5, label="out of service")
    for axes in (losses, assets):
        axes.set_xlim(0, max(10, model.tick))
        axes.set_ylim(0, max(axes.dataLim.ymax * 1.3, 0.1))
        axes.legend(loc="upper left", frameon=False, fontsize=9, ncols=2)
    return figure


def _axes(figure: Figure, left: float, title: str) -> Axes:
    axes = figure.add_axes((left, 0.15, 0.43, 0.73))
    axes.set_title(title, loc="left", fontsize=11, weight="bold", color=INK)
    axes.set_xlabel("tick")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E5E8EC")
    return axes


def _draw_title(axes: Axes, model: ChainModel, shows_truth: bool) -> None:
    twin = model.worlds.compiled.twin
    said = f"Tick {model.tick} · {len(twin.owners)} owners · {len(twin.assets)} assets"
    axes.text(0.15, HEIGHT - 0.25, said, fontsize=13, weight="bold", color=INK, va="center")
    if shows_truth:
        held = f"TRUTH, hidden from defenders: {len(model.held())} assets held"
        axes.text(WIDTH - 0.15, HEIGHT - 0.25, held, fontsize=11, weight="bold", color=TRUTH, va="center", ha="right")


def _draw_owners(axes: Axes, model: ChainModel, board: Board) -> None:
    for box in board.boxes:
        owner, loss = model.worlds.compiled.twin.owners[box.owner], model.owners[box.owner].loss
        axes.add_patch(
            FancyBboxPatch(
                (box.left, box.bottom),
                box.width,
                box.height,
                boxstyle="round,pad=0,rounding_size=0.1",
                facecolor=PALE,
                edgecolor="#C9CED6",
                zorder=0,
            )
        )
        top = box.bottom + box.height
        name = _short(owner.name or owner.id, max(8, int(box.width * 11)))
        axes.text(box.left + 0.12, top - 0.17, name, fontsize=10, weight="bold", color=INK, va="center")
        if owner.value_per_hour > 0:
            axes.text(box.left + 0.12, top - 0.39, f"lost {loss:.2f}", fontsize=8.5, color="#555555", va="center")


def _draw_links(axes: Axes, model: ChainModel, board: Board) -> None:
    """Links between owners; those that a response cuts are crossed out in blue."""
    compiled, cut = model.worlds.compiled, model.worlds.state.cut[0]
    for number, link in enumerate(compiled.links[:LINKS]):
        ends = board.place[[compiled.asset_number[link.source], compiled.asset_number[link.target]]]
        is_cut = cut[number] > 0
        colour, style, width = (WORK, ":", 1.6) if is_cut else (GREY, "-", 0.5)
        axes.plot(ends[:, 0], ends[:, 1], color=colour, linestyle=style, linewidth=width, alpha=0.6, zorder=1)


def _draw_assets(axes: Axes, model: ChainModel, board: Board, seat: int) -> None:
    """Marks by kind, filled by belief; crossed where they do not serve, named where there is room."""
    twin, kinds = model.worlds.compiled.twin, model.worlds.compiled.arrays.asset["kind"]
    believed = np.zeros(len(kinds)) if model.sight is None else model.sight.held(seat).astype(float)
    believed[kinds == AssetKind.EXTERNAL] = 0.0  # that an attacker is outside says nothing of the chain
    size = _mark_size(board)
    for kind in np.unique(kinds).tolist():
        some = np.flatnonzero(kinds == kind)
        place, mark = board.place[some], MARKS[AssetKind(kind)]
        _scatter(axes, place, s=size, marker=mark, color=QUIET, linewidths=_stroke(mark), zorder=3)
        shade = np.clip(believed[some], 0, 1)
        _scatter(axes, place, s=size, marker=mark, color=BELIEF, alpha=shade, linewidths=_stroke(mark), zorder=4)
    out = board.place[model.unserved()]
    _scatter(axes, out, s=size, marker="x", color=INK, linewidths=1.4, zorder=7)
    if board.cell >= ROOM_FOR_NAMES:
        letters = int(board.cell * 72 / LETTER)
        for asset, (x, y) in zip(twin.assets, board.place, strict=True):
            weight = "bold" if asset.crown_jewel else "normal"
            axes.text(
                x,
                y - 0.2,
                _short(asset.name, letters),
                fontsize=6.5,
                color=INK,
                weight=weight,
                ha="center",
                va="center",
                zorder=8,
            )


def _draw_responses(axes: Axes, model: ChainModel, board: Board) -> None:
    """Blue squares: solid where an asset is isolated or down, dashed where a response is at work or asked for."""
    modes, assets = model.worlds.state.asset.view(np.ndarray)[0]["modes"], len(board.place)
    stopped = np.flatnonzero(sum((modes >> (4 * mode)) & 15 for mode in (Mode.ISOLATED, Mode.DOWN)))
    runs = model.worlds.state.run.view(np.ndarray)[0]
    busy = runs["target"][np.isin(runs["state"], (RunState.AWAITING_CONSENT, RunState.WORKING))]
    for numbers, style in ((stopped, "-"), (busy[busy < assets], (0, (2, 1.5)))):
        _scatter(
            axes,
            board.place[numbers],
            s=2.6 * _mark_size(board),
            marker="s",
            facecolor="none",
            edgecolor=WORK,
            linewidths=1.8,
            linestyle=style,
            zorder=5,
        )


def _draw_truth(axes: Axes, model: ChainModel, board: Board) -> None:
    """Rings on what attackers hold, arrows for what they tried in this tick: full if it worked."""
    place, size = board.place[model.held()], 2.1 * _mark_size(board)
    _scatter(axes, place, s=size, facecolor="none", edgecolor=TRUTH, linewidths=2, zorder=6)
    steps = model.worlds.compiled.arrays.step
    for kind, target, number, worked in model.trace:
        if kind == OccurrenceKind.TRIED:
            start, end = board.place[steps[number].src], board.place[target]
            look: dict[str, Any] = {"arrowstyle": "-|>", "color": TRUTH, "lw": 2, "linestyle": "-" if worked else ":"}
            axes.annotate("", end, start, arrowprops={**look, "shrinkA": 6, "shrinkB": 8}, zorder=9)


def _draw_legend(axes: Axes, model: ChainModel, shows_truth: bool) -> None:
    def mark(marker: str, label: str, **more: Any) -> Line2D:
        look = {"linestyle": "", "markersize": 8, "markeredgewidth": 1.6, **more}
        return Line2D([], [], marker=marker, label=label, **look)

    kinds = np.unique(model.worlds.compiled.arrays.asset["kind"]).tolist()
    rows = [mark(MARKS[AssetKind(kind)], AssetKind(kind).word.replace("_", " "), color=GREY) for kind in kinds]
    states = [
        mark("x", "out of service", color=INK),
        mark("s", "isolated or down", markerfacecolor="none", markeredgecolor=WORK),
        Line2D([], [], color=WORK, linestyle=(0, (2, 1.5)), linewidth=2, label="response asked for or at work"),
    ]
    if model.sight is not None:
        states.insert(0, mark("o", "believed held: the fuller, the surer", color=BELIEF))
    if shows_truth:
        states.append(mark("o", "TRUTH: held", markerfacecolor="none", markeredgecolor=TRUTH))
        states.append(Line2D([], [], color=TRUTH, marker=">", label="TRUTH: tried now (dotted: failed)"))
    for handles, height in ((rows, 0.47), (states, 0.13)):
        legend = axes.legend(
            handles=handles,
            loc="lower left",
            bbox_to_anchor=(0.005, height / HEIGHT - 0.015),
            ncols=len(handles),
            frameon=False,
            fontsize=8.5,
            handletextpad=0.3,
            columnspacing=1.3,
        )
        axes.add_artist(legend)


def _scatter(axes: Axes, place: npt.NDArray[np.float64], **look: Any) -> None:
    axes.scatter(place[:, 0], place[:, 1], **look)


def _mark_size(board: Board) -> float:
    """Area of a mark, square points."""
    return float(np.clip((0.36 * 72 * board.cell) ** 2, 2.0, 130.0))


def _stroke(mark: str) -> float:
    return 3.0 if mark == "_" else 0.5


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
