"""Training on a real Ray cluster of two nodes: one is lost with no spare, training goes on, a new one is taken in."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tocsin.tests.systems.test_ray_training import ALL, COMES_S, begun, iterate_until
from tocsin.training.settings import DECENTRALISED

pytestmark = pytest.mark.systems


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two nodes; the first has room for one worker (and a learner), the second for one worker."""
    from ray.cluster_utils import Cluster
    from tocsin.training.cluster import ray

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    ray.init(address=made.address, log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()


def test_a_killed_node_is_done_without_until_another_comes(cluster: Any) -> None:
    """One worker on each node; when a node dies the other's iterations go on, and a new node brings two again."""
    made = begun(DECENTRALISED)
    try:
        assert made.iterate(1.0).samples == ALL
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
        stall, samples, last = 0.0, ALL, time.monotonic() + COMES_S
        while samples == ALL and time.monotonic() < last:  # its worker may outlive the node for a moment
            began = time.monotonic()
            samples = made.iterate(1.0).samples
            stall = max(stall, time.monotonic() - began)
        assert samples == ALL // 2
        for _ in range(5):
            assert made.iterate(1.0).samples == ALL // 2, "there is no room for a replacement"
        cluster.add_node(num_cpus=1)
        joined = time.monotonic()
        iterate_until(made, ALL)
        took = time.monotonic() - joined
        sys.stdout.write(
            f"killed node: {stall:.1f} s to the next iteration; {took:.1f} s from a new node to two workers\n"
        )
        assert made.diverged == 0 and stall < 60
    finally:
        made.stop()
