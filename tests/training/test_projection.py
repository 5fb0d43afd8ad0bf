"""The model of more workers: its laws, and figures worked out by hand."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.training.bench import Messages, processor_s
from tocsin.training.projection import Network, central, decentralised, ring_s, saturation

ONE = Messages(
    gradient=100_000,
    sums=16,
    advantages=5_760,
    rollout=4_000_000,
    weights=100_000,
    rolling_s=0.2,
    gradient_s=0.8,
    samples=1440,
)
NETWORK = Network(latency_s=50e-6, bandwidth=1.25e9)


def test_a_ring_by_hand() -> None:
    """Four members: six hops of 50 us and 25 kB at 1.25 GB/s each; one member has nobody to send to."""
    assert ring_s(4, 100_000, NETWORK) == pytest.approx(6 * (50e-6 + 20e-6))
    assert ring_s(1, 100_000, NETWORK) == 0.0


def test_one_worker_is_what_was_measured() -> None:
    """Decentralised, alone, it takes its own time and no message."""
    alone = decentralised(ONE, 1, NETWORK)
    assert alone.rate == pytest.approx(1440.0) and alone.communication_s == 0.0


@given(workers=st.integers(1, 5000))
def test_nothing_is_faster_than_all_at_once(workers: int) -> None:
    """n workers bring at most n times one; the central learner at most what it can learn."""
    assert decentralised(ONE, workers, NETWORK).rate <= workers * 1440.0 + 1e-6
    assert central(ONE, workers, NETWORK).rate <= ONE.samples / ONE.gradient_s


def test_saturation_is_where_messages_take_as_long_as_work() -> None:
    """Just below it sums take less time than computing, just above more; more to send moves it down."""
    found = int(saturation(ONE, NETWORK)["decentralised"])
    assert decentralised(ONE, found, NETWORK).communication_s <= 1.0
    assert decentralised(ONE, found + 1, NETWORK).communication_s > 1.0
    assert saturation(replace(ONE, sums=32), NETWORK)["decentralised"] < found
    assert saturation(ONE, NETWORK)["central"] < 1, "one learner on a processor does not keep one worker busy"
    assert saturation(replace(ONE, gradient_s=0.8 / 30), NETWORK)["central"] > 5


def test_seconds_of_the_processor_are_counted() -> None:
    """Work counts, sleep does not."""
    before = processor_s(os.getpid())
    ends = time.process_time() + 0.3
    while time.process_time() < ends:
        pass
    worked = processor_s(os.getpid()) - before
    time.sleep(0.3)
    assert 0.2 <= worked <= 1.0
    assert processor_s(os.getpid()) - before - worked < 0.2
