"""States of assets that their owners' inventories report: modes held, service lost, links cut.

Flows in: the world's public state. Flows out: which assets changed since the last look, and what they are now; at which
assets work of a response ended. Access of attackers is never among them.
"""

from __future__ import annotations

from ...twin.compiled import Compiled
from ...twin.rulebook.rules import BITS, COUNT
from ...twin.rulebook.state import COUNTS, UNSERVED, WorldState
from ...twin.vocabulary import Mode, OccurrenceKind

NOT_SERVING = "not_serving"
CUT = "cut "  # then the link's name, see Compiled.target_name


class States:
    """What was last reported; lives as long as its world."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._last: dict[int, tuple[str, ...]] = {}

    def changes(self, state: WorldState) -> tuple[tuple[int, tuple[str, ...]], ...]:
        """Give (asset number, states) of the assets that changed since the last call."""
        now = self._now(state)
        changed = sorted(asset for asset in now.keys() | self._last.keys() if now.get(asset) != self._last.get(asset))
        self._last = now
        return tuple((asset, now.get(asset, ())) for asset in changed)

    def works(
        self, occurrences: list[tuple[int, int, int, int]], playbooks: tuple[str, ...]
    ) -> tuple[tuple[int, str, bool], ...]:
        """Give (asset number, playbook, success) of work that ended in a tick; at both ends of a link."""
        return tuple(
            (asset, playbooks[playbook], kind == OccurrenceKind.TOOK_EFFECT)
            for kind, target, playbook, _ in occurrences
            if kind in (OccurrenceKind.TOOK_EFFECT, OccurrenceKind.FAILED)
            for asset in self._at(target)
        )

    def _at(self, target: int) -> tuple[int, ...]:
        assets, links, _ = self._compiled.sizes
        if target < assets:
            return (target,)
        if target >= assets + links:
            return ()
        ends = self._compiled.links[target - assets]
        return (self._compiled.asset_number[ends.source], self._compiled.asset_number[ends.target])

    def _now(self, state: WorldState) -> dict[int, tuple[str, ...]]:
        asset = state.asset[0]
        now: dict[int, list[str]] = {}
        for number in ((asset["modes"] & (COUNTS | UNSERVED)) != 0).nonzero()[0]:
            modes = int(asset["modes"][number])
            words = [mode.word for mode in Mode if (modes >> BITS * mode) & COUNT]
            if modes & UNSERVED:
                words.append(NOT_SERVING)
            now[int(number)] = words
        for link in state.cut[0].nonzero()[0]:
            ends = self._compiled.links[link]
            for end in (ends.source, ends.target):
                name = self._compiled.target_name(len(self._compiled.assets) + int(link))
                now.setdefault(self._compiled.asset_number[end], []).append(CUT + name)
        return {number: tuple(words) for number, words in now.items()}
