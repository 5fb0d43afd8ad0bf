"""A stand-in for CybORG's flat wrapper of CAGE Challenge 4: same names, shapes and order of actions, none of its code.

Nothing of CybORG is simulated but what a defender sees of it: flags that a test raises, blocks, mission phases, and
actions that take their steps. A host that is flagged as having a process is held until it is restored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

SUBNETS = (
    "admin_network_subnet",
    "contractor_network_subnet",
    "internet_subnet",
    "office_network_subnet",
    "operational_zone_a_subnet",
    "operational_zone_b_subnet",
    "public_access_zone_subnet",
    "restricted_zone_a_subnet",
    "restricted_zone_b_subnet",
)
ZONES = {
    "blue_agent_0": ("restricted_zone_a_subnet",),
    "blue_agent_1": ("operational_zone_a_subnet",),
    "blue_agent_2": ("restricted_zone_b_subnet",),
    "blue_agent_3": ("operational_zone_b_subnet",),
    "blue_agent_4": ("admin_network_subnet", "office_network_subnet", "public_access_zone_subnet"),
}
LASTS = {"Restore": 5, "Remove": 3, "Analyse": 2, "DeployDecoy": 2}
SERVERS, USERS = 6, 10


@dataclass
class FakeFlatWrapper:
    """One environment; lives as long as a test."""

    servers: int = 2  # hosts of a subnet that are there
    users: int = 4
    phase: int = 0
    apart: set[tuple[str, str]] = field(default_factory=set)  # pairs of subnets that the mission keeps apart
    held: set[str] = field(default_factory=set)
    done: list[tuple[int, str, str]] = field(default_factory=list)  # step, agent, label of actions that took effect

    possible_agents = tuple(ZONES)

    def __post_init__(self) -> None:
        self.agents = list(ZONES)
        self.reset()

    def reset(self, seed: int | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Start an episode."""
        self.steps, self.blocked, self.done = 0, set(), []
        self.held = set()
        self.flags: dict[str, set[str]] = {"process": set(), "connection": set()}
        self.work: dict[str, tuple[int, str]] = {}
        info = {agent: {"action_mask": self.action_mask(agent)} for agent in ZONES}
        return {agent: self.observation(agent) for agent in ZONES}, info

    def flag(self, host: str, *, process: bool = False, connection: bool = False) -> None:
        """Raise flags on a host for the next observation."""
        if process:
            self.held.add(host)
            self.flags["process"].add(host)
        if connection:
            self.flags["connection"].add(host)

    def step(self, actions: dict[str, int]) -> tuple[Any, ...]:
        """Carry out what is due; an action given while another is at work is ignored."""
        self.steps += 1
        self.flags = {kind: set() for kind in self.flags}
        for agent, number in actions.items():
            if agent not in self.work:
                label = self.action_labels(agent)[number]
                self.work[agent] = (self.steps + LASTS.get(label.split()[0], 1) - 1, label)
        for agent, (due, label) in list(self.work.items()):
            if due <= self.steps:
                del self.work[agent]
                self.done.append((self.steps, agent, label))
                self._carry_out(label)
        rewards = {agent: -float(len(self.held)) for agent in ZONES}
        over = dict.fromkeys(ZONES, False)
        return {agent: self.observation(agent) for agent in ZONES}, rewards, over, dict(over), {}

    def subnets(self, agent: str) -> list[str]:
        """Subnets of an agent, sorted."""
        return list(ZONES[agent])

    def hosts(self, agent: str) -> list[str]:
        """All hosts that an agent may ever have, sorted, routers among them."""
        return sorted(
            name
            for subnet in ZONES[agent]
            for name in (
                f"{subnet}_router",
                *(f"{subnet}_server_host_{number}" for number in range(SERVERS)),
                *(f"{subnet}_user_host_{number}" for number in range(USERS)),
            )
        )

    def action_labels(self, agent: str) -> list[str]:
        """What each number does."""
        return [label for label, _ in self._actions(agent)]

    def action_mask(self, agent: str) -> list[bool]:
        """Which numbers are valid in this episode."""
        return [valid for _, valid in self._actions(agent)]

    def action_space(self, agent: str) -> int:
        """How many there are."""
        return len(self._actions(agent))

    def observation(self, agent: str) -> np.ndarray:
        """The vector of an agent: 92 numbers, or 210 with three subnets."""
        parts = [[self.phase]]
        for subnet in ZONES[agent]:
            hosts = [host for host in self.hosts(agent) if subnet in host and "router" not in host]
            parts.append([int(name == subnet) for name in SUBNETS])
            parts.append([int((name, subnet) in self.blocked) for name in SUBNETS])
            parts.append([int(name == subnet or (name, subnet) in self.apart) for name in SUBNETS])
            parts += [[int(host in self.flags[kind]) for host in hosts] for kind in ("process", "connection")]
        return np.array([*sum(parts, []), *[0] * 32], np.int64)

    def _is_there(self, host: str) -> bool:
        kind, number = host.split("_")[-3], int(host.split("_")[-1])
        return number < (self.servers if kind == "server" else self.users)

    def _actions(self, agent: str) -> list[tuple[str, bool]]:
        rows: list[tuple[str, bool]] = []
        hosts = [host for host in self.hosts(agent) if "router" not in host]
        for verb in ("Analyse", "Monitor", "Remove", "Restore", "Sleep", *_TRAFFIC, "DeployDecoy"):
            if verb in ("Monitor", "Sleep"):
                rows.append((verb, True))
            elif verb in _TRAFFIC:
                rows += [
                    (f"{verb} {own} (10.0.{SUBNETS.index(own)}.0/24) <- {peer} (10.0.{row}.0/24)", True)
                    for own in ZONES[agent]
                    for row, peer in enumerate(SUBNETS)
                    if peer != own
                ]
            else:
                rows += [
                    (f"{verb} {host}", True) if self._is_there(host) else (f"[Invalid] {verb} {host}", False)
                    for host in hosts
                ]
        return rows

    def _carry_out(self, label: str) -> None:
        verb, *rest = label.split()
        if verb == "Restore":
            self.held.discard(rest[0])
        elif verb in _TRAFFIC:
            (self.blocked.add if verb == "BlockTrafficZone" else self.blocked.discard)((rest[3], rest[0]))


_TRAFFIC = ("AllowTrafficZone", "BlockTrafficZone")
