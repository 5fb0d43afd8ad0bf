"""Measure the real detectors on the plant's telemetry: the confusion table that rulebook and belief read.

Flows in: a seed, a number of tries per class. Flows out: a `ConfusionTable` and its JSON text. The bench is
one asset under all four sensors with usual callers, logons and stations. Findings of a wrong class after a try are
counted apart, so that a test can hold them down.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ...twin.graph import Asset, Link, Owner, Twin
from ...twin.rulebook.draws import tick_key
from ...twin.sensing.confusion import ConfusionTable
from ...twin.sensing.detectors import DetectorState, detect
from ...twin.sensing.events import parse_event
from ...twin.sensing.findings import Finding
from ...twin.vocabulary import AssetKind, Confidence, LinkKind, SensorClass, StepClass
from .behaviour import Behaviour
from .surroundings import Surroundings, survey
from .telemetry import Happening, Try, telemetry

STREAM_MEASURE = 5  # of draws; 1 to 4 are those of `rulebook/worlds.py`
TRY_MS = 300_000  # between tries: 12 an hour, the tempo of the default attacker
TICK_MS = 60_000
HOUR_MS = 3_600_000
BLOCK_MS = 600_000  # of everyday work measured at once
PRESENCE_TICKS = 20  # ticks held per try of another class: presence is seen that much more seldom
FALSE_HOURS = 5  # watched hours of everyday work per try

Cell = tuple[SensorClass, StepClass]


@dataclass(frozen=True, slots=True)
class Measurement:
    """Counts of one measurement."""

    tries: int  # per class
    held_ticks: int
    hours: float
    hits: Counter[Cell]
    wrong: int  # findings of another class than the try's
    bins: Counter[Confidence]
    false: Counter[Cell]
    false_bins: Counter[Confidence]
    monitored_gain: float


def measure_confusion(seed: int, n: int, behaviour: Behaviour | None = None) -> ConfusionTable:
    """Measure the detectors and give the table.

    Args:
        seed: of the plant's draws.
        n: tries per technique class, n >= 1; thousands give two digits.
        behaviour: how conspicuous things are; the shipped one by default.
    """
    return table_of(measure(seed, n, behaviour or Behaviour()))


def measure(seed: int, n: int, behaviour: Behaviour) -> Measurement:
    """Send tries, presence and everyday work through the detectors and count the findings."""
    around = survey(bench())
    quiet = replace(behaviour, ordinary_per_hour=0.0, lookalike_per_hour=dict.fromkeys(SensorClass, 0.0))
    subject = next(place.number for place in around.places if place.sensors)
    hits: Counter[Cell] = Counter()
    bins: Counter[Confidence] = Counter()
    wrong = 0
    for step_class in StepClass:
        if step_class is StepClass.PRESENCE:
            happenings = (Happening(i * TICK_MS, TICK_MS, held=(subject,)) for i in range(n * PRESENCE_TICKS))
        else:
            one = (Try(int(step_class), subject, step_class),)
            happenings = (Happening(i * TRY_MS, TICK_MS, tries=one) for i in range(n))
        for finding in _findings(around, happenings, quiet, seed, int(step_class)):
            wrong += finding.step_class is not step_class
            if finding.step_class is step_class:
                hits[finding.sensor, step_class] += 1
                bins[finding.confidence] += 1
    hours = n * FALSE_HOURS
    false, false_bins = _everyday(around, behaviour, seed, hours)
    return Measurement(n, n * PRESENCE_TICKS, hours, hits, wrong, bins, false, false_bins, behaviour.monitored_gain)


def table_of(measured: Measurement) -> ConfusionTable:
    """Turn counts into rates; a sensor without false findings keeps a flat row of classes."""
    trials = {step: measured.held_ticks if step is StepClass.PRESENCE else measured.tries for step in StepClass}
    false = {sensor: sum(measured.false[sensor, step] for step in StepClass) for sensor in SensorClass}
    return ConfusionTable(
        hit=tuple(
            tuple(round(measured.hits[sensor, step] / trials[step], 5) for step in StepClass) for sensor in SensorClass
        ),
        false_per_hour=tuple(round(false[sensor] / measured.hours, 5) for sensor in SensorClass),
        false_class=tuple(
            tuple(
                measured.false[sensor, step] / false[sensor] if false[sensor] else 1 / len(StepClass)
                for step in StepClass
            )
            for sensor in SensorClass
        ),
        true_bins=_shares(measured.bins),
        false_bins=_shares(measured.false_bins),
        monitored_gain=measured.monitored_gain,
    )


def to_json(table: ConfusionTable, source: str) -> str:
    """Write a table in the form that `twin/sensing/confusion.py` reads; cells of zero are left out."""

    def named(row: Iterable[float]) -> dict[str, float]:
        return {step.word: round(value, 5) for step, value in zip(StepClass, row, strict=True) if value > 0}

    bins = [confidence.word for confidence in Confidence]
    sensors = [sensor.word for sensor in SensorClass]
    content = {
        "source": source,
        "hit": {sensor: named(row) for sensor, row in zip(sensors, table.hit, strict=True)},
        "false_per_hour": dict(zip(sensors, table.false_per_hour, strict=True)),
        "false_class": {sensor: named(row) for sensor, row in zip(sensors, table.false_class, strict=True)},
        "true_bins": dict(zip(bins, table.true_bins, strict=True)),
        "false_bins": dict(zip(bins, table.false_bins, strict=True)),
        "monitored_gain": table.monitored_gain,
    }
    return json.dumps(content, indent=1) + "\n"


def bench() -> Twin:
    """A twin with one asset under all sensors and what is usual around it."""
    names = ("gate", "server", "store", "printer", "desk")
    assets = [Asset(f"bench/host/{name}", AssetKind.HOST, "bench", name) for name in names]
    assets[1] = replace(assets[1], sensors=tuple(SensorClass))
    identity = Asset("bench/identity/ops", AssetKind.IDENTITY, "bench", "ops")
    gate, server, store = (asset.id for asset in assets[:3])
    links = [
        Link(LinkKind.REACHES, gate, server, port=443),
        Link(LinkKind.REACHES, server, store, port=5432),
        Link(LinkKind.HOLDS_CREDENTIAL, gate, identity.id),
        Link(LinkKind.CAN_LOG_IN, identity.id, server),
        Link(LinkKind.MANAGES, gate, server),
    ]
    return Twin.build(owners=[Owner("bench")], assets=[*assets, identity], links=links)


def _findings(
    around: Surroundings, happenings: Iterable[Happening], behaviour: Behaviour, seed: int, episode: int
) -> Iterable[Finding]:
    state = DetectorState(around.baseline)
    for tick, happening in enumerate(happenings):
        key: Any = tick_key(STREAM_MEASURE, seed, episode, tick)
        raw = telemetry(around, happening, behaviour, key)
        if raw:
            findings, state = detect((parse_event(event) for _, event in raw), state)
            yield from findings


def _everyday(
    around: Surroundings, behaviour: Behaviour, seed: int, hours: float
) -> tuple[Counter[Cell], Counter[Confidence]]:
    """Findings of work that looks like an attack over all hours, and of plain work over a fiftieth of them, scaled."""
    false: Counter[Cell] = Counter()
    bins: Counter[Confidence] = Counter()
    blocks = round(hours * HOUR_MS / BLOCK_MS)
    lookalikes = replace(behaviour, ordinary_per_hour=0.0)
    plain = replace(behaviour, lookalike_per_hour=dict.fromkeys(SensorClass, 0.0))
    for kind, weight, episode in ((lookalikes, 1, 100), (plain, 50, 101)):
        happenings = (Happening(i * BLOCK_MS, BLOCK_MS) for i in range(blocks // weight))
        for finding in _findings(around, happenings, kind, seed, episode):
            false[finding.sensor, finding.step_class] += weight
            bins[finding.confidence] += weight
    return false, bins


def _shares(counts: Counter[Confidence]) -> tuple[float, ...]:
    total = sum(counts.values()) or 1
    return tuple(round(counts[confidence] / total, 4) for confidence in Confidence)
