"""The playbook of a response as it was proposed, whatever lies on the shelf now.

Flows in: the shelf, all versions that the node has met. Flows out: a playbook with its effect, by the digest that the
response's row keeps; or why there is none. What holds, what it excludes and how it is taken back is judged by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..playbooks.cacao import PlaybookError
from .records import Response
from .shelf import Shelf, Shelved, of_version
from .versions import Versions


@dataclass(frozen=True, slots=True)
class Pinned:
    """Finds the playbook of a response; lives as long as its node."""

    shelf: Shelf
    versions: Versions
    _read: dict[str, Shelved] = field(default_factory=dict, init=False, repr=False, compare=False)  # by digest

    def of(self, response: Response) -> Shelved | None:
        """The playbook that a response was proposed with; None where nobody has it any more."""
        shelved = self.shelf.get(response.playbook)
        if shelved is not None and shelved.digest == response.playbook_digest:
            return shelved
        if response.playbook_digest not in self._read:
            playbook = self.versions.of(response.playbook_digest)
            if playbook is None:
                return None
            try:
                shelved = of_version(playbook, response.playbook_digest, response.playbook_index)
            except PlaybookError:
                return None
            self._read[response.playbook_digest] = shelved
        return self._read[response.playbook_digest]

    def why_not(self, response: Response) -> str:
        """Say why there is none, and the mend."""
        return f"its playbook {response.playbook}: {self.versions.why_not(response.playbook_digest)}"
