"""Keeping what was read: a new version of the store in which new facts stand for what the same sources said before.

Flows in: a reading, a store. Flows out: the version kept and which files it dropped. What is not read again stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from .facts import Fact, Merged, Provenance, merge
from .sources.reading import Reading
from .sources.scope import resolved, shown_file
from .store import TwinStore


@dataclass(frozen=True, slots=True)
class Kept:
    """What an import left in the store."""

    version: int
    merged: Merged
    gone: tuple[str, ...]  # files, as they were shown, whose facts were dropped because they are no longer there


def keep(reading: Reading, store: TwinStore) -> Kept:
    """Save a version in which the files just read say what they say now, and others what they said before.

    Raises:
        TwinError: what is left does not make a twin, or the store cannot be written; the store is then as it was.
    """
    gone: set[str] = set()

    def change(before: Merged | None) -> Merged:
        kept = [] if before is None else [_located(fact) for about in before.facts.values() for fact in about]
        replaced = _replaced({fact.provenance for fact in kept}, reading)
        gone.update(shown_file(said.place) for said in replaced if not Path(said.file).is_file())
        return merge([*reading.facts, *(fact for fact in kept if fact.provenance not in replaced)])

    version, merged = store.change(change)
    return Kept(version, merged, tuple(sorted(gone)))


def _replaced(said: set[Provenance], reading: Reading) -> set[Provenance]:
    """Those that the reading says anew; asked once a file, not once a fact."""
    sources = {(one.owner, one.file, one.chain): one for one in said}
    anew = {key for key, one in sources.items() if any(scope.replaces(one) for scope in reading.scopes)}
    return {one for one in said if (one.owner, one.file, one.chain) in anew}


def _located(fact: Fact) -> Fact:
    """The fact with its file; stores written before files were kept tell only its name as it was shown."""
    said = fact.provenance
    if said.file:
        return fact
    return replace(fact, provenance=replace(said, file=resolved(Path(shown_file(said.place)))))
