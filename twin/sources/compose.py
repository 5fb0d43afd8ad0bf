"""Docker compose: one file, which runs on one host, to facts.

Flows in: bytes, the file's name, the owner, the project. Flows out: a `Reading`. A service becomes a container that
runs on the host, and a service on it if it has ports; networks become segments, named volumes data stores. Identities
are in `compose_identities`. Bind mounts of data, configs and build instructions say nothing to the twin.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..graph import TwinError
from ..vocabulary import AssetKind, LinkKind
from .compose_fields import Port, dependencies_of, networks_of, ports_of, volumes_of, with_defaults
from .compose_identities import declare_identities
from .compose_references import Names, check_references
from .reading import Reading, Scribe
from .safe_yaml import Section, read_yaml
from .values import as_text, list_at, section_at, text_at

# What Docker gives every container anyway: docs.docker.com, "Runtime privilege and Linux capabilities"
DEFAULT_CAPABILITIES = frozenset(
    ["AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW"]
    + ["SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"]
)
ENGINE_SOCKETS = ("docker.sock", "containerd.sock", "podman.sock", "crio.sock")
HOST_ROOTS = frozenset(["/", "/dev", "/etc", "/proc", "/root", "/run", "/sys", "/var", "/var/run"])
NOTHING: Names = {}
UNNECESSARY_PRIVILEGE = "CWE-250"
_SERVICE_NEEDS_A_FILE = ("extends", "env_file")


@dataclass(slots=True)
class Stack:
    """What is known of a compose file while it is read."""

    scribe: Scribe
    prefix: str
    host: str
    services: dict[str, Section]
    containers: dict[str, str] = field(default_factory=dict)  # service key -> container asset
    faces: dict[str, str] = field(default_factory=dict)  # service key -> service asset, or container without ports
    ports: dict[str, list[Port]] = field(default_factory=dict)
    segments: dict[str, str] = field(default_factory=dict)  # network key -> segment asset


def is_compose(document: object) -> bool:
    """Whether a YAML document looks like a compose file: services that name an image, a build or a base."""
    if not isinstance(document, Section) or "apiVersion" in document:
        return False
    services = document.get("services")
    return isinstance(services, Section) and all(isinstance(service, Section) for service in services.values())


def read_compose(
    data: bytes,
    file: str,
    owner: str,
    *,
    project: str,
    prefix: str = "",
    beside: Names = NOTHING,
    time: str = "",
) -> Reading:
    """Read a compose file: `compose_facts` of its bytes.

    Raises:
        TwinError: the file is broken, or uses what is declared nowhere.
    """
    documents = read_yaml(data, file)
    return compose_facts(documents, file, owner, project=project, prefix=prefix, beside=beside, time=time)


def compose_facts(
    documents: list[Any],
    file: str,
    owner: str,
    *,
    project: str,
    prefix: str = "",
    beside: Names = NOTHING,
    time: str = "",
) -> Reading:
    """Give what a parsed compose file says.

    Args:
        documents: the file's YAML documents.
        file: its name in places and errors.
        owner: id of the owner of all that it declares.
        project: name of the host that the stack runs on.
        prefix: put before the names of assets, where one owner runs several stacks.
        beside: what the files of the same stack declare, this one or others; using it is no error.
        time: when the file said so, UTC, ISO 8601.

    Raises:
        TwinError: the file is no compose file, or uses what is declared nowhere.
    """
    scribe = Scribe("compose", file, owner, time)
    for document in documents:
        if not is_compose(document):
            raise TwinError(f"{file}:1: no compose file; it needs a mapping 'services'")
        _read(document, scribe, project, prefix, beside)
    return scribe.reading()


def _read(document: Section, scribe: Scribe, project: str, prefix: str, beside: Names) -> None:
    services = {as_text(key): value for key, value in section_at(document, "services").items()}
    host = scribe.asset(AssetKind.HOST, project, document.place, {"role": "container host"})
    stack = Stack(scribe, prefix, host, services)
    scribe.documents["compose"] += 1
    for key, service in services.items():
        check_references(document, service, key, beside, scribe)
        _declare_container(stack, key, service)
    _declare_networks(stack, document)
    for key, service in services.items():
        _declare_reach(stack, key, service)
        _declare_stores(stack, key, service)
        _declare_dependencies(stack, key, service, beside.get("services", frozenset()))
    declare_identities(stack.scribe, services, stack.containers, stack.faces, prefix)
    for key in ("include", "configs"):
        if key in document:
            scribe.note(document.place_of(key), f"compose {key} is not read")


def _declare_container(stack: Stack, key: str, service: Section) -> None:
    scribe, name = stack.scribe, stack.prefix + key
    ports, strange = ports_of(service)
    for entry in strange:
        scribe.note(service.place_of("ports"), f"port {entry!r} of service {key!r} is not a number or range")
    for unread in _SERVICE_NEEDS_A_FILE:
        if unread in service:
            scribe.note(service.place_of(unread), f"{unread} of service {key!r} is not read")
    listing = ",".join(str(port.inside) for port in ports)
    container = scribe.asset(AssetKind.CONTAINER, name, service.place, {**_image(service), "ports": listing})
    scribe.link(LinkKind.RUNS_ON, container, stack.host, service.place)
    stack.containers[key], stack.faces[key], stack.ports[key] = container, container, ports
    if ports:
        stack.faces[key] = scribe.asset(AssetKind.SERVICE, name, service.place, {"ports": listing})
        scribe.link(LinkKind.RUNS_ON, stack.faces[key], container, service.place)
    if is_privileged(service):
        scribe.weakness(UNNECESSARY_PRIVILEGE, container, service.place)


def _image(service: Section) -> dict[str, str]:
    image = with_defaults(text_at(service, "image"))
    last = image.rsplit("/", 1)[-1].partition("@")[0]
    capabilities = ",".join(sorted(as_text(name) for name in list_at(service, "cap_add")))
    return {"image": image, "version": last.partition(":")[2], "capabilities": capabilities}


def is_privileged(service: Section) -> bool:
    """Whether the container has more of its host than Docker gives by default."""
    added = {as_text(name).upper().removeprefix("CAP_") for name in list_at(service, "cap_add")}
    spaces = {text_at(service, name) for name in ("pid", "ipc", "userns_mode")}
    mounts = any(
        volume.source.endswith(ENGINE_SOCKETS)
        or (not volume.read_only and (volume.source.rstrip("/") or "/") in HOST_ROOTS)
        for volume in volumes_of(service)
        if not volume.named
    )
    return service.get("privileged") is True or bool(added - DEFAULT_CAPABILITIES) or "host" in spaces or mounts


def _declare_networks(stack: Stack, document: Section) -> None:
    declared = section_at(document, "networks")
    for key, service in stack.services.items():
        for network in _joined(stack, key):
            if network not in stack.segments:
                told = declared.get(network)
                name = text_at(told, "name") if isinstance(told, Section) else ""
                place = declared.place_of(network) if network in declared else service.place
                stack.segments[network] = stack.scribe.asset(
                    AssetKind.SEGMENT, with_defaults(name) or stack.prefix + network, place
                )


def _joined(stack: Stack, key: str) -> list[str]:
    """Networks of a service; those of another's if it lives in its network; none on the host's or without."""
    service, seen = stack.services[key], {key}
    while mode := text_at(service, "network_mode"):
        shared = mode.removeprefix("service:")
        if shared == mode or shared not in stack.services or shared in seen:
            return ["default"] if mode in ("bridge", "default") else []
        seen.add(shared)
        service = stack.services[shared]
    return networks_of(service)


def _declare_reach(stack: Stack, key: str, service: Section) -> None:
    scribe, container, face = stack.scribe, stack.containers[key], stack.faces[key]
    for network in _joined(stack, key):
        scribe.link(LinkKind.REACHES, container, stack.segments[network], service.place)
        for port in stack.ports[key]:
            segment = stack.segments[network]
            scribe.link(LinkKind.REACHES, segment, face, service.place, port=port.inside, protocol=port.protocol)
    if text_at(service, "network_mode") == "host":
        _declare_reach_from_host(stack, container, key, service.place)
    for port in stack.ports[key]:
        if port.published is not None:
            source = stack.host if port.loopback else scribe.internet(service.place)
            place = service.place_of("ports")
            scribe.link(LinkKind.REACHES, source, face, place, port=port.published, protocol=port.protocol)


def _declare_reach_from_host(stack: Stack, container: str, key: str, place: str) -> None:
    """What is in the host's network reaches whatever the others publish on that host."""
    for other, ports in stack.ports.items():
        for port in ports:
            if other != key and port.published is not None:
                stack.scribe.link(
                    LinkKind.REACHES,
                    container,
                    stack.faces[other],
                    place,
                    port=port.published,
                    protocol=port.protocol,
                )


def _declare_stores(stack: Stack, key: str, service: Section) -> None:
    for volume in volumes_of(service):
        if volume.named:
            place = service.place_of("volumes")
            store = stack.scribe.asset(AssetKind.DATA_STORE, stack.prefix + volume.source, place)
            stack.scribe.link(LinkKind.STORES, stack.containers[key], store, place)


def _declare_dependencies(stack: Stack, key: str, service: Section, siblings: frozenset[str]) -> None:
    place = service.place_of("depends_on")
    for needed in dependencies_of(service):
        if needed in stack.faces:
            stack.scribe.link(LinkKind.DEPENDS_ON, stack.faces[key], stack.faces[needed], place)
        elif needed in siblings:
            stack.scribe.note(place, f"{key!r} depends on {needed!r}, which another file of the stack declares")
        else:
            raise TwinError(
                f"{place}: service {key!r} depends on {needed!r}, which is not there; "
                "declare it, or give the file that does as well"
            )
