"""Lint of what a playbook says of itself: activities, sectors, references, places and its processing summary.

Flows in: a `Playbook`. Flows out: findings (CACAO v2.0, sections 3.1, 10.4, 10.14). The summary is recomputed from the
workflow and never trusted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .cacao import Playbook
from .cacao_data import CivicLocation, ExternalReference, ProcessingSummary
from .cacao_words import ACTIVITIES, PLAYBOOK_TYPES, REGIONS, SECTORS
from .lint_words import Finding, Place, found, shown

PARTS = ("agent_definitions", "target_definitions")


def metadata_findings(playbook: Playbook) -> Iterator[Finding]:
    """Findings about the metadata of a playbook."""
    yield from _vocabularies(playbook)
    yield from _activities(playbook)
    yield from _sectors(playbook)
    yield from _references(playbook)
    yield from _summary(playbook)
    for part in PARTS:
        for key, party in getattr(playbook, part).items():
            if party.location is not None:
                yield from _location(party.location, (part, key, "location"))


def summary_of(playbook: Playbook) -> dict[str, bool]:
    """The processing summary as the playbook's content makes it (10.14)."""
    steps = playbook.workflow.values()
    kinds = {step.type for step in steps}
    commands = [command.type for step in steps if step.type == "action" for command in step.commands]
    extended: list[Any] = [playbook.playbook_extensions, *(step.step_extensions for step in steps)]
    for part in PARTS:
        extended += [party.agent_target_extensions for party in getattr(playbook, part).values()]
    extended += [one.authentication_info_extensions for one in playbook.authentication_info_definitions.values()]
    extended += [one.marking_extensions for one in playbook.data_marking_definitions.values()]
    return {
        "manual_playbook": bool(commands) and set(commands) == {"manual"} and "playbook-action" not in kinds,
        "external_playbooks": "playbook-action" in kinds,
        "parallel_processing": "parallel" in kinds,
        "if_logic": "if-condition" in kinds,
        "while_logic": "while-condition" in kinds,
        "switch_logic": "switch-condition" in kinds,
        "temporal_logic": any(step.delay or step.timeout is not None for step in steps),
        "data_markings": bool(playbook.markings or playbook.data_marking_definitions),
        "digital_signatures": bool(playbook.signatures),
        "countersigned_signatures": any(one.signature is not None for one in playbook.signatures),
        "extensions": any(bool(one) for one in extended),
    }


def _summary(playbook: Playbook) -> Iterator[Finding]:
    stated = playbook.playbook_processing_summary
    if stated is None:
        return
    for name, is_used in summary_of(playbook).items():
        place = ("playbook_processing_summary", name)
        said = getattr(stated, name)
        if said is not None and said != is_used:
            mend = f"write {str(is_used).lower()}"
            yield found("summary-wrong", place, f"says {str(said).lower()}, but the content says otherwise", mend)
        elif said is None and is_used and _says_something(stated):
            yield found("summary-silent", place, f"{name} is used and not told", "write true")


def _says_something(summary: ProcessingSummary) -> bool:
    return bool(summary.model_fields_set)


def _vocabularies(playbook: Playbook) -> Iterator[Finding]:
    for field, known in (
        ("playbook_types", PLAYBOOK_TYPES),
        ("playbook_activities", ACTIVITIES),
        ("industry_sectors", SECTORS),
    ):
        for index, word in enumerate(getattr(playbook, field)):
            if word not in known:
                yield found("vocabulary", (field, index), f"{shown(word)} is not in the vocabulary", "use a word of it")


def _activities(playbook: Playbook) -> Iterator[Finding]:
    if set(playbook.playbook_types) & PLAYBOOK_TYPES and not playbook.playbook_activities:
        said = "playbook_types come without playbook_activities"
        yield found("activities-missing", ("playbook_activities",), said, "list at least one activity")
    done: set[str] = set()
    listed = set(playbook.playbook_activities)
    for name, step in playbook.workflow.items():
        for index, command in enumerate(step.commands if step.type == "action" else ()):
            activity = command.playbook_activity
            if activity is None:
                continue
            done.add(activity)
            place = ("workflow", name, "commands", index, "playbook_activity")
            if activity not in ACTIVITIES:
                yield found("vocabulary", place, f"{shown(activity)} is not in the vocabulary", "use a word of it")
            if activity not in listed:
                said = f"{shown(activity)} is not in playbook_activities"
                yield found("activities-unlisted", place, said, "list it there")
    for index, activity in enumerate(playbook.playbook_activities):
        if done and activity not in done:
            said = f"no command says that it does {shown(activity)}"
            yield found("activities-unused", ("playbook_activities", index), said, "name it at a command, or remove it")


def _sectors(playbook: Playbook) -> Iterator[Finding]:
    listed = set(playbook.industry_sectors)
    for part in PARTS:
        for key, party in getattr(playbook, part).items():
            if party.type != "sector" or not getattr(party, "sector", ""):
                continue
            place = (part, key, "sector")
            if party.sector not in SECTORS:
                yield found("vocabulary", place, f"{shown(party.sector)} is not in the vocabulary", "use a word of it")
            if party.sector not in listed:
                yield found("sectors-unlisted", place, f"{shown(party.sector)} is not in industry_sectors", "list it")


def _references(playbook: Playbook) -> Iterator[Finding]:
    placed: list[tuple[Place, ExternalReference]] = []
    for name, step in playbook.workflow.items():
        place: Place = ("workflow", name, "external_references")
        placed += [((*place, index), one) for index, one in enumerate(step.external_references)]
        for number, command in enumerate(step.commands if step.type == "action" else ()):
            place = ("workflow", name, "commands", number, "external_references")
            placed += [((*place, index), one) for index, one in enumerate(command.external_references)]
    listed = {_as_text(one) for one in playbook.external_references}
    for place, one in placed:
        if _as_text(one) not in listed:
            yield found("references-unlisted", place, "is not in the playbook's external_references", "list it there")
    top: list[tuple[Place, ExternalReference]] = [
        (("external_references", index), one) for index, one in enumerate(playbook.external_references)
    ]
    for key, definition in playbook.extension_definitions.items():
        place = ("extension_definitions", key, "external_references")
        top += [((*place, index), one) for index, one in enumerate(definition.external_references)]
    for place, one in placed + top:
        if not any((one.description, one.source, one.url, one.external_id, one.reference_id)):
            yield found("reference-empty", place, "has a name only", "add a description, source, url or id")


def _as_text(reference: ExternalReference) -> str:
    """What tells one reference from another; of any text, also one that has no UTF-8."""
    return json.dumps(reference.model_dump(exclude_unset=True))


def _location(location: CivicLocation, place: Place) -> Iterator[Finding]:
    if location.region is not None and location.region not in REGIONS:
        yield found("region", (*place, "region"), f"{shown(location.region)} is no region", "use one of 10.4.1")
    pair = (location.latitude, location.longitude)
    if (pair[0] is None) != (pair[1] is None) or (location.precision is not None and None in pair):
        yield found(
            "location-pair", place, "latitude, longitude and precision do not go together", "give both, or none"
        )
    for field, bound in (("latitude", 90.0), ("longitude", 180.0)):
        written = getattr(location, field)
        if written is not None and ":value" not in written and not _is_within(written, bound):
            said = f"{shown(written)} is no degree"
            yield found("location-pair", (*place, field), said, f"write -{bound:g} to {bound:g} as a string")


def _is_within(text: str, bound: float) -> bool:
    try:
        return -bound < float(text) <= bound
    except ValueError:
        return False
