"""What one owner may see of a node: its own, and what others share with it.

Flows in: the twin's sharing rules and an owner. Flows out: yes or no per asset, finding and response, and responses
with what is hidden left out. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..twin.graph import Twin
from .records import Response
from .run import undo_is_overdue


@dataclass(frozen=True, slots=True)
class View:
    """The view of one owner on one version of the twin."""

    owner: str
    owners: frozenset[str]  # all owner ids of the chain: no secret among its members
    assets: frozenset[str]  # ids it may see
    findings: frozenset[str]  # ids of assets whose findings it may see

    @classmethod
    def of(cls, twin: Twin, owner: str) -> View:
        """Give the view of `owner`."""
        owners = frozenset(one.id for one in twin.owners)
        return cls(owner, owners, twin.visible_assets(owner), twin.visible_findings(owner))

    def sees_target(self, name: str) -> bool:
        """Whether it may see a target: an asset, a link of which it sees both ends, or any owner."""
        return name in self.owners or name in self.assets or self._sees_link(name)

    def sees_targets(self, names: Iterable[str]) -> bool:
        """Whether it may see every one of the targets."""
        return all(self.sees_target(name) for name in names)

    def sees_response(self, response: Response) -> bool:
        """Whether it may see a response: it is asked, notified, proposed it, or sees all its targets."""
        if self.owner in response.owners or self.owner in response.notified or self.owner == response.proposer:
            return True
        return all(name in self.assets or self._sees_link(name) for name in response.targets)

    def response(self, response: Response) -> dict[str, Any]:
        """Give a response as this owner may read it; owners that are asked read all of it."""
        is_asked = self.owner in response.owners
        targets = [name if is_asked or self.sees_target(name) else "(not shared)" for name in response.targets]
        shown: dict[str, Any] = {
            "id": response.id,
            "state": response.state.value,
            "playbook": response.playbook,
            "playbook_digest": response.playbook_digest,
            "consent_class": response.consent_class.word,
            "targets": targets,
            "owners": list(response.owners),
            "notified": list(response.notified),
            "proposer": response.proposer,
            "created": response.created,
            "updated": response.updated,
            "expires": response.expires,
            "holds_until": response.holds_until or None,
        }
        if is_asked:
            shown |= {
                "reason": response.reason,
                "evidence": list(response.evidence),
                "confidence": response.confidence,
                "sources": response.sources,
                "forecast": dict(response.forecast),
                "twin_part": response.twin_part,
                "blocked": response.blocked or None,
                "undo_wanted": response.undo_wanted or None,
                "undo_overdue": undo_is_overdue(response) or None,
            }
        return shown

    def _sees_link(self, name: str) -> bool:
        parts = name.split(" ")  # kind source target port, see twin.facts.key_of
        return len(parts) == 4 and parts[1] in self.assets and parts[2] in self.assets
