"""What measured messages and times say of more workers than there are here. A model, no measurement.

Flows in: bytes and seconds of one worker's iteration, a network. Flows out: iterations and rates for n workers.

- decentralised: every member rolls out and learns from its own rows, then gradients are summed in rings: a sum of b
  bytes over n members takes 2 (n - 1) hops, each of a latency and b / n bytes (Patarasuk and Yuan 2009, "Bandwidth
  optimal all-reduce algorithms for clusters of workstations", Journal of Parallel and Distributed Computing 69); there
  is one for each minibatch, whatever n, since minibatches grow with the workers. Advantages go round once.
- central: rollouts of n workers come in through the learner's one link while it learns from n workers' rows; it sends n
  times its weights. Workers and learner take turns, as they do here.

All computing is as on the processor that was measured, with one thread, nobody is slower than another, and no work on
the network overlaps computing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .bench import Messages

LATENCY_S = 50e-6  # of one hop within a data centre over TCP, gloo's share in it; assumed
BANDWIDTH = 1.25e9  # bytes per second and link: 10 Gbit/s; assumed
COUNTS = (2, 8, 64, 1000)
MOST = 1_000_000  # workers looked at for where a shape saturates


@dataclass(frozen=True, slots=True)
class Network:
    """What lies between workers."""

    latency_s: float = LATENCY_S
    bandwidth: float = BANDWIDTH  # bytes per second


@dataclass(frozen=True, slots=True)
class Projected:
    """An iteration of n workers."""

    workers: int
    computing_s: float
    communication_s: float
    samples: int

    @property
    def rate(self) -> float:
        """Decisions per second."""
        return self.samples / (self.computing_s + self.communication_s)

    def as_object(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "workers": self.workers,
            "computing_s": round(self.computing_s, 4),
            "communication_s": round(self.communication_s, 4),
            "samples_per_s": round(self.rate),
        }


def ring_s(workers: int, bytes_: float, network: Network) -> float:
    """Seconds of one sum over a ring."""
    return 2 * (workers - 1) * (network.latency_s + bytes_ / workers / network.bandwidth)


def decentralised(messages: Messages, workers: int, network: Network) -> Projected:
    """Every worker learns."""
    sums = messages.sums * ring_s(workers, messages.gradient, network)
    round_ = (workers - 1) * (network.latency_s + messages.advantages / network.bandwidth)
    return Projected(workers, messages.rolling_s + messages.gradient_s, sums + round_, workers * messages.samples)


def central(messages: Messages, workers: int, network: Network, *, faster: float = 1.0) -> Projected:
    """One learner, `faster` times as fast at gradients as the processor that was measured."""
    computing = messages.rolling_s + workers * messages.gradient_s / faster
    link = workers * (messages.rollout + messages.weights) / network.bandwidth + 2 * network.latency_s
    return Projected(workers, computing, link, workers * messages.samples)


def saturation(messages: Messages, network: Network) -> dict[str, float]:
    """Workers at which each shape keeps its workers busy half of the time; more add less than half of themselves."""
    alone = messages.rolling_s + messages.gradient_s
    each = messages.gradient_s + (messages.rollout + messages.weights) / network.bandwidth
    return {
        "decentralised": float(_half(messages, alone, network)),
        "central": round(messages.rolling_s / each, 2),
        "central, rollouts alone": round(messages.rolling_s * network.bandwidth / messages.rollout, 1),
    }


def _half(messages: Messages, alone: float, network: Network) -> int:
    low, high = 1, MOST
    while low < high:
        middle = (low + high + 1) // 2
        if decentralised(messages, middle, network).communication_s <= alone:
            low = middle
        else:
            high = middle - 1
    return low
