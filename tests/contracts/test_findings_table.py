"""The shipped confusion table is what the real detectors make of the plant's telemetry, measured again here."""

from __future__ import annotations

import json
import math
from collections import Counter
from importlib.resources import files

import pytest
from tocsin.orchestrator.assemble import load_twin
from tocsin.orchestrator.plant.behaviour import Behaviour, Cell
from tocsin.orchestrator.plant.measure import Measurement, bench, measure, table_of, to_json
from tocsin.orchestrator.plant.surroundings import survey
from tocsin.orchestrator.plant.telemetry import Happening, Try, telemetry
from tocsin.twin.attack.steps import derive_steps
from tocsin.twin.compiled import compile_twin
from tocsin.twin.rulebook.draws import tick_key
from tocsin.twin.sensing.confusion import parse_confusion, shipped_confusion
from tocsin.twin.sensing.detectors import DetectorState, detect
from tocsin.twin.sensing.events import parse_event
from tocsin.twin.vocabulary import SensorClass, StepClass

TRIES = 3_000
SIGMAS = 4.5  # of the binomial: some hundred comparisons, one in a thousand runs may miss; seeded, so it never does


@pytest.fixture(scope="module")
def measured() -> Measurement:
    return measure(7, TRIES, Behaviour())


def near(count: float, trials: float, shipped: float) -> bool:
    """Whether a count is within the binomial's spread around a rate, itself measured on 20,000 tries."""
    spread = math.sqrt(max(shipped * (1 - shipped), 1e-6) * (1 / trials + 1 / 20_000))
    return abs(count / trials - shipped) <= SIGMAS * spread + 1.0 / trials


@pytest.mark.parametrize("sensor", SensorClass)
@pytest.mark.parametrize("step_class", StepClass)
def test_hits_are_as_shipped(measured: Measurement, sensor: SensorClass, step_class: StepClass) -> None:
    """Per sensor and technique class: findings given a try, or a tick held."""
    trials = measured.held_ticks if step_class is StepClass.PRESENCE else measured.tries
    assert near(measured.hits[sensor, step_class], trials, shipped_confusion().hit[sensor][step_class])


@pytest.mark.parametrize("sensor", SensorClass)
def test_false_findings_are_as_shipped(measured: Measurement, sensor: SensorClass) -> None:
    """Per sensor: findings an hour of everyday work (a Poisson count)."""
    expected = shipped_confusion().false_per_hour[sensor] * measured.hours
    found = sum(measured.false[sensor, step] for step in StepClass)
    assert abs(found - expected) <= SIGMAS * math.sqrt(expected) + 1


def test_confidence_bins_are_as_shipped(measured: Measurement) -> None:
    """True and false findings fall into bins as often as shipped."""
    again, shipped = table_of(measured), shipped_confusion()
    total, false = sum(measured.bins.values()), sum(measured.false_bins.values())
    assert all(near(a * total, total, b) for a, b in zip(again.true_bins, shipped.true_bins, strict=True))
    assert all(near(a * false, false, b) for a, b in zip(again.false_bins, shipped.false_bins, strict=True))


def test_a_try_hardly_ever_looks_like_another_class(measured: Measurement) -> None:
    """The table has no row for confusing classes, so that must be rare: under one in a hundred findings."""
    assert measured.wrong < 0.01 * sum(measured.hits.values())


def test_a_monitored_asset_is_looked_at_three_times() -> None:
    """The gain in the table is that of the telemetry."""
    around, table = survey(bench()), shipped_confusion()
    subject = next(place.number for place in around.places if place.sensors)
    state, hits = DetectorState(around.baseline), 0
    quiet = Behaviour(ordinary_per_hour=0.0, lookalike_per_hour=dict.fromkeys(SensorClass, 0.0))
    for tick in range(TRIES):
        happening = Happening(
            tick * 300_000, 60_000, (Try(0, subject, StepClass.EXPLOIT),), monitored=frozenset({subject})
        )
        raw = telemetry(around, happening, quiet, tick_key(5, 8, 0, tick))
        findings, state = detect((parse_event(event) for _, event in raw), state)
        hits += any(finding.sensor is SensorClass.HOST for finding in findings)
    plain = table.hit[SensorClass.HOST][StepClass.EXPLOIT]
    assert near(hits, TRIES, 1 - (1 - plain) ** table.monitored_gain)


def test_the_table_measured_on_a_bench_holds_on_the_shipped_chain() -> None:
    """Tries at every watched asset of the example, each sensor and class, are found as often; none as another class."""
    twin = load_twin(None)
    around, compiled = survey(twin), compile_twin(twin, derive_steps(twin))
    quiet = Behaviour(ordinary_per_hour=0.0, lookalike_per_hour=dict.fromkeys(SensorClass, 0.0))
    kinds = sorted({(int(row["seen_at"]), StepClass(row["step_class"])) for row in compiled.arrays.step})
    watched = [(place, kind) for place, kind in kinds if around.places[place].sensors]
    state, hits, trials = DetectorState(around.baseline), Counter[Cell](), Counter[Cell]()
    for tick, (place, kind) in enumerate(watched * 40):
        happening = Happening(tick * 300_000, 60_000, (Try(tick % 1_000, place, kind),))
        raw = telemetry(around, happening, quiet, tick_key(5, 9, 0, tick))
        findings, state = detect((parse_event(event) for _, event in raw), state)
        trials.update((sensor, kind) for sensor in around.places[place].sensors)
        hits.update((finding.sensor, finding.step_class) for finding in findings)
        assert all(finding.step_class is kind for finding in findings)
    assert all(near(hits[cell], trials[cell], shipped_confusion().hit[cell[0]][cell[1]]) for cell in trials)


def test_the_written_table_reads_back(measured: Measurement) -> None:
    """What `tocsin plant measure` writes is what the rulebook reads; the shipped file says how it was measured."""
    table = table_of(measured)
    read = parse_confusion(to_json(table, "here"))
    assert (read.hit, read.false_per_hour, read.true_bins) == (table.hit, table.false_per_hour, table.true_bins)
    shipped = json.loads(files("tocsin.twin").joinpath("data/detectors.json").read_text())
    assert shipped["source"].startswith("measured: tocsin plant measure")


def test_the_same_seed_measures_the_same() -> None:
    """Draws are keyed."""
    assert measure(3, 50, Behaviour()) == measure(3, 50, Behaviour())
