"""The playbooks a node may use, as the life cycle needs them: number, digest, document, effect.

Flows in: values from the playbooks room. Flows out: a `Shelf`. Whether a playbook is active
for an owner is what the playbooks room's vetting says of its signatures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..playbooks.actions import Library
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
IsActive = Callable[[str, str], bool]  # (playbook id, owner): signed by somebody the owner trusts, and active there


def shelf_of(library: Library) -> Shelf:
    """Give the shelf of a library, in its lock order."""
    rows = zip(library.playbooks, library.digests, library.effects, strict=True)
    return {
        playbook.id: Shelved(playbook.id, index, digest, playbook.name, playbook, effect)
        for index, (playbook, digest, effect) in enumerate(rows)
    }


def active_by_signatures(
    library: Library,
    signatures: Sequence[Mapping[str, Any]],
    trusted: Mapping[str, Mapping[str, Signatory]],
    clock: Clock,
) -> IsActive:
    """Give the function that says whether a playbook is active for an owner, at the node's time.

    Args:
        library: the playbooks.
        signatures: detached signatures found for them, trusted or not.
        trusted: per owner, its signatories by key thumbprint; an owner that trusts nobody has nothing active.
        clock: the node's.
    """
    playbooks = {playbook.id: playbook for playbook in library.playbooks}

    def is_active(playbook: str, owner: str) -> bool:
        found = playbooks.get(playbook)
        return found is not None and refusal(found, owner, signatures, trusted.get(owner, {}), clock.now()) is None

    return is_active
