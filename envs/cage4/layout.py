"""What an agent of CAGE Challenge 4 is told: the flags in its observation, and the numbers of its actions.

Flows in: the names, labels and vectors of CybORG's flat wrapper for blue agents. Flows out: a `Layout` for an episode
and a `Sighting` per step. Nothing is decided here. The vector: mission phase; for each subnet of the agent, whose
subnet it is, which subnets are blocked from it and which the mission keeps from it (one number for each of all
subnets, sorted), then a malicious process and a suspicious connection per host; at the end messages, which say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MESSAGES = 4 * 8  # numbers at the end of an observation
ON_HOST = re.compile(r"(Analyse|Remove|Restore|DeployDecoy) (\S+)")
ON_ZONE = re.compile(r"(AllowTrafficZone|BlockTrafficZone) (\S+) \(\S+\) <- (\S+) \(\S+\)")
Key = tuple[str, ...]  # verb and host; or verb, subnet and the subnet that it talks to


class LayoutError(ValueError):
    """The wrapper is another one than this was written for; the message says where."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Names and numbers of one agent in one episode."""

    agent: str
    subnets: tuple[str, ...]  # its own, in the order of the vector
    peers: tuple[str, ...]  # all subnets, sorted
    hosts: tuple[str, ...]  # of its subnets, in the order of the vector
    actions: Mapping[Key, int]  # those that the mask allows
    sleep: int

    @property
    def present(self) -> tuple[str, ...]:
        """The hosts that are there in this episode: those that may be restored."""
        return tuple(host for host in self.hosts if ("Restore", host) in self.actions)

    @property
    def size(self) -> int:
        """Numbers in an observation."""
        return 1 + 3 * len(self.peers) * len(self.subnets) + 2 * len(self.hosts) + MESSAGES


@dataclass(frozen=True, slots=True)
class Sighting:
    """One observation, told apart."""

    phase: int  # of the mission, 0..2
    processes: tuple[str, ...]  # hosts with a malicious process
    connections: tuple[str, ...]  # hosts with a suspicious connection


def read_layout(
    agent: str, *, subnets: Sequence[str], hosts: Sequence[str], labels: Sequence[str], mask: Sequence[bool]
) -> Layout:
    """Give the layout that a wrapper describes.

    Args:
        agent: the agent's name.
        subnets: its subnets, sorted.
        hosts: all hosts it may ever have, sorted; routers among them.
        labels: of its actions, by number.
        mask: which of them are valid in this episode.

    Raises:
        LayoutError: labels and mask differ in length, or what must be there is not.
    """
    if len(labels) != len(mask):
        raise LayoutError(f"{agent}: {len(labels)} labels and a mask of {len(mask)}; reset the wrapper first")
    valid = [(number, label) for number, label in enumerate(labels) if mask[number]]
    sleep = next((number for number, label in valid if label == "Sleep"), None)
    actions = {key: number for number, label in valid if (key := _key(label))}
    peers = sorted({name for key in actions if len(key) == 3 for name in key[1:]})
    if sleep is None or not peers or not set(subnets) <= set(peers):
        raise LayoutError(f"{agent}: no action Sleep, or none for a subnet's traffic; this is not CAGE Challenge 4")
    inside = [host for subnet in subnets for host in hosts if subnet in host and "router" not in host]
    return Layout(agent, tuple(subnets), tuple(peers), tuple(inside), actions, sleep)


def _key(label: str) -> Key:
    found = ON_HOST.fullmatch(label) or ON_ZONE.fullmatch(label)
    return found.groups() if found else ()


def read_sighting(layout: Layout, observation: npt.NDArray[np.integer]) -> Sighting:
    """Tell an observation apart; padding at its end is ignored.

    Raises:
        LayoutError: it is too short for the layout.
    """
    vector = np.asarray(observation)
    if vector.ndim != 1 or len(vector) < layout.size:
        raise LayoutError(f"{layout.agent}: an observation of shape {vector.shape}, not of {layout.size} numbers")
    subnets = len(layout.subnets)
    blocks = vector[1 : layout.size - MESSAGES].reshape(subnets, -1).astype(bool)
    flags = blocks[:, 3 * len(layout.peers) :].reshape(subnets, 2, -1)
    processes, connections = (
        tuple(host for host, flag in zip(layout.hosts, flags[:, kind].ravel(), strict=True) if flag) for kind in (0, 1)
    )
    return Sighting(int(vector[0]), processes, connections)
