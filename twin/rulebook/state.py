"""The state of B worlds as a structure of arrays, 7 bytes an asset, and who writes what.

Flows in: sizes, world ids, a stream. Flows out: a `WorldState`. Only `settle` writes to it during a tick; `reset` and
`fork` write whole worlds between ticks. Decision buffers (`choice`, `answer`) are written by the deciding half.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from ..compiled import Compiled, Int32, Int64, UInt8
from ..vocabulary import LossCause, StepClass
from .draws import ABSENT, BEGIN, ONSET, START_HOUR, tick_key, uniform
from .jit import compiled, compiled_parallel, inner
from .parameters import Parameters

ENTRIES = -1  # an attacker begins at the entries of its profile
NEVER = np.iinfo(np.int32).max  # a tick that does not come
HELD_LIMIT = 4096  # assets held at once in one world; beyond it an attacker gains no more (occurrence `refused`)
UNSERVED_LIMIT = 4096  # assets out of service that are listed; beyond it the whole twin is looked through
RUNS = 32  # responses running at once in one world
FINDINGS, MOST_FINDINGS = 64, 1 << 16  # findings of one tick that have room: least and most, by rate between
PENDING, MOST_PENDING = 256, 1 << 17  # the same for findings on their way between owners
DEVIATIONS, SPARE = 8, 32  # standard deviations over the mean that have room, and as many more as stay when it is small

# Bits of `modes` above the counts, which take 28: a world at a million assets has to fit into eight million bytes.
IMPACTED, UNSERVED, WAS_UNSERVED, CARRIED_OUT = 1 << 28, 1 << 29, 1 << 30, 1 << 31
ALL_BITS = (1 << 32) - 1
COUNTS = IMPACTED - 1  # the bits of the counts

WORLD = np.dtype(
    [
        ("stream", "i8"),  # stream of draws, reset
        ("id", "i8"),  # world id, reset
        ("key", "u8"),  # tick key, settle
        ("episode", "i4"),  # reset
        ("tick", "i4"),  # settle
        ("start_hour", "f4"),  # UTC hour of tick 0, reset
        ("held_n", "i4"),  # rows used of held, hurt, unserved, finding, trace, cleaned, settle
        ("hurt_n", "i4"),
        ("unserved_n", "i4"),
        ("run_n", "i4"),  # rows of run from here on are free, settle
        ("finding_n", "i4"),
        ("trace_n", "i4"),
        ("cleaned_n", "i4"),
        ("finding_count", "i4"),  # all findings since reset, settle
        ("dropped", "i4"),  # findings since reset that had no room in `finding`, or in `pending` to be told; settle
        ("pending_first", "i4"),  # rows of pending in use, a ring; settle
        ("pending_n", "i4"),
        ("late_n", "i4"),  # the last rows of finding: told by other owners, of earlier ticks; settle
        ("dirty", "u1"),  # 1: availability must be derived again, settle
        ("overflow", "u1"),  # 1: more assets are out of service than `unserved` holds; `modes` alone tells which
    ],
    align=True,
)
ASSET_STATE = np.dtype(
    [
        ("modes", "u4"),  # a count of 4 bits per Mode; IMPACTED, UNSERVED, CARRIED_OUT; settle
        ("user", "u1"),  # bit k: attacker k has user access, settle
        ("admin", "u1"),  # bit k: admin, settle
        ("persist", "u1"),  # bit k: persistence, settle
    ]
)
RUN = np.dtype(
    [
        ("target", "i4"),
        ("since", "i4"),  # tick of the proposal
        ("due", "i4"),  # tick at which work or hold ends
        ("playbook", "i2"),
        ("state", "u1"),  # RunState
        ("seat", "u1"),  # seat that proposed it
        ("agreed", "u1"),  # bit i: side i of the target consents
    ],
    align=True,
)
ATTACKER_STATE = np.dtype(
    [
        ("onset", "i4"),  # tick of its coming, reset
        ("choice", "i4"),  # decided step or -1
        ("stage", "i4"),  # of its campaign, from 0; settle
        ("since", "i4"),  # tick at which the stage before it ended, settle
        ("entry", "i4"),  # machine inside at which it begins, -1: the entries of its profile, reset
    ]
)
RATE = np.dtype([("service", "i8"), ("harm", "i8")])  # nano loss per tick


class WorldState(NamedTuple):
    """Arrays over B worlds; 7 bytes an asset. `settle` writes all but what is marked."""

    world: npt.NDArray[Any]  # [B] of WORLD
    asset: npt.NDArray[Any]  # [B, N] of ASSET_STATE
    run: npt.NDArray[Any]  # [B, R] of RUN
    attacker: npt.NDArray[Any]  # [B, K] of ATTACKER_STATE; choice: the deciding half
    rate: npt.NDArray[Any]  # [B, O] of RATE
    loss: Int64  # [B, O, LossCause] nano-units
    cut: UInt8  # [B, L] responses that cut the link
    held: Int32  # [B, H] assets with any bit of user, admin, persist
    hurt: Int32  # [B, H] assets out of service by impact
    unserved: Int32  # [B, 2, U] assets that do not serve, unless `overflow`; those that did not before
    seat_owner: Int32  # [B, S] owner of a seat, -1: the coalition; reset
    refused: UInt8  # [B, S] 1: the seat's decision of the last tick was refused
    answer: UInt8  # [B, R, 2] owners' answer per side: 0 none yet, 1 yes, 2 no; the deciding half
    cleaned: Int32  # [B, R, 2] asset and ceiling that responses set in this tick: public, belief reads it
    finding: Int32  # [B, F, 4] asset, sensor, class, confidence of this tick; F from `room_for_findings`
    pending: Int32  # [B, P, 5] findings that will be told to other owners, and when; none: told at once
    trace: Int32  # [B, C, 4] occurrences of this tick: kind, subject, object, value; C 0: not kept


def new_state(
    compiled_twin: Compiled,
    parameters: Parameters,
    count: int,
    *,
    seats: int = 1,
    runs: int = RUNS,
    trace: int = 0,
    held: int = HELD_LIMIT,
    findings: int | None = None,
) -> WorldState:
    """Allocate `count` worlds; they must be reset before use.

    Args:
        compiled_twin: the twin all worlds share.
        parameters: gives the number of attackers.
        count: worlds, B >= 1.
        seats: deciding seats, S >= 1.
        runs: responses that may run at once in a world.
        trace: occurrences kept per tick; 0 keeps none.
        held: assets that attackers may hold at once in a world.
        findings: findings of one tick that have room; by the rate at which they come if left out.
    """
    assets, links, owners = compiled_twin.sizes
    held = min(assets, held)
    room, pending = room_for_findings(parameters, held)

    def zeros(dtype: Any, *shape: int) -> npt.NDArray[Any]:
        array = np.zeros((count, *shape), dtype)
        return array.view(np.recarray) if array.dtype.names else array

    return WorldState(
        world=zeros(WORLD),
        asset=zeros(ASSET_STATE, assets),
        run=zeros(RUN, runs),
        attacker=zeros(ATTACKER_STATE, len(parameters.attacker)),
        rate=zeros(RATE, owners),
        loss=zeros(np.int64, owners, len(LossCause)),
        cut=zeros(np.uint8, links),
        held=zeros(np.int32, held),
        hurt=zeros(np.int32, held),
        unserved=zeros(np.int32, 2, min(assets, UNSERVED_LIMIT)),
        seat_owner=np.full((count, seats), -1, np.int32),
        refused=zeros(np.uint8, seats),
        answer=zeros(np.uint8, runs, 2),
        cleaned=zeros(np.int32, runs, 2),
        finding=zeros(np.int32, room if findings is None else findings, 4),
        pending=zeros(np.int32, pending, 5),
        trace=zeros(np.int32, trace, 4),
    )


def room_for_findings(parameters: Parameters, held: int) -> tuple[int, int]:
    """Rows for the findings of a tick, and for those on their way between owners, in a world of a game.

    So many that a tick of which more are dropped is not to be expected: the mean of the busiest hour with everything
    held, and `DEVIATIONS` times the root of that. Between `FINDINGS` and `MOST_FINDINGS` (`PENDING`, `MOST_PENDING`);
    what finds no room all the same is counted in the world's `dropped`.

    Args:
        parameters: numbers of the game.
        held: assets that attackers may hold at once in a world.
    """
    presence = float(parameters.hit_mask[0, :, StepClass.PRESENCE].max())
    false = parameters.false_total * (1.0 + parameters.load_amplitude)
    mean = held * presence + len(parameters.attacker) + false + float(parameters.attacker["forgeries"].sum())
    if not parameters.is_by_phone:
        return min(max(FINDINGS, _ample(mean)), MOST_FINDINGS), 0
    waiting = min(max(PENDING, _ample(mean * parameters.told_part * (parameters.told_after + 1))), MOST_PENDING)
    return min(max(FINDINGS, _ample(mean * (1.0 + parameters.told_part))), MOST_FINDINGS), waiting


def _ample(mean: float) -> int:
    return math.ceil(mean + DEVIATIONS * math.sqrt(mean)) + SPARE


@compiled
def reset_world(b: int, p: Parameters, s: WorldState) -> None:
    """Empty world `b` and draw when and where its attackers come; stream, id, episode and seats are set before."""
    world = s.world[b]
    world.tick = 0
    world.key = tick_key(world.stream, world.id, world.episode, 0)
    world.held_n, world.hurt_n, world.unserved_n = 0, 0, 0
    world.finding_n, world.trace_n, world.cleaned_n = 0, 0, 0
    world.finding_count, world.dropped = 0, 0
    world.dirty, world.overflow, world.run_n = 0, 0, 0
    world.pending_first, world.pending_n, world.late_n = 0, 0, 0
    for a in range(s.asset.shape[1]):
        asset = s.asset[b, a]
        asset.modes, asset.user, asset.admin, asset.persist = 0, 0, 0, 0
    for r in range(s.run.shape[1]):
        s.run[b, r].state = 0
    for o in range(s.rate.shape[1]):
        s.rate[b, o].service, s.rate[b, o].harm = 0, 0
    s.cut[b, :] = 0
    s.answer[b, :, :] = 0
    s.loss[b, :, :] = 0
    world.start_hour = p.start_hour if p.start_hour >= 0 else 24.0 * uniform(world.key, START_HOUR, 0)
    for k in range(s.attacker.shape[1]):
        first, last = p.attacker[k].first, p.attacker[k].last
        s.attacker[b, k].choice, s.attacker[b, k].stage, s.attacker[b, k].since = -1, 0, 0
        s.attacker[b, k].onset = first + int(uniform(world.key, ONSET, k) * (last - first + 1))
        if uniform(world.key, ABSENT, k) < p.attacker[k].absent:
            s.attacker[b, k].onset = NEVER
        s.attacker[b, k].entry = _begin(world.key, k, p)


@inner
def _begin(key: np.uint64, k: int, p: Parameters) -> int:
    """Machine inside at which attacker `k` begins, or ENTRIES."""
    inside = p.attacker[k].inside
    if inside <= 0.0:
        return ENTRIES
    drawn = uniform(key, BEGIN, k)
    if drawn >= inside:
        return ENTRIES
    place = int(np.searchsorted(p.begin_cdf, drawn / inside))
    return p.begin_asset[min(place, len(p.begin_asset) - 1)]


@compiled_parallel
def reset_worlds(which: npt.NDArray[np.int64], p: Parameters, s: WorldState) -> None:
    """Reset the worlds numbered in `which`."""
    for i in numba.prange(len(which)):
        reset_world(which[i], p, s)


def copy_worlds(source: WorldState, rows: npt.NDArray[np.int64]) -> WorldState:
    """New worlds with the state of the given rows of `source` (rows may repeat)."""
    copies: list[Any] = [array[rows] for array in source]
    return WorldState(*copies)


@compiled
def rekey(s: WorldState) -> None:
    """Bring the tick keys in step with stream, id and episode after these were written."""
    for b in range(len(s.world)):
        s.world[b].key = tick_key(s.world[b].stream, s.world[b].id, s.world[b].episode, s.world[b].tick)


def bytes_per_world(state: WorldState) -> int:
    """Bytes of one world, the shared twin left out."""
    return sum(array.nbytes for array in state) // len(state.world)
