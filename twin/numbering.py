"""Which number an asset has: given once, kept through all later versions of a chain, never given again.

Flows in: a twin, and the numbers of the version before. Flows out: `Numbering`. In the first version assets are
numbered by id; what comes later takes the next numbers, by id; what goes leaves a hole, also if the same id comes back
later. So beliefs, findings and running responses of one version mean the same assets in the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .graph import Asset, Twin


@dataclass(frozen=True)
class Numbering:
    """Assets by number and numbers by asset."""

    assets: tuple[Asset, ...]  # [N] in number order; in a hole stands the asset as it was last
    number: Mapping[str, int]  # of every asset that is there, by id
    gone: frozenset[int]  # numbers of holes

    @classmethod
    def first(cls, twin: Twin) -> Numbering:
        """The numbers of a chain's first version: its assets by id."""
        return cls(tuple(twin.assets), {asset.id: number for number, asset in enumerate(twin.assets)}, frozenset())

    def after(self, gone: Iterable[Asset], come: Iterable[Asset]) -> Numbering:
        """The numbers of the next version: what goes and comes at once has changed and keeps its number."""
        left, entered = {one.id for one in gone}, {one.id: one for one in come}
        if not left and not entered:
            return self
        assets = list(self.assets)
        new = sorted(one for one in entered if one not in self.number)  # never all numbers: these are many
        for one in entered.keys() - set(new):
            assets[self.number[one]] = entered[one]
        lost = left - entered.keys()
        if not lost and not new:
            return Numbering(tuple(assets), self.number, self.gone)
        number = dict(self.number)
        holes = frozenset(number.pop(one) for one in lost)
        number.update((one, len(assets) + row) for row, one in enumerate(new))
        assets += [entered[one] for one in new]
        return Numbering(tuple(assets), number, self.gone | holes)
