"""What reading a file gives: facts, notes on what was not understood, and how many documents of which kind.

Flows in: what a source finds. Flows out: a `Reading`. It reads no file and knows no format.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..facts import Fact, Provenance, Subject
from ..graph import Asset, Link, Owner, TwinError, Weakness
from ..vocabulary import AssetKind, LinkKind
from .scope import Scope

INTERNET = "internet"
INTERNET_ASSET = "internet/external/internet"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:-]{0,252}")
OWNER_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class Note:
    """Something in a file that was not understood, so the twin says nothing of it."""

    place: str  # file:line
    what: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Facts of one or more files, in the order they were read."""

    facts: tuple[Fact, ...] = ()
    not_understood: tuple[Note, ...] = ()
    documents: Mapping[str, int] = field(default_factory=dict)  # kind of document -> how many were read
    files: tuple[str, ...] = ()
    scopes: tuple[Scope, ...] = ()  # what it speaks for: facts kept from there give way to it

    @classmethod
    def join(cls, readings: Iterable[Reading]) -> Reading:
        """Give one reading of all, in order."""
        every = tuple(readings)
        documents: Counter[str] = Counter()
        for one in every:
            documents.update(one.documents)
        return cls(
            tuple(fact for one in every for fact in one.facts),
            tuple(note for one in every for note in one.not_understood),
            dict(sorted(documents.items())),
            tuple(file for one in every for file in one.files),
            tuple(scope for one in every for scope in one.scopes),
        )


class Scribe:
    """Writes down what one file says on an owner's behalf; lives as long as the file is read."""

    def __init__(self, source: str, file: str, owner: str, time: str = "") -> None:
        self.source, self.file, self.owner, self.time = source, file, owner, time
        self._facts: list[Fact] = []
        self._notes: list[Note] = []
        self.documents: Counter[str] = Counter()

    def say(self, subject: Subject | str, place: str, values: Mapping[str, Any] | None = None) -> None:
        """Add a fact."""
        self._facts.append(Fact(subject, Provenance(self.source, place, self.owner, self.time), values or {}))

    def note(self, place: str, what: str) -> None:
        """Add a note on something that was not understood."""
        self._notes.append(Note(place, what))

    def asset(self, kind: AssetKind, name: str, place: str, attributes: Mapping[str, str] | None = None) -> str:
        """Declare an asset of the owner and give its id.

        Raises:
            TwinError: the name cannot be part of an id.
        """
        asset = asset_id(self.owner, kind, name, place)
        kept = {key: value for key, value in sorted((attributes or {}).items()) if value}
        self.say(Asset(asset, kind, self.owner, name, attributes=kept), place)
        return asset

    def link(self, kind: LinkKind, source: str, target: str, place: str, **rest: Any) -> None:
        """Declare a link."""
        self.say(Link(kind, source, target, **rest), place)

    def weakness(self, weakness: str, asset: str, place: str) -> None:
        """Declare a misconfiguration."""
        self.say(Weakness(weakness, asset), place)

    def internet(self, place: str) -> str:
        """Declare the internet, which every source shares, and give its id."""
        self.say(Owner(INTERNET, "Internet", value_per_hour=0.0), place)
        self.say(Asset(INTERNET_ASSET, AssetKind.EXTERNAL, INTERNET, INTERNET), place)
        return INTERNET_ASSET

    def reading(self) -> Reading:
        """Give what was written."""
        return Reading(tuple(self._facts), tuple(self._notes), dict(self.documents), (self.file,))


def asset_id(owner: str, kind: AssetKind, name: str, place: str) -> str:
    """Give the id `owner/kind/name`.

    Raises:
        TwinError: the name cannot be part of an id; names place and mend.
    """
    if not _NAME.fullmatch(name):
        raise TwinError(f"{place}: {name!r} is no name of an asset; use letters, digits, '-', '_', '.', '@', ':'")
    return f"{owner}/{kind.word}/{name}"
