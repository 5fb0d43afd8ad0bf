"""Lint of the workflow as a graph: does every way through it come to an end?

Flows in: a `Playbook`. Flows out: findings about the start, missing, dangling, doubled and unreachable steps, branches
and cycles (CACAO v2.0, section 4). What a step does by itself is not judged here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import networkx as nx

from .cacao import AnyStep, Playbook
from .lint_identity import entries
from .lint_shape import STEP_SECTIONS
from .lint_words import Finding, Place, found, shown

BRANCHING = ("parallel", "if-condition", "while-condition", "switch-condition")


def workflow_findings(playbook: Playbook) -> Iterator[Finding]:
    """Findings about the workflow as a graph."""
    yield from _ends(playbook)
    known = set(entries(playbook, "workflow"))
    reach = Reach(playbook)
    for name, step in playbook.workflow.items():
        yield from _links(playbook, name, step, known)
        if step.type in BRANCHING:
            yield from _branches(name, step, reach)
    yield from _unreachable(playbook, reach)
    yield from _cycles(reach)


def next_steps(step: AnyStep) -> list[tuple[Place, str]]:
    """Steps that a step names, each with its place in the step: first its branches, then what comes after."""
    return branches(step) + [
        ((field,), target)
        for field in ("on_completion", "on_success", "on_failure")
        if (target := getattr(step, field, None))
    ]


def branches(step: AnyStep) -> list[tuple[Place, str]]:
    """First steps of a step's branches, each with its place in the step; none of a step that has none."""
    found_branches: list[tuple[Place, str]] = []
    if step.type == "parallel":
        found_branches = [(("next_steps", index), name) for index, name in enumerate(step.next_steps)]
    elif step.type == "switch-condition":
        found_branches = [(("cases", case), name) for case, name in step.cases.items()]
    elif step.type == "if-condition":
        found_branches = [(("on_true",), step.on_true), (("on_false",), step.on_false or "")]
    elif step.type == "while-condition":
        found_branches = [(("on_true",), step.on_true)]
    return [(place, name) for place, name in found_branches if name]


class Reach:
    """Which steps a run may come to from each step, as bit masks: a hostile workflow of 10,000 steps takes a second.

    It lives for one lint. Bit i of a mask is the i-th step of `names`.
    """

    def __init__(self, playbook: Playbook) -> None:
        self.names = list(playbook.workflow)
        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from(self.names)
        for name, step in playbook.workflow.items():
            graph.add_edges_from((name, target) for _, target in next_steps(step) if target in playbook.workflow)
        number = {name: index for index, name in enumerate(self.names)}
        self.cycles: list[set[str]] = []
        self._masks: dict[str, int] = {}
        whole = nx.condensation(graph)
        for node in reversed(list(nx.topological_sort(whole))):
            members: set[str] = whole.nodes[node]["members"]
            mask = sum(1 << number[name] for name in members)
            for name in members:
                for target in graph.successors(name):
                    mask |= self._masks.get(target, 0)
            self._masks |= dict.fromkeys(members, mask)
            if len(members) > 1 or any(graph.has_edge(name, name) for name in members):
                self.cycles.append(members)
        self.ends = sum(1 << number[name] for name, step in playbook.workflow.items() if step.type == "end")

    def of(self, name: str | None) -> int:
        """The mask of what is reached from a step, itself among it; 0 of a step that is not there."""
        return self._masks.get(name or "", 0)

    def first(self, mask: int) -> str:
        """The first step of a mask that is not empty."""
        return self.names[(mask & -mask).bit_length() - 1]

    def steps(self, mask: int) -> list[str]:
        """The steps of a mask, in the order of the document."""
        return [name for index, name in enumerate(self.names) if mask >> index & 1]


def _ends(playbook: Playbook) -> Iterator[Finding]:
    written = entries(playbook, "workflow")
    for field, rule in (("workflow_start", "start-missing"), ("workflow_exception", "exception-missing")):
        name = getattr(playbook, field)
        if name and name not in written:
            yield found(rule, (field,), f"{shown(name)} is not in the workflow", "name a step that is")
    first = playbook.workflow.get(playbook.workflow_start)
    if first is not None and first.type != "start":
        yield found("start-missing", ("workflow_start",), f"names a step of type {first.type}", "name the start step")
    kinds = [step.get("type") for step in written.values() if isinstance(step, dict)]
    for wanted in (("start",), ("action", "playbook-action"), ("end",)):
        if not set(wanted) & {kind for kind in kinds if isinstance(kind, str)}:
            said = f"the workflow has no {' or '.join(wanted)} step"
            mend = "add one and lead every branch to one" if wanted == ("end",) else "add one"
            yield found("workflow-minimum", ("workflow",), said, mend)
    if kinds.count("start") > 1:
        yield found("start-again", ("workflow",), f"has {kinds.count('start')} start steps", "keep one")


def _links(playbook: Playbook, name: str, step: AnyStep, known: set[str]) -> Iterator[Finding]:
    place: Place = ("workflow", name)
    section = STEP_SECTIONS[step.type]
    for where, target in next_steps(step):
        if target not in known:
            yield found("next-missing", (*place, *where), f"{shown(target)} is not in the workflow", "name one that is")
        elif target in playbook.workflow and playbook.workflow[target].type == "start":
            yield found("start-again", (*place, *where), "leads back to a start step", "lead on, or to an end step")
    if step.on_completion and (step.on_success or step.on_failure):
        said, mend = "has on_completion beside on_success or on_failure", "keep on_completion, or the other two"
        yield found("next-both", place, said, mend)
    if step.type == "start" and (step.on_success or step.on_failure):
        said = "a start step has no on_success or on_failure"
        yield found("start-next", place, said, "use on_completion", section=section)
    if step.type == "end":
        if next_steps(step):
            yield found("end-next", place, "an end step leads nowhere", "remove its next steps", section=section)
    elif not (step.on_completion or step.on_success):
        if not {"on_completion", "on_success"} & _written(playbook, name):  # else the fault there is told
            said = "a branch ends here without an end step"
            rule = "next-silent" if step.type in BRANCHING else "next-none"
            yield found(rule, place, said, "name the next step, e.g. an end step", section=section)
    elif step.on_success and not (step.on_failure or playbook.workflow_exception):
        said = "nothing is said for its failure"
        yield found("next-failure", place, said, "add on_failure or a workflow_exception")


def _written(playbook: Playbook, name: str) -> set[str]:
    step: Any = entries(playbook, "workflow").get(name)
    return set(step) if isinstance(step, dict) else set()


def _branches(name: str, step: AnyStep, reach: Reach) -> Iterator[Finding]:
    """Each branch has steps and an end of its own; what comes after the step belongs to no branch."""
    place: Place = ("workflow", name)
    section = STEP_SECTIONS[step.type]
    named = branches(step)
    if step.type == "parallel" and len({target for _, target in named}) < len(named):
        yield found("branches-equal", (*place, "next_steps"), "names a step twice", "name each branch once")
    after = 0
    for field in ("on_completion", "on_success", "on_failure"):
        after |= reach.of(getattr(step, field))
    met = 0
    for where, target in named:
        mine = reach.of(target)
        if mine and not mine & reach.ends:
            yield found("branch-end", (*place, *where), "never comes to an end step", "lead it to one", section=section)
        if mine & (met | after):
            other = "another branch" if mine & met else "what comes after the step"
            said = f"shares {reach.first(mine & met or mine & after)} with {other}"
            mend = "give every branch an end step of its own"
            yield found("branch-shared", (*place, *where), said, mend, section=section)
        met |= mine


def _unreachable(playbook: Playbook, reach: Reach) -> Iterator[Finding]:
    if playbook.workflow_start not in playbook.workflow:
        return  # then nothing is; told as start-missing
    reached = reach.of(playbook.workflow_start) | reach.of(playbook.workflow_exception)
    for index, name in enumerate(reach.names):
        if not reached >> index & 1:
            yield found("step-unreachable", ("workflow", name), "no step leads here", "remove it or lead to it")


def _cycles(reach: Reach) -> Iterator[Finding]:
    for names in reach.cycles:
        said = f"lies on a cycle of {len(names)} steps"
        mend = "lead it to an end step; repeat by a while-condition, whose branch returns by itself"
        yield found("cycle", ("workflow", min(names)), said, mend)
