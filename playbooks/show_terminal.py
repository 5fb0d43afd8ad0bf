"""A playbook in the terminal: its flow as a tree, its effect, its commands, whom it touches.

Flows in: what `show` and `show_touched` give. Flows out: text on standard output, coloured where that is a terminal.
Control characters of a playbook never reach it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from .cacao import Playbook
from .show import Row, flow_rows
from .show_touched import Touched

WIDTH = 160  # where no terminal says otherwise: lines of a pipe are not broken early
STYLES = {
    "start": "green", "end": "bright_black", "action": "blue", "playbook-action": "magenta", "parallel": "yellow",
    "if-condition": "dark_orange", "while-condition": "dark_orange", "switch-condition": "dark_orange",
    "missing": "bold red",
}  # fmt: skip
ARROWS = {"on_failure": "red", "workflow_exception": "red", "on_success": "green"}


def print_shown(playbook: Playbook, told: Mapping[str, Any], touched: Sequence[Touched] | None) -> None:
    """Print what `tocsin playbook show` says."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console = Console(highlight=False, soft_wrap=True, width=WIDTH)
    console.print(Text(plain(f"{told['name']} ({told['id']}, digest {told['digest']})"), style="bold"))
    console.print(Text(plain(f"{told['description']}\n")))
    console.print(_tree(flow_rows(playbook)))
    for line in [*_effect(told), *_commands(told), *_touched(touched)]:
        console.print(Text(plain(line)))


def plain(text: str) -> str:
    """Without control characters: a playbook of a stranger does not steer the terminal."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in text)


def _tree(rows: Sequence[Row]) -> Tree:
    top = Tree("", hide_root=True, guide_style="bright_black")
    parents = [top]
    for row in rows:
        label = Text()
        if row.arrow:
            label.append(plain(f"{row.arrow} -> "), style=ARROWS.get(row.arrow, "bright_black"))
        label.append(plain(row.text), style=STYLES.get(row.kind, ""))
        del parents[row.depth + 1 :]
        parents.append(parents[-1].add(label))
    return top


def _effect(told: Mapping[str, Any]) -> list[str]:
    effect = told["effect"]
    if effect is None:
        return ["", "declares no effect on a twin: no library takes it"]
    return [
        "",
        f"on: {', '.join(told['kinds']) or told['target_type']}",
        f"consent class: {told['consent_class']}",
        "does: "
        + ("; ".join(f"{verb} {json.dumps(value)}" for verb, value in told["verbs"].items()) or "nothing to it"),
        "takes {work_s:g} s, holds {hold_s:g} s, {labour_h:g} h of work, succeeds with {success:g}".format(**effect),
        f"undo: {'yes' if told['undo'] else 'no'}: {effect['undo']['how']}",
        f"idempotency: {effect['idempotency']}",
    ]


def _commands(told: Mapping[str, Any]) -> list[str]:
    return [
        f"{word}: {body if isinstance(body, str) else json.dumps(body)}"
        for command in told["commands"]
        for word in ("sends", "undo")
        for body in command[word]
    ]


def _touched(touched: Sequence[Touched] | None) -> list[str]:
    if touched is None:
        return []
    lines = ["", "may touch:"]
    for one in touched:
        consent = f"; consent {', '.join(one.consent)}" if one.consent else ""
        lines.append(f"  {one.owner}: {len(one.targets)} targets, {len(one.feels)} assets that depend on some{consent}")
        lines += [f"    {target}" for target in one.targets]
    return lines if touched else [*lines, "  nothing there is of a kind that it acts on"]
