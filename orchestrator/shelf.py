"""The playbooks a node may use, as the life cycle needs them: number, digest, document, effect.

Flows in: values from the playbooks room. Flows out: a `Shelf`. It judges no signature: whether a playbook is active for
an owner is a function that the node is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..playbooks.actions import Library
from ..twin.rulebook.effects import Effect


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
