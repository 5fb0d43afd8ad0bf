"""Keyed draws for telemetry: small choices under one tick key.

Flows in: a tick key, a purpose, an entity. Flows out: chances, picks, numbers. The numbers are those of
`twin/rulebook/draws.py`; nothing is consumed from a stream, so that one asset's telemetry never moves another's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ...twin.rulebook.draws import uniform

# Purposes of the plant; those of the rulebook are below 1000. Append, never renumber.
SEEN = 1001  # whether and how a try is seen
PRESENT = 1002  # whether and how a held asset is seen
LOOKALIKE = 1003
ORDINARY = 1004
UID = 1005

Item = TypeVar("Item")
_ROOM = 1024  # draws per entity at most


@dataclass(slots=True)
class Draws:
    """The draws of one entity in one tick; lives for one scene."""

    key: Any  # uint64, from tick_key
    purpose: int
    entity: int
    _next: int = field(default=0)

    def number(self) -> float:
        """A number in (0, 1)."""
        self._next += 1
        return float(uniform(self.key, self.purpose, self.entity * _ROOM + self._next))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.number() < probability

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.number() * (high - low + 1))

    def pick(self, items: Sequence[Item]) -> Item:
        """One of the items, each as likely; there must be one."""
        return items[int(self.number() * len(items))]

    def sample(self, items: Sequence[Item], count: int) -> list[Item]:
        """`count` of the items, none twice; all where there are no more."""
        left: list[Item] = list(items)
        taken: list[Item] = []
        while left and len(taken) < count:
            taken.append(left.pop(int(self.number() * len(left))))
        return taken

    def weighted(self, weights: Mapping[Item, float]) -> Item:
        """One of the keys, by weight; there must be one."""
        left = self.number() * sum(weights.values())
        last = None
        for item, weight in weights.items():
            left -= weight
            last = item
            if left < 0:
                break
        assert last is not None
        return last
