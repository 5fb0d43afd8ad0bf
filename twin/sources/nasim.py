"""Network Attack Simulator: one scenario file to a `Network`.

Flows in: a parsed YAML document of NASim (networkattacksimulator.readthedocs.io, "Creating a custom scenario").
Flows out: a `Network`, and notes on what has no meaning here (costs of scans, step limit). Addresses `(subnet, host)`
are texts and are never evaluated. Subnet 0 is the internet; a firewall between subnets lists what it allows, a
host's own firewall what it denies; machines of one subnet reach each other.
"""

from __future__ import annotations

import re
from typing import Any

from ..graph import TwinError
from ..vocabulary import Access
from .network import OUTSIDE, Flaw, Machine, Network, Service
from .reading import Scribe
from .safe_yaml import Section
from .values import as_text, list_at, section_at, text_at

_NEEDED = ("subnets", "topology", "host_configurations", "exploits")
_NOT_USED = ("service_scan_cost", "os_scan_cost", "subnet_scan_cost", "process_scan_cost", "step_limit")
_ADDRESS = re.compile(r"\(\s*(\d{1,6})\s*,\s*(\d{1,6})\s*\)")
_ACCESS = {"user": Access.USER, "1": Access.USER, "root": Access.ADMIN, "2": Access.ADMIN}
Address = tuple[int, int]


def is_nasim(document: object) -> bool:
    """Whether a YAML document looks like a scenario of NASim."""
    return isinstance(document, Section) and all(key in document for key in _NEEDED)


def nasim_network(document: Section, scribe: Scribe) -> Network:
    """Give the network that the scenario describes.

    Raises:
        TwinError: something is missing, of the wrong shape, or refers to what is not there; names place and mend.
    """
    sizes = [_count(size, document) for size in list_at(document, "subnets")]
    remote, local = _flaws(document, "exploits", "service"), _flaws(document, "privilege_escalation", "process")
    worth = {
        _address(key, sensitive.place_of(key), sizes): _number(value, sensitive.place_of(key))
        for sensitive in [section_at(document, "sensitive_hosts")]
        for key, value in sensitive.items()
    }
    top = max(worth.values(), default=1.0)
    hosts = section_at(document, "host_configurations")
    machines, denied = [], {}
    for key in hosts:
        address, host = _address(key, hosts.place_of(key), sizes), section_at(hosts, key)
        place, value = hosts.place_of(key), worth.get(address, 0.0)
        machines.append(
            Machine(
                _name(address),
                _subnet(address[0]),
                place,
                services=tuple(
                    Service(name, flaws=_matching(remote, name, text_at(host, "os")))
                    for name in _names(host, "services", place)
                ),
                flaws=tuple(
                    flaw
                    for name in _names(host, "processes", place)
                    for flaw in _matching(local, name, text_at(host, "os"))
                ),
                attributes={"os": text_at(host, "os")},
                criticality=max(value, 0.0) / top,
                harm_per_hour=max(value, 0.0) / top,
                crown_jewel=value > 0,
            )
        )
        own = section_at(host, "firewall")
        for source in own:
            start = _address(source, own.place_of(source), sizes)
            denied[_name(start), _name(address)] = frozenset(as_text(name) for name in list_at(own, source))
    _require_all(machines, sizes, hosts.place)
    for key in _NOT_USED:
        if key in document:
            scribe.note(document.place_of(key), f"{key} has no meaning here")
    subnets = tuple(_subnet(number) for number in range(1, len(sizes) + 1))
    return Network(document.place, subnets, tuple(machines), _passes(document, len(sizes) + 1), denied)


def _flaws(document: Section, key: str, on: str) -> list[tuple[str, str, Flaw]]:
    """(service or process, operating system or any, flaw) of each exploit."""
    found = []
    part = section_at(document, key)
    for name in part:
        exploit, place = section_at(part, name), part.place_of(name)
        success, access = _number(exploit.get("prob"), place), text_at(exploit, "access")
        if not 0 <= success <= 1:
            raise TwinError(f"{place}: prob {success:g} of {as_text(name)!r} is no probability; give 0 to 1")
        if access not in _ACCESS:
            raise TwinError(f"{place}: access {access!r} of {as_text(name)!r} is unknown; give user or root")
        system = text_at(exploit, "os")
        flaw = Flaw(as_text(name), _ACCESS[access], success)
        found.append((text_at(exploit, on), "" if system in ("none", "None") else system, flaw))
    return found


def _matching(flaws: list[tuple[str, str, Flaw]], name: str, system: str) -> tuple[Flaw, ...]:
    return tuple(flaw for on, needs, flaw in flaws if on == name and needs in ("", system))


def _passes(document: Section, count: int) -> dict[tuple[str, str], frozenset[str] | None]:
    """What may pass between subnets: all inside one, else what the firewall lists where the topology connects."""
    topology = list_at(document, "topology")
    place = document.place_of("topology")
    if len(topology) != count or not all(isinstance(row, list) and len(row) == count for row in topology):
        raise TwinError(f"{place}: topology must be {count} rows of {count}: the internet and every subnet")
    passes: dict[tuple[str, str], frozenset[str] | None] = {
        (_subnet(number), _subnet(number)): None for number in range(1, count)
    }
    firewall = section_at(document, "firewall")
    for key in firewall:
        source, target = _pair(key, firewall.place_of(key))
        if max(source, target) >= count:
            raise TwinError(f"{firewall.place_of(key)}: {as_text(key)} names a subnet that is not there; mend it")
        if source != target and target != 0 and topology[source][target]:
            passes[_subnet(source), _subnet(target)] = frozenset(as_text(name) for name in list_at(firewall, key))
    return passes


def _require_all(machines: list[Machine], sizes: list[int], place: str) -> None:
    there = {machine.name for machine in machines}
    for subnet, size in enumerate(sizes, 1):
        for number in range(size):
            if _name((subnet, number)) not in there:
                raise TwinError(f"{place}: host ({subnet}, {number}) has no configuration; add it")


def _names(host: Section, key: str, place: str) -> list[str]:
    names = [as_text(name) for name in list_at(host, key)]
    if len(set(names)) != len(names):
        raise TwinError(f"{place}: {key} names one twice; remove it")
    return names


def _address(key: Any, place: str, sizes: list[int]) -> Address:
    subnet, host = _pair(key, place)
    if not 1 <= subnet <= len(sizes) or host >= sizes[subnet - 1]:
        raise TwinError(f"{place}: there is no host {as_text(key)}; mend the address or 'subnets'")
    return subnet, host


def _pair(key: Any, place: str) -> Address:
    found = _ADDRESS.fullmatch(as_text(key).strip())
    if found is None:
        raise TwinError(f"{place}: {as_text(key)!r} is no pair of numbers; write (1, 0)")
    return int(found[1]), int(found[2])


def _count(value: Any, document: Section) -> int:
    if not isinstance(value, int) or not 1 <= value <= 100_000:
        raise TwinError(f"{document.place_of('subnets')}: {as_text(value)!r} is no number of hosts; give 1 to 100000")
    return value


def _number(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TwinError(f"{place}: {as_text(value)!r} is no number; give one")
    return float(value)


def _subnet(number: int) -> str:
    return OUTSIDE if number == 0 else f"subnet-{number}"


def _name(address: Address) -> str:
    return f"host-{address[0]}-{address[1]}"
