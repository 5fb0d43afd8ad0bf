"""The state of B worlds as a structure of arrays, 8 bytes an asset, and who writes what.

Flows in: sizes, world ids, a stream. Flows out: a `WorldState`. Only `settle` writes to it during a tick; `reset` and
`fork` write whole worlds between ticks. Decision buffers (`choice`, `answer`) are written by the deciding half.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from ..compiled import Compiled, Float32, Int32, Int64, UInt8
from ..vocabulary import LossCause
from .draws import ABSENT, ONSET, START_HOUR, tick_key, uniform
from .jit import compiled, compiled_parallel
from .parameters import Parameters

NEVER = np.iinfo(np.int32).max  # a tick that does not come
HELD_LIMIT = 4096  # assets held at once in one world; beyond it an attacker gains no more (occurrence `refused`)
RUNS = 32  # responses running at once in one world
FINDINGS = 64  # findings of one tick kept; more are dropped and counted in `finding_count`

# bits of `status`
IMPACTED, UNSERVED, HARMED, WAS_UNSERVED = 1, 2, 4, 8


class WorldState(NamedTuple):
    """Arrays over B worlds. Per asset: user, admin, persist, status (1 byte each) and modes (4 bytes)."""

    stream: npt.NDArray[np.int64]  # [B] stream of draws
    world: npt.NDArray[np.int64]  # [B] world id
    episode: Int32  # [B]
    tick: Int32  # [B] settle
    key: npt.NDArray[np.uint64]  # [B] tick key, settle
    start_hour: Float32  # [B] UTC hour of tick 0, reset
    onset: Int32  # [B, K] tick at which an attacker comes, reset
    user: UInt8  # [B, N] bit k: attacker k has user access, settle
    admin: UInt8  # [B, N] bit k: admin, settle
    persist: UInt8  # [B, N] bit k: persistence, settle
    status: UInt8  # [B, N] bits above, settle
    modes: npt.NDArray[np.uint32]  # [B, N] a count of 4 bits per Mode, settle
    cut: UInt8  # [B, L] responses that cut the link, settle
    held: Int32  # [B, H] assets with any bit of user, admin, persist, settle
    held_n: Int32  # [B]
    hurt: Int32  # [B, H] assets out of service by impact, settle
    hurt_n: Int32  # [B]
    unserved: Int32  # [B, N] assets that do not serve, settle
    unserved_n: Int32  # [B]
    dirty: UInt8  # [B] 1: availability must be derived again, settle
    run_playbook: npt.NDArray[np.int16]  # [B, R] settle
    run_target: Int32  # [B, R]
    run_state: UInt8  # [B, R] RunState
    run_since: Int32  # [B, R] tick of the proposal
    run_due: Int32  # [B, R] tick at which work or hold ends
    run_seat: UInt8  # [B, R] seat that proposed it
    run_agreed: UInt8  # [B, R] bit i: side i of the target consents
    seat_owner: Int32  # [B, S] owner of a seat, -1: the coalition, reset
    choice: Int32  # [B, K] attackers' decision: step or -1
    answer: UInt8  # [B, R, 2] owners' decision per side: 0 none yet, 1 yes, 2 no
    loss: Int64  # [B, O, LossCause] nano-units, settle
    service_rate: Int64  # [B, O] nano-units per tick, settle
    harm_rate: Int64  # [B, O] nano-units per tick, settle
    finding: Int32  # [B, FINDINGS, 4] asset, sensor, class, confidence of this tick, settle
    finding_n: Int32  # [B]
    finding_count: Int32  # [B] all findings since reset
    trace: Int32  # [B, C, 4] occurrences of this tick: kind, subject, object, value; C 0: not kept
    trace_n: Int32  # [B]


def new_state(
    compiled_twin: Compiled, parameters: Parameters, count: int, *, seats: int = 1, runs: int = RUNS, trace: int = 0
) -> WorldState:
    """Allocate `count` worlds; they must be reset before use.

    Args:
        compiled_twin: the twin all worlds share.
        parameters: gives the number of attackers.
        count: worlds, B >= 1.
        seats: deciding seats, S >= 1.
        runs: responses that may run at once in a world.
        trace: occurrences kept per tick; 0 keeps none.
    """
    assets, links, owners = compiled_twin.sizes
    attackers = len(parameters.try_p)
    held = min(assets, HELD_LIMIT)

    def zeros(dtype: Any, *shape: int) -> npt.NDArray[Any]:
        return np.zeros((count, *shape), dtype)

    return WorldState(
        stream=zeros(np.int64),
        world=zeros(np.int64),
        episode=zeros(np.int32),
        tick=zeros(np.int32),
        key=zeros(np.uint64),
        start_hour=zeros(np.float32),
        onset=zeros(np.int32, attackers),
        user=zeros(np.uint8, assets),
        admin=zeros(np.uint8, assets),
        persist=zeros(np.uint8, assets),
        status=zeros(np.uint8, assets),
        modes=zeros(np.uint32, assets),
        cut=zeros(np.uint8, links),
        held=zeros(np.int32, held),
        held_n=zeros(np.int32),
        hurt=zeros(np.int32, held),
        hurt_n=zeros(np.int32),
        unserved=zeros(np.int32, assets),
        unserved_n=zeros(np.int32),
        dirty=zeros(np.uint8),
        run_playbook=zeros(np.int16, runs),
        run_target=zeros(np.int32, runs),
        run_state=zeros(np.uint8, runs),
        run_since=zeros(np.int32, runs),
        run_due=zeros(np.int32, runs),
        run_seat=zeros(np.uint8, runs),
        run_agreed=zeros(np.uint8, runs),
        seat_owner=np.full((count, seats), -1, np.int32),
        choice=zeros(np.int32, attackers),
        answer=zeros(np.uint8, runs, 2),
        loss=zeros(np.int64, owners, len(LossCause)),
        service_rate=zeros(np.int64, owners),
        harm_rate=zeros(np.int64, owners),
        finding=zeros(np.int32, FINDINGS, 4),
        finding_n=zeros(np.int32),
        finding_count=zeros(np.int32),
        trace=zeros(np.int32, trace, 4),
        trace_n=zeros(np.int32),
    )


@compiled
def reset_world(b: int, p: Parameters, s: WorldState) -> None:
    """Empty world `b` and draw when its attackers come; stream, world and episode are set before."""
    s.tick[b] = 0
    s.key[b] = tick_key(s.stream[b], s.world[b], s.episode[b], 0)
    s.user[b, :] = 0
    s.admin[b, :] = 0
    s.persist[b, :] = 0
    s.status[b, :] = 0
    s.modes[b, :] = 0
    s.cut[b, :] = 0
    s.held_n[b] = 0
    s.hurt_n[b] = 0
    s.unserved_n[b] = 0
    s.dirty[b] = 0
    s.run_state[b, :] = 0
    s.answer[b, :, :] = 0
    s.choice[b, :] = -1
    s.loss[b, :, :] = 0
    s.service_rate[b, :] = 0
    s.harm_rate[b, :] = 0
    s.finding_n[b] = 0
    s.finding_count[b] = 0
    s.trace_n[b] = 0
    s.start_hour[b] = p.start_hour if p.start_hour >= 0 else 24.0 * uniform(s.key[b], START_HOUR, 0)
    for k in range(s.onset.shape[1]):
        first, last = p.onset[k, 0], p.onset[k, 1]
        s.onset[b, k] = first + int(uniform(s.key[b], ONSET, k) * (last - first + 1))
        if uniform(s.key[b], ABSENT, k) < p.absent[k]:
            s.onset[b, k] = NEVER


@compiled_parallel
def reset_worlds(which: npt.NDArray[np.int64], p: Parameters, s: WorldState) -> None:
    """Reset the worlds numbered in `which`."""
    for i in numba.prange(len(which)):
        reset_world(which[i], p, s)


def copy_worlds(source: WorldState, rows: npt.NDArray[np.int64]) -> WorldState:
    """New worlds with the state of the given rows of `source` (rows may repeat)."""
    return WorldState(*(np.ascontiguousarray(array[rows]) for array in source))


def bytes_per_world(state: WorldState) -> int:
    """Bytes of one world, the shared twin left out."""
    return sum(array.nbytes for array in state) // len(state.tick)
