"""What sources say: facts with provenance, merged into one twin.

Flows in: facts from sources (files, sensors, people). Flows out: a `Twin` and, per key, which facts made it. A fact
never overwrites: an older one gives way to a newer, and among equals the one whose source belongs to the asset's owner
wins. No I/O here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .graph import Asset, ConsentRule, Link, Owner, Sharing, Twin, TwinError, Weakness

Subject = Owner | Asset | Link | Weakness | Sharing | ConsentRule


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a fact comes from."""

    source: str  # format or sensor: kubernetes, compose, chain
    place: str  # file and position inside it
    owner: str  # on whose behalf it is said
    time: str = ""  # UTC, ISO 8601; empty: unknown, older than any
    file: str = ""  # absolute path of the file, links resolved; empty: not kept. `place` has its name as it was given
    chain: str = ""  # absolute path of the chain file that is it or names it; empty: none


@dataclass(frozen=True, slots=True)
class Fact:
    """What one source says of one subject.

    `values` of an asset overlay fields of the asset known from elsewhere (`chain.yaml` adds criticality to a container
    that a manifest declared); an overlay alone, with no fact that declares the asset, is an error.
    """

    subject: Subject | str  # a value declares; a string (asset id) says something about an asset
    provenance: Provenance
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Merged:
    """A twin with the facts behind each of its parts, by asset id, owner id or link key."""

    twin: Twin
    facts: Mapping[str, tuple[Fact, ...]]


def key_of(subject: Subject | str) -> str:
    """The name under which facts of one subject meet."""
    match subject:
        case str():
            return subject
        case Owner() | Asset():
            return subject.id
        case Link():
            return " ".join(str(part) for part in subject.key)
        case Weakness():
            return f"{subject.id} on {subject.asset}"
        case Sharing():
            return f"sharing {subject.owner} {subject.peer}"
        case ConsentRule():
            return f"consent {subject.owner} {subject.consent_class.word} {subject.proposer.word}"


def merge(facts: Iterable[Fact]) -> Merged:
    """Merge facts into a twin.

    Raises:
        TwinError: dangling references, or an overlay of an asset that no source declares.
    """
    by_key: dict[str, list[Fact]] = {}
    for fact in facts:
        by_key.setdefault(key_of(fact.subject), []).append(fact)
    subjects: list[Subject] = []
    for key, about in by_key.items():
        declared = _strongest([fact for fact in about if not isinstance(fact.subject, str)])
        overlays = sorted((fact for fact in about if isinstance(fact.subject, str)), key=_rank)
        if declared is None:
            place = overlays[0].provenance.place
            raise _dangling(key, place)
        subject: Subject = declared
        for overlay in overlays:
            subject = replace(subject, **overlay.values)
        subjects.append(subject)
    twin = Twin.build(
        owners=[s for s in subjects if isinstance(s, Owner)],
        assets=[s for s in subjects if isinstance(s, Asset)],
        links=[s for s in subjects if isinstance(s, Link)],
        weaknesses=[s for s in subjects if isinstance(s, Weakness)],
        sharing=[s for s in subjects if isinstance(s, Sharing)],
        consent=[s for s in subjects if isinstance(s, ConsentRule)],
    )
    return Merged(twin, {key: tuple(about) for key, about in by_key.items()})


def _strongest(declarations: list[Fact]) -> Subject | None:
    if not declarations:
        return None
    best = max(declarations, key=_rank)
    assert not isinstance(best.subject, str)
    return best.subject


def _rank(fact: Fact) -> tuple[str, bool]:
    owner = fact.subject.split("/")[0] if isinstance(fact.subject, str) else getattr(fact.subject, "owner", "")
    return (fact.provenance.time, fact.provenance.owner == owner)


def _dangling(key: str, place: str) -> TwinError:
    return TwinError(f"{place}: says something of {key!r}, which no source declares; declare the asset or mend the id")
