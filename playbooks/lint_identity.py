"""Lint of identity: identifiers, their UUIDs, times and validity (CACAO v2.0, sections 3.1, 10.10, 10.17).

Flows in: a `Playbook`. Flows out: findings. Identities (`created_by`, `owner`) are objects of STIX: only their kind is
judged.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Protocol

from .cacao import Playbook
from .lint_words import Finding, Place, found, shown

DEFINITIONS = (
    "workflow", "agent_definitions", "target_definitions", "authentication_info_definitions", "extension_definitions",
    "data_marking_definitions",
)  # fmt: skip


class _Dated(Protocol):
    @property
    def created(self) -> str: ...


def identity_findings(playbook: Playbook) -> Iterator[Finding]:
    """Findings about identifiers and times."""
    yield from _identifiers(playbook)
    yield from _origins(playbook)
    yield from dated(playbook, (), ("created", "modified", "valid_from", "valid_until"))
    yield from _step_times(playbook)
    if playbook.revoked:
        yield found("revoked", ("revoked",), "the playbook is revoked: it will never run", "use its successor")


def entries(playbook: Playbook, part: str) -> dict[str, Any]:
    """The entries of a dictionary of the document as written, by key; none where it is no dictionary."""
    written = playbook.raw.get(part)
    return written if isinstance(written, dict) else {}


def moment(stamp: str) -> datetime | None:
    """The time of a stamp to the microsecond, a leap second as the next one; None where no calendar has it."""
    try:
        leap = stamp[17:19] == "60"
        when = datetime.fromisoformat(stamp[:17] + "59" + stamp[19:] if leap else stamp)
        return when + timedelta(seconds=1) if leap else when
    except (ValueError, OverflowError):
        return None


def dated(thing: _Dated, place: Place, names: tuple[str, ...], section: str = "3.1") -> Iterator[Finding]:
    """Findings about the times of a playbook, marking or signature: calendar, milliseconds, order."""
    times: dict[str, datetime] = {}
    for name in names:
        stamp = getattr(thing, name, None)
        if not stamp:
            continue
        when = moment(stamp)
        if when is None:
            mend = "write a UTC time that exists"
            yield found("time-form", (*place, name), f"{stamp} is no moment of the calendar", mend, section=section)
            continue
        times[name] = when
        if name in ("created", "modified") and not (stamp[-5:-4] == "." and stamp[-1] == "Z"):
            mend = "write exactly three, e.g. 12:00:00.000Z"
            yield found("time-milliseconds", (*place, name), f"{stamp} has not three digits", mend, section=section)
    if "created" in times and "modified" in times and times["modified"] < times["created"]:
        mend = "put modified at created or after it"
        yield found("time-order", (*place, "modified"), "modified is before created", mend, section=section)
    if getattr(thing, "revoked", False) or not {"valid_from", "valid_until"} <= set(times):
        return
    if times["valid_until"] <= times["valid_from"]:
        said, mend = "valid_until is not after valid_from", "put it later"
        yield found("validity-order", (*place, "valid_until"), said, mend, section=section)


def uuid_of(identifier: str) -> uuid.UUID | None:
    """The UUID of an identifier; None where it holds none of RFC 4122."""
    try:
        found_uuid = uuid.UUID(identifier.partition("--")[2])
    except ValueError:
        return None
    return found_uuid if found_uuid.variant == uuid.RFC_4122 and found_uuid.version in range(1, 6) else None


def kind_finding(identifier: str | None, kinds: tuple[str, ...], place: Place) -> Iterator[Finding]:
    """A finding where an identifier is there and names none of these kinds."""
    if identifier and identifier.partition("--")[0] not in kinds:
        mend = f"begin it with {kinds[0]}--"
        yield found("id-kind", place, f"{shown(identifier)} is no id of {' or '.join(kinds)}", mend)


def _identifiers(playbook: Playbook) -> Iterator[Finding]:
    yield from kind_finding(playbook.id, ("playbook",), ("id",))
    yield from kind_finding(playbook.created_by, ("identity",), ("created_by",))
    named: list[tuple[str, Place, str]] = [(playbook.id, ("id",), "playbook")] if playbook.id else []
    for part in DEFINITIONS:
        for key, entry in entries(playbook, part).items():
            kind = entry.get("type") if isinstance(entry, dict) else None
            if isinstance(kind, str):
                yield from kind_finding(key, (kind,), (part, key))
            named.append((key, (part, key), "step" if part == "workflow" else "object"))
    named += [
        (one.id, ("signatures", index, "id"), "object") for index, one in enumerate(playbook.signatures) if one.id
    ]
    holders: dict[uuid.UUID, str] = {}
    for identifier, place, sort in named:
        if "--" not in identifier or len(identifier.partition("--")[2]) != 36:
            continue  # told as id-form
        held = uuid_of(identifier)
        if held is None:
            yield found("id-uuid", place, f"{shown(identifier)} holds no UUID of RFC 4122", "make one of version 4")
            continue
        yield from _version(identifier, held, place, sort)
        other = holders.setdefault(held, identifier)
        if other != identifier:
            yield found("id-unique", place, f"has the UUID of {other}", "make a UUID of its own")
    yield from _doubled_signatures(playbook)


def _doubled_signatures(playbook: Playbook) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, one in enumerate(playbook.signatures):
        if one.id and one.id in seen:
            yield found("id-unique", ("signatures", index, "id"), f"{one.id} stands twice", "remove one")
        seen.add(one.id)


def _version(name: str, held: uuid.UUID, place: Place, sort: str) -> Iterator[Finding]:
    said = f"{shown(name)} holds a UUID of version {held.version}"
    if sort == "step" and held.version != 4:
        yield found("id-step-version", place, said, "make one of version 4")
    elif sort == "object" and held.version != 4:
        yield found("id-object-version", place, said, "make one of version 4")
    elif sort == "playbook" and held.version not in (4, 5):
        yield found("id-playbook-version", place, said, "make one of version 4, or 5")


def _origins(playbook: Playbook) -> Iterator[Finding]:
    for index, name in enumerate(playbook.derived_from):
        yield from kind_finding(name, ("playbook",), ("derived_from", index))
        if name == playbook.id:
            yield found("derived-from", ("derived_from", index), "names this playbook itself", "name its origin")
    for name, step in playbook.workflow.items():
        yield from kind_finding(step.owner, ("identity",), ("workflow", name, "owner"))
        if step.type == "playbook-action":
            yield from kind_finding(step.playbook_id, ("playbook",), ("workflow", name, "playbook_id"))


def _step_times(playbook: Playbook) -> Iterator[Finding]:
    for name, step in playbook.workflow.items():
        if step.type == "playbook-action" and step.playbook_version and moment(step.playbook_version) is None:
            place = ("workflow", name, "playbook_version")
            yield found("time-form", place, f"{step.playbook_version} is no moment", "write its modified time")
