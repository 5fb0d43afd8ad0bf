"""A picture of the chain with attack paths: who owns what, and how an attacker gets from outside to a crown jewel.

Flows in: a `Twin`, attack paths, a file name. Flows out: a PNG of 1600 x 1000 pixels. Assets on a path are named; the
others are small marks by kind at the foot of their owner's box, as many as there is room for. Nothing is searched here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from ..attack.holding import members
from ..attack.step import AttackStep
from ..attack.techniques import TECHNIQUES
from ..graph import Twin
from ..vocabulary import AssetKind
from .layout import HEIGHT, WIDTH, Layout, assets_of, lay_out
from .paths import AttackPath

DOTS_PER_INCH = 100
# Okabe and Ito, "Color Universal Design", 2008: told apart by the colour-blind
PATH_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
KIND_MARKS: dict[AssetKind, tuple[str, str]] = {
    AssetKind.HOST: ("s", "#4C5B6B"),
    AssetKind.CONTAINER: ("h", "#5B8DB8"),
    AssetKind.SERVICE: ("o", "#8FB8DE"),
    AssetKind.IDENTITY: ("P", "#B8860B"),
    AssetKind.DEVICE: ("D", "#6B8E5A"),
    AssetKind.PROCESS: ("*", "#B03A2E"),
    AssetKind.DATA_STORE: ("p", "#8E6BA8"),
    AssetKind.SEGMENT: ("_", "#777777"),
    AssetKind.EXTERNAL: ("X", "#222222"),
    AssetKind.OPAQUE: ("$?$", "#999999"),
    AssetKind.NODE: ("^", "#2A9D8F"),
}
INK, PALE = "#222222", "#F6F7F9"
LISTED = 6  # paths told in words under the picture
LABEL_WIDTH, LABEL_HEIGHT = 0.75, 0.26  # room that two labels' centres need, inches
Point = tuple[float, float]


def draw(twin: Twin, paths: Sequence[AttackPath], file: Path | str) -> None:
    """Draw the twin with the paths (the first six in colours of their own) as a PNG of 1600 x 1000 pixels.

    Raises:
        OSError: the file cannot be written.
    """
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DOTS_PER_INCH, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(0, HEIGHT)
    axes.axis("off")
    shown = list(paths)[:LISTED]
    layout = lay_out(twin, shown)
    _draw_title(axes, twin, len(shown))
    _draw_owners(axes, twin, layout)
    _draw_assets(axes, twin, layout)
    _draw_steps(axes, twin, layout, shown)
    _draw_kinds(axes, twin)
    _draw_list(axes, twin, shown)
    FigureCanvasAgg(figure).print_png(str(file))


def _draw_title(axes: Any, twin: Twin, count: int) -> None:
    title = f"{count} attack path{'s' * (count != 1)} to crown jewels" if count else "No attack path to a crown jewel"
    size = f"{len(twin.owners)} owners · {len(twin.assets)} assets · {len(twin.links)} links"
    axes.text(0.25, 9.62, title, fontsize=17, weight="bold", color=INK, va="center")
    axes.text(0.25, 9.27, f"{size} · {len(twin.weaknesses)} weaknesses", fontsize=10, color="#666666", va="center")


def _draw_owners(axes: Any, twin: Twin, layout: Layout) -> None:
    held = Counter(asset.owner for asset in twin.assets)
    for box in layout.boxes:
        axes.add_patch(
            FancyBboxPatch(
                (box.left, box.bottom),
                box.width,
                box.top - box.bottom,
                boxstyle="round,pad=0,rounding_size=0.12",
                facecolor=PALE,
                edgecolor="#C9CED6",
                zorder=0,
            )
        )
        name = twin.owner_by_id[box.owner].name or box.owner
        lines = wrap(name, max(6, int(box.width * 8.5)), max_lines=2, placeholder="…")
        text = "\n".join(lines)
        axes.text(box.left + 0.14, box.top - 0.12, text, fontsize=11, weight="bold", color=INK, va="top")
        count = f"{held[box.owner]} asset{'s' * (held[box.owner] != 1)}"
        axes.text(box.left + 0.14, box.top - 0.16 - 0.2 * len(lines), count, fontsize=8.5, color="#777777", va="top")


def _draw_assets(axes: Any, twin: Twin, layout: Layout) -> None:
    for asset, (x, y) in layout.crowd.items():
        mark, colour = KIND_MARKS[twin.asset_by_id[asset].kind]
        axes.scatter([x], [y], s=34, marker=mark, color=colour, alpha=0.55, linewidths=0.8, zorder=1)
    for asset, (x, y) in layout.on_path.items():
        one = twin.asset_by_id[asset]
        mark, colour = KIND_MARKS[one.kind]
        if one.crown_jewel:
            axes.scatter(
                [x], [y], s=720, marker="o", facecolor="#FFF3C4", edgecolor="#C9A000", linewidths=1.6, zorder=3
            )
        axes.scatter([x], [y], s=230, marker=mark, color=colour, linewidths=4 if mark == "_" else 2, zorder=4)
        _text(axes, (x, y - (0.34 if one.crown_jewel else 0.27)), _short(one.name, 20), INK, size=9.5, order=6)


def _draw_steps(axes: Any, twin: Twin, layout: Layout, paths: Sequence[AttackPath]) -> None:
    """One arrow per hop, in the colour of the best path that takes it; techniques are named once at each hop."""
    techniques: dict[tuple[str, str], list[str]] = defaultdict(list)
    colour: dict[tuple[str, str], str] = {}
    for number, path in enumerate(paths):
        for step in path.steps:
            hop = (step.source, step.target)
            colour.setdefault(hop, PATH_COLOURS[number])
            if step.technique not in techniques[hop]:
                techniques[hop].append(step.technique)
    occupied = [place for x, y in layout.on_path.values() for place in ((x, y), (x, y - 0.27))]
    for (source, target), names in techniques.items():
        label, ink = " ".join(names), colour[source, target]
        if source == target:
            x, y = layout.on_path[source]
            _text(axes, (x, y + 0.33), f"↻ {label}", ink, size=8.5, order=7)
        else:
            _arrow(axes, layout.on_path[source], layout.on_path[target], ink, occupied, label=label)
    for source, target, number in sorted(_silent_hops(twin, paths)):
        if (source, target) not in techniques:
            _arrow(axes, layout.on_path[source], layout.on_path[target], PATH_COLOURS[number], occupied)


def _silent_hops(twin: Twin, paths: Sequence[AttackPath]) -> set[tuple[str, str, int]]:
    """Identities to where they log in, and held members to the segment that they open."""
    inside = members(twin)
    hops: dict[tuple[str, str], int] = {}
    for number, path in enumerate(paths):
        on_path = assets_of([path])
        for step in path.steps:
            if step.identity is not None:
                hops.setdefault((step.identity, step.target), number)
            for member in [one for one in on_path if one in inside.get(step.source, ())][:1]:
                hops.setdefault((member, step.source), number)
    return {(source, target, number) for (source, target), number in hops.items()}


def _arrow(axes: Any, start: Point, end: Point, colour: str, occupied: list[Point], *, label: str = "") -> None:
    """A bent arrow with its label, or a thin dashed one if it has none."""
    dashed = not label
    bend = 0.12 if abs(end[0] - start[0]) > 0.4 else 0.3
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=15,
            connectionstyle=f"arc3,rad={bend}",
            color=colour,
            linewidth=1.2 if dashed else 2.2,
            linestyle=(0, (3, 3)) if dashed else "-",
            alpha=0.75 if dashed else 0.95,
            shrinkA=13,
            shrinkB=15,
            zorder=2 if dashed else 5,
        )
    )
    if label:
        place = _free_place(start, end, bend, occupied)
        occupied.append(place)
        _text(axes, place, label, colour, size=8.5, order=7)


def _free_place(start: Point, end: Point, bend: float, occupied: Sequence[Point]) -> Point:
    """The point on the arrow, near its middle if it can be, with most room around it for a label."""
    control = (
        (start[0] + end[0]) / 2 + bend * (end[1] - start[1]),
        (start[1] + end[1]) / 2 - bend * (end[0] - start[0]),
    )
    best, most = start, -1.0
    for along in (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74):
        here = tuple(
            (1 - along) ** 2 * a + 2 * along * (1 - along) * c + along**2 * b
            for a, c, b in zip(start, control, end, strict=True)
        )
        room = min(
            (max(abs(here[0] - x) / LABEL_WIDTH, abs(here[1] - y) / LABEL_HEIGHT) for x, y in occupied), default=1.0
        )
        if min(room, 1.0) > most:
            best, most = (here[0], here[1]), min(room, 1.0)
    return best


def _draw_kinds(axes: Any, twin: Twin) -> None:
    """The legend of marks: the kinds that the twin has."""
    kinds = sorted({asset.kind for asset in twin.assets})
    handles = [
        Line2D([], [], marker=KIND_MARKS[kind][0], color=KIND_MARKS[kind][1], linestyle="", markersize=8)
        for kind in kinds
    ]
    handles.append(Line2D([], [], marker="o", color="#FFF3C4", markeredgecolor="#C9A000", linestyle="", markersize=12))
    names = [kind.word.replace("_", " ") for kind in kinds] + ["crown jewel"]
    place: dict[str, Any] = {"loc": "center right", "bbox_to_anchor": (WIDTH - 0.2, 9.45)}
    axes.legend(
        handles,
        names,
        ncols=-(-len(names) // 2),
        fontsize=9,
        frameon=False,
        bbox_transform=axes.transData,
        columnspacing=1.2,
        handletextpad=0.3,
        **place,
    )


def _draw_list(axes: Any, twin: Twin, paths: Sequence[AttackPath]) -> None:
    """The paths in words, one a line."""
    for number, path in enumerate(paths):
        y = 2.08 - number * 0.27
        axes.add_line(Line2D([0.3, 0.7], [y, y], color=PATH_COLOURS[number], linewidth=4))
        words = f"p {path.probability:.3g}   {' › '.join(path.owners)}   to {twin.asset_by_id[path.jewel].name}:   "
        words += "  ".join(_step_words(twin, step) for step in path.steps)
        axes.text(0.82, y, _short(words, 190), fontsize=9.5, color=INK, va="center")
    used = sorted({step.technique for path in paths for step in path.steps})
    glossary = "   ".join(f"{one} {TECHNIQUES[one].name}" for one in used)
    axes.text(0.3, 0.24, _short(glossary, 330), fontsize=8, color="#666666", va="center", wrap=True)


def _step_words(twin: Twin, step: AttackStep) -> str:
    return f"{step.technique} {_short(twin.asset_by_id[step.target].name, 16)}"


def _text(axes: Any, place: Point, words: str, colour: str, *, size: float, order: int) -> None:
    """Centred words on a white ground, so that arrows beneath do not strike them out."""
    ground = {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    axes.text(*place, words, fontsize=size, color=colour, ha="center", va="center", bbox=ground, zorder=order)


def _short(words: str, length: int) -> str:
    return words if len(words) <= length else words[: length - 1] + "…"
