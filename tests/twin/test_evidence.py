"""Evidence: decayed counts of findings, written only where a finding falls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.twin.sensing.evidence import EVIDENCE, HALF_LIFE_TICKS, NO_FINDING, WEIGHT, add_finding, decayed
from tocsin.twin.vocabulary import Confidence, SensorClass

add = getattr(add_finding, "py_func", add_finding)  # compiled for other compiled code only
decay = getattr(decayed, "py_func", decayed)


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """`add_finding` calls the plain `decayed` where it runs plain."""
    monkeypatch.setitem(add.__globals__, "decayed", decay)


def empty() -> np.record:
    records = np.zeros(1, EVIDENCE).view(np.recarray)
    records["last"] = NO_FINDING
    return records[0]


@given(st.floats(0.01, 100.0), st.integers(0, 500))
def test_weight_halves_in_a_half_life(count: float, age: int) -> None:
    """One half-life later the weight is half, whenever one starts."""
    later = decay(count, age + HALF_LIFE_TICKS)
    assert later == pytest.approx(decay(count, age) / 2)


@pytest.mark.parametrize("confidence", Confidence)
def test_first_finding_counts_its_weight(confidence: Confidence) -> None:
    """Nothing is left of the time before: the count is the weight of the confidence."""
    record = empty()
    add(record, 7, int(SensorClass.HOST), int(confidence), 3)
    assert record.count == pytest.approx(WEIGHT[confidence])
    assert (record.last, record.peak) == (7, confidence + 1)
    assert record.sensors == 1 << SensorClass.HOST
    assert (record.step_class, record.confidence) == (3, confidence)


def test_findings_add_up_as_if_each_decayed_alone() -> None:
    """The recursion equals the sum over findings of their decayed weights; peak and sensors only grow."""
    record, ticks = empty(), (3, 10, 10, 64)
    for tick, confidence in zip(ticks, (2, 0, 1, 0), strict=True):
        add(record, tick, tick % 2, confidence, tick % 5)
    alone = sum(WEIGHT[c] * 2 ** (-(64 - tick) / HALF_LIFE_TICKS) for tick, c in zip(ticks, (2, 0, 1, 0), strict=True))
    assert record.count == pytest.approx(alone, rel=1e-5)
    assert (record.peak, record.sensors, record.last) == (3, 0b11, 64)
