"""A network as simulators describe it (subnets, machines, what may cross), and the facts it amounts to.

Flows in: a `Network`, from the reader of a peer's format. Flows out: facts, by a `Scribe`. A subnet becomes a segment,
a machine a host that reaches it, a service an asset on its host. What a file does not say is not invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..graph import Weakness
from ..vocabulary import Access, AssetKind, LinkKind, SensorClass
from .reading import Scribe

OUTSIDE = "internet"  # the subnet that no owner has
REMOTE = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
LOCAL = "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"
SESSION = "session"  # a service that stands for the foothold an attacker begins with
WATCHED = (SensorClass.NETWORK, SensorClass.HOST)


@dataclass(frozen=True, slots=True)
class Flaw:
    """What can be exploited: on a service from the network, on a machine by who is on it."""

    id: str
    access: Access  # gained
    success: float | None = None  # per try, 0..1, where the file says so


@dataclass(frozen=True, slots=True)
class Service:
    """What a machine offers."""

    name: str
    port: int | None = None
    flaws: tuple[Flaw, ...] = ()


@dataclass(frozen=True, slots=True)
class Machine:
    """One host."""

    name: str
    subnet: str
    place: str  # file:line
    services: tuple[Service, ...] = ()
    flaws: tuple[Flaw, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    criticality: float = 0.0
    harm_per_hour: float = 0.0
    crown_jewel: bool = False
    is_entry: bool = False  # an attacker begins with a session here


@dataclass(frozen=True, slots=True)
class Network:
    """Subnets, machines and what may pass between them."""

    place: str
    subnets: tuple[str, ...]  # without the outside
    machines: tuple[Machine, ...]
    passes: Mapping[tuple[str, str], frozenset[str] | None]  # (from, to) subnet -> names of services; None: all
    denied: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)  # (from, to) machine -> services
    joined: frozenset[tuple[str, str]] = frozenset()  # (from, to) machines that reach each other past their subnets


def write_network(network: Network, scribe: Scribe) -> None:
    """Say what the network holds.

    Raises:
        TwinError: a name that cannot be part of an id.
    """
    sources = {name: scribe.asset(AssetKind.SEGMENT, name, network.place) for name in network.subnets}
    if any(source == OUTSIDE for source, _ in network.passes) or any(one.is_entry for one in network.machines):
        sources[OUTSIDE] = scribe.internet(network.place)
    hosts = {machine.name: _write_machine(machine, sources, scribe) for machine in network.machines}
    members: dict[str, list[Machine]] = {}
    for machine in network.machines:
        members.setdefault(machine.subnet, []).append(machine)
    for (source, target), passing in sorted(network.passes.items(), key=lambda item: item[0]):
        for machine in members.get(target, []):
            for service in machine.services:
                if passing is None or service.name in passing:
                    face = _face(scribe.owner, machine, service.name)
                    barred = _barred(network, members.get(source, []), machine, service.name)
                    starts = [hosts[name] for name in barred] if barred is not None else [sources[source]]
                    for start in starts:
                        scribe.link(LinkKind.REACHES, start, face, machine.place, port=service.port)
    by_name = {machine.name: machine for machine in network.machines}
    for start, end in sorted(network.joined):
        for service in by_name[end].services:
            face = _face(scribe.owner, by_name[end], service.name)
            scribe.link(LinkKind.REACHES, hosts[start], face, network.place, port=service.port)


def _barred(network: Network, sources: list[Machine], target: Machine, service: str) -> list[str] | None:
    """Names of the machines that still reach the service where a host's own firewall denies some; None: all do."""
    denied = {one.name for one in sources if service in network.denied.get((one.name, target.name), frozenset())}
    return [one.name for one in sources if one.name not in denied and one is not target] if denied else None


def _write_machine(machine: Machine, sources: Mapping[str, str], scribe: Scribe) -> str:
    host = scribe.asset(AssetKind.HOST, machine.name, machine.place, machine.attributes)
    worth = {"criticality": machine.criticality, "harm_per_hour": machine.harm_per_hour}
    scribe.say(host, machine.place, {**worth, "crown_jewel": machine.crown_jewel, "sensors": WATCHED})
    scribe.link(LinkKind.REACHES, host, sources[machine.subnet], machine.place)
    for flaw in machine.flaws:
        scribe.say(Weakness(flaw.id, host, cvss=LOCAL, success=flaw.success, access=flaw.access), machine.place)
    for service in machine.services:
        _write_service(machine, service, host, scribe)
    if machine.is_entry:
        session = Service(SESSION, None, (Flaw("starting-session", Access.USER, 1.0),))
        scribe.link(LinkKind.REACHES, sources[OUTSIDE], _write_service(machine, session, host, scribe), machine.place)
    return host


def _write_service(machine: Machine, service: Service, host: str, scribe: Scribe) -> str:
    ports = {"ports": "" if service.port is None else str(service.port)}
    face = scribe.asset(AssetKind.SERVICE, f"{machine.name}.{service.name}", machine.place, ports)
    scribe.link(LinkKind.RUNS_ON, face, host, machine.place)
    for flaw in service.flaws:
        vector = "" if flaw.id.startswith("CVE-") else REMOTE  # a CVE without a vector counts as unscored
        scribe.say(Weakness(flaw.id, face, cvss=vector, success=flaw.success, access=flaw.access), machine.place)
    return face


def _face(owner: str, machine: Machine, service: str) -> str:
    return f"{owner}/{AssetKind.SERVICE.word}/{machine.name}.{service}"
