"""Lint of who carries out a step and on what, and whether this version runs it.

Flows in: a `Playbook`. Flows out: findings about agents and targets of steps (CACAO v2.0, sections 4.5 and 7), unused
definitions, and steps that the interpreter does not run.
"""

from __future__ import annotations

from collections.abc import Iterator

from .cacao import ActionStep, Playbook, PlaybookError
from .cacao_words import PartyType
from .execute import installed, obstacle_of, undo_of
from .lint_identity import entries
from .lint_words import Finding, Place, found, shown

PERSONS = ("individual", "group", "organization")
ABSTRACT = ("security-category", "sector", "group", "location")  # a twin says which systems they are
KNOWN = frozenset(PartyType.__args__)  # type: ignore[attr-defined]


def step_findings(playbook: Playbook) -> Iterator[Finding]:
    """Findings about each step by itself."""
    for name, step in playbook.workflow.items():
        if step.type == "action":
            yield from _parties(playbook, name, step)
        yield from _executable(playbook, name)
    yield from _unused(playbook)


def _executable(playbook: Playbook, name: str) -> Iterator[Finding]:
    obstacle = obstacle_of(playbook, name, installed())
    if obstacle is not None:
        yield found("not-executable", ("workflow", name), *split(obstacle))


def split(text: str) -> tuple[str, str]:
    """Message and mend, which our errors part by the last semicolon."""
    message, _, mend = text.rpartition("; ")
    return (message, mend) if message else (text, "mend it")


def _parties(playbook: Playbook, name: str, step: ActionStep) -> Iterator[Finding]:
    agents, targets = entries(playbook, "agent_definitions"), entries(playbook, "target_definitions")
    if step.agent and step.agent not in agents:
        said = f"agent {shown(step.agent)} is not defined"
        yield found("agent-missing", ("workflow", name, "agent"), said, "define it in agent_definitions")
    for index, target in enumerate(step.targets):
        if target not in targets:
            place = ("workflow", name, "targets", index)
            said = f"target {shown(target)} is not defined"
            yield found("target-missing", place, said, "define it in target_definitions")
    agent = playbook.agent_definitions.get(step.agent)
    if agent is None or agent.type not in KNOWN:
        return
    where: Place = ("workflow", name, "agent")
    kinds = {command.type for command in step.commands}
    if "manual" in kinds and agent.type not in (*PERSONS, "sector", "location"):
        said = f"a manual command goes to an agent of type {agent.type}"
        yield found("agent-person", where, said, "name a person, group or organization")
    if kinds - {"manual"} and agent.type in ABSTRACT:
        said = f"an automatic command goes to an abstract agent of type {agent.type}"
        yield found("agent-abstract", where, said, "name a system, or make the category a target")


def _unused(playbook: Playbook) -> Iterator[Finding]:
    steps = [step for step in playbook.workflow.values() if step.type == "action"]
    parties = [*playbook.agent_definitions.values(), *playbook.target_definitions.values()]
    used: dict[str, set[str]] = {
        "agent_definitions": {step.agent for step in steps},
        "target_definitions": {target for step in steps for target in step.targets},
        "authentication_info_definitions": {str(getattr(party, "authentication_info", "")) for party in parties},
        "extension_definitions": {name for _, name in extensions_of(playbook)},
    }
    for part, names in used.items():
        for key in entries(playbook, part):
            if key not in names:
                thing = part.removesuffix("_definitions").replace("_info", "").replace("_", " ")
                yield found("definition-unused", (part, key), f"nothing uses this {thing}", "remove it")


def extensions_of(playbook: Playbook) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every use of an extension: its place, and the id of its definition."""
    for name in playbook.playbook_extensions:
        yield ("playbook_extensions", name), name
    for part, field in (
        ("workflow", "step_extensions"),
        ("agent_definitions", "agent_target_extensions"),
        ("target_definitions", "agent_target_extensions"),
        ("authentication_info_definitions", "authentication_info_extensions"),
        ("data_marking_definitions", "marking_extensions"),
    ):
        for key, thing in getattr(playbook, part).items():
            for name in getattr(thing, field):
                yield (part, key, field, name), name


def undo_place_faults(playbook: Playbook) -> Iterator[tuple[str, PlaybookError]]:
    """Steps whose declared undo is malformed, with the fault."""
    for name in playbook.workflow:
        try:
            undo_of(playbook, name)
        except PlaybookError as fault:
            yield name, fault
