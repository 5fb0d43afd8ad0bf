"""The active part of a chain, in as many slots as settings say, whatever the chain's size.

Flows in: what a view sees of its worlds (dense rows, and which of them are not at rest), the target graph, running
responses. Flows out: per world the targets in its slots, their rows with neighbours, and what is legal on them. An
action over slots is 0 (wait) or `1 + playbook * slots + slot`. It reads public state, evidence and belief alone.

A target gets a slot by its priority: a response on its way or at work there, its modes, belief and evidence there,
belief in what has steps into it. Some slots are kept for what is dearest. Targets without a slot are at rest: nobody
is believed there or next to it, nothing is found or runs there. No response on them is proposed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from ..twin.compiled import CompiledTwin, Int32, Int64, UInt8
from ..twin.rulebook.effects import EffectTable
from ..twin.rulebook.jit import compiled_parallel, inner
from ..twin.rulebook.mask import acts_again, applies, is_undone_by
from ..twin.rulebook.state import WorldState
from ..twin.sensing.observe import FEATURES, Observed
from ..twin.vocabulary import RunState
from .target_graph import TARGET_FEATURES, TargetGraph

MOST_SLOTS, MOST_NEIGHBOURS = 254, 32
LOOKED_THROUGH = 64  # ties of a target that are looked through for neighbours, likeliest first
COALITION = -1
_DYNAMIC, _STATIC = len(FEATURES), len(TARGET_FEATURES)
# Columns after these: the seat's own; mean gains a minute along steps into the target, in octaves; responses on their
# way, at work or holding in the whole view; 255 in every slot that is filled.
OWN, COMING, BUSY, PRESENT = (_DYNAMIC + _STATIC + number for number in range(4))
INPUTS = PRESENT + 1  # columns that are features; neighbours follow
_COLUMN = {name: number for number, name in enumerate(FEATURES)}
_HELD, _EVIDENCE, _AGE = _COLUMN["held"], _COLUMN["evidence"], _COLUMN["age"]
_PENDING, _NEAR, _CUT = _COLUMN["pending"], _COLUMN["near"], _COLUMN["cut"]
_FIRST_MODE, _PEAK, _RESTORING = _COLUMN["isolated"], _COLUMN["peak"], _COLUMN["restoring"]
_FREE = int(RunState.FREE)
# Priority of the dearest; of a response on its way or at work; of a mode or a lost service: a belief of 0.14. Patches
# hold for a day and would take the slots of what is suspected now.
_KEPT, _BUSY, _MODE = 1 << 14, 2048, 96
_LOW = np.int64(0xFFFFFFFF)
ACTIVE_FEATURES = (*FEATURES, *TARGET_FEATURES, "own", "coming", "busy", "present")
COMING_OCTAVE, COMING_MOST = 13.0, 2.0  # steps of 255 per doubling; 255 is 4 gains a minute, 1 is 5e-6
BUSY_STEP = 8  # of 255 per response
# Belief of what `held` tells of it, 0 to 1: the middle of what `observe.log_odds` rounds down to each of 0..255.
PROBABILITIES = np.append(0.0, 1.0 / (1.0 + np.exp((127.5 - np.arange(1, 256)) / 18.0))).astype(np.float32)


class ActiveError(ValueError):
    """Sizes that make no active view; the message names the setting and the mend."""


@dataclass(frozen=True, slots=True)
class ActiveSettings:
    """Sizes of an active view; a policy runs with those it was trained with."""

    slots: int = 32  # K targets
    neighbours: int = 4  # D on each side: where steps come from, where they lead
    dearest: int = 4  # slots kept for what is dearest, at rest or not

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name, low, high in (("slots", 1, MOST_SLOTS), ("neighbours", 1, MOST_NEIGHBOURS), ("dearest", 0, 64)):
            value = getattr(self, name)
            if not isinstance(value, int) or not low <= value <= high:
                raise ActiveError(f"{name} {value}: give {low} to {high}")
        if self.dearest > self.slots:
            raise ActiveError(f"dearest {self.dearest}: there are {self.slots} slots in all; give at most so many")

    @property
    def width(self) -> int:
        """Columns of a row: INPUTS features, then D times slot, odds of where steps come from and lead."""
        return INPUTS + 4 * self.neighbours


class Active(NamedTuple):
    """The active part as V views see it; K slots, P playbooks."""

    rows: UInt8  # [V, K, width]; an empty slot is all 0, a neighbour that is not there has odds 0
    target: Int32  # [V, K] ascending, -1: empty
    legal: npt.NDArray[np.bool_]  # [V, 1 + P * K]


def new_active(views: int, playbooks: int, settings: ActiveSettings) -> Active:
    """Room for what V views see; `view_active` and `legal_active` fill it."""
    return Active(
        rows=np.zeros((views, settings.slots, settings.width), np.uint8),
        target=np.full((views, settings.slots), -1, np.int32),
        legal=np.zeros((views, 1 + playbooks * settings.slots), np.bool_),
    )


def sees_active(
    observed: Observed, graph: TargetGraph, *, settings: ActiveSettings, into: Active, seat: int = COALITION
) -> None:
    """Choose slots and write their rows from what has been observed.

    Args:
        observed: of V views.
        graph: of the same twin.
        settings: sizes.
        into: rows and targets are written; `legal` is not.
        seat: number of the owner who looks, -1: the coalition.
    """
    _fill(observed.rows, observed.lit, observed.lit_n, graph, settings, seat, into)


def sees_rows(
    rows: UInt8, graph: TargetGraph, *, settings: ActiveSettings, playbooks: int, seat: int = COALITION
) -> Active:
    """As `sees_active` of bare observations uint8[V, T, FEATURES], looked through for what is not at rest."""
    into = new_active(len(rows), playbooks, settings)
    lit, lit_n = np.zeros(rows.shape[:2], np.int32), np.zeros(len(rows), np.int32)
    look_through(rows, lit, lit_n)
    _fill(rows, lit, lit_n, graph, settings, seat, into)
    return into


def _fill(
    rows: UInt8, lit: Int32, lit_n: Int32, graph: TargetGraph, settings: ActiveSettings, seat: int, into: Active
) -> None:
    keys = np.zeros(into.target.shape, np.int64)
    view_active(rows, lit, lit_n, graph, settings.neighbours, settings.dearest, seat, keys, into)


def legal_of_masks(masks: npt.NDArray[np.bool_], active: Active) -> None:
    """Write `active.legal` from dense masks bool[V, 1 + P * T]."""
    views, slots = active.target.shape
    playbooks = (active.legal.shape[1] - 1) // slots
    dense = masks[:, 1:].reshape(views, playbooks, -1)
    chosen = np.take_along_axis(dense, np.maximum(active.target, 0)[:, None, :], axis=2)
    active.legal[:, 0] = True
    active.legal[:, 1:] = (chosen & (active.target >= 0)[:, None, :]).reshape(views, -1)


def dense_actions(actions: npt.NDArray[np.integer], active: Active, targets: int) -> Int32:
    """int32[V] numbers of actions over T targets of actions over slots; one on an empty slot waits."""
    slots = active.target.shape[1]
    playbook, slot = np.divmod(np.asarray(actions, np.int64) - 1, slots)
    target = active.target[np.arange(len(actions)), slot]
    return np.where((actions > 0) & (target >= 0), 1 + playbook * targets + target, 0).astype(np.int32)


def slot_actions(actions: npt.NDArray[np.integer], active: Active, targets: int) -> Int32:
    """int32[V] actions over slots of actions over T targets; 0 where the target has no slot."""
    slots = active.target.shape[1]
    playbook, target = np.divmod(np.asarray(actions, np.int64) - 1, targets)
    found = active.target == target[:, None]
    there = (np.asarray(actions) > 0) & found.any(axis=1)
    return np.where(there, 1 + playbook * slots + found.argmax(axis=1), 0).astype(np.int32)


@compiled_parallel
def look_through(rows: UInt8, lit: Int32, lit_n: Int32) -> None:
    """List the targets that are not at rest, in each of V views: anything but an old finding's age and peak."""
    for i in numba.prange(len(rows)):
        lit_n[i] = 0
        for target in range(rows.shape[1]):
            if _is_lit(i, target, rows):
                lit[i, lit_n[i]] = target
                lit_n[i] += 1


@inner
def _is_lit(i: int, target: int, rows: UInt8) -> bool:
    is_owner = True
    for column in range(_DYNAMIC):
        if rows[i, target, column] != 0:
            if column not in (_AGE, _PEAK):
                return True
            is_owner = False  # an owner's row at rest is all 0, others' have the age 255
    return not is_owner and rows[i, target, _AGE] != 255


@compiled_parallel
def view_active(
    rows: UInt8,
    lit: Int32,
    lit_n: Int32,
    g: TargetGraph,
    neighbours: int,
    dearest: int,
    seat: int,
    keys: Int64,
    into: Active,
) -> None:
    """Choose the slots of V views and write them; see `sees_active`. keys: int64[V, K] to work in."""
    for i in numba.prange(len(rows)):
        _view(numba.int64(i), rows, lit, lit_n, g, neighbours, dearest, seat, keys, into)


@inner
def _view(
    i: int,
    rows: UInt8,
    lit: Int32,
    lit_n: Int32,
    g: TargetGraph,
    neighbours: int,
    dearest: int,
    seat: int,
    keys: Int64,
    into: Active,
) -> None:
    count, busy = _choose(i, rows, lit, lit_n, g, dearest, keys), _busy(i, rows, lit, lit_n, g)
    for slot in range(into.target.shape[1]):
        into.target[i, slot] = keys[i, slot] if slot < count else -1
        for column in range(into.rows.shape[2]):
            into.rows[i, slot, column] = 0
    for slot in range(count):
        _write(i, slot, rows, g, seat, busy, into)
        _neighbours(i, slot, count, INPUTS, neighbours, g.source_first, g.source, g.source_odds, into)
        column = INPUTS + 2 * neighbours
        _neighbours(i, slot, count, column, neighbours, g.follower_first, g.follower, g.follower_odds, into)


@inner
def _choose(i: int, rows: UInt8, lit: Int32, lit_n: Int32, g: TargetGraph, dearest: int, keys: Int64) -> int:
    """The targets with the highest priority, ascending in `keys[i]`; gives their number."""
    count = 0
    for n in range(min(dearest, len(g.dearest))):
        count = _enter(i, _key(_KEPT, g.dearest[n]), count, keys)
    kept = count
    for n in range(lit_n[i]):
        target = lit[i, n]
        is_entered = target >= g.first_owner
        for m in range(kept):
            is_entered |= g.dearest[m] == target
        if not is_entered and _is_lit(i, target, rows):
            count = _enter(i, _key(_priority(i, target, rows, g), target), count, keys)
    for target in range(g.first_owner, rows.shape[1]):  # no list tells of lost service
        busy = rows[i, target, _PENDING] != 0 or rows[i, target, _PENDING + 1] != 0
        if busy or rows[i, target, _CUT] != 0:
            count = _enter(i, _key(_BUSY if busy else int(rows[i, target, _CUT]) // 4, target), count, keys)
    _sort_targets(i, count, keys)
    return count


@inner
def _key(priority: int, target: int) -> int:
    """One number that orders by priority, then by the lower target."""
    return int((np.int64(priority) << 32) | (_LOW - np.int64(target)))


@inner
def _enter(i: int, key: int, count: int, keys: Int64) -> int:
    """Put a key into its place in a descending list, dropping the last where it is full; gives the new length."""
    if count == keys.shape[1]:
        if keys[i, count - 1] >= key:
            return count
        count -= 1
    n = count
    while n > 0 and keys[i, n - 1] < key:
        keys[i, n] = keys[i, n - 1]
        n -= 1
    keys[i, n] = key
    return count + 1


@inner
def _sort_targets(i: int, count: int, keys: Int64) -> None:
    """Replace keys by their targets, ascending."""
    for n in range(count):
        target, m = _LOW - (keys[i, n] & _LOW), n
        while m > 0 and keys[i, m - 1] > target:
            keys[i, m] = keys[i, m - 1]
            m -= 1
        keys[i, m] = target


@inner
def _priority(i: int, target: int, rows: UInt8, g: TargetGraph) -> int:
    """How much is going on at a target, 0 to 4095."""
    level = int(rows[i, target, _HELD]) + int(rows[i, target, _EVIDENCE]) // 4 + int(rows[i, target, _NEAR]) // 4
    level += (255 - int(rows[i, target, _AGE])) // 16
    if target >= g.first_link:
        level //= 2  # a link repeats what is believed of its ends, which come first
    if rows[i, target, _PENDING] != 0 or rows[i, target, _PENDING + 1] != 0:
        level += _BUSY
    if rows[i, target, _CUT] != 0:
        return level + _MODE
    for column in range(_FIRST_MODE, _PENDING):
        if rows[i, target, column] != 0:
            return level + _MODE
    return level


@inner
def _busy(i: int, rows: UInt8, lit: Int32, lit_n: Int32, g: TargetGraph) -> int:
    """Responses on their way, at work or holding, as rows tell them, `BUSY_STEP` each."""
    count = 0
    for n in range(lit_n[i]):
        if lit[i, n] < g.first_owner:
            count += _flags(i, lit[i, n], rows) + (rows[i, lit[i, n], _CUT] != 0)
    for owner in range(g.first_owner, rows.shape[1]):  # no list tells of owners
        count += _flags(i, owner, rows)
    return int(min(255, BUSY_STEP * count))


@inner
def _flags(i: int, target: int, rows: UInt8) -> int:
    count = 0
    for column in range(_FIRST_MODE, _PENDING + 2):
        if column < _RESTORING or column >= _PENDING:
            count += rows[i, target, column] != 0
    return count


@inner
def _coming(i: int, target: int, rows: UInt8, g: TargetGraph) -> int:
    """Mean gains a minute from what is believed held and not shut, on a scale of octaves."""
    total = 0.0
    for j in range(g.source_first[target], g.source_first[target + 1]):
        source = g.source[j]
        if g.source_rate[j] > 0 and rows[i, source, _FIRST_MODE] == 0 and rows[i, source, _RESTORING] == 0:
            total += g.source_rate[j] * PROBABILITIES[rows[i, source, _HELD]]
    if total <= 0.0:
        return 0
    return int(min(255.0, max(0.0, 255.0 + COMING_OCTAVE * (math.log2(total) - COMING_MOST))))


@inner
def _write(i: int, slot: int, rows: UInt8, g: TargetGraph, seat: int, busy: int, into: Active) -> None:
    target = into.target[i, slot]
    for column in range(_DYNAMIC):
        into.rows[i, slot, column] = rows[i, target, column]
    for column in range(_STATIC):
        into.rows[i, slot, _DYNAMIC + column] = g.static[target, column]
    if seat == COALITION or g.owner[target, 0] == seat or g.owner[target, 1] == seat:
        into.rows[i, slot, OWN] = 255
    into.rows[i, slot, COMING] = _coming(i, target, rows, g)
    into.rows[i, slot, BUSY] = busy
    into.rows[i, slot, PRESENT] = 255


@inner
def _neighbours(
    i: int, slot: int, count: int, column: int, most: int, first: Int32, other: Int32, odds: UInt8, into: Active
) -> None:
    """Write the likeliest neighbours that have slots: their slots from `column` on, then the odds."""
    found, begin, end = 0, first[into.target[i, slot]], first[into.target[i, slot] + 1]
    for j in range(begin, min(end, begin + LOOKED_THROUGH)):
        where = _slot_of(i, other[j], count, into)
        if where >= 0:
            into.rows[i, slot, column + found] = where
            into.rows[i, slot, column + most + found] = odds[j]
            found += 1
            if found == most:
                break


@inner
def _slot_of(i: int, target: int, count: int, into: Active) -> int:
    """The slot of a target, or -1; slots are in order of their targets."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if into.target[i, middle] < target:
            low = middle + 1
        else:
            high = middle
    return low if low < count and into.target[i, low] == target else -1


@compiled_parallel
def legal_active(
    which: npt.NDArray[np.int64],
    always: npt.NDArray[np.bool_],
    t: CompiledTwin,
    e: EffectTable,
    s: WorldState,
    into: Active,
) -> None:
    """Write what is legal on the slots of V views of worlds `which` int64[V]; `always` from `static_mask`."""
    for i in numba.prange(len(which)):
        _legal(numba.int64(i), which[i], always, t, e, s, into)


@inner
def _legal(
    i: int, b: int, always: npt.NDArray[np.bool_], t: CompiledTwin, e: EffectTable, s: WorldState, into: Active
) -> None:
    """As `mask.fill_mask` over the slots alone."""
    slots, playbooks = into.target.shape[1], len(e.playbook)
    targets = (len(always) - 1) // playbooks
    room = s.world[b].run_n < s.run.shape[1]
    count = 0
    while count < slots and into.target[i, count] >= 0:
        count += 1
    for playbook in range(playbooks):
        for slot in range(slots):
            filled = slot < count
            into.legal[i, 1 + playbook * slots + slot] = (
                always[1 + playbook * targets + into.target[i, slot]] if filled else False
            )
    for r in range(s.world[b].run_n):
        if s.run[b, r].state == _FREE:
            room = True
            continue
        slot = _slot_of(i, s.run[b, r].target, count, into)
        if slot < 0:
            continue
        for playbook in range(playbooks):
            undoes = is_undone_by(s.run[b, r].playbook, s.run[b, r].state, playbook, e)
            if undoes and applies(playbook, s.run[b, r].target, t, e):
                into.legal[i, 1 + playbook * slots + slot] = True
    for r in range(s.world[b].run_n):
        if s.run[b, r].state != _FREE and not acts_again(s.run[b, r].playbook, s.run[b, r].state, e):
            slot = _slot_of(i, s.run[b, r].target, count, into)
            if slot >= 0:
                into.legal[i, 1 + s.run[b, r].playbook * slots + slot] = False
    if not room:
        into.legal[i, :] = False
    into.legal[i, 0] = True
