"""What a reading speaks for, so that what was said of the same before gives way to it.

Flows in: where a kept fact comes from. Flows out: whether a new reading replaces it. A file is known by its absolute
path, links resolved, and by the owner on whose behalf it was read: two owners may each have a `docker-compose.yml`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ..facts import Fact, Provenance


@dataclass(frozen=True, slots=True)
class Scope:
    """One file or folder that was read."""

    path: str  # absolute, links resolved: a manifest, a folder of them, or a chain file
    owner: str | None  # whose manifests; None: a chain file, which speaks for all that it said and named before

    @classmethod
    def of(cls, path: Path, owner: str | None) -> Scope:
        """Give the scope of a path as the caller wrote it."""
        return cls(resolved(path), owner)

    def replaces(self, said: Provenance) -> bool:
        """Whether it is said anew: of a folder, also what files said that lay in it and are gone."""
        if self.owner is None:
            return said.chain == self.path
        if said.owner != self.owner:
            return False
        return said.file == self.path or (said.file.startswith(self.path + os.sep) and not os.path.isfile(said.file))


def resolved(path: Path) -> str:
    """The absolute path, links resolved."""
    return os.path.realpath(path)


def with_files(facts: Iterable[Fact], files: dict[str, str], *, chain: str = "") -> tuple[Fact, ...]:
    """Give facts that know which file they come from.

    Args:
        facts: facts whose places start with the names of files as they are shown.
        files: absolute paths by the names shown.
        chain: absolute path of the chain file that named the files; empty: none did.
    """
    return tuple(
        replace(fact, provenance=replace(said, file=files.get(shown_file(said.place), said.file), chain=chain))
        for fact in facts
        for said in (fact.provenance,)
    )


def shown_file(place: str) -> str:
    """The file of a place, as it is shown."""
    file, _, line = place.rpartition(":")
    return file if line.isdigit() else place
