"""A playbook as a picture: its effect above, its flow as boxes and arrows, whom it touches below. One SVG, no scripts.

Flows in: a `Playbook`, and what it touches in a twin if that is asked. Flows out: the text of an SVG document. Words of
the playbook are escaped; nothing is fetched when it is shown.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from xml.sax.saxutils import escape

from .cacao import Playbook, PlaybookError
from .lint_workflow import Reach, branches, next_steps
from .show import arrow_of, details, particulars, undo_note
from .show_layout import Layout, Spot, layout
from .show_touched import Touched

MAX_STEPS = 300  # more cannot be read in one picture
MARGIN = 28.0
LINE = 16.0
CHARACTER = 6.7  # width of one in the font below at 12 px, measured
BOX = 38  # characters in a line of a box
PAPER, INK, FAINT = "#ffffff", "#1f2933", "#66727f"
COLOURS = {  # fill and edge by step type; edges differ in darkness too
    "start": ("#e3f4e8", "#2d7d46"), "end": ("#eceff2", "#55606c"), "action": ("#e6f0fb", "#1f5fa8"),
    "playbook-action": ("#efe9fb", "#5b3fa5"), "parallel": ("#fdf3d8", "#94690a"),
    "if-condition": ("#fdeede", "#b0530f"),
    "while-condition": ("#fdeede", "#b0530f"), "switch-condition": ("#fdeede", "#b0530f"),
}  # fmt: skip
ARROWS = {"on_failure": "#b3261e", "on_success": "#2d7d46", "on_completion": "#3c4856"}
STYLE = (
    "text{font-family:'DejaVu Sans',Verdana,Arial,sans-serif;font-size:12px;fill:#1f2933}"
    ".title{font-size:20px;font-weight:bold}.faint{fill:#66727f;font-size:11px}.kind{font-weight:bold;font-size:11px}"
    ".on{font-size:11px;paint-order:stroke;stroke:#ffffff;stroke-width:4px}.head{font-weight:bold;font-size:13px}"
)


Line = tuple[str, str]  # class of the text, the text


def picture(playbook: Playbook, touched: Sequence[Touched] | None = None, twin: str = "") -> str:
    """The SVG of a playbook.

    Args:
        playbook: any playbook that was read, also one with faults.
        touched: its reach in a twin; None draws none.
        twin: the twin's name, for the heading.

    Raises:
        PlaybookError: it has more than MAX_STEPS steps, or declares a malformed effect.
    """
    if len(playbook.workflow) > MAX_STEPS:
        raise PlaybookError(f"playbook {playbook.name}: {len(playbook.workflow)} steps; a picture holds {MAX_STEPS}")
    drawn, boxes = _flow(playbook)
    width = max(drawn.width, 640.0)
    head, top = _heading(playbook, width)
    flow = [
        f'<g transform="translate({MARGIN + (width - drawn.width) / 2:.1f},{top:.1f})">',
        *_arrows(playbook, drawn),
        *(_box(playbook, name, drawn.spots[name], lines) for name, lines in boxes.items()),
        "</g>",
    ]
    foot, height = _touched(touched, twin, width, top + drawn.height + MARGIN)
    size = f'width="{width + 2 * MARGIN:.0f}" height="{height:.0f}" viewBox="0 0 {width + 2 * MARGIN:.0f} {height:.0f}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{_safe(playbook.name)}">',
            f"<style>{STYLE}</style>",
            _markers(),
            f'<rect width="100%" height="100%" fill="{PAPER}"/>',
            *head,
            *flow,
            *foot,
            "</svg>\n",
        ]
    )


def _flow(playbook: Playbook) -> tuple[Layout, dict[str, list[Line]]]:
    boxes = {name: _lines(playbook, name) for name in playbook.workflow}
    for step in playbook.workflow.values():
        for _, target in next_steps(step):
            boxes.setdefault(target, [("kind", "missing"), *(("", line) for line in _wrapped(target))])
    sizes = {
        name: (max(max(len(line) for _, line in lines) * CHARACTER + 28, 90.0), len(lines) * LINE + 14)
        for name, lines in boxes.items()
    }
    reach = Reach(playbook)
    after = []
    for step in playbook.workflow.values():
        later = [target for place, target in next_steps(step) if place[0] in ARROWS and target in playbook.workflow]
        for _, branch in branches(step):
            ends = [one for one in reach.steps(reach.of(branch) & reach.ends) if one not in later]
            after += [(one, target) for one in ends for target in later]
    return layout(sizes, [(source, target) for source, target, _ in _links(playbook)], after), boxes


def _links(playbook: Playbook) -> list[tuple[str, str, str]]:
    return [
        (name, target, arrow_of(place))
        for name, step in playbook.workflow.items()
        for place, target in next_steps(step)
    ]


def _lines(playbook: Playbook, name: str) -> list[Line]:
    step = playbook.workflow[name]
    undo = undo_note(playbook, name)
    lines: list[Line] = [("kind", step.type), *(("", line) for line in _wrapped(step.name))]
    lines += [("faint", line) for line in _wrapped(particulars(playbook, step))]
    return lines + ([("faint", f"undo: {undo}")] if undo else [])


def _wrapped(text: str) -> list[str]:
    lines = textwrap.wrap(text, BOX)
    return lines if len(lines) < 7 else [*lines[:6], "..."]


def _box(playbook: Playbook, name: str, spot: Spot, lines: list[Line]) -> str:
    step = playbook.workflow.get(name)
    fill, edge = COLOURS[step.type] if step else ("#fdecea", "#b3261e")
    left, top = spot.x - spot.width / 2, spot.y - spot.height / 2
    radius = spot.height / 2 if step and step.type in ("start", "end") else 7
    dashes = "" if step else ' stroke-dasharray="4 3"'
    parts = [
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{spot.width:.1f}" height="{spot.height:.1f}" rx="{radius:.1f}" '
        f'fill="{fill}" stroke="{edge}" stroke-width="1.5"{dashes}/>'
    ]
    if step and step.type in ("parallel", "if-condition", "while-condition", "switch-condition"):
        parts.append(f'<rect x="{left:.1f}" y="{top:.1f}" width="5" height="{spot.height:.1f}" fill="{edge}"/>')
    for index, (kind, line) in enumerate(lines):
        y = top + 18 + index * LINE
        style = f'class="{kind}"' + (f' style="fill:{edge}"' if kind == "kind" else "")
        parts.append(f'<text x="{spot.x:.1f}" y="{y:.1f}" text-anchor="middle" {style}>{_safe(line)}</text>')
    if name == playbook.workflow_exception:
        parts.append(
            f'<text x="{spot.x:.1f}" y="{top - 8:.1f}" text-anchor="middle" class="kind" '
            f'style="fill:{ARROWS["on_failure"]}">workflow_exception</text>'
        )
    return f"<g><title>{_safe(name)}</title>{''.join(parts)}</g>"


def _arrows(playbook: Playbook, drawn: Layout) -> list[str]:
    told, words = [], []
    leaving: dict[str, int] = {}
    total: dict[str, int] = {}
    links = _links(playbook)
    for source, _, _ in links:
        total[source] = total.get(source, 0) + 1
    order = sorted(range(len(links)), key=lambda index: _first_x(drawn, index, links[index][1]))
    for index in order:
        source, target, why = links[index]
        number = leaving[source] = leaving.get(source, 0) + 1
        start, end = drawn.spots[source], drawn.spots[target]
        down = start.y <= end.y
        x = start.x + start.width * (number / (total[source] + 1) - 0.5) * 0.8
        first = (x, start.y + start.height / 2 * (1 if down else -1))
        last = (end.x, end.y - end.height / 2 * (1 if down else -1))
        points = [first, *drawn.bends.get(index, ()), last]
        colour = ARROWS.get(why, "#7a5a12")
        dashes = ' stroke-dasharray="6 4"' if why == "on_failure" else ""
        told.append(
            f'<path d="{_curve(points)}" fill="none" stroke="{colour}" stroke-width="1.6"{dashes} '
            f'marker-end="url(#tip-{colour[1:]})"/>'
        )
        after = points[1]
        part = 0.42 if total[source] < 3 else 0.3 + 0.26 * (number % 2)  # neighbours at two heights
        at = (first[0] + (after[0] - first[0]) * part, first[1] + (after[1] - first[1]) * part + 4)
        where = f'x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="middle" style="fill:{colour}"'
        words.append(f'<text class="on" {where}>{_safe(why)}</text>')
    return told + words  # words over all lines


def _first_x(drawn: Layout, index: int, target: str) -> float:
    bends = drawn.bends.get(index)
    return bends[0][0] if bends else drawn.spots[target].x


def _curve(points: list[tuple[float, float]]) -> str:
    """Smooth from point to point, leaving and arriving upright."""
    path = f"M{points[0][0]:.1f},{points[0][1]:.1f}"
    for (x, y), (to_x, to_y) in zip(points, points[1:], strict=False):
        bend = (to_y - y) / 2
        path += f" C{x:.1f},{y + bend:.1f} {to_x:.1f},{to_y - bend:.1f} {to_x:.1f},{to_y:.1f}"
    return path


def _markers() -> str:
    tips = "".join(
        f'<marker id="tip-{colour[1:]}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0,0 L10,5 L0,10 z" fill="{colour}"/></marker>'
        for colour in (*ARROWS.values(), "#7a5a12")
    )
    return f"<defs>{tips}</defs>"


def _heading(playbook: Playbook, width: float) -> tuple[list[str], float]:
    told = details(playbook)
    effect = told["effect"]
    lines = [("title", playbook.name)]
    lines += [("", line) for line in _summary(playbook.description, int(width / CHARACTER))]
    if effect is None:
        lines.append(("faint", "declares no effect on a twin"))
    else:
        does = ", ".join(f"{verb} {_word(value)}" for verb, value in told["verbs"].items())
        on = ", ".join(told["kinds"]) or told["target_type"]
        lines.append(("head", f"{does} on {on} · consent class {told['consent_class']}"))
        numbers = "takes {work_s:g} s · holds {hold_s:g} s · {labour_h:g} h of work · succeeds with {success:g}"
        lines.append(("", numbers.format(**effect)))
        undo = f"undo {'possible' if told['undo'] else 'not possible'}: {effect['undo']['how']}"
        for text in (undo, f"twice: {effect['idempotency']}"):
            lines += [("", line) for line in textwrap.wrap(text, int(width / CHARACTER))]
    lines.append(("faint", f"{playbook.id} · modified {playbook.modified} · sha-256 {told['digest'][:16]}..."))
    return _text(lines, MARGIN + 16)


def _summary(text: str, width: int) -> list[str]:
    """The first paragraph, in at most four lines; what is cut off is said to be."""
    first, _, more = text.strip().partition("\n\n")
    lines = textwrap.wrap(first, width)
    return [*lines[:4], "..."] if len(lines) > 4 or more.strip() else lines


def _word(value: object) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {_word(one)}" for key, one in value.items()) + ")"
    return "" if value is True else str(value)


def _touched(touched: Sequence[Touched] | None, twin: str, width: float, top: float) -> tuple[list[str], float]:
    if touched is None:
        return [], top + MARGIN / 2
    lines = [("head", f"May touch in {twin}")]
    for one in touched:
        consent = f" · {'; '.join(one.consent)}" if one.consent else ""
        feel = "1 asset feels" if len(one.feels) == 1 else f"{len(one.feels)} assets feel"
        lines.append(("kind", f"{one.owner}: {len(one.targets)} targets, {feel} it{consent}"))
        named = ", ".join([*one.targets[:6], *(["..."] if len(one.targets) > 6 else [])])
        lines += [("faint", line) for line in textwrap.wrap(named, int(width / 6.1))[:3]]
    if not touched:
        lines.append(("", "nothing there is of a kind that it acts on"))
    told, bottom = _text(lines, top + 16)
    return told, bottom + MARGIN / 2


def _text(lines: Sequence[tuple[str, str]], top: float) -> tuple[list[str], float]:
    told, y = [], top
    for kind, line in lines:
        told.append(f'<text class="{kind}" x="{MARGIN:.0f}" y="{y:.1f}">{_safe(line)}</text>')
        y += 26 if kind == "title" else LINE + 2
    return told, y + 16


def _safe(text: str) -> str:
    return escape("".join(sign if sign.isprintable() else "?" for sign in text), {'"': "&quot;"})
