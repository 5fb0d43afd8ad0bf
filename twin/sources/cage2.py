"""CAGE Challenge 2 (CybORG): one scenario file and the images of its hosts to a `Network`.

Flows in: a parsed scenario with `Agents`, `Hosts` and `Subnets`; the images beside it (`images/*.yaml`: processes and
users of a host), by name of their file. Flows out: a `Network`. A process that listens is a service; which of CybORG's
exploits open it follows from what the image says of process and users. Red begins where its session is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..graph import TwinError
from ..vocabulary import Access
from .network import Flaw, Machine, Network, Service
from .reading import Scribe
from .safe_yaml import Section
from .values import as_text, list_at, section_at, sections_at, text_at

Beside = Mapping[str, Section]
WORTH = {"": 0.0, "None": 0.0, "none": 0.0, "Low": 0.1, "Medium": 0.5, "High": 1.0}  # CAGE's words; weights assumed
ADMINISTRATORS = frozenset({"root", "SYSTEM"})
ESCALATIONS = {"LINUX": "V4L2KernelExploit", "WINDOWS": "JuicyPotato"}
IMAGE = "Test_Host"  # the one key of a file that describes an image


def is_cage2(document: object) -> bool:
    """Whether a document looks like a scenario of CAGE Challenge 1 or 2."""
    return isinstance(document, Section) and all(key in document for key in ("Agents", "Hosts", "Subnets"))


def is_cage2_image(document: object) -> bool:
    """Whether a document describes an image, or lists where images are."""
    if not isinstance(document, Section) or not document:
        return False
    return set(document) == {IMAGE} or all(
        isinstance(row, Section) and set(row) == {"path"} for row in document.values()
    )


def cage2_network(document: Section, scribe: Scribe, beside: Beside) -> Network:
    """Give the network that the scenario describes.

    Raises:
        TwinError: something is missing, of the wrong shape, or refers to what is not there; names place and mend.
    """
    subnets, hosts = section_at(document, "Subnets"), section_at(document, "Hosts")
    home = {
        as_text(host): as_text(subnet) for subnet in subnets for host in list_at(section_at(subnets, subnet), "Hosts")
    }
    for name in home:
        if name not in hosts:
            raise TwinError(f"{subnets.place}: host {name!r} of subnet {home[name]!r} is not under Hosts; add it")
    entries = {
        text_at(session, "hostname")
        for session in sections_at(section_at(section_at(document, "Agents"), "Red"), "starting_sessions")
    }
    machines = []
    for key in hosts:
        name, place = as_text(key), hosts.place_of(key)
        if name not in home:
            raise TwinError(f"{place}: host {name!r} is in no subnet; add it to one")
        host = section_at(hosts, key)
        image = _image(text_at(host, "image"), beside)
        if image is None:
            scribe.note(place, f"image {text_at(host, 'image')!r} was not given; what runs on {name} is unknown")
        machines.append(_machine(name, home[name], place, host, image, is_entry=name in entries))
    return Network(document.place, tuple(map(as_text, subnets)), tuple(machines), _passes(subnets))


def _image(name: str, beside: Beside) -> Section | None:
    """What an image holds: by the list of images, else by the name of its file."""
    for listing in beside.values():
        row = listing.get(name)
        if isinstance(row, Section) and "path" in row:
            name = text_at(row, "path")
            break
    found = beside.get(name)
    return section_at(found, IMAGE) if found is not None and IMAGE in found else None


def _machine(name: str, subnet: str, place: str, host: Section, image: Section | None, *, is_entry: bool) -> Machine:
    worth = {}
    for key in ("AvailabilityValue", "ConfidentialityValue"):
        word = text_at(host, key)
        if word not in WORTH:
            raise TwinError(f"{host.place_of(key)}: {key} {word!r} is unknown; give None, Low, Medium or High")
        worth[key] = WORTH[word]
    system = text_at(section_at(image, "System info"), "OSType") if image is not None else ""
    return Machine(
        name,
        subnet,
        place,
        services=_services(image) if image is not None else (),
        flaws=(Flaw(ESCALATIONS[system], Access.ADMIN),) if system in ESCALATIONS else (),
        attributes={"os": system.lower(), "image": text_at(host, "image")},
        criticality=worth["AvailabilityValue"],
        harm_per_hour=worth["ConfidentialityValue"],
        crown_jewel=1.0 in worth.values(),
        is_entry=is_entry,
    )


def _services(image: Section) -> tuple[Service, ...]:
    weak_password = any(user.get("Bruteforceable") is True for user in sections_at(image, "User Info"))
    windows = text_at(section_at(image, "System info"), "OSType") == "WINDOWS"
    found: dict[int, Service] = {}
    for process in sections_at(image, "Processes"):
        user = text_at(process, "Username")
        access = Access.ADMIN if user in ADMINISTRATORS else Access.USER
        for port in _ports(process):
            names = _exploits(process, port, weak_password=weak_password, windows=windows)
            gained = {name: Access.USER if name == "SSHBruteForce" else access for name in names}
            flaws = tuple(Flaw(name, gained[name]) for name in names)
            found[port] = Service(f"{text_at(process, 'Process Name') or 'process'}-{port}", port, flaws)
    return tuple(found[port] for port in sorted(found))


def _ports(process: Section) -> list[int]:
    ports: list[int] = []
    for connection in sections_at(process, "Connections"):
        port: Any = connection.get("local_port")
        if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
            raise TwinError(f"{connection.place_of('local_port')}: {as_text(port)!r} is no port; give 1 to 65535")
        ports.append(port)
    return ports


def _exploits(process: Section, port: int, *, weak_password: bool, windows: bool) -> list[str]:
    """CybORG's exploits that open this port, by what their own conditions ask for."""
    kind, version = text_at(process, "Process Type"), text_at(process, "Process Version")
    properties = process.get("Properties")
    rfi = "rfi" in (properties if isinstance(properties, list) else [properties])
    conditions = {
        "SSHBruteForce": port == 22 and weak_password,
        "FTPDirectoryTraversal": kind == "femitter",
        "HarakaRCE": version == "haraka 2.7.0",
        "HTTPRFI": kind == "webserver" and rfi and port == 80,
        "HTTPSRFI": kind == "webserver" and rfi and port == 443,
        "BlueKeep": windows and port == 3389,
        "EternalBlue": windows and port == 139,
    }
    return [name for name, holds in conditions.items() if holds]


def _passes(subnets: Section) -> dict[tuple[str, str], frozenset[str] | None]:
    """A subnet's list lets in, and its neighbour's lets out; what names no subnet stands under `all`."""
    names = [as_text(name) for name in subnets]
    rules = {as_text(name): section_at(section_at(subnets, name), "NACLs") for name in subnets}

    def lets(subnet: str, other: str, way: str) -> bool:
        rule = rules[subnet]
        key = other if other in rule else "all"
        return key in rule and text_at(section_at(rule, key), way) == "all"

    return {
        (source, target): None
        for source in names
        for target in names
        if source == target or (lets(target, source, "in") and lets(source, target, "out"))
    }
