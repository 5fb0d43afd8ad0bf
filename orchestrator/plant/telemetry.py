"""Telemetry of one tick: what the plant's sensors write down of attackers, of what is held, and of everyday work.

Flows in: surroundings, what happened in the tick, a tick key. Flows out: raw OCSF events with owner, in order of time.
Pure; draws are keyed. What is true goes in, but comes out only as far as a sensor covers the asset and the doing was
conspicuous; the rulebook's own drawn findings are not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...twin.rulebook.draws import uniform
from ...twin.vocabulary import SensorClass, StepClass
from . import shapes
from .behaviour import Behaviour
from .drawing import LOOKALIKE, ORDINARY, PRESENT, SEEN, UID, Draws
from .scenes import conspicuous, ordinary
from .shapes import Json
from .surroundings import Place, Surroundings

_SENSORS = len(SensorClass)


@dataclass(frozen=True, slots=True)
class Try:
    """An attacker's try, where sensors may see it."""

    step: int  # number of the attack step
    seen_at: int  # asset number
    step_class: StepClass


@dataclass(frozen=True, slots=True)
class Happening:
    """What is true of one tick."""

    time_ms: int  # at which the tick begins, milliseconds since 1970, UTC
    tick_ms: int
    tries: tuple[Try, ...] = ()
    held: tuple[int, ...] = ()  # asset numbers with user or admin access; segments and externals left out
    monitored: Set[int] = frozenset()
    states: tuple[tuple[int, tuple[str, ...]], ...] = ()  # assets whose states changed, with what they are now
    works: tuple[tuple[int, str, bool], ...] = ()  # asset, playbook, success: work of responses that ended


def telemetry(around: Surroundings, happening: Happening, behaviour: Behaviour, key: Any) -> list[tuple[str, Json]]:
    """Give (owner, raw event) of one tick, by time.

    Args:
        around: the twin's places.
        happening: what is true.
        behaviour: how conspicuous things are.
        key: uint64 tick key, from `draws.tick_key`.
    """
    key = np.uint64(key)  # compiled code hands out plain integers
    seen: list[tuple[Place, Json]] = []
    for place, events in _scenes(around, happening, behaviour, key):
        seen.extend((place, event) for event in events)
    seen.sort(key=lambda one: (one[1]["time"], one[0].number))
    for position, (place, event) in enumerate(seen):
        event["time"] += happening.time_ms
        event["metadata"]["uid"] = f"{int(uniform(key, UID, position) * 2**53):014x}"
        event["metadata"]["tenant_uid"] = place.owner
    return [(place.owner, event) for place, event in seen]


def _scenes(
    around: Surroundings, happening: Happening, behaviour: Behaviour, key: Any
) -> Iterator[tuple[Place, list[Json]]]:
    for one in happening.tries:
        place, watched = around.places[one.seen_at], one.seen_at in happening.monitored
        for sensor in place.sensors:
            draws = Draws(key, SEEN, one.step * _SENSORS + sensor)
            if draws.chance(behaviour.sees((sensor, one.step_class), monitored=watched)):
                yield place, conspicuous((sensor, one.step_class), place, draws, behaviour.attack_mark)
            else:
                yield place, ordinary(sensor, place, draws)
    for asset in happening.held:
        place, watched = around.places[asset], asset in happening.monitored
        for sensor in place.sensors:
            draws = Draws(key, PRESENT, asset * _SENSORS + sensor)
            if draws.chance(behaviour.sees((sensor, StepClass.PRESENCE), monitored=watched)):
                yield place, conspicuous((sensor, StepClass.PRESENCE), place, draws, behaviour.attack_mark)
    for place in around.places:
        yield from _everyday(place, happening.tick_ms / 3_600_000, behaviour, key)
    for asset, states in happening.states:
        yield around.places[asset], [shapes.state(around.places[asset].asset, states)]
    for asset, playbook, success in happening.works:
        yield around.places[asset], [shapes.remediation(around.places[asset].asset, playbook, success=success)]


def _everyday(place: Place, tick_h: float, behaviour: Behaviour, key: Any) -> Iterator[tuple[Place, list[Json]]]:
    for sensor in place.sensors:
        entity = place.number * _SENSORS + sensor
        draws = Draws(key, ORDINARY, entity)
        if draws.chance(behaviour.ordinary_per_hour * tick_h):
            yield place, ordinary(sensor, place, draws)
        draws = Draws(key, LOOKALIKE, entity)
        if draws.chance(behaviour.lookalike_per_hour[sensor] * tick_h):
            step_class = draws.weighted(behaviour.lookalike_class[sensor])
            yield place, conspicuous((sensor, step_class), place, draws, behaviour.lookalike_mark)
