"""Findings that owners tell each other by phone: late, and in part.

Flows in: the findings of a tick. Flows out: the same ones again, some of them, a fixed time later, as the last rows of
that tick's findings. Who sees a row at once and who only when it was told, `is_told` says. Where owners share at once
(`pending` has no room), nothing is done and every row is told to all.
"""

from __future__ import annotations

import numpy as np

from ..compiled import Compiled, CompiledTwin, UInt8
from .draws import SHARED, uniform
from .jit import inlined, inner
from .parameters import Parameters
from .state import WorldState

_SENSORS, _CLASSES = 8, 32  # room for both in the number of a finding


@inlined
def settle_sharing(b: int, p: Parameters, s: WorldState) -> None:
    """Keep of the tick's findings what will be told to other owners, and tell what is due; `pending` has room."""
    room, world = s.pending.shape[1], s.world[b]
    for n in range(world.finding_n):
        entity = (s.finding[b, n, 0] * _SENSORS + s.finding[b, n, 1]) * _CLASSES + s.finding[b, n, 2]
        if uniform(world.key, SHARED, entity) >= p.told_part:
            continue
        if world.pending_n == room:
            world.dropped += 1
        else:
            row = (world.pending_first + world.pending_n) % room
            for column in range(4):
                s.pending[b, row, column] = s.finding[b, n, column]
            s.pending[b, row, 4] = world.tick + p.told_after
            world.pending_n += 1
    world.late_n = 0
    while world.pending_n > 0 and s.pending[b, world.pending_first, 4] <= world.tick:
        if world.finding_n < s.finding.shape[1]:
            for column in range(4):
                s.finding[b, world.finding_n, column] = s.pending[b, world.pending_first, column]
            world.finding_n += 1
            world.late_n += 1
        else:
            world.dropped += 1
        world.pending_first = (world.pending_first + 1) % room
        world.pending_n -= 1


def sight(compiled: Compiled, parameters: Parameters, seat_owner: int = -1) -> UInt8:
    """uint8[N]: how findings on each asset reach a view: 1 at once, 2 when their owner tells them.

    Args:
        compiled: the twin.
        parameters: whether owners call, and at whose desk the coalition sits.
        seat_owner: owner of the view, -1: the coalition.
    """
    owner = compiled.arrays.asset["owner"]
    own = owner == (seat_owner if seat_owner >= 0 else parameters.desk)
    return np.where(own | (not parameters.is_by_phone), 1, 2).astype(np.uint8)


@inlined
def is_late(b: int, n: int, s: WorldState) -> bool:
    """Whether row `n` of the findings is one that happened earlier and was told now."""
    return n >= s.world[b].finding_n - s.world[b].late_n


@inner
def is_told(b: int, n: int, seat: int, t: CompiledTwin, p: Parameters, s: WorldState) -> bool:
    """Whether whoever sits on a seat hears of row `n` of the findings in this tick."""
    if s.pending.shape[1] == 0:
        return True
    own = is_own(s.seat_owner[b, seat], t.asset[s.finding[b, n, 0]].owner, p)
    return own != is_late(b, n, s)


@inner
def is_own(seat_owner: int, owner: int, p: Parameters) -> bool:
    """Whether what concerns `owner` needs no call from a seat; the coalition (-1) sits at the desk of one owner."""
    return owner == (seat_owner if seat_owner >= 0 else p.desk)
