"""Training on a real Ray cluster of two nodes: one is lost with no spare, training goes on, a new one is taken in."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tocsin.tests.systems.test_ray_training import ALL, COMES_S, TINY, begun, iterate_until
from tocsin.training.cluster import ray
from tocsin.training.settings import CENTRAL, DECENTRALISED

pytestmark = pytest.mark.systems


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two nodes; the first has room for one worker (and a learner), the second for one worker."""
    from ray.cluster_utils import Cluster  # after ours, which sets Ray's token

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


def test_rollouts_lost_with_their_node_cost_one_iteration(cluster: Any) -> None:
    """A node that dies between roll-out and pull takes its rollouts along; the learner stays and goes on without it."""
    cluster.add_node(num_cpus=1)  # learner and two workers, a node each
    big = replace(TINY, worlds=16, steps=12, patience_s=30)  # rollouts stay on their node
    each = big.worlds * big.steps
    made = begun(CENTRAL, big)
    try:
        assert made.iterate(1.0).samples == 2 * each
        learner, ask = list(made.learner.members), made.crew.ask
        nodes = {node.node_id: node for node in cluster.worker_nodes}
        actors = ray._private.state.actors()
        places = [actors[one.actor._actor_id.hex()]["Address"]["NodeID"] for one in made.crew.members]
        lost = next(nodes[place] for place in places if place in nodes)

        def ask_then_lose(*asked: Any) -> Any:
            answers = ask(*asked)
            if len(answers) == 2 and lost in cluster.worker_nodes:  # both rolled out
                cluster.remove_node(lost, allow_graceful=False)
            return answers

        made.crew.ask = ask_then_lose
        assert made.iterate(1.0).samples == each
        assert made.learner.members == learner and made.lost >= 1
    finally:
        made.stop()
