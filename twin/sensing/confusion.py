"""The detectors' measured confusion table: one table that worlds draw findings from and belief reads as likelihood.

Flows in: `twin/data/detectors.json`, written by measuring the real detectors on the plant's events. Flows out: a
`ConfusionTable`. A contract test measures again and compares.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from ..vocabulary import Confidence, SensorClass, StepClass

SENSORS, CLASSES, BINS = len(SensorClass), len(StepClass), len(Confidence)


@dataclass(frozen=True, slots=True)
class ConfusionTable:
    """Finding given a try (PRESENCE: given a tick held), and finding given neither, per sensor class."""

    hit: tuple[tuple[float, ...], ...]  # [SensorClass][StepClass] probability
    false_per_hour: tuple[float, ...]  # [SensorClass] per watched asset
    false_class: tuple[tuple[float, ...], ...]  # [SensorClass][StepClass] each row sums to 1
    true_bins: tuple[float, ...]  # [Confidence] of a true finding
    false_bins: tuple[float, ...]  # [Confidence] of a false one
    monitored_gain: float  # a monitored asset is looked at this many times as often

    def __post_init__(self) -> None:
        if np.shape(self.hit) != (SENSORS, CLASSES) or np.shape(self.false_class) != (SENSORS, CLASSES):
            raise ValueError(f"confusion table: hit and false_class must be {SENSORS} sensors x {CLASSES} classes")
        if len(self.false_per_hour) != SENSORS or len(self.true_bins) != BINS or len(self.false_bins) != BINS:
            raise ValueError(f"confusion table: false_per_hour needs {SENSORS} numbers, each list of bins {BINS}")
        if np.min(self.hit) < 0 or np.max(self.hit) > 1:
            raise ValueError("confusion table: hit must hold probabilities within 0..1")

    def hit_by_mask(self) -> npt.NDArray[np.float64]:
        """[2, 16, StepClass] probability that a set of sensors (a bit each) finds a try; second row: monitored."""
        miss = 1.0 - np.asarray(self.hit)
        bits = (np.arange(1 << SENSORS)[:, None] >> np.arange(SENSORS)) & 1
        plain = np.array([np.prod(np.where(row[:, None] == 1, miss, 1.0), axis=0) for row in bits])
        return np.stack([1.0 - plain, 1.0 - plain**self.monitored_gain])


def parse_confusion(text: str) -> ConfusionTable:
    """Read a table from JSON.

    Raises:
        ValueError: a missing field, a wrong shape or a number that is no probability.
    """
    content = json.loads(text)
    try:
        return ConfusionTable(
            hit=tuple(
                tuple(float(content["hit"][sensor.word].get(step.word, 0.0)) for step in StepClass)
                for sensor in SensorClass
            ),
            false_per_hour=tuple(float(content["false_per_hour"][sensor.word]) for sensor in SensorClass),
            false_class=tuple(
                tuple(float(content["false_class"][sensor.word].get(step.word, 0.0)) for step in StepClass)
                for sensor in SensorClass
            ),
            true_bins=tuple(float(content["true_bins"][confidence.word]) for confidence in Confidence),
            false_bins=tuple(float(content["false_bins"][confidence.word]) for confidence in Confidence),
            monitored_gain=float(content["monitored_gain"]),
        )
    except KeyError as missing:
        raise ValueError(f"confusion table: {missing} is missing; measure the detectors again") from None


@cache
def shipped_confusion() -> ConfusionTable:
    """The table measured on the shipped detectors."""
    return parse_confusion(files("tocsin.twin").joinpath("data/detectors.json").read_text())
