"""Lint of the workflow as a graph: does every way through it come to an end?

Flows in: a `Playbook`. Flows out: findings about the start, missing, dangling, doubled and unreachable steps, branches
and cycles (CACAO v2.0, section 4). What a step does by itself is not judged here.
"""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx

from .cacao import Playbook, Step
from .lint_words import Finding, error, path_to, warning

# Sections of CACAO v2.0 by step type.
SECTION = {
    "start": "4.3", "end": "4.4", "action": "4.5", "playbook-action": "4.6", "parallel": "4.7", "if-condition": "4.8",
    "while-condition": "4.9", "switch-condition": "4.10",
}  # fmt: skip


def workflow_findings(playbook: Playbook) -> Iterator[Finding]:
    """Findings about the workflow as a graph."""
    yield from _start(playbook)
    for name, step in playbook.workflow.items():
        yield from _links(playbook, name, step)
        yield from _branches(playbook, name, step)
    yield from _unreachable(playbook)
    yield from _cycles(playbook)


def next_steps(step: Step) -> list[tuple[tuple[str | int, ...], str]]:
    """Steps that a step names, each with its place in the step."""
    fields = ("on_completion", "on_success", "on_failure", "on_true", "on_false")
    named: list[tuple[tuple[str | int, ...], str]] = [
        ((field,), getattr(step, field)) for field in fields if getattr(step, field) is not None
    ]
    named += [(("next_steps", index), name) for index, name in enumerate(step.next_steps)]
    named += [(("cases", case), name) for case, name in step.cases.items()]
    return named


def _start(playbook: Playbook) -> Iterator[Finding]:
    for field in ("workflow_start", "workflow_exception"):
        name = getattr(playbook, field)
        if name is not None and name not in playbook.workflow:
            yield error("3.1", path_to(field), f"{name} is not in the workflow", "name a step that is")
    first = playbook.workflow.get(playbook.workflow_start)
    if first is not None and first.type != "start":
        yield error("3.1", path_to("workflow_start"), f"names a step of type {first.type}", "name the start step")
    if not any(step.type == "end" for step in playbook.workflow.values()):
        yield error("4.4", path_to("workflow"), "the workflow has no end step", "add one and lead every branch to one")


def _links(playbook: Playbook, name: str, step: Step) -> Iterator[Finding]:
    path = path_to("workflow", name)
    section = SECTION[step.type]
    for place, target in next_steps(step):
        if target not in playbook.workflow:
            yield error(
                "4.1", path_to("workflow", name, *place), f"{target} is not in the workflow", "name one that is"
            )
    if step.on_completion and (step.on_success or step.on_failure):
        yield error(
            "4.1", path, "has on_completion beside on_success or on_failure", "keep on_completion, or the other two"
        )
    if step.type == "start" and (step.on_success or step.on_failure):
        yield error(section, path, "a start step has no on_success or on_failure", "use on_completion")
    if step.type == "end":
        if next_steps(step):
            yield error(section, path, "an end step leads nowhere", "remove its next steps")
    elif not (step.on_completion or step.on_success):
        say = warning if step.type in ("if-condition", "while-condition", "switch-condition") else error
        yield say(section, path, "a branch ends here without an end step", "name the next step, e.g. an end step")
    elif step.on_success and not (step.on_failure or playbook.workflow_exception):
        yield warning("4.1", path, "nothing is said for its failure", "add on_failure or a workflow_exception")


def _branches(playbook: Playbook, name: str, step: Step) -> Iterator[Finding]:
    path = path_to("workflow", name)
    section = SECTION[step.type]
    if step.type in ("if-condition", "while-condition") and not (step.condition and step.on_true):
        yield error(section, path, "has no condition or no on_true", "give both")
    if step.type == "switch-condition" and not (step.switch and step.cases):
        yield error(section, path, "has no switch or no cases", "give both")
    if step.type != "parallel":
        return
    if len(step.next_steps) < 2:
        yield error(section, path, f"has {len(step.next_steps)} branches", "list two or more in next_steps")
    met: set[str] = set()
    for index, branch in enumerate(step.next_steps):
        ends = {found for found in _reachable(playbook, branch) if playbook.workflow[found].type == "end"}
        if met & ends:
            yield error(
                section,
                path_to("workflow", name, "next_steps", index),
                f"shares {min(met & ends)} with another branch",
                "give every branch an end step of its own",
            )
        met |= ends


def _unreachable(playbook: Playbook) -> Iterator[Finding]:
    reached = _reachable(playbook, playbook.workflow_start)
    if playbook.workflow_exception is not None:
        reached |= _reachable(playbook, playbook.workflow_exception)
    for name in playbook.workflow:
        if name not in reached:
            yield error("4", path_to("workflow", name), "no step leads here", "remove it or lead to it")


def _reachable(playbook: Playbook, first: str) -> set[str]:
    reached: set[str] = set()
    waiting = [first]
    while waiting:
        name = waiting.pop()
        if name in playbook.workflow and name not in reached:
            reached.add(name)
            waiting += [target for _, target in next_steps(playbook.workflow[name])]
    return reached


def _cycles(playbook: Playbook) -> Iterator[Finding]:
    graph: nx.DiGraph[str] = nx.DiGraph()
    for name, step in playbook.workflow.items():
        graph.add_edges_from((name, target) for _, target in next_steps(step))
    for names in nx.strongly_connected_components(graph):
        first = min(names)
        if len(names) > 1 or graph.has_edge(first, first):
            path = path_to("workflow", first)
            yield error("4", path, f"lies on a cycle of {len(names)} steps", "break it: a run must come to an end")
