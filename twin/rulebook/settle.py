"""The settling half of a tick, in the order that the design fixes: the one transition of the world.

Flows in: one world with its decision buffers. Flows out: the same world one tick later. Order: consent answers;
proposals and starts; effects, ends, expiry, undo; repairs; attack steps; availability; findings; loss.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..compiled import CompiledTwin
from ..vocabulary import AssetKind, LossCause, StepClass
from .attacking import detect, pick, settle_attacks
from .draws import CONFIDENCE, FALSE_CLASS, FALSE_COUNT, FALSE_PLACE, PRESENCE, REPAIR, tick_key, uniform
from .effects import EffectTable
from .holding import is_controlled, mend
from .jit import compiled
from .parameters import Parameters
from .responding import propose, settle_answers, settle_due
from .serving import derive_service
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
    s.finding_n[b] = 0
    s.trace_n[b] = 0
    settle_answers(b, t, e, p, s)
    for seat in range(len(decision)):
        propose(b, seat, decision[seat], t, e, p, s)
    settle_due(b, t, e, s)
    _settle_repairs(b, t, p, s)
    settle_attacks(b, t, e, p, s)
    if s.dirty[b] == 1:
        derive_service(b, t, s)
    _settle_presence(b, t, p, s)
    _settle_false_findings(b, p, s)
    for owner in range(s.loss.shape[1]):
        s.loss[b, owner, _SERVICE] += s.service_rate[b, owner]
        s.loss[b, owner, _HARM] += s.harm_rate[b, owner]
    s.tick[b] += 1
    s.key[b] = tick_key(s.stream[b], s.world[b], s.episode[b], s.tick[b])


@compiled
def _settle_repairs(b: int, t: CompiledTwin, p: Parameters, s: WorldState) -> None:
    for i in range(s.hurt_n[b] - 1, -1, -1):
        a = s.hurt[b, i]
        if uniform(s.key[b], REPAIR, a) < p.repair and not is_controlled(b, a, t, s):
            mend(b, a, t, s)


@compiled
def _settle_presence(b: int, t: CompiledTwin, p: Parameters, s: WorldState) -> None:
    for i in range(s.held_n[b]):
        a = s.held[b, i]
        if t.sensors[a] != 0 and t.kind[a] != _SEGMENT and t.kind[a] != _EXTERNAL and (s.user[b, a] | s.admin[b, a]):
            detect(b, a, _PRESENCE, PRESENCE, a, t, p, s)


@compiled
def _settle_false_findings(b: int, p: Parameters, s: WorldState) -> None:
    """A Poisson number of false findings, each at a drawn place (inverse transform sampling)."""
    if p.false_total <= 0.0:
        return
    threshold, product, count = math.exp(-p.false_total), uniform(s.key[b], FALSE_COUNT, 0), 0
    while product > threshold and count < 64:
        count += 1
        product *= uniform(s.key[b], FALSE_COUNT, count)
    for i in range(count):
        place = np.searchsorted(p.false_cdf, uniform(s.key[b], FALSE_PLACE, i))
        place = min(place, len(p.false_cdf) - 1)
        sensor = p.false_sensor[place]
        step_class = pick(p.false_class[sensor], uniform(s.key[b], FALSE_CLASS, i))
        confidence = pick(p.false_bins, uniform(s.key[b], CONFIDENCE, i))
        report(b, p.false_asset[place], sensor, step_class, confidence, s)
