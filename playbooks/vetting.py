"""Vetting: a playbook is active for an owner when author, another person and an approver of that owner have signed it.

Flows in: a playbook, detached signatures, the signatories that the owner trusts, a time. Flows out: `None`, or the
first refusal in a fixed order. Refuses by default; a signature by a key that the owner does not trust counts as none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from .cacao import Playbook, PlaybookError
from .executor.checking import SUPPORTED, check_executable
from .lint_secrets import splice_findings
from .signatures import PublicKey, SignatureFault, verify
from .validity import is_within

MAX_COUNTERSIGNATURES = 8  # in each other; assumed


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


class VettingState(StrEnum):
    """How far a version of a playbook has come with an owner."""

    DRAFT = "draft"
    REVIEWED = "reviewed"  # its author and another person have signed it
    ACTIVE = "active"  # it may run on the owner's assets
    RETIRED = "retired"  # revoked by its author, retired by an approver of the owner, or its time is over


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a playbook is not active for an owner."""

    name: str  # unsigned, changed, expired, revoked, retired, no_actuator, shell_splice, no_author ...
    message: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a version of a playbook stands with an owner."""

    state: VettingState
    refusal: Refusal | None  # None: it is active
    persons: Mapping[VettingRole, frozenset[str]]  # whose signatures count, by role


def refusal(
    playbook: Playbook,
    owner: str,
    signatures: Iterable[Mapping[str, Any]],
    trusted: Mapping[str, Signatory],
    now: datetime,
    supported: frozenset[str] = SUPPORTED,
) -> Refusal | None:
    """Say why the playbook may not run for an owner; None where it is active, see `standing`."""
    return standing(playbook, owner, signatures, trusted, now, supported).refusal


def standing(
    playbook: Playbook,
    owner: str,
    signatures: Iterable[Mapping[str, Any]],
    trusted: Mapping[str, Signatory],
    now: datetime,
    supported: frozenset[str] = SUPPORTED,
) -> Standing:
    """Say where a version of a playbook stands with an owner, and why it may not run there.

    Args:
        playbook: the version.
        owner: for whom it would run.
        signatures: detached signatures found for it, trusted or not; countersignatures in them count too.
        trusted: the owner's signatories by key thumbprint.
        now: UTC, aware of its zone.
        supported: command types that an actuator is installed for.
    """
    where = f"playbook {playbook.name} for owner {owner}"
    votes = _Votes.of(playbook, where, signatures, trusted, now)
    why = _out_of_use(playbook, where, votes, now) or _unfit(playbook, where, supported)
    if why is None:
        why = votes.refusal or _missing(where, votes.persons, votes.fault)
    persons = {role: frozenset(names) for role, names in votes.persons.items()}
    if why is not None and (why.name in ("revoked", "retired") or (why.name == "expired" and _is_past(playbook, now))):
        return Standing(VettingState.RETIRED, why, persons)
    if why is None:
        return Standing(VettingState.ACTIVE, None, persons)
    is_reviewed = any(persons[VettingRole.REVIEWER] - {author} for author in persons[VettingRole.AUTHOR])
    return Standing(VettingState.REVIEWED if is_reviewed else VettingState.DRAFT, why, persons)


def unsupported(playbook: Playbook, supported: frozenset[str]) -> Refusal | None:
    """Refuse a playbook with commands that no actuator carries out, or steps that cannot be run; None: all can be."""
    try:
        check_executable(playbook, supported)
    except PlaybookError as error:
        return Refusal("no_actuator", str(error))
    return None


def _unfit(playbook: Playbook, where: str, supported: frozenset[str]) -> Refusal | None:
    """Refuse what cannot run, and what a value could turn into a program, whoever has signed it."""
    why = unsupported(playbook, supported)
    splice = next(splice_findings(playbook), None) if why is None else None
    if splice is not None:
        return Refusal("shell_splice", f"{where}: {splice.path}: {splice.message}; {splice.mend}")
    return why


def _out_of_use(playbook: Playbook, where: str, votes: _Votes, now: datetime) -> Refusal | None:
    if playbook.revoked:
        return Refusal("revoked", f"{where}: it is revoked; use its successor")
    if votes.retired_by:
        return Refusal("retired", f"{where}: {votes.retired_by} has retired this version; use its successor")
    if not is_within(playbook.valid_from, playbook.valid_until, now):
        return Refusal("expired", f"{where}: {now:%Y-%m-%dT%H:%M:%SZ} is outside its validity; publish a new version")
    return None


def _is_past(playbook: Playbook, now: datetime) -> bool:
    """Whether its time is over, not to come."""
    return not is_within(None, playbook.valid_until, now)


@dataclass(slots=True)
class _Votes:
    """What trusted persons' signatures say; filled while they are read."""

    persons: dict[VettingRole, set[str]]
    refusal: Refusal | None = None  # nobody signed, or one does not fit
    fault: str = "no signature is by a key that the owner trusts"  # why the last one did not count
    retired_by: str = ""

    @classmethod
    def of(
        cls,
        playbook: Playbook,
        where: str,
        signatures: Iterable[Mapping[str, Any]],
        trusted: Mapping[str, Signatory],
        now: datetime,
    ) -> _Votes:
        votes = cls({role: set() for role in VettingRole})
        revoked: set[str] = set()
        counted: list[tuple[str, Signatory]] = []
        found = [pair for one in signatures if one.get("related_to") == playbook.id for pair in _chain(one)]
        if not found:
            votes.refusal = Refusal("unsigned", f"{where}: nobody signed it; sign it with tocsin playbook sign")
        for signature, countersigned in found:
            signatory = trusted.get(str(signature.get("thumbprint")))
            if signatory is None:
                continue
            person = signatory.person
            if signature.get("related_version") != playbook.modified:
                votes.fault = f"{person} has signed another version"
                continue
            try:
                verify(playbook.raw, signature, signatory.key, countersigned)
            except SignatureFault as error:
                told = f"{where}: the signature of {person} {error}; have it signed anew"
                votes.refusal = votes.refusal or Refusal("changed", told)
                continue
            name = f"{signature.get('thumbprint')} {signature.get('id')}"
            is_in_time = is_within(signature.get("valid_from"), signature.get("valid_until"), now)
            if signature.get("retires"):
                if VettingRole.APPROVER in signatory.roles and is_in_time:
                    votes.retired_by = person
            elif signature.get("revoked"):
                revoked.add(name)
            if signature.get("revoked") or not is_in_time:
                votes.fault = f"the signature of {person} is revoked or outside its validity"
            else:
                counted.append((name, signatory))
        for name, signatory in counted:
            for role in signatory.roles if name not in revoked else ():
                votes.persons[role].add(signatory.person)
        return votes


def _chain(
    signature: Mapping[str, Any], countersigned: Mapping[str, Any] | None = None, depth: int = 0
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    """A signature and its countersignatures, each with the one that it signs."""
    yield signature, countersigned
    inner = signature.get("signature")
    if isinstance(inner, Mapping) and depth < MAX_COUNTERSIGNATURES:
        outer = {key: value for key, value in signature.items() if key != "signature"}
        yield from _chain(inner, outer, depth + 1)


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
