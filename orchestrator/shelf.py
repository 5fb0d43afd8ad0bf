"""The playbooks a node may use, as the life cycle needs them: number, digest, document, effect.

Flows in: values from the playbooks room. Flows out: a `Shelf`. Whether a playbook is active
for an owner is what the playbooks room's vetting says of its signatures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..playbooks.actions import Library
from ..playbooks.cacao import Playbook, digest
from ..playbooks.effects import effect_of
from ..playbooks.execute import SUPPORTED, Kept, keeps_none
from ..playbooks.vetting import Signatory, refusal
from ..twin.rulebook.effects import Effect
from .clock import Clock


@dataclass(frozen=True, slots=True)
class Shelved:
    """One playbook of the library."""

    id: str  # playbook--...
    index: int  # number in the library lock file
    digest: str  # SHA-256 of the content that is signed, 64 hex digits
    name: str  # for people
    document: Any  # the CACAO playbook, as the interpreter takes it
    effect: Effect


Shelf = Mapping[str, Shelved]
# (playbook id, or SHA-256 of a content, owner): signed by somebody the owner trusts, and active there
IsActive = Callable[[str, str], bool]


def shelf_of(library: Library) -> Shelf:
    """Give the shelf of a library, in its lock order."""
    rows = zip(library.playbooks, library.digests, library.effects, strict=True)
    return {
        playbook.id: Shelved(playbook.id, index, digest, playbook.name, playbook, effect)
        for index, (playbook, digest, effect) in enumerate(rows)
    }


def find(shelf: Shelf, name: str) -> Shelved | None:
    """The playbook of this id, or of this name; None where there is none."""
    return shelf.get(name) or next((one for one in shelf.values() if one.name == name), None)


def of_version(playbook: Playbook, digest: str, index: int) -> Shelved:
    """One version as it would lie on the shelf.

    Raises:
        PlaybookError: it does not say what it does to a twin.
    """
    return Shelved(playbook.id, index, digest, playbook.name, playbook, effect_of(playbook))


@dataclass(frozen=True, slots=True)
class Vetting:
    """What the owners' files say of signatures at one moment."""

    signatures: Sequence[Mapping[str, Any]] = ()  # detached signatures found for playbooks, trusted or not
    trusted: Mapping[str, Mapping[str, Signatory]] = field(default_factory=dict)  # owner -> key thumbprint -> signatory


def active_by_signatures(
    library: Library,
    vetting: Callable[[], Vetting],
    clock: Clock,
    versions: Sequence[Playbook] = (),
    supported: frozenset[str] = SUPPORTED,
    kept: Kept = keeps_none,
) -> IsActive:
    """Give the function that says whether a playbook is active for an owner, at the node's time.

    Args:
        library: the playbooks.
        vetting: asked at every use, as signatures and keys may be taken back; an owner that trusts nobody has nothing
            active.
        clock: the node's.
        versions: playbooks that those of the library may call; asked for by digest, as id and version may stand for
            several contents.
        supported: command types that the node's actuators carry out.
        kept: finds a version that is gone by its digest; a run that began with it asks whether it may go on.
    """
    playbooks = {digest(playbook): playbook for playbook in (*versions, *library.playbooks)}
    playbooks |= {playbook.id: playbook for playbook in library.playbooks}

    def is_active(playbook: str, owner: str) -> bool:
        found, now = playbooks.get(playbook) or kept(playbook), vetting()
        if found is None:
            return False
        return refusal(found, owner, now.signatures, now.trusted.get(owner, {}), clock.now(), supported) is None

    return is_active
