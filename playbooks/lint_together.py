"""Lint of several playbooks at once: those that call each other (CACAO v2.0, section 4.6).

Flows in: playbooks. Flows out: findings, each with the index of its playbook. What is called and not given is unknown
and not judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import networkx as nx

from .cacao import Playbook
from .cacao_steps import PlaybookActionStep
from .lint_words import Finding, Place, found
from .validity import as_later


def together_findings(playbooks: Sequence[Playbook]) -> Iterator[tuple[int, Finding]]:
    """Findings about calls between playbooks, in their order."""
    looped = _looped(playbooks)
    versions: dict[str, list[Playbook]] = {}
    for playbook in playbooks:
        versions.setdefault(playbook.id, []).append(playbook)
    for index, playbook in enumerate(playbooks):
        for name, step in playbook.workflow.items():
            if step.type == "playbook-action":
                place: Place = ("workflow", name)
                for finding in _call(playbook, step, place, versions, looped):
                    yield index, finding


def _call(
    playbook: Playbook,
    step: PlaybookActionStep,
    place: Place,
    versions: dict[str, list[Playbook]],
    looped: set[tuple[str, str]],
) -> Iterator[Finding]:
    if (playbook.id, step.playbook_id) in looped:
        itself = step.playbook_id == playbook.id
        said = "the playbook calls itself" if itself else f"{step.playbook_id} calls this playbook again"
        yield found("playbook-self", (*place, "playbook_id"), said, "break the circle of calls")
    if step.playbook_version is None:
        said = "the latest version is taken, whatever it does"
        yield found("playbook-version", place, said, "pin it: playbook_version is the modified of the called one")
    called = versions.get(step.playbook_id, [])
    pinned = [one for one in called if step.playbook_version in (None, one.modified)]
    if called and not pinned:
        said = f"version {step.playbook_version} of {step.playbook_id} is not among the files"
        yield found("playbook-version", (*place, "playbook_version"), said, "name a version that is there")
    if not pinned:
        return
    latest = max(pinned, key=lambda one: as_later(one.modified))
    taken = {name for name, variable in latest.playbook_variables.items() if variable.external}
    for index, name in enumerate(step.in_args):
        if name not in taken:
            said = f"{name} is no external variable of {latest.name!r}"
            yield found("playbook-arguments", (*place, "in_args", index), said, "declare it there, or remove it")
    for name in sorted(taken - set(step.in_args)):
        if latest.playbook_variables[name].value is None:
            said = f"{latest.name!r} needs {name}"
            yield found("playbook-arguments", (*place, "in_args"), said, "hand it over")


def _looped(playbooks: Sequence[Playbook]) -> set[tuple[str, str]]:
    """Calls that lie on a circle, as (caller, called)."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for playbook in playbooks:
        for step in playbook.workflow.values():
            if step.type == "playbook-action":
                graph.add_edge(playbook.id, step.playbook_id)
    group = {name: index for index, names in enumerate(nx.strongly_connected_components(graph)) for name in names}
    return {(caller, called) for caller, called in graph.edges if group[caller] == group[called]}
