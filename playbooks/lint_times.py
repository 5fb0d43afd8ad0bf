"""Lint of the times that steps name: none outlasts a run, and what a node would wait for too briefly names its own.

Flows in: a `Playbook`. Flows out: findings about `delay` and `timeout` (CACAO v2.0, section 4.1).
"""

from __future__ import annotations

from collections.abc import Iterator

from .cacao import Playbook, PlaybookError
from .effects import declaration_of
from .execute import Bounds
from .lint_commands import commands_of
from .lint_words import Finding, found
from .lint_workflow import branches, next_steps

RUN_S = Bounds().run_s
ORDER_S = 300  # `order_s` of a node's terms where they say nothing; a test compares
WAITED_FOR = ("bash", "powershell", "ssh", "http-api")  # not openc2-http: its consumers may answer 102 and work on


def time_findings(playbook: Playbook) -> Iterator[Finding]:
    """Findings about the times of each step."""
    lasts = _work_s(playbook)
    outside = _outside_of_timeouts(playbook)
    for name, step in playbook.workflow.items():
        for field in ("delay", "timeout"):
            if (getattr(step, field) or 0) > RUN_S * 1000:
                said = f"{field} of {getattr(step, field)} ms is longer than a run, which takes at most {RUN_S} s"
                yield found("step-time", ("workflow", name, field), said, "write a shorter one, in milliseconds")
        if lasts <= ORDER_S or step.timeout:
            continue
        kind = _waited_for(playbook, name, is_inside=name not in outside)
        if kind:
            said = f"work_s is {lasts:g} s, yet its {kind} command is given up after {ORDER_S} s (a node's default)"
            mend = f"write a timeout in milliseconds, e.g. {1000 * min(lasts, RUN_S):.0f}"
            yield found("step-timeout", ("workflow", name), said, mend)


def _waited_for(playbook: Playbook, name: str, *, is_inside: bool) -> str:
    """Type of the first command that a node waits for with no time but its own; empty: none.

    A timeout around the step bounds what it does, not its undo, which comes later (see docs/execution.md).
    """
    for place, command in commands_of(playbook, name):
        if command.type in WAITED_FOR and not (is_inside and place[2] == "commands"):
            return command.type
    return ""


def _work_s(playbook: Playbook) -> float:
    """Seconds that the whole takes, as it declares; 0 where that cannot be read, which is told elsewhere."""
    try:
        return float(declaration_of(playbook)["work_s"])
    except PlaybookError:
        return 0.0


def _outside_of_timeouts(playbook: Playbook) -> set[str]:
    """Steps that a run may come to without being in a branch of a step that names a timeout."""
    waiting = [playbook.workflow_start, playbook.workflow_exception or ""]
    outside: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in outside and name in playbook.workflow:
            outside.add(name)
            step = playbook.workflow[name]
            timed = branches(step) if step.timeout else []
            waiting += [target for place, target in next_steps(step) if (place, target) not in timed]
    return outside
