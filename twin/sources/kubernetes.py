"""Kubernetes manifests of one cluster to facts.

Flows in: files' bytes with their names, the owner, the cluster's name. Flows out: a `Reading`. Workloads become
containers that run on the cluster's host, Services services, ServiceAccounts identities, namespaces segments, claimed
volumes data stores. Who reaches whom follows NetworkPolicy exactly: where all of a namespace may, the segment reaches
the service; else each container that may. Roles, Secrets and what else is not understood is noted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..vocabulary import AssetKind, LinkKind
from .compose import DEFAULT_CAPABILITIES, UNNECESSARY_PRIVILEGE
from .kubernetes_objects import (
    DEFAULT_NAMESPACE,
    WORKLOADS,
    ServiceObject,
    ServicePort,
    Workload,
    labels_at,
    name_of,
    namespace_of,
    policy_of,
    qualified,
    service_of,
    workload_of,
)
from .network_policy import Pod, Policies, Policy
from .reading import Reading, Scribe, asset_id
from .safe_yaml import Section, read_yaml
from .values import as_text, list_at, section_at, sections_at, text_at

_ADDRESS_NAME = re.compile(r"_(?:ADDR|ADDRESS|HOST|URL|URI|ENDPOINT)$")
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?(?:[^/@\s]*@)?([a-z0-9]([a-z0-9.-]*[a-z0-9])?)(?::\d+)?(?:/.*)?")
_UNDERSTOOD_WITHOUT_FACTS = frozenset(["ConfigMap", "PersistentVolumeClaim", "HorizontalPodAutoscaler"])


@dataclass(slots=True)
class Cluster:
    """What is known of a cluster while its manifests are read."""

    scribe: Scribe
    host: str = ""
    workloads: list[Workload] = field(default_factory=list)
    services: list[ServiceObject] = field(default_factory=list)
    policies: list[Policy] = field(default_factory=list)
    accounts: list[Section] = field(default_factory=list)
    ingresses: list[Section] = field(default_factory=list)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    pods: list[tuple[Pod, str]] = field(default_factory=list)  # with their container assets
    faces: dict[tuple[str, str], str] = field(default_factory=dict)  # (namespace, service) -> asset


def is_kubernetes(document: object) -> bool:
    """Whether a YAML document is a Kubernetes object."""
    return isinstance(document, Section) and "apiVersion" in document and "kind" in document


def read_kubernetes(files: Iterable[tuple[str, bytes]], owner: str, *, cluster: str, time: str = "") -> Reading:
    """Read the manifests of one cluster: `kubernetes_facts` of their bytes.

    Raises:
        TwinError: a file is broken.
    """
    parsed = [(file, read_yaml(data, file)) for file, data in files]
    return kubernetes_facts(parsed, owner, cluster=cluster, time=time)


def kubernetes_facts(files: Iterable[tuple[str, list[Any]]], owner: str, *, cluster: str, time: str = "") -> Reading:
    """Give what the parsed manifests of one cluster say; they select and refer to each other across files.

    Args:
        files: names and YAML documents.
        owner: id of the owner of all that they declare.
        cluster: name of the host that stands for the cluster's nodes.
        time: when the files said so, UTC, ISO 8601.

    Raises:
        TwinError: an object is broken.
    """
    given = list(files)
    scribe = Scribe("kubernetes", given[0][0] if given else "", owner, time)
    known = Cluster(scribe)
    for file, documents in given:
        for document in documents:
            _sort(known, document, file)
    if known.workloads or known.services or known.accounts or known.namespaces:
        _declare(known, cluster)
    reading = scribe.reading()
    return Reading(reading.facts, reading.not_understood, reading.documents, tuple(file for file, _ in given))


def _sort(known: Cluster, document: object, file: str) -> None:
    """Put an object where its kind belongs."""
    if not isinstance(document, Section) or not is_kubernetes(document):
        place = document.place if isinstance(document, Section) else file
        known.scribe.note(place, "no Kubernetes object")
        return
    kind = text_at(document, "kind")
    if kind == "List":
        for item in sections_at(document, "items"):
            _sort(known, item, file)
        return
    known.scribe.documents[kind] += 1
    group = text_at(document, "apiVersion").partition("/")[0]
    if kind in WORKLOADS:
        known.workloads.append(workload_of(document))
    elif kind == "Service" and group == "v1":
        known.services.append(service_of(document))
    elif kind == "NetworkPolicy" and group in ("networking.k8s.io", "extensions"):
        known.policies.append(policy_of(document))
    elif kind == "ServiceAccount":
        known.accounts.append(document)
    elif kind == "Namespace":
        known.namespaces[name_of(document)] = labels_at(section_at(document, "metadata"), "labels")
    elif kind == "Ingress" and group in ("networking.k8s.io", "extensions"):
        known.ingresses.append(document)
    elif kind not in _UNDERSTOOD_WITHOUT_FACTS:
        known.scribe.note(document.place, f"{kind} {text_at(section_at(document, 'metadata'), 'name')}".strip())


def _declare(known: Cluster, cluster: str) -> None:
    bodies = [one.body for one in known.workloads] + [one.body for one in known.services]
    first = bodies + known.accounts
    place = first[0].place if first else known.scribe.file
    known.host = known.scribe.asset(AssetKind.HOST, cluster, place, {"role": "cluster nodes"})
    accounts = {
        (namespace_of(body), name_of(body)): known.scribe.asset(
            AssetKind.IDENTITY, qualified(name_of(body), namespace_of(body)), body.place, {"role": "service account"}
        )
        for body in known.accounts
    }
    segments = _declare_segments(known)
    for workload in known.workloads:
        _declare_workload(known, workload, accounts, segments)
    for service in known.services:
        _declare_service(known, service)
    policies = Policies(tuple(known.policies), known.namespaces)
    for service in known.services:
        for port in service.ports:
            _declare_reach(known, policies, service, port, segments)
    for workload in known.workloads:
        _declare_dependencies(known, workload)
    for ingress in known.ingresses:
        _declare_ingress(known, ingress)


def _declare_segments(known: Cluster) -> dict[str, str]:
    names = {one.pod.namespace: one.body.place for one in known.workloads}
    names |= {one: names.get(one, known.scribe.file) for one in known.namespaces}
    names = names or {DEFAULT_NAMESPACE: known.scribe.file}
    return {
        name: known.scribe.asset(AssetKind.SEGMENT, name, place, {"role": "namespace"})
        for name, place in sorted(names.items())
    }


def _declare_workload(
    known: Cluster, workload: Workload, accounts: dict[tuple[str, str], str], segments: dict[str, str]
) -> None:
    scribe, pod, spec = known.scribe, workload.pod, workload.spec
    place = workload.body.place
    container = scribe.asset(AssetKind.CONTAINER, qualified(pod.name, pod.namespace), place, _attributes(workload))
    known.pods.append((pod, container))
    scribe.link(LinkKind.RUNS_ON, container, known.host, place)
    scribe.link(LinkKind.REACHES, container, segments[pod.namespace], place)
    account = text_at(spec, "serviceAccountName") or text_at(spec, "serviceAccount")
    identity = accounts.get((pod.namespace, account))
    if account and identity is None:
        scribe.note(spec.place_of("serviceAccountName"), f"service account {account!r} is in no file")
    elif identity is not None and spec.get("automountServiceAccountToken") is not False:
        scribe.link(LinkKind.HOLDS_CREDENTIAL, container, identity, place)
    if is_privileged(workload):
        scribe.weakness(UNNECESSARY_PRIVILEGE, container, place)
    for claim, where in _claims(workload):
        store = scribe.asset(AssetKind.DATA_STORE, qualified(claim, pod.namespace), where)
        scribe.link(LinkKind.STORES, container, store, where)


def _attributes(workload: Workload) -> dict[str, str]:
    images = [text_at(container, "image") for container in workload.containers]
    last = images[0].rsplit("/", 1)[-1].partition("@")[0] if images else ""
    ports = [text_at(port, "containerPort") for one in workload.containers for port in sections_at(one, "ports")]
    return {
        "image": ",".join(images),
        "version": last.partition(":")[2],
        "ports": ",".join(ports),
        "namespace": workload.pod.namespace,
        "workload": workload.kind,
        "labels": ",".join(f"{key}={value}" for key, value in sorted(workload.pod.labels.items())),
    }


def is_privileged(workload: Workload) -> bool:
    """Whether a container has more of its node than it needs: privileged, host paths, host spaces, capabilities."""
    spec = workload.spec
    if any(spec.get(name) is True for name in ("hostNetwork", "hostPID", "hostIPC")):
        return True
    if any("hostPath" in volume for volume in sections_at(spec, "volumes")):
        return True
    for container in workload.containers:
        context = section_at(container, "securityContext")
        added = {as_text(one).removeprefix("CAP_") for one in list_at(section_at(context, "capabilities"), "add")}
        if context.get("privileged") is True or added - DEFAULT_CAPABILITIES:
            return True
    return False


def _claims(workload: Workload) -> list[tuple[str, str]]:
    """Names and places of the volumes that outlive the pod."""
    found = []
    for volume in sections_at(workload.spec, "volumes"):
        claim = text_at(section_at(volume, "persistentVolumeClaim"), "claimName")
        if claim:
            found.append((claim, volume.place))
    for template in sections_at(section_at(workload.body, "spec"), "volumeClaimTemplates"):
        found.append((f"{name_of(template)}-{workload.pod.name}", template.place))
    return found


def _declare_service(known: Cluster, service: ServiceObject) -> None:
    ports = ",".join(str(port.port) for port in service.ports)
    asset = known.scribe.asset(
        AssetKind.SERVICE,
        qualified(service.name, service.namespace),
        service.body.place,
        {"ports": ports, "type": service.kind, "namespace": service.namespace},
    )
    known.faces[service.namespace, service.name] = asset
    behind = [container for pod, container in known.pods if service.selects(pod)]
    for container in behind:
        known.scribe.link(LinkKind.RUNS_ON, asset, container, service.body.place)
    if not behind:
        known.scribe.note(service.body.place, f"Service {service.name} selects no workload of these files")


def _declare_reach(
    known: Cluster, policies: Policies, service: ServiceObject, port: ServicePort, segments: dict[str, str]
) -> None:
    face, place = known.faces[service.namespace, service.name], service.body.place
    behind = [(pod, _pod_port(pod, port)) for pod, _ in known.pods if service.selects(pod)]
    for namespace, segment in segments.items():
        members = [(pod, container) for pod, container in known.pods if pod.namespace == namespace]
        reached = {
            container: [target for target, number in behind if policies.may_connect(pod, target, number, port.protocol)]
            for pod, container in members
        }
        if members and all(reached.values()):
            sources = [segment]
        else:  # that a pod reaches its own service says nothing
            sources = [container for pod, container in members if set(map(id, reached[container])) - {id(pod)}]
        for source in sources:
            known.scribe.link(LinkKind.REACHES, source, face, place, port=port.port, protocol=port.protocol.lower())
    if service.kind in ("LoadBalancer", "NodePort") and any(
        policies.may_enter(pod, number, port.protocol) for pod, number in behind
    ):
        outside = known.scribe.internet(place)
        known.scribe.link(LinkKind.REACHES, outside, face, place, port=port.port, protocol=port.protocol.lower())


def _pod_port(pod: Pod, port: ServicePort) -> int:
    """The pod's port behind a service port; a name that the pod does not have is no port (0)."""
    return port.target if isinstance(port.target, int) else pod.port_names.get(port.target, 0)


def _declare_dependencies(known: Cluster, workload: Workload) -> None:
    """An environment variable with a service's address is a dependency of what runs on the container."""
    pod = workload.pod
    container_id = asset_id(known.scribe.owner, AssetKind.CONTAINER, qualified(pod.name, pod.namespace), "")
    own = [known.faces[one.namespace, one.name] for one in known.services if one.selects(pod)]
    for container in workload.containers:
        for variable in sections_at(container, "env"):
            match = _ADDRESS.fullmatch(text_at(variable, "value"))
            if not _ADDRESS_NAME.search(text_at(variable, "name")) or match is None:
                continue
            needed = _service_named(known, match[1], pod.namespace)
            if needed is None:
                name = text_at(variable, "name")
                known.scribe.note(variable.place, f"{name} of {pod.name} names {match[1]!r}, which is no Service here")
                continue
            for source in own or [container_id]:
                if source != needed:
                    known.scribe.link(LinkKind.DEPENDS_ON, source, needed, variable.place)


def _service_named(known: Cluster, host: str, namespace: str) -> str | None:
    """The service of a cluster DNS name: `name`, `name.namespace`, `name.namespace.svc...`."""
    parts = host.split(".")
    where = parts[1] if len(parts) > 1 else namespace
    return known.faces.get((where, parts[0])) if len(parts) < 3 or parts[2] == "svc" else None


def _declare_ingress(known: Cluster, ingress: Section) -> None:
    """What an Ingress publishes the internet reaches; its controller is taken as allowed by the policies."""
    spec, namespace = section_at(ingress, "spec"), namespace_of(ingress)
    backends = [spec[key] for key in ("defaultBackend", "backend") if isinstance(spec.get(key), Section)]
    for rule in sections_at(spec, "rules"):
        backends += [section_at(path, "backend") for path in sections_at(section_at(rule, "http"), "paths")]
    for backend in backends:
        service = section_at(backend, "service")
        name = text_at(service, "name") or text_at(backend, "serviceName")
        port = section_at(service, "port").get("number", backend.get("servicePort"))
        face = known.faces.get((namespace, name))
        if face is None:
            known.scribe.note(backend.place, f"Ingress names {name!r}, which is no Service here")
            continue
        outside = known.scribe.internet(backend.place)
        number = port if isinstance(port, int) else None
        known.scribe.link(LinkKind.REACHES, outside, face, backend.place, port=number)
