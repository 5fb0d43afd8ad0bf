"""Cyberwheel: one network file, with the definitions of its host types beside it, to a `Network`.

Flows in: a parsed network with `hosts`, `subnets` and `interfaces`; beside it, documents with `host_types` and files of
exploitable services (name -> CVEs and port). Flows out: a `Network`. Hosts of a subnet reach each other; from subnet to
subnet only the hosts that `interfaces` pairs do, which is how Cyberwheel's red agent moves. Where it begins is
a matter of Cyberwheel's agent files: here the internet is assumed to reach the first subnet, and a note says so.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..graph import TwinError
from ..vocabulary import Access
from .network import OUTSIDE, Flaw, Machine, Network, Service
from .reading import Scribe
from .safe_yaml import Section
from .values import as_text, list_at, section_at, text_at

Beside = Mapping[str, Section]


def is_cyberwheel(document: object) -> bool:
    """Whether a document looks like a network of Cyberwheel."""
    return isinstance(document, Section) and all(key in document for key in ("hosts", "subnets", "routers", "topology"))


def is_cyberwheel_definition(document: object) -> bool:
    """Whether a document defines host types or exploitable services."""
    if not isinstance(document, Section) or not document:
        return False
    return "host_types" in document or all(isinstance(row, Section) and "cve" in row for row in document.values())


def cyberwheel_network(document: Section, scribe: Scribe, beside: Beside) -> Network:
    """Give the network that the file describes.

    Raises:
        TwinError: something is missing, of the wrong shape, or refers to what is not there; names place and mend.
    """
    subnets, hosts = section_at(document, "subnets"), section_at(document, "hosts")
    kinds = {as_text(key): section_at(types, key) for types in _types(beside) for key in types}
    machines: list[Machine] = []
    unknown: dict[str, str] = {}  # type -> where it is first named
    for key in hosts:
        host, place = section_at(hosts, key), hosts.place_of(key)
        subnet, kind = text_at(host, "subnet"), text_at(host, "type")
        if subnet not in subnets:
            raise TwinError(f"{place}: subnet {subnet!r} of host {as_text(key)!r} is not under subnets; add it")
        if kind not in kinds:
            unknown.setdefault(kind, place)
        services = _services(kinds[kind], beside) if kind in kinds else ()
        system = text_at(kinds[kind], "os") if kind in kinds else ""
        server = "server" in kind  # what Cyberwheel's red agent is after
        machines.append(
            Machine(
                as_text(key),
                subnet,
                place,
                services=services,
                attributes={"os": system, "type": kind},
                criticality=1.0 if server else 0.1,
                crown_jewel=server,
            )
        )
    for kind, place in unknown.items():
        scribe.note(place, f"host type {kind!r} was not given: import a file with its host_types as well")
    names = tuple(as_text(name) for name in subnets)
    passes: dict[tuple[str, str], frozenset[str] | None] = {(name, name): None for name in names}
    first = _first_subnet(document, names)
    if first is not None:
        passes[OUTSIDE, first] = None
        scribe.note(document.place, f"where an attacker begins is not in the file: assumed, internet reaches {first!r}")
    return Network(document.place, names, tuple(machines), passes, joined=_joined(document))


def _first_subnet(document: Section, names: tuple[str, ...]) -> str | None:
    """The first subnet at the first router, as the topology has them; else the first of all."""
    topology = section_at(document, "topology")
    routed = [as_text(name) for key in topology if isinstance(topology[key], Section) for name in topology[key]]
    return next((name for name in (*routed, *names) if name in names), None)


def _types(beside: Beside) -> list[Section]:
    return [section_at(document, "host_types") for document in beside.values() if "host_types" in document]


def _services(kind: Section, beside: Beside) -> tuple[Service, ...]:
    """A host type's services: written out, or by the name of an exploitable service."""
    known = {
        as_text(key): row
        for document in beside.values()
        for key, row in document.items()
        if isinstance(row, Section) and "cve" in row
    }
    services = []
    for entry in list_at(kind, "services"):
        row = entry if isinstance(entry, Section) else known.get(as_text(entry))
        if row is None:
            raise TwinError(
                f"{kind.place_of('services')}: service {as_text(entry)!r} is not defined; import the file that does"
            )
        port = row.get("port")
        if port is not None and not (isinstance(port, int) and 0 < port < 65536):
            raise TwinError(f"{row.place_of('port')}: {as_text(port)!r} is no port; give 1 to 65535")
        name = text_at(row, "name") or as_text(entry)
        flaws = tuple(Flaw(as_text(cve), Access.USER) for cve in list_at(row, "cve"))
        services.append(Service(name, port, flaws))
    return tuple({service.name: service for service in services}.values())


def _joined(document: Section) -> frozenset[tuple[str, str]]:
    """Pairs of hosts that an interface joins, both ways."""
    hosts, interfaces = section_at(document, "hosts"), section_at(document, "interfaces")
    pairs = set()
    for key in interfaces:
        for other in map(as_text, list_at(interfaces, key)):
            if as_text(key) not in hosts or other not in hosts:
                raise TwinError(
                    f"{interfaces.place_of(key)}: interface {as_text(key)} - {other} names a host that is not there"
                )
            pairs |= {(as_text(key), other), (other, as_text(key))}
    return frozenset(pairs)
