"""What attackers may have tried in a tick: one choice among the steps that may be open, weighed as a whole.

Flows in: a view's marginals, public fields and findings of its world. Flows out: marginals moved by what tries take
for granted, and by what they gain. Tries exclude each other, so what they say of one asset is summed up first and
applied once: a tick divides once per asset, not once per step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..compiled import CompiledTwin, Float32
from ..rulebook.attacking import lets_pass, lowered
from ..rulebook.effects import EffectTable
from ..rulebook.jit import inlined
from ..rulebook.parameters import Parameters
from ..rulebook.rules import is_blocked
from ..rulebook.state import WorldState
from ..vocabulary import Access, AssetKind
from .arriving import tempo_of
from .shifting import CERTAIN, EPSILON, NEGLIGIBLE, activate, expect_any, likelihood_of, raise_members

if TYPE_CHECKING:
    from .belief import BeliefState

SLIGHT = 1e-4  # steps less probably open are left out
RISE, FALL, GAIN = 0, 4, 8  # sums of an asset, each by Access: moves of P(at least so much) to 1, to 0; what is gained

_SEGMENT, _EXTERNAL = int(AssetKind.SEGMENT), int(AssetKind.EXTERNAL)
_USER, _ADMIN = int(Access.USER), int(Access.ADMIN)
_BY_IDENTITY = RISE + int(Access.NONE)  # of P(at least user access), but no news to what the identity was reached from


@inlined
def weigh_steps(lot: int, i: int, b: int, e: EffectTable, p: Parameters, s: WorldState, v: BeliefState) -> int:
    """List the steps that may be open with P(open) times taste, likelihood and odds of each; gives their number."""
    awake, count = _wake(lot, i, b, p, s, v), 0
    for n in range(v.active_n[i]):
        a = v.active[i, n]
        admin = v.asset[i, a].admin
        count = _weigh_from(lot, i, b, a, v.asset[i, a].user + admin, admin, count, e, p, s, v)
    for n in range(awake):
        a = v.awake[lot, n]
        held = np.float32(1.0) - v.free[lot, a]
        count = _weigh_from(lot, i, b, a, held, held, count, e, p, s, v)
        v.listed[lot, a] = 0
    return count


@inlined
def _wake(lot: int, i: int, b: int, p: Parameters, s: WorldState, v: BeliefState) -> int:
    """List the segments with active members, and P(none of these is held); gives their number."""
    awake = 0
    for n in range(v.active_n[i]):
        a = v.active[i, n]
        v.asset[i, a].threat = 0.0
        if p.place[a].inside_first == p.place[a].inside_last or is_blocked(s.asset[b, a].modes):
            continue
        free = np.float32(1.0) - v.asset[i, a].user - v.asset[i, a].admin
        for j in range(p.place[a].inside_first, p.place[a].inside_last):
            segment = p.inside[j]
            if v.listed[lot, segment] == 0:
                v.listed[lot, segment], v.free[lot, segment] = 1, 1.0
                v.awake[lot, awake] = segment
                awake += 1
            v.free[lot, segment] *= free
    return awake


@inlined
def _weigh_from(
    lot: int,
    i: int,
    b: int,
    a: int,
    user: np.float32,
    admin: np.float32,
    count: int,
    e: EffectTable,
    p: Parameters,
    s: WorldState,
    v: BeliefState,
) -> int:
    """List the steps from one asset, held with probabilities `user` (at least) and `admin`; gives the number of all."""
    if user <= SLIGHT or is_blocked(s.asset[b, a].modes):
        return count
    held = v.asset[i]
    for j in range(p.place[a].ahead_first, p.place[a].ahead_last):
        row = p.ahead[j]
        chance = admin if row.need == _ADMIN else user
        if chance <= SLIGHT or count >= v.row.shape[1] or not lets_pass(b, row.dst, row.identity, row.link, s):
            continue
        if row.identity >= 0:
            chance *= held[row.identity].user + held[row.identity].admin
        has_admin = held[row.dst].admin
        chance *= row.certain + row.by_held * (held[row.dst].user + has_admin) + row.by_admin * has_admin
        if chance > SLIGHT:
            likelihood = likelihood_of(i, b, row.seen_at, row.step_class, row.silence, p, s, v)
            odds = lowered(b, row.odds, row.dst, row.step_class, e, s)
            v.row[lot, count], v.taste[lot, count], v.chance[lot, count] = j, row.taste, row.taste * chance
            v.told[lot, count], v.odds[lot, count] = likelihood, odds
            count += 1
    return count


@inlined
def tell(lot: int, steps: int, p: Parameters, v: BeliefState) -> None:
    """Bayes over the one choice of the tick: which step was tried, if any, given what was found and what was not."""
    taste, chance, told = v.taste[lot, :steps], v.chance[lot, :steps], v.told[lot, :steps]
    tempo, nothing = np.float32(tempo_of(p)), np.float32(0.0)
    wanted = sum_of(chance)
    for n in range(steps):
        chance[n] = tempo * chance[n] / (taste[n] + max(wanted - chance[n], nothing))
        told[n] *= chance[n]
    total = sum_of(told) + max(1.0 - sum_of(chance), 1.0 - tempo_of(p))
    scale = np.float32(1.0 / max(total, 1e-9))
    for n in range(steps):
        told[n] *= scale


@inlined
def sum_of(numbers: Float32) -> float:
    """Sum in a fixed order of four strands, so that it is the same wherever this is put into its caller."""
    one, two, three, four = 0.0, 0.0, 0.0, 0.0
    whole = len(numbers) // 4 * 4
    for n in range(0, whole, 4):
        one += numbers[n]
        two += numbers[n + 1]
        three += numbers[n + 2]
        four += numbers[n + 3]
    for n in range(whole, len(numbers)):
        one += numbers[n]
    return (one + two) + (three + four)


@inlined
def move(
    lot: int,
    i: int,
    b: int,
    steps: int,
    outside: float,
    t: CompiledTwin,
    p: Parameters,
    s: WorldState,
    v: BeliefState,
) -> None:
    """Jeffrey's rule for what each try takes for granted, then what tries gain."""
    sums, rows, chances, tolds, odds, touched = v.sum[lot], v.row[lot], v.chance[lot], v.told[lot], v.odds[lot], 0
    for n in range(steps):
        row, told, chance = p.ahead[rows[n]], tolds[n], chances[n]
        weight = (told - chance) / (np.float32(1.0) - chance)
        touched = _list(lot, row.src, touched, v)
        sums[row.src, RISE + row.need] += weight
        touched = _list(lot, row.dst, touched, v)
        sums[row.dst, FALL + row.lacks] += weight
        sums[row.dst, GAIN + row.lacks] += told * odds[n]
        if row.identity >= 0:
            touched = _list(lot, row.identity, touched, v)
            sums[row.identity, _BY_IDENTITY] += weight
    come = 0.0
    for n in range(touched):  # segments first: their members are raised as they were believed, not with what they gain
        a = v.touched[lot, n]
        tried_from = sums[a, RISE + _USER] + sums[a, RISE + _ADMIN]
        if p.place[a].kind == _SEGMENT:
            raise_members(i, b, a, tried_from, 1.0 - v.free[lot, a], t, s, v)
            come += tried_from
        elif p.place[a].kind != _EXTERNAL:
            v.asset[i, a].news += tried_from
            come += tried_from
    for n in range(touched):
        a = v.touched[lot, n]
        if p.place[a].kind != _SEGMENT:
            _apply(lot, i, a, v)
        v.listed[lot, a] = 0
        for level in range(sums.shape[1]):
            sums[a, level] = 0.0
    expect_any(i, come, outside, t, p, v)


@inlined
def _list(lot: int, a: int, touched: int, v: BeliefState) -> int:
    """Put an asset on the list of those whose sums are to be applied, unless it is there; gives their number."""
    v.touched[lot, touched] = a
    touched += 1 if v.listed[lot, a] == 0 else 0
    v.listed[lot, a] = 1
    return touched


@inlined
def _apply(lot: int, i: int, a: int, v: BeliefState) -> None:
    """Move an asset's marginals by its sums: what tries take for granted first, then what they gain."""
    held, sums = v.asset[i, a], v.sum[lot, a]
    user, admin = float(held.user), float(held.admin)
    rises, falls = sums[_BY_IDENTITY] + sums[RISE + _USER], sums[FALL + _USER]
    has = user + admin
    scale = min(max(has + rises * (1.0 - has), 0.0) * max(1.0 - falls, 0.0), CERTAIN) / max(has, 1e-9)
    user, admin = user * scale, admin * scale
    new = max(admin + sums[RISE + _ADMIN] * (1.0 - admin), 0.0) * max(1.0 - sums[FALL + _ADMIN], 0.0)
    new = min(new, CERTAIN)
    user = min(user * (1.0 - new) / max(1.0 - admin, 1e-6), max(CERTAIN - new, 0.0))
    gained, admin_gained = float(sums[GAIN + _USER]), float(sums[GAIN + _ADMIN])
    held.threat = gained + admin_gained
    gained = gained if gained > NEGLIGIBLE else 0.0
    lacking = max(1.0 - new, 1e-6)
    admin_gained = min(admin_gained, lacking) if admin_gained > NEGLIGIBLE else 0.0
    user = min(user + gained, max(CERTAIN - new, 0.0))
    user = max(user - user * admin_gained / lacking, 0.0)
    admin = min(new + admin_gained, CERTAIN)
    held.user, held.admin = user, admin
    if user + admin > EPSILON:
        activate(i, a, v)
