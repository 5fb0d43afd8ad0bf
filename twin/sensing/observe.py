"""What a learner and production alike see of a chain: public state, evidence and belief of a view, in small numbers.

Flows in: the public part of a world and one belief lane. Flows out: uint8[T, FEATURES] per view, and the static
float32[T, STATIC] of a twin, which travels once. Both lists are versioned by `OBSERVATION_VERSION`, the digest that a
policy file names. Hidden truth is never read.
"""

from __future__ import annotations

import hashlib
import math
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from ..compiled import Compiled, CompiledTwin, Int32, UInt8
from ..rulebook.jit import LOTS, compiled, compiled_parallel, inlined, inner
from ..rulebook.rules import BITS, COUNT
from ..rulebook.state import UNSERVED, WorldState
from ..vocabulary import AssetKind, ConsentMode, LinkKind, Mode, RunState, SensorClass
from .belief import BeliefState, held_probability
from .evidence import FORGOTTEN, decayed

FEATURES = (
    "held",  # log-odds that an attacker has any access: 128 + 18 * logit
    "admin",  # log-odds of admin access
    "threat",  # log-odds of being gained in this tick, as predicted
    "evidence",  # 48 * log2(1 + decayed weight of findings)
    "age",  # ticks since the last finding, 255: longer or never
    "peak",  # 85 * highest confidence seen, plus one
    "isolated",  # 255 while any response holds the mode
    "patched",
    "credential_reset",
    "monitored",
    "restoring",  # or down
    "unserved",
    "pending",  # 255: a response on this target awaits consent
    "working",  # 255: a response on this target is at work
    "near",  # links: log-odds that the source is held; assets: highest `held` among sources of steps into it
    "cut",  # links: 255 while cut; owners: share of its assets out of service
)
STATIC_FEATURES = (
    *(f"is_{kind.word}" for kind in AssetKind),
    *(f"is_{kind.word}_link" for kind in (LinkKind.REACHES, LinkKind.MANAGES, LinkKind.SUPPLIES, LinkKind.CAN_LOG_IN)),
    "is_owner",
    "share",  # loss per hour while it alone does not serve, in owners' values
    "carried",  # the same for all that depends on it
    "harm",  # loss per hour while held
    "jewel",
    "toward",  # fourth root of the best odds from here to a crown jewel
    "steps_out",  # log2(1 + attack steps)
    "steps_in",
    *(f"sensor_{sensor.word}" for sensor in SensorClass),
    "consent",  # of its owners to containment asked by others: 0 never to 1 at once, the lowest side
)
OBSERVATION_VERSION = hashlib.sha256("|".join((*FEATURES, "/", *STATIC_FEATURES)).encode()).hexdigest()[:16]

LEAST = 1e-3  # probabilities up to here are told as 0
_FREE, _SEGMENT = int(RunState.FREE), int(AssetKind.SEGMENT)
_DOWN, _RESTORING = BITS * int(Mode.DOWN), BITS * int(Mode.RESTORING)
_WAITING, _WORKING = int(RunState.AWAITING_CONSENT), int(RunState.WORKING)
_MODES = (int(Mode.ISOLATED), int(Mode.PATCHED), int(Mode.CREDENTIAL_RESET), int(Mode.MONITORED))


class Observed(NamedTuple):
    """What V views see, and which rows are not at rest, so that the next writing touches no others."""

    rows: UInt8  # [V, T, FEATURES]
    lit: Int32  # [V, T] targets whose row is not at rest
    lit_n: Int32  # [V]
    mark: UInt8  # [V, T] LIT, TOLD
    stale: UInt8  # [V] 1: every row is written next; reset_observation
    next_first: Int32  # [N + 1] rows of `next_to` of each asset; these two are shared by all views
    next_to: Int32  # assets that attack steps lead to from it, each once


LIT, TOLD = 1, 2  # in the list; belief in a segment written


def new_observation(compiled: Compiled, views: int) -> Observed:
    """An observation to be written: its first writing reads all of a world, later ones only what is not at rest."""
    targets = compiled.targets
    return Observed(
        rows=np.zeros((views, targets, len(FEATURES)), np.uint8),
        lit=np.zeros((views, targets), np.int32),
        lit_n=np.zeros(views, np.int32),
        mark=np.zeros((views, targets), np.uint8),
        stale=np.ones(views, np.uint8),
        **_next(compiled.arrays),
    )


def _next(t: CompiledTwin) -> dict[str, Int32]:
    """Targets of attack steps by source: an observation asks for them in every tick, and steps are many times more."""
    step, assets = np.asarray(t.step), len(t.asset)
    pairs = np.unique(step["src"].astype(np.int64) * assets + step["dst"])
    first = np.searchsorted(pairs, np.arange(assets + 1, dtype=np.int64) * assets)
    return {"next_first": first.astype(np.int32), "next_to": (pairs % assets).astype(np.int32)}


def reset_observation(rows: npt.NDArray[np.int64], observed: Observed) -> None:
    """Read all of the world again at the next writing: it was reset, or written to by other means than ticks."""
    observed.stale[rows] = 1


@compiled_parallel
def observe_all(which: npt.NDArray[np.int64], t: CompiledTwin, s: WorldState, v: BeliefState, o: Observed) -> None:
    """Write what each view sees into `o.rows`; which: int64[V], the world each view looks at."""
    lots = min(LOTS, len(which))
    for lot in numba.prange(lots):
        _observe_lot(numba.int64(lot), lots, which, t, s, v, o)


@compiled
def _observe_lot(
    lot: int,
    lots: int,
    which: npt.NDArray[np.int64],
    t: CompiledTwin,
    s: WorldState,
    v: BeliefState,
    o: Observed,
) -> None:
    for i in range(lot * len(which) // lots, (lot + 1) * len(which) // lots):
        observe(i, which[i], t, s, v, o)


@inlined
def observe(i: int, b: int, t: CompiledTwin, s: WorldState, v: BeliefState, o: Observed) -> None:
    """Write what view `i` sees of world `b`."""
    if o.stale[i] == 1 or s.world[b].overflow == 1:
        observe_afresh(i, b, t, s, v, o)
    else:
        observe_on(i, b, t, s, v, o)


@inner
def observe_afresh(i: int, b: int, t: CompiledTwin, s: WorldState, v: BeliefState, o: Observed) -> None:
    """Write every row from the world's fields, whoever wrote those."""
    assets, links = len(t.asset), len(t.link)
    o.lit_n[i], o.stale[i] = 0, s.world[b].overflow
    for target in range(assets + links + len(t.hourly)):
        o.mark[i, target] = 0
        _rest(i, target, t, v, o)
    for a in range(assets):
        _tell_modes(i, a, int(s.asset[b, a].modes), o)
        if s.asset[b, a].modes & UNSERVED:
            o.rows[i, a, 11] = 255
        age = s.world[b].tick - v.evidence[i, a].last
        if age < FORGOTTEN:
            _tell_evidence(i, a, age, v, o)
        _tell_belief(i, b, a, t, s, v, o)
    for link in range(links):
        o.rows[i, assets + link, 15] = 255 if s.cut[b, link] > 0 else 0
    _tell_work(i, b, s, o)
    _tell_owners(i, b, t, s, o)
    for target in range(assets + links):
        if _is_lit(i, target, t, v, o):
            _light(i, target, o)


@inlined
def observe_on(i: int, b: int, t: CompiledTwin, s: WorldState, v: BeliefState, o: Observed) -> None:
    """Put to rest what was lit, then write what is not at rest now, from the lists that world and belief keep."""
    assets = len(t.asset)
    for n in range(o.lit_n[i]):
        o.mark[i, o.lit[i, n]] = 0
        _rest(i, o.lit[i, n], t, v, o)
    o.lit_n[i] = 0
    for r in range(s.world[b].run_n):
        target = s.run[b, r].target
        if s.run[b, r].state != _FREE:
            _light(i, target, o)
            if target < assets:
                _tell_modes(i, target, int(s.asset[b, target].modes), o)
            elif target < assets + len(t.link):
                o.rows[i, target, 15] = 255 if s.cut[b, target - assets] > 0 else 0
    _tell_work(i, b, s, o)
    for n in range(s.world[b].unserved_n):
        _light(i, s.unserved[b, 0, n], o)
        o.rows[i, s.unserved[b, 0, n], 11] = 255
    _tell_recent(i, s.world[b].tick, v, o)
    for n in range(v.active_n[i]):
        a = v.active[i, n]
        if v.asset[i, a].user + v.asset[i, a].admin > LEAST:
            _tell_belief(i, b, a, t, s, v, o)
    _tell_owners(i, b, t, s, o)


@inlined
def _rest(i: int, target: int, t: CompiledTwin, v: BeliefState, o: Observed) -> None:
    """Write a row as it is while nothing is going on there: of findings long ago only the peak is told."""
    for column in range(len(FEATURES)):
        o.rows[i, target, column] = 0
    if target < len(t.asset):
        o.rows[i, target, 4] = 255
        o.rows[i, target, 5] = 85 * v.evidence[i, target].peak
    elif target < len(t.asset) + len(t.link):
        o.rows[i, target, 4] = 255


@inlined
def _is_lit(i: int, target: int, t: CompiledTwin, v: BeliefState, o: Observed) -> bool:
    """Whether a row of an asset or link differs from its rest."""
    for column in range(len(FEATURES)):
        if column not in (4, 5) and o.rows[i, target, column] != 0:
            return True
    return o.rows[i, target, 4] != 255


@inlined
def _light(i: int, target: int, o: Observed) -> None:
    if o.mark[i, target] & LIT == 0:
        o.mark[i, target] |= LIT
        o.lit[i, o.lit_n[i]] = target
        o.lit_n[i] += 1


@inlined
def _tell_modes(i: int, a: int, modes: int, o: Observed) -> None:
    for n in range(4):
        o.rows[i, a, 6 + n] = 255 if (modes >> (BITS * _MODES[n])) & COUNT else 0
    o.rows[i, a, 10] = 255 if (modes >> _DOWN) & COUNT or (modes >> _RESTORING) & COUNT else 0


@inlined
def _tell_work(i: int, b: int, s: WorldState, o: Observed) -> None:
    for r in range(s.world[b].run_n):
        if s.run[b, r].state == _WAITING:
            o.rows[i, s.run[b, r].target, 12] = 255
        elif s.run[b, r].state == _WORKING:
            o.rows[i, s.run[b, r].target, 13] = 255


@inlined
def _tell_recent(i: int, tick: int, v: BeliefState, o: Observed) -> None:
    """Evidence and ages of the assets with recent findings; what is forgotten by now leaves the list."""
    n = 0
    while n < v.recent_n[i]:
        a = v.recent[i, n]
        age = tick - v.evidence[i, a].last
        if age >= FORGOTTEN:
            v.evidence[i, a].recent = 0
            v.recent_n[i] -= 1
            v.recent[i, n] = v.recent[i, v.recent_n[i]]
        else:
            _light(i, a, o)
            _tell_evidence(i, a, age, v, o)
            n += 1


@inlined
def _tell_evidence(i: int, a: int, age: int, v: BeliefState, o: Observed) -> None:
    o.rows[i, a, 3] = int(min(255.0, 48.0 * math.log2(1.0 + decayed(float(v.evidence[i, a].count), age))))
    o.rows[i, a, 4] = age
    o.rows[i, a, 5] = 85 * v.evidence[i, a].peak


@inlined
def _tell_belief(i: int, b: int, a: int, t: CompiledTwin, s: WorldState, v: BeliefState, o: Observed) -> None:
    """What is believed of an asset, in its row and in those of the targets, links and segments that it bears on."""
    held = v.asset[i, a]
    has = float(held.user + held.admin)
    if has <= LEAST:
        return
    _light(i, a, o)
    level = log_odds(has)
    o.rows[i, a, 1] = log_odds(float(held.admin))
    o.rows[i, a, 2] = log_odds(float(held.threat))
    for j in range(o.next_first[a], o.next_first[a + 1]):
        dst = o.next_to[j]
        _light(i, dst, o)
        o.rows[i, dst, 14] = max(o.rows[i, dst, 14], level)
    if t.asset[a].kind != _SEGMENT:
        o.rows[i, a, 0] = level
        _tell_ends(i, a, level, t, o)
    for j in range(t.asset[a].whole_first, t.asset[a].whole_last):
        whole = t.whole[j]
        if t.asset[whole].kind == _SEGMENT and o.mark[i, whole] & TOLD == 0:
            _light(i, whole, o)
            o.mark[i, whole] |= TOLD
            o.rows[i, whole, 0] = log_odds(held_probability(i, b, whole, 1, t, s, v))
            _tell_ends(i, whole, o.rows[i, whole, 0], t, o)


@inlined
def _tell_ends(i: int, a: int, level: int, t: CompiledTwin, o: Observed) -> None:
    """A link shows what is believed of its target in `held`, of its source in `near`."""
    for j in range(t.asset[a].end_first, t.asset[a].end_last):
        target = len(t.asset) + t.end[j] // 2
        _light(i, target, o)
        o.rows[i, target, 0 if t.end[j] % 2 == 1 else 14] = level


@inlined
def _tell_owners(i: int, b: int, t: CompiledTwin, s: WorldState, o: Observed) -> None:
    first = len(t.asset) + len(t.link)
    for owner in range(len(t.hourly)):
        lost = s.rate[b, owner].service * 60.0 / max(float(t.hourly[owner]), 1.0)
        o.rows[i, first + owner, 15] = int(min(255.0, 255.0 * lost))


@inlined
def log_odds(probability: float) -> int:
    """A probability as 0..255: 128 + 18 times its logit, so that 0.001 and 0.999 stay apart from 0 and 1.

    Looked up by the leading 15 bits of the smaller of it and its complement, so it may be one off at a step.
    """
    smaller = min(probability, 1.0 - probability)
    level = _LEVELS[max((int(np.float32(smaller).view(np.int32)) >> 17) - _FIRST, 0)]
    level = 0 if smaller <= LEAST else level
    return level if probability < 0.5 else 255 - level  # without branches: which way it goes is hard to foresee


def _levels() -> npt.NDArray[np.int64]:
    """Log-odds of the middle of each span of float32 that shares its leading 15 bits, from 2 ** -10 to 0.5."""
    bits = (np.arange(_FIRST, 1 + (np.float32(0.5).view(np.int32) >> 17)) << 17) + (1 << 16)
    middle = bits.astype(np.int32).view(np.float32).astype(np.float64)
    return np.clip(128.0 + 18.0 * np.log(middle / (1.0 - middle)), 0.0, 255.0).astype(np.int64)


_FIRST = int(np.float32(2.0**-10).view(np.int32)) >> 17
_LEVELS = _levels()


def static_observation(compiled: Compiled) -> npt.NDArray[np.float32]:
    """float32[T, STATIC_FEATURES] of a twin: what does not change while it is defended."""
    t = compiled.arrays
    assets, links, _ = compiled.sizes
    out = np.zeros((compiled.targets, len(STATIC_FEATURES)), np.float32)
    column = {name: number for number, name in enumerate(STATIC_FEATURES)}
    per_hour = 3600.0 / compiled.tick_s / 1e9
    out[np.arange(assets), t.asset["kind"]] = 1.0
    for number, link in enumerate(compiled.links):
        out[assets + number, column[f"is_{link.kind.word}_link"]] = 1.0
    out[assets + links :, column["is_owner"]] = 1.0
    out[:assets, column["share"]] = t.asset["share"] * per_hour
    out[:assets, column["carried"]] = _carried(t) * per_hour
    out[:assets, column["harm"]] = t.asset["harm"] * per_hour
    out[:assets, column["jewel"]] = t.asset["jewel"]
    out[:assets, column["toward"]] = np.sqrt(np.sqrt(t.asset["toward"]))
    out[assets : assets + links, column["toward"]] = np.sqrt(np.sqrt(t.asset["toward"][t.link_end[:, 1]]))
    out[:assets, column["steps_out"]] = np.log2(1.0 + t.asset["out_last"] - t.asset["out_first"]) / 4.0
    out[:assets, column["steps_in"]] = np.log2(1.0 + t.asset["in_last"] - t.asset["in_first"]) / 4.0
    for sensor in SensorClass:
        out[:assets, column[f"sensor_{sensor.word}"]] = (t.asset["sensors"] >> sensor) & 1
    out[:, column["consent"]] = [_readiness(compiled, target) for target in range(compiled.targets)]
    return out


def _carried(t: CompiledTwin) -> npt.NDArray[np.float64]:
    """Loss rate, nano per tick, of all that would not serve if this asset alone did not."""
    carried = np.zeros(len(t.asset))
    for start in range(len(t.asset)):
        failed, queue = {start}, [start]
        for a in queue:
            for group in t.member_group[t.asset["member_first"][a] : t.asset["member_last"][a]]:
                first, last = t.group["first"][group], t.group["last"][group]
                failing = sum(int(m) in failed for m in t.member["asset"][first:last])
                dependent = int(t.group["asset"][group])
                if failing > t.group["tolerance"][group] and dependent not in failed:
                    failed.add(dependent)
                    queue.append(dependent)
        carried[start] = t.asset["share"][list(failed)].sum()
    return carried


def _readiness(compiled: Compiled, target: int) -> float:
    """How readily the owners of a target consent to containment asked by others: 0 never, 1 at once."""
    owners = compiled.owners_of(target)
    modes = {
        rule.owner: int(rule.mode)
        for rule in compiled.twin.consent
        if rule.consent_class.word == "contain" and rule.proposer.word == "other"
    }
    return min(modes.get(owner, int(ConsentMode.NEVER)) for owner in owners) / int(ConsentMode.AT_ONCE)
