"""CAGE Challenge 4: one topology, dumped as JSON from CybORG's scenario generator, to a `Network`.

Flows in: a parsed document with `hosts`, `subnets`, `comms_policy` (per mission phase, pairs of subnets that may talk)
and `agents`. Flows out: a `Network` as it is in the phase at reset. The dump does not say which service is vulnerable:
CybORG's exploit of that service is taken as there, with the rulebook's own probability, and noted. The red agent begins
on a host drawn per episode; here it is the first of its subnet.
"""

from __future__ import annotations

from ..graph import TwinError
from ..vocabulary import Access
from .network import Flaw, Machine, Network, Service
from .reading import Scribe
from .safe_yaml import Section
from .values import as_text, list_at, section_at, sections_at, text_at

# CybORG's exploits of a service (CybORG, Shared/Actions/ConcreteActions), and its escalations by operating system.
EXPLOITS = {"SSHD": "SSHBruteForce", "APACHE2": "HTTPRFI", "SMTP": "HarakaRCE", "MYSQLD": "SQLInjection"}
ESCALATIONS = {"LINUX": "V4L2KernelExploit", "WINDOWS": "JuicyPotato"}
OPERATIONAL = "OTSERVICE"  # the service whose loss CAGE counts most
_INTERNET_SUBNET = "internet_subnet"
_SUFFIX = "_subnet"


def is_cage4(document: object) -> bool:
    """Whether a document looks like a dumped topology."""
    return isinstance(document, Section) and all(key in document for key in ("hosts", "subnets", "comms_policy"))


def cage4_network(document: Section, scribe: Scribe) -> Network:
    """Give the network that the topology describes.

    Raises:
        TwinError: something is missing, of the wrong shape, or refers to what is not there; names place and mend.
    """
    subnets = [as_text(name).removeprefix("SUBNET.").lower() + _SUFFIX for name in section_at(document, "subnets")]
    inside = [name for name in subnets if name != _INTERNET_SUBNET]
    hosts = section_at(document, "hosts")
    machines = []
    for key in hosts:
        name, place = as_text(key), hosts.place_of(key)
        subnet = next((one for one in inside if name.startswith(f"{one}_")), "")
        if subnet:
            machines.append(_machine(name, subnet, place, section_at(hosts, key), ""))
        elif "internet" not in name:
            raise TwinError(f"{place}: host {name!r} begins with the name of no subnet; rename it or add the subnet")
    entries = _entries(document, machines)
    machines = [
        _machine(one.name, one.subnet, one.place, section_at(hosts, one.name), entries.get(one.subnet, ""))
        for one in machines
    ]
    scribe.note(hosts.place, "which services are vulnerable is not in the file; CybORG's exploit of each is assumed")
    return Network(document.place, tuple(inside), tuple(machines), _passes(document, subnets))


def _machine(name: str, subnet: str, place: str, host: Section, entry: str) -> Machine:
    ports = {
        text_at(process, "name").removeprefix("ProcessName."): next(iter(list_at(process, "ports")), None)
        for process in sections_at(host, "processes")
    }
    services = tuple(
        Service(as_text(key), ports.get(as_text(key)), _flaw(EXPLOITS.get(as_text(key), ""), Access.USER))
        for key in section_at(host, "services")
    )
    operational = any(service.name == OPERATIONAL for service in services)
    return Machine(
        name,
        subnet,
        place,
        services=services,
        flaws=_flaw(ESCALATIONS.get(text_at(host, "os"), ""), Access.ADMIN) if services else (),
        attributes={"os": text_at(host, "os").lower(), "distribution": text_at(host, "distribution").lower()},
        criticality=1.0 if operational else 0.1 * bool(services),
        crown_jewel=operational,
        is_entry=name == entry,
    )


def _flaw(name: str, access: Access) -> tuple[Flaw, ...]:
    return (Flaw(name, access),) if name else ()


def _entries(document: Section, machines: list[Machine]) -> dict[str, str]:
    """Subnet -> host in which the first red agent begins."""
    agents = section_at(document, "agents")
    first = section_at(agents, "red_agent_0") if "red_agent_0" in agents else None
    entries: dict[str, str] = {}
    for subnet in map(as_text, list_at(first, "allowed_subnets") if first is not None else []):
        names = [one.name for one in machines if one.subnet == subnet and one.services]
        if not names:
            raise TwinError(f"{agents.place_of('red_agent_0')}: no host of subnet {subnet!r} runs a service; mend it")
        entries[subnet] = min(names)
    return entries


def _passes(document: Section, subnets: list[str]) -> dict[tuple[str, str], frozenset[str] | None]:
    policy, phase = section_at(document, "comms_policy"), text_at(document, "mission_phase_at_reset") or "0"
    keys = [key for key in policy if as_text(key) == phase]
    if not keys:
        raise TwinError(f"{policy.place}: comms_policy has no phase {phase!r}; add it or mend mission_phase_at_reset")
    passes: dict[tuple[str, str], frozenset[str] | None] = {
        (name, name): None for name in subnets if name != _INTERNET_SUBNET
    }
    for pair in list_at(policy, keys[0]):
        names = [as_text(name) for name in pair] if isinstance(pair, list) else []
        if len(names) != 2 or not set(names) <= set(subnets):
            raise TwinError(f"{policy.place_of(keys[0])}: {pair!r} is no pair of subnets that are there; mend it")
        if _INTERNET_SUBNET not in names:  # the attacker of this game is inside from the start
            passes[names[0], names[1]] = passes[names[1], names[0]] = None
    return passes
