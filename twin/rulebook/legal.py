"""Legal actions natively: one list that all worlds share, and what running responses change of it in each world.

Flows in: twin, effects, the public part of a world. Flows out: `Legal`, from which an action is taken by its place in
the list. The work grows with the responses that run, never with playbooks times targets; `mask` says the same densely.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from ..compiled import Compiled, CompiledTwin, Int32, Int64
from ..vocabulary import RunState
from .effects import EffectTable
from .jit import compiled, compiled_parallel, inlined, inner
from .mask import acts_again, applies, is_undone_by, static_mask, target_count
from .state import RUNS, WorldState

_FREE = int(RunState.FREE)
_PRIME = np.int64(0x9E3779B97F4A7C15 - 2**64)


class Legal(NamedTuple):
    """Legal actions of B worlds, waiting left out: `always` less `closed`, then `opened`."""

    always: Int32  # [M] actions that are legal when nothing runs, ascending
    closed: Int32  # [B, R] places in `always` that running responses close, ascending
    closed_n: Int32  # [B]
    opened: Int32  # [B, R * clearing playbooks] actions that running responses open, in order of their slots
    opened_n: Int32  # [B]
    legal_n: Int32  # [B] legal actions; 0 where no more responses may run
    running: Int64  # [B] of what ran when it was listed, a 64-bit digest; 0: not listed yet


def new_legal(compiled_twin: Compiled, effects: EffectTable, worlds: int, *, runs: int = RUNS) -> Legal:
    """Room for the legal actions of `worlds` worlds; `list_legal` fills it.

    Args:
        compiled_twin: the twin.
        effects: what playbooks do.
        worlds: B.
        runs: responses that may run at once in a world, as its state was made for.
    """
    always = np.flatnonzero(static_mask(compiled_twin.arrays, effects))[1:].astype(np.int32)
    clearing = max(1, int((effects.playbook["clear_mode"] >= 0).sum()))
    return Legal(
        always=always,
        closed=np.zeros((worlds, runs), np.int32),
        closed_n=np.zeros(worlds, np.int32),
        opened=np.zeros((worlds, runs * clearing), np.int32),
        opened_n=np.zeros(worlds, np.int32),
        legal_n=np.zeros(worlds, np.int32),
        running=np.zeros(worlds, np.int64),
    )


@compiled_parallel
def list_legal(t: CompiledTwin, e: EffectTable, s: WorldState, legal: Legal) -> None:
    """Bring the legal actions of all worlds up to date."""
    for b in numba.prange(len(s.world)):
        list_legal_of(numba.int64(b), t, e, s, legal)


@compiled
def list_legal_of(b: int, t: CompiledTwin, e: EffectTable, s: WorldState, legal: Legal) -> None:
    """Bring the legal actions of one world up to date: nothing to do while the same responses run."""
    running = _digest(b, s)
    if running == legal.running[b]:
        return
    legal.running[b] = running
    legal.closed_n[b], legal.opened_n[b] = 0, 0
    room, targets = s.world[b].run_n < s.run.shape[1], target_count(t)
    for r in range(s.world[b].run_n):
        if s.run[b, r].state == _FREE:
            room = True
            continue
        playbook, target = s.run[b, r].playbook, s.run[b, r].target
        if not acts_again(playbook, s.run[b, r].state, e):
            _close(b, 1 + playbook * targets + target, legal)
        for other in range(len(e.playbook)):
            if is_undone_by(playbook, s.run[b, r].state, other, e) and applies(other, target, t, e):
                _open(b, other, target, targets, e, s, legal)
    legal.legal_n[b] = len(legal.always) - legal.closed_n[b] + legal.opened_n[b] if room else 0


@inlined
def _digest(b: int, s: WorldState) -> int:
    """A digest of the running responses, never 0 (multiplicative hashing; Knuth, TAOCP vol. 3, section 6.4)."""
    digest = np.int64(1)
    for r in range(s.world[b].run_n):
        if s.run[b, r].state != _FREE:
            row = (np.int64(s.run[b, r].target) << 24) | (np.int64(s.run[b, r].playbook) << 8) | s.run[b, r].state
            digest = (digest ^ row) * _PRIME
    return int(digest | 1)


@inlined
def _close(b: int, action: int, legal: Legal) -> None:
    """Enter the place of an action, in order, unless it is there or the action is not among `always`."""
    place = _place(action, legal.always)
    if place == len(legal.always) or legal.always[place] != action:
        return
    n = legal.closed_n[b]
    while n > 0 and legal.closed[b, n - 1] > place:
        n -= 1
    if n > 0 and legal.closed[b, n - 1] == place:
        return
    for i in range(legal.closed_n[b], n, -1):
        legal.closed[b, i] = legal.closed[b, i - 1]
    legal.closed[b, n] = place
    legal.closed_n[b] += 1


@inlined
def _place(action: int, always: npt.NDArray[np.int32]) -> int:
    """Where an action stands in an ascending list, or would."""
    low, high = 0, len(always)
    while low < high:
        middle = (low + high) // 2
        if always[middle] < action:
            low = middle + 1
        else:
            high = middle
    return low


@inner
def _open(b: int, playbook: int, target: int, targets: int, e: EffectTable, s: WorldState, legal: Legal) -> None:
    """Enter an action that a running response makes legal, once, unless it is at work there already."""
    action = 1 + playbook * targets + target
    for i in range(legal.opened_n[b]):
        if legal.opened[b, i] == action:
            return
    for r in range(s.world[b].run_n):
        same = s.run[b, r].playbook == playbook and s.run[b, r].target == target
        if same and s.run[b, r].state != _FREE and not acts_again(playbook, s.run[b, r].state, e):
            return
    legal.opened[b, legal.opened_n[b]] = action
    legal.opened_n[b] += 1


@inlined
def nth_legal(b: int, n: int, legal: Legal) -> int:
    """The n-th legal action of a world, n within 0..legal_n-1."""
    kept = len(legal.always) - legal.closed_n[b]
    if n >= kept:
        return int(legal.opened[b, n - kept])
    place = n
    for i in range(legal.closed_n[b]):
        if legal.closed[b, i] <= place:
            place += 1
    return int(legal.always[place])


@compiled
def write_legal(b: int, legal: Legal, actions: npt.NDArray[np.int32]) -> int:
    """Write the legal actions of a world that has been listed into int32[legal_n] or more; gives their number."""
    for n in range(legal.legal_n[b]):
        actions[n] = nth_legal(b, n, legal)
    return int(legal.legal_n[b])
