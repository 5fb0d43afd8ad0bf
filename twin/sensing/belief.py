"""Belief: the probability per asset and access level that the attacker holds it, for a view.

Flows in: the public part of a world (modes, cuts, cleaned assets), findings the view may see, and assumed attackers.
Flows out: `BeliefState`, one lane per view. Hidden truth is never read: of a world's assets only `modes` is touched.

The filter is factored (Boyen and Koller 1998, "Tractable inference for complex stochastic processes"): after every tick
the joint is projected on its marginals. In a tick the attacker tries one open step, by taste, or none: all findings
and all silence of the tick are weighed at once over that one choice (Bayes), and the marginals of what a try takes for
granted - its source, its identity, an attacker at all, a target not yet taken - follow by Jeffrey's rule. Several
attackers are followed as one, of their pooled tempo and taste: what is asked is whether anybody holds an asset. What a
held segment reaches counts as known to the attacker: how far it has mapped it is not tracked.
What the alternatives of a tick say of one asset adds up, as they exclude each other.
The work grows with the assets believed held with probability over EPSILON. `tests/contracts` holds it to enumeration.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from ..compiled import Compiled, CompiledTwin, Float32, Int32, UInt8
from ..rulebook.effects import EffectTable
from ..rulebook.jit import LOTS, compiled, compiled_parallel, inlined
from ..rulebook.parameters import Parameters
from ..rulebook.state import WorldState
from ..vocabulary import Access
from .arriving import INSIDER, come_inside, come_outside, expect_attackers, outside_share
from .evidence import EVIDENCE, NO_FINDING, add_finding
from .presence import bound_by_coming, weigh_presence
from .shifting import held_probability as held_probability  # part of this module's face
from .shifting import is_seen
from .suspecting import suspect
from .trying import move, tell, weigh_steps

STEP_LIMIT = 8192  # open steps weighed in one tick; the rest wait for the next

_NONE = int(Access.NONE)

ASSET_BELIEF = np.dtype(
    [
        ("user", "f4"),  # P(exactly user access)
        ("admin", "f4"),  # P(admin access)
        ("threat", "f4"),  # P(gained in this tick), given its findings
        ("news", "f4"),  # how far belief has moved without telling what the asset was reached from
        ("active", "u1"),  # 1: in the list
        ("found", "u1"),  # 1: a finding in this tick
    ],
    align=True,
)


class BeliefState(NamedTuple):
    """Arrays over V views (in training: one per world), and scratch over C lots of views that are updated in turn."""

    insider: npt.NDArray[Any]  # [V] of INSIDER
    asset: npt.NDArray[Any]  # [V, N] of ASSET_BELIEF
    evidence: npt.NDArray[Any]  # [V, N] of EVIDENCE
    active: Int32  # [V, N] assets believed held with more than EPSILON
    active_n: Int32  # [V]
    recent: Int32  # [V, N] assets with a finding that is not forgotten
    recent_n: Int32  # [V]
    sees: UInt8  # [V, N] 1: findings on this asset are visible; 2: those that its owner tells, late
    row: Int32  # [C, STEP_LIMIT] scratch: rows of `ahead` that may be open
    taste: Float32  # [C, STEP_LIMIT] scratch
    chance: Float32  # [C, STEP_LIMIT] scratch: taste times probability that each is open, then that it is tried
    told: Float32  # [C, STEP_LIMIT] scratch: likelihood of the findings, then probability that it was tried, given them
    odds: Float32  # [C, STEP_LIMIT] scratch: odds of success
    sum: Float32  # [C, N, 12] scratch: see `trying`; zero between updates
    free: Float32  # [C, N] scratch: P(no unblocked member of a segment is held)
    listed: UInt8  # [C, N] scratch: 1: in `awake`, or in `touched`; zero between updates
    touched: Int32  # [C, N + 1] scratch: assets whose sums are not zero
    awake: Int32  # [C, N] scratch: segments with an active member


SCRATCH = frozenset(("row", "taste", "chance", "told", "odds", "sum", "free", "listed", "touched", "awake"))


def lanes_like(belief: BeliefState, view: int, count: int) -> BeliefState:
    """New beliefs of `count` lanes, each as lane `view`, with scratch of their own."""
    lots = max(1, min(count, LOTS))
    return BeliefState(
        **{
            name: np.zeros((lots, *array.shape[1:]), array.dtype)
            if name in SCRATCH
            else np.repeat(array[view : view + 1], count, axis=0).view(type(array))
            for name, array in belief._asdict().items()  # type: ignore[attr-defined]
        }
    )


def new_belief(compiled: Compiled, views: int, *, sees: npt.NDArray[Any] | None = None) -> BeliefState:
    """Allocate beliefs that nobody holds anything.

    Args:
        compiled: the twin.
        views: number of lanes V.
        sees: bool or uint8 [V, N] or [N], findings each view may see, 2: when they are told; all if left out.
    """
    assets = compiled.sizes[0]
    limit = min(STEP_LIMIT, max(1, len(compiled.steps)))
    lots = max(1, min(views, LOTS))
    belief = BeliefState(
        insider=np.zeros(views, INSIDER).view(np.recarray),
        asset=np.zeros((views, assets), ASSET_BELIEF).view(np.recarray),
        evidence=np.zeros((views, assets), EVIDENCE).view(np.recarray),
        active=np.zeros((views, assets), np.int32),
        active_n=np.zeros(views, np.int32),
        recent=np.zeros((views, assets), np.int32),
        recent_n=np.zeros(views, np.int32),
        sees=np.ones((views, assets), np.uint8),
        row=np.zeros((lots, limit), np.int32),
        taste=np.zeros((lots, limit), np.float32),
        chance=np.zeros((lots, limit), np.float32),
        told=np.zeros((lots, limit), np.float32),
        odds=np.zeros((lots, limit), np.float32),
        sum=np.zeros((lots, assets, 12), np.float32),
        free=np.zeros((lots, assets), np.float32),
        listed=np.zeros((lots, assets), np.uint8),
        touched=np.zeros((lots, assets + 1), np.int32),
        awake=np.zeros((lots, assets), np.int32),
    )
    if sees is not None:
        belief.sees[:] = sees
    belief.insider["seen"] = (belief.sees == 1).mean(axis=1)
    belief.evidence["last"] = NO_FINDING
    return belief


def reset_belief(rows: npt.NDArray[np.int64], belief: BeliefState) -> None:
    """Forget everything in the given lanes."""
    belief.asset[rows] = 0
    belief.insider["come"][rows] = 0.0
    belief.insider["hidden"][rows] = 0.0
    belief.evidence[rows] = 0
    belief.evidence["last"][rows] = NO_FINDING
    belief.active_n[rows] = 0
    belief.recent_n[rows] = 0


@compiled_parallel
def update_beliefs(
    which: npt.NDArray[np.int64], t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState, v: BeliefState
) -> None:
    """Bring each view in step with the tick its world has just made.

    Args:
        which: int64[V], the world that each view looks at.
        t: the twin.
        e: effects of playbooks.
        p: the assumed game, with the attackers believed in.
        s: worlds, of which only public fields and findings are read.
        v: the beliefs, changed.
    """
    for lot in numba.prange(len(v.row)):
        _update_lot(numba.int64(lot), which, t, e, p, s, v)


@compiled
def _update_lot(
    lot: int,
    which: npt.NDArray[np.int64],
    t: CompiledTwin,
    e: EffectTable,
    p: Parameters,
    s: WorldState,
    v: BeliefState,
) -> None:
    lots = len(v.row)
    for i in range(lot * len(which) // lots, (lot + 1) * len(which) // lots):
        update_belief(lot, i, which[i], t, e, p, s, v)


@inlined
def update_belief(
    lot: int, i: int, b: int, t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState, v: BeliefState
) -> None:
    """One view, one tick: clean, predict, weigh findings, weigh silence. `lot`: whose scratch is used."""
    tick = s.world[b].tick - 1  # the tick that was settled
    inside = come_inside(i, tick, t, p, v)
    outside = outside_share(come_outside(i, t, v), inside)
    for c in range(s.world[b].cleaned_n):
        _clean(i, s.cleaned[b, c, 0], s.cleaned[b, c, 1], v)
    gather_evidence(i, b, s, v)
    for n in range(s.world[b].finding_n):
        if is_seen(i, b, n, s, v):
            suspect(i, s.finding[b, n, 0], s.finding[b, n, 2], inside, t, p, v)
    steps = weigh_steps(lot, i, b, e, p, s, v)
    tell(lot, steps, p, v)
    move(lot, i, b, steps, outside, t, p, s, v)
    weigh_presence(lot, i, b, outside, t, p, s, v)
    bound_by_coming(i, t, p, v)
    expect_attackers(i, tick, t, p, v)
    forget_found(i, b, s, v)


@inlined
def gather_evidence(i: int, b: int, s: WorldState, v: BeliefState) -> None:
    """Count the tick's findings that the view sees; what they fall on is marked `found` and listed as recent."""
    for n in range(s.world[b].finding_n):
        a = s.finding[b, n, 0]
        if is_seen(i, b, n, s, v):
            v.asset[i, a].found = 1
            tick, sensor, step_class = s.world[b].tick - 1, s.finding[b, n, 1], s.finding[b, n, 2]
            add_finding(v.evidence[i, a], tick, sensor, s.finding[b, n, 3], step_class)
            if v.evidence[i, a].recent == 0:
                v.evidence[i, a].recent = 1
                v.recent[i, v.recent_n[i]] = a
                v.recent_n[i] += 1


@inlined
def forget_found(i: int, b: int, s: WorldState, v: BeliefState) -> None:
    """Take the marks of the tick's findings away."""
    for n in range(s.world[b].finding_n):
        v.asset[i, s.finding[b, n, 0]].found = 0


@inlined
def _clean(i: int, a: int, ceiling: int, v: BeliefState) -> None:
    held = v.asset[i, a]
    held.user = 0.0 if ceiling == _NONE else held.user + held.admin
    held.admin = 0.0
    held.news = 0.0
