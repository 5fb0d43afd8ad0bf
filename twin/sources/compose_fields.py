"""The short and long forms of docker compose fields, brought to one form each.

Flows in: one service of a compose file. Flows out: ports, volumes, networks, environment, dependencies as plain values.
Source of the forms: the Compose Specification, "Services top-level elements". Nothing here declares facts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .safe_yaml import Section
from .values import as_text, list_at, section_at, text_at

LOOPBACK = ("127.", "::1", "[::1]", "localhost")
_VARIABLE = re.compile(r"\$\{(\w+)(?::?-([^${}]*))?[^${}]*\}|\$(\w+)")
_MAX_RANGE = 16  # ports of one range that are written out; of a longer one the first stands for all


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a container, and where the host publishes it."""

    inside: int
    published: int | None = None
    loopback: bool = False  # published on the host's loopback address only
    protocol: str = "tcp"


@dataclass(frozen=True, slots=True)
class Volume:
    """Something mounted into a container."""

    source: str
    named: bool  # a named volume, not a path of the host
    read_only: bool


def with_defaults(text: str) -> str:
    """Fill in the defaults of `${NAME:-default}`; variables without one stay as they are."""
    return _VARIABLE.sub(lambda match: match[0] if match[2] is None else match[2], text)


def ports_of(service: Section) -> tuple[list[Port], list[str]]:
    """Give the ports of `ports` and `expose`, and the entries that were not understood."""
    ports: list[Port] = []
    strange: list[str] = []
    entries = [(entry, True) for entry in list_at(service, "ports")]
    entries += [(entry, False) for entry in list_at(service, "expose")]
    for entry, published in entries:
        found = _long_port(entry) if isinstance(entry, Section) else _short_port(as_text(entry), published=published)
        ports += found
        if not found:
            strange.append(as_text(entry) if not isinstance(entry, dict) else str(dict(entry)))
    return list(dict.fromkeys(ports)), strange


def _long_port(entry: Section) -> list[Port]:
    inside = _range(text_at(entry, "target"))
    published = _range(text_at(entry, "published"))
    loopback = text_at(entry, "host_ip").startswith(LOOPBACK)
    protocol = text_at(entry, "protocol") or "tcp"
    return _pair(inside, published, loopback=loopback, protocol=protocol)


def _short_port(text: str, *, published: bool) -> list[Port]:
    text, _, protocol = with_defaults(text).partition("/")
    address, outside, inside = "", "", text
    if ":" in text:
        rest, _, inside = text.rpartition(":")
        address, _, outside = rest.rpartition(":")
        if not outside and address == "" and rest:
            outside = rest
    own = _range(inside)
    out = _range(outside) if outside else (own if published else [])
    return _pair(own, out, loopback=address.startswith(LOOPBACK), protocol=protocol or "tcp")


def _pair(inside: list[int], published: list[int], *, loopback: bool, protocol: str) -> list[Port]:
    if len(published) not in (0, len(inside)):
        published = published[:1] * len(inside)
    outside: list[int | None] = [*published] or [None] * len(inside)
    return [Port(port, out, loopback, protocol) for port, out in zip(inside, outside, strict=True)]


def _range(text: str) -> list[int]:
    match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", with_defaults(text))
    if match is None:
        return []
    first, last = int(match[1]), int(match[2] or match[1])
    if not 0 < first <= last <= 65_535:
        return []
    return list(range(first, last + 1)) if last - first < _MAX_RANGE else [first]


def volumes_of(service: Section) -> list[Volume]:
    """Give what is mounted; anonymous volumes and memory are left out."""
    found = []
    for entry in list_at(service, "volumes"):
        if isinstance(entry, Section):
            source, kind = text_at(entry, "source"), text_at(entry, "type") or "volume"
            if source and kind in ("volume", "bind"):
                found.append(Volume(with_defaults(source), kind == "volume", bool(entry.get("read_only"))))
            continue
        parts = with_defaults(as_text(entry)).split(":")
        if len(parts) > 1:
            named = re.fullmatch(r"[A-Za-z0-9][\w.-]+", parts[0]) is not None
            found.append(Volume(parts[0], named, len(parts) > 2 and "ro" in parts[2].split(",")))
    return found


def networks_of(service: Section) -> list[str]:
    """Give the keys of the networks a service joins: `default` if it names none."""
    value = service.get("networks")
    if isinstance(value, Section):
        return [as_text(key) for key in value] or ["default"]
    return [as_text(key) for key in list_at(service, "networks")] or ["default"]


def names_of(service: Section, key: str) -> list[str]:
    """Give the names by which others reach the service on its networks."""
    names = [key, text_at(service, "container_name"), text_at(service, "hostname")]
    networks = service.get("networks")
    if isinstance(networks, Section):
        for network in networks.values():
            if isinstance(network, Section):
                names += [as_text(alias) for alias in list_at(network, "aliases")]
    return [name for name in dict.fromkeys(names) if name]


def environment_of(service: Section) -> dict[str, str]:
    """Give the environment as names and values, defaults filled in."""
    value = service.get("environment")
    if isinstance(value, list):
        pairs = [as_text(item).partition("=") for item in value]
        return {name: with_defaults(text) for name, _, text in pairs}
    section = section_at(service, "environment")
    return {as_text(name): with_defaults(as_text(text)) for name, text in section.items() if not _nested(text)}


def dependencies_of(service: Section) -> list[str]:
    """Give the services it needs while it runs.

    What only has to have finished before the start (`service_completed_successfully`), and what is not required, is
    left out.
    """
    value = service.get("depends_on")
    if not isinstance(value, Section):
        return [as_text(name) for name in list_at(service, "depends_on")]
    return [as_text(name) for name, how in value.items() if not (isinstance(how, Section) and _passing(how))]


def _passing(how: Section) -> bool:
    return how.get("condition") == "service_completed_successfully" or how.get("required") is False


def _nested(value: Any) -> bool:
    return isinstance(value, list | dict)
