"""Forged findings: an attacker reports what has not happened, so that defenders hurt themselves.

Flows in: one world. Flows out: findings that look like any other, on assets of the attacker's choice. Sensors, classes
and confidences are drawn as true findings have them, so that nothing in a finding tells that it is forged.
"""

from __future__ import annotations

from ..compiled import CompiledTwin
from ..vocabulary import StepClass
from .attacking import has_come, pick
from .draws import FORGE_CLASS, FORGE_CONFIDENCE, FORGE_COUNT, FORGE_PLACE, FORGE_SENSOR, poisson, uniform
from .jit import inlined, inner
from .parameters import Parameters
from .rules import is_blocked
from .state import WorldState
from .trace import report

_CLASSES = len(StepClass)
_ENTITIES = 1 << 20  # of the draws of one forger


@inlined
def settle_forgeries(b: int, t: CompiledTwin, p: Parameters, s: WorldState) -> None:
    """Each forger that can reports a Poisson number of findings."""
    for k in range(s.attacker.shape[1]):
        if p.attacker[k].forgeries <= 0.0 or not has_come(b, k, s):
            continue
        if p.attacker[k].forges_at_once == 1 or _holds_watched(b, k, t, s):
            first = k * _ENTITIES
            for i in range(poisson(s.world[b].key, FORGE_COUNT, first, p.attacker[k].forgeries)):
                _forge(b, k, first + i, t, p, s)


@inner
def _holds_watched(b: int, k: int, t: CompiledTwin, s: WorldState) -> bool:
    """Whether attacker `k` has access to an asset whose sensors report, and are not cut off."""
    for i in range(s.world[b].held_n):
        a = s.held[b, i]
        is_its = ((s.asset[b, a].user | s.asset[b, a].admin) >> k) & 1
        if is_its and t.asset[a].sensors != 0 and not is_blocked(s.asset[b, a].modes):
            return True
    return False


@inner
def _forge(b: int, k: int, entity: int, t: CompiledTwin, p: Parameters, s: WorldState) -> None:
    key = s.world[b].key
    low, high = p.attacker[k].forge_first, p.attacker[k].forge_last
    draw = uniform(key, FORGE_PLACE, entity)
    while low + 1 < high:  # the first row whose cumulative weight the draw does not exceed
        middle = (low + high - 1) // 2
        if p.forge[middle].cumulative < draw:
            low = middle + 1
        else:
            high = middle + 1
    a = p.forge[low].asset
    sensor = _some_sensor(t.asset[a].sensors, uniform(key, FORGE_SENSOR, entity))
    total = 0.0
    for step_class in range(_CLASSES):
        total += p.hit[sensor, step_class]
    left, found = uniform(key, FORGE_CLASS, entity) * total, 0
    for step_class in range(_CLASSES):
        if p.hit[sensor, step_class] > 0.0:
            found = step_class
            left -= p.hit[sensor, step_class]
            if left < 0.0:
                break
    report(b, a, sensor, found, pick(p.true_bins, uniform(key, FORGE_CONFIDENCE, entity)), s)


@inner
def _some_sensor(sensors: int, draw: float) -> int:
    """One of the sensors of a set, each equally likely."""
    count = 0
    for sensor in range(8):
        count += (sensors >> sensor) & 1
    left, chosen = int(draw * count), 0
    for sensor in range(8):
        if (sensors >> sensor) & 1:
            if left == 0:
                chosen = sensor
            left -= 1
    return chosen
