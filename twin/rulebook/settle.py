"""The settling half of a tick, in the order that the design fixes: the one transition of the world.

Flows in: one world with its decision buffers. Flows out: the same world one tick later. Order: consent answers;
proposals and starts; effects, ends, expiry, undo; repairs; attack steps; availability; findings, those that
owners tell each other; loss.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..compiled import CompiledTwin
from ..vocabulary import AssetKind, LossCause, StepClass
from .attacking import detect, pick, settle_attacks
from .draws import CONFIDENCE, FALSE_CLASS, FALSE_COUNT, FALSE_PLACE, PRESENCE, REPAIR, poisson, tick_key, uniform
from .effects import EffectTable
from .forging import settle_forgeries
from .holding import is_controlled, mend
from .jit import compiled, inlined
from .mask import is_legal
from .parameters import Parameters
from .responding import propose, settle_answers, settle_due
from .rules import load_factor
from .serving import derive_service
from .sharing import settle_sharing
from .state import WorldState
from .trace import report

_SEGMENT, _EXTERNAL = int(AssetKind.SEGMENT), int(AssetKind.EXTERNAL)
_PRESENCE = int(StepClass.PRESENCE)
_SERVICE, _HARM = int(LossCause.SERVICE), int(LossCause.HARM)


@compiled
def settle(
    b: int, decision: npt.NDArray[np.int32], t: CompiledTwin, e: EffectTable, p: Parameters, s: WorldState
) -> None:
    """Advance world `b` by one tick.

    Args:
        b: world.
        decision: int32[S], an action per seat; an illegal one becomes an occurrence `refused`.
        t: the compiled twin.
        e: effects of the playbooks.
        p: numbers of the game.
        s: all worlds; world `b` changes.
    """
    s.world[b].finding_n = 0
    s.world[b].trace_n = 0
    s.world[b].cleaned_n = 0
    for seat in range(len(decision)):  # as the seats saw it: answers of this tick make nothing legal any more
        s.refused[b, seat] = 0 if is_legal(b, decision[seat], t, e, s) else 1
    settle_answers(b, t, e, p, s)
    for seat in range(len(decision)):
        propose(b, seat, decision[seat], t, e, p, s)
    settle_due(b, t, e, s)
    _settle_repairs(b, t, p, s)
    settle_attacks(b, t, e, p, s)
    if s.world[b].dirty == 1:
        derive_service(b, t, s)
    _settle_presence(b, t, p, s)
    _settle_false_findings(b, p, s)
    if len(p.forge) > 0:  # calls cost more than what they would find out (see decision 1): asked here
        settle_forgeries(b, t, p, s)
    if s.pending.shape[1] > 0:
        settle_sharing(b, p, s)
    for owner in range(s.loss.shape[1]):
        s.loss[b, owner, _SERVICE] += s.rate[b, owner].service
        s.loss[b, owner, _HARM] += s.rate[b, owner].harm
    s.world[b].tick += 1
    s.world[b].key = tick_key(s.world[b].stream, s.world[b].id, s.world[b].episode, s.world[b].tick)


@inlined
def _settle_repairs(b: int, t: CompiledTwin, p: Parameters, s: WorldState) -> None:
    for i in range(s.world[b].hurt_n - 1, -1, -1):
        a = s.hurt[b, i]
        if uniform(s.world[b].key, REPAIR, a) < p.repair and not is_controlled(b, a, t, s):
            mend(b, a, t, s)


@inlined
def _settle_presence(b: int, t: CompiledTwin, p: Parameters, s: WorldState) -> None:
    for i in range(s.world[b].held_n):
        a = s.held[b, i]
        if (
            t.asset[a].sensors != 0
            and t.asset[a].kind != _SEGMENT
            and t.asset[a].kind != _EXTERNAL
            and (s.asset[b, a].user | s.asset[b, a].admin)
        ):
            detect(b, a, _PRESENCE, PRESENCE, a, t, p, s)


@inlined
def _settle_false_findings(b: int, p: Parameters, s: WorldState) -> None:
    """A Poisson number of false findings, more in busy hours, each at a drawn place (inverse transform sampling)."""
    if p.false_total <= 0.0 or len(p.false_cdf) == 0:
        return
    mean = p.false_total
    if p.load_amplitude > 0.0:
        hour = s.world[b].start_hour + s.world[b].tick * p.tick_s / 3600.0
        mean *= load_factor(hour, p.load_amplitude, p.load_peak)
    for i in range(poisson(s.world[b].key, FALSE_COUNT, 0, mean)):
        place = _place(uniform(s.world[b].key, FALSE_PLACE, i), p)
        sensor = p.false_place[place].sensor
        step_class = pick(p.false_class[sensor], uniform(s.world[b].key, FALSE_CLASS, i))
        confidence = pick(p.false_bins, uniform(s.world[b].key, CONFIDENCE, i))
        report(b, p.false_place[place].asset, sensor, step_class, confidence, s)


@inlined
def _place(draw: float, p: Parameters) -> int:
    """The first place whose cumulative weight is not below `draw`; `false_guide` says about where it is.

    Halving the list would touch some ten places all over it, which among a million costs more than all else here.
    """
    place = p.false_guide[min(int(draw * len(p.false_guide)), len(p.false_guide) - 1)]
    while place > 0 and p.false_cdf[place - 1] >= draw:
        place -= 1
    while place + 1 < len(p.false_cdf) and p.false_cdf[place] < draw:
        place += 1
    return place
