"""Lays the shape of a campaign on a chain: each machine of the shape becomes one of the chain that can be reached.

Flows in: a `CampaignShape` and a compiled twin. Flows out: stages of a scripted campaign. Every hop becomes the
shortest chain of attack steps from what the script holds by then, so no stage asks for what could not be open; hops for
which no machine is left are counted and left out. The choice is by structure alone: equal inputs give equal stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..twin.compiled import Compiled, UInt8
from ..twin.rulebook.campaign import GRACE_S, CampaignStage
from ..twin.vocabulary import Access, AssetKind, Gain
from .lateral import CampaignShape

MACHINES = (AssetKind.HOST, AssetKind.CONTAINER, AssetKind.DEVICE, AssetKind.SERVICE)
_FAR = np.iinfo(np.int32).max
Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Fit:
    """A campaign on a chain."""

    stages: tuple[CampaignStage, ...]
    machines: tuple[str, ...]  # asset ids in order of taking
    left_out: int  # hops for which no machine was left


def fit_campaign(shape: CampaignShape, compiled: Compiled, *, entry: Sequence[int] = (), speed: float = 1.0) -> Fit:
    """Lay a shape on a chain.

    Args:
        shape: the hops.
        compiled: the chain.
        entry: numbers of the assets held at first; the externals if left out.
        speed: times are divided by this.
    """
    script = _Script(compiled, [int(a) for a in entry] or [int(a) for a in compiled.arrays.external])
    taken: dict[int, int] = {}
    left_out = 0
    for hop in shape.hops:
        for machine, source in ((hop.source, None), (hop.target, taken.get(hop.source))):
            if machine not in taken:
                asset = script.take(source, hop.after_s / speed)
                if asset is not None:
                    taken[machine] = asset
        left_out += hop.target not in taken
    names = tuple(compiled.assets[asset].id for asset in taken.values())
    return Fit(tuple(script.stages), names, left_out)


@dataclass
class _Script:
    """What the script holds so far; lives for one call of `fit_campaign`."""

    compiled: Compiled
    entry: list[int]
    stages: list[CampaignStage] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.held: UInt8 = np.zeros(self.compiled.sizes[0], np.uint8)  # Access by now
        self.held[self.entry] = Access.USER
        self.used: set[int] = set(self.entry)

    def take(self, source: int | None, after_s: float) -> int | None:
        """Take the nearest machine not used yet, best one that `source` gives a step to; None: there is none."""
        reach = _Reach(self.compiled, self.held)
        arrays = self.compiled.arrays
        near: set[int] = set()
        if source is not None:
            asset = arrays.asset[source]
            near = {source, *(int(a) for a in arrays.whole[asset["whole_first"] : asset["whole_last"]])}
        candidates = [
            (int(arrays.step["src"][reach.by[0, a]]) not in near, int(reach.round[0, a]), a)
            for a in np.flatnonzero(np.isin(arrays.asset["kind"], MACHINES)).tolist()
            if a not in self.used and 0 < reach.round[0, a] < _FAR
        ]
        if not candidates:
            return None
        chosen: int = min(candidates)[2]
        for row in reach.steps_to(chosen, int(Access.USER)):
            one = self.compiled.steps[row]
            target = self.compiled.asset_number[one.target]
            self.held[target] = max(int(self.held[target]), int(one.gains))
            self.stages.append(CampaignStage(after_s, one.technique, one.target, grace_s=GRACE_S))
        self.used.add(chosen)
        return chosen


class _Reach:
    """What can be held by and by, in rounds, and by which step; lives for one choice."""

    def __init__(self, compiled: Compiled, held: UInt8) -> None:
        self.compiled = compiled
        levels = np.array([held >= Access.USER, held >= Access.ADMIN])
        self.round: Int32 = np.where(levels, 0, _FAR).astype(np.int32)  # [user or admin, N]
        self.by: Int32 = np.full(self.round.shape, -1, np.int32)
        step, number = compiled.arrays.step, 0
        while True:
            number += 1
            self._fill_segments(number - 1)
            level = (step["need"] == Access.ADMIN).astype(int)
            able = (self.round[level, step["src"]] < number) & np.isin(step["gain"], (Gain.USER, Gain.ADMIN))
            able &= (step["identity"] < 0) | (self.round[0, step["identity"]] < number)
            if not self._gain(np.flatnonzero(able), number):
                return

    def _fill_segments(self, number: int) -> None:
        arrays = self.compiled.arrays
        wholes = np.repeat(np.arange(len(arrays.asset)), arrays.asset["part_last"] - arrays.asset["part_first"])
        inside = arrays.asset["kind"][wholes] == AssetKind.SEGMENT
        members, segments = arrays.part[inside], wholes[inside]
        for member, segment in zip(members.tolist(), segments.tolist(), strict=True):
            if self.round[0, member] <= number < self.round[0, segment]:
                self.round[0, segment] = number

    def _gain(self, rows: npt.NDArray[np.int64], number: int) -> bool:
        """Note what the steps newly give in this round."""
        step, found = self.compiled.arrays.step, False
        for row in rows.tolist():
            dst = int(step["dst"][row])
            for level in range(int(step["gain"][row])):  # admin is user as well
                if self.round[level, dst] == _FAR:
                    self.round[level, dst], self.by[level, dst], found = number, row, True
        return found

    def steps_to(self, asset: int, need: int) -> list[int]:
        """The steps that lead to access `need`, in an order in which each is possible."""
        order: list[int] = []
        self._explain(asset, need, order)
        return list(dict.fromkeys(order))

    def _explain(self, asset: int, need: int, order: list[int]) -> None:
        level = 1 if need == Access.ADMIN else 0
        if self.round[level, asset] == 0:
            return
        row = int(self.by[level, asset])
        if row < 0:  # a segment: through its nearest member
            record = self.compiled.arrays.asset[asset]
            parts = self.compiled.arrays.part[record["part_first"] : record["part_last"]]
            self._explain(int(parts[np.argmin(self.round[0, parts])]), need, order)
            return
        step = self.compiled.arrays.step[row]
        self._explain(int(step["src"]), int(step["need"]), order)
        if step["identity"] >= 0:
            self._explain(int(step["identity"]), int(Access.USER), order)
        order.append(row)
