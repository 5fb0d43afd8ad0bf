"""Vetting: a playbook is active for an owner when author, another person and an approver of that owner have signed it.

Flows in: a playbook, detached signatures, the signatories that the owner trusts, a time. Flows out: `None`, or the
first refusal in a fixed order. Refuses by default; a signature by a key that the owner does not trust counts as none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from .cacao import Playbook
from .signatures import PublicKey, SignatureFault, verify


class VettingRole(StrEnum):
    """What a person's signature counts for: under a playbook, or (the last) under a policy file."""

    AUTHOR = "author"
    REVIEWER = "reviewer"
    APPROVER = "approver"
    PROMOTER = "policy-promoter"  # vouches for a policy's evaluation; under a playbook it counts for nothing


@dataclass(frozen=True, slots=True)
class Signatory:
    """A person whose signature an owner counts, and for what."""

    person: str
    roles: frozenset[VettingRole]
    key: PublicKey


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a playbook is not active for an owner."""

    name: str  # unsigned, changed, expired, revoked, no_author, no_reviewer, no_approver
    message: str


def refusal(
    playbook: Playbook,
    owner: str,
    signatures: Iterable[Mapping[str, Any]],
    trusted: Mapping[str, Signatory],
    now: datetime,
) -> Refusal | None:
    """Say why the playbook may not run for an owner; None where it is active.

    Args:
        playbook: the playbook.
        owner: for whom it would run.
        signatures: detached signatures found for it, trusted or not.
        trusted: the owner's signatories by key thumbprint.
        now: UTC, aware of its zone.
    """
    where = f"playbook {playbook.name} for owner {owner}"
    if playbook.revoked:
        return Refusal("revoked", f"{where}: it is revoked; use its successor")
    if not _is_valid(playbook.valid_from, playbook.valid_until, now):
        return Refusal("expired", f"{where}: {now:%Y-%m-%dT%H:%M:%SZ} is outside its validity; publish a new version")
    ours = [one for one in signatures if one.get("related_to") == playbook.id]
    if not ours:
        return Refusal("unsigned", f"{where}: nobody signed it; sign it with tocsin playbook sign")
    fault = "no signature is by a key that the owner trusts"
    revoked: set[str] = set()
    counted: list[tuple[str, Signatory]] = []
    for signature in ours:
        signatory = trusted.get(str(signature.get("thumbprint")))
        if signatory is None:
            continue
        if signature.get("related_version") != playbook.modified:
            fault = f"{signatory.person} has signed another version"
            continue
        try:
            verify(playbook.raw, signature, signatory.key)
        except SignatureFault as error:
            return Refusal("changed", f"{where}: the signature of {signatory.person} {error}; have it signed anew")
        name = f"{signature.get('thumbprint')} {signature.get('id')}"
        if signature.get("revoked"):
            revoked.add(name)
        if signature.get("revoked") or not _is_valid(signature.get("valid_from"), signature.get("valid_until"), now):
            fault = f"the signature of {signatory.person} is revoked or outside its validity"
        else:
            counted.append((name, signatory))
    return _missing(where, _persons(signatory for name, signatory in counted if name not in revoked), fault)


def _persons(signatories: Iterable[Signatory]) -> Mapping[VettingRole, set[str]]:
    persons: dict[VettingRole, set[str]] = {role: set() for role in VettingRole}
    for signatory in signatories:
        for role in signatory.roles:
            persons[role].add(signatory.person)
    return persons


def _missing(where: str, persons: Mapping[VettingRole, set[str]], fault: str) -> Refusal | None:
    """Three different persons must fill the three roles."""
    for author in sorted(persons[VettingRole.AUTHOR]):
        for reviewer in sorted(persons[VettingRole.REVIEWER] - {author}):
            if persons[VettingRole.APPROVER] - {author, reviewer}:
                return None
    for role, others in (
        (VettingRole.AUTHOR, ""),
        (VettingRole.REVIEWER, " other than its author"),
        (VettingRole.APPROVER, ", a third person,"),
    ):
        if not persons[role]:
            return Refusal(f"no_{role}", f"{where}: no {role}{others} has signed it ({fault}); ask one to sign")
    return Refusal("same_person", f"{where}: author, reviewer and approver must be three persons; ask another to sign")


def _is_valid(start: Any, end: Any, now: datetime) -> bool:
    """Whether now lies in [start, end); a bound that is no CACAO time stamp makes it invalid."""
    try:
        return (start is None or datetime.fromisoformat(start) <= now) and (
            end is None or now < datetime.fromisoformat(end)
        )
    except (TypeError, ValueError):
        return False
