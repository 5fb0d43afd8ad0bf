"""Kubernetes objects as plain values: what the twin needs of pods, services and policies.

Flows in: parsed manifests. Flows out: `Workload`, `ServiceObject`, `Policy`. Nothing here declares facts.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ..graph import TwinError
from .network_policy import Peer, Pod, Policy, PolicyPort, Requirement, Rule, Selector
from .safe_yaml import Section
from .values import as_text, list_at, section_at, sections_at, text_at

WORKLOADS = frozenset(["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "Job", "CronJob"])
DEFAULT_NAMESPACE = "default"
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


@dataclass(frozen=True, slots=True)
class Workload:
    """A controller and the pods it makes, which are alike and stand as one container in the twin."""

    kind: str
    pod: Pod
    spec: Section  # of the pod
    body: Section
    containers: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port of a service and the pod's port behind it."""

    port: int
    target: int | str
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True)
class ServiceObject:
    """A Service."""

    name: str
    namespace: str
    kind: str  # ClusterIP, NodePort, LoadBalancer, ExternalName
    selector: tuple[tuple[str, str], ...]
    ports: tuple[ServicePort, ...]
    body: Section

    def selects(self, pod: Pod) -> bool:
        """Whether the service sends to the pod; one without selector sends to none."""
        return bool(self.selector) and pod.namespace == self.namespace and Selector(self.selector).matches(pod.labels)


def name_of(body: Section) -> str:
    """The object's name.

    Raises:
        TwinError: it has none.
    """
    name = text_at(section_at(body, "metadata"), "name")
    if not name:
        raise TwinError(f"{body.place}: {text_at(body, 'kind') or 'object'} has no metadata.name; give it one")
    return name


def namespace_of(body: Section) -> str:
    """The object's namespace."""
    return text_at(section_at(body, "metadata"), "namespace") or DEFAULT_NAMESPACE


def qualified(name: str, namespace: str) -> str:
    """The name in the twin: with the namespace, unless it is the default one."""
    return name if namespace == DEFAULT_NAMESPACE else f"{namespace}.{name}"


def labels_at(section: Section, key: str) -> dict[str, str]:
    """Labels under a key."""
    return {as_text(name): as_text(value) for name, value in section_at(section, key).items()}


def workload_of(body: Section) -> Workload:
    """Read a workload.

    Raises:
        TwinError: it has no name, or its parts have the wrong shape.
    """
    kind, name = text_at(body, "kind"), name_of(body)
    template = body
    if kind != "Pod":
        holder = section_at(body, "spec")
        if kind == "CronJob":
            holder = section_at(section_at(holder, "jobTemplate"), "spec")
        template = section_at(holder, "template")
    spec = section_at(template, "spec")
    containers = tuple(sections_at(spec, "containers"))
    names = {
        text_at(port, "name"): number
        for container in containers
        for port in sections_at(container, "ports")
        if (number := port_number(port, "containerPort")) and text_at(port, "name")
    }
    labels = labels_at(section_at(template, "metadata"), "labels")
    pod = Pod(name, namespace_of(body), labels, names, spec.get("hostNetwork") is True)
    return Workload(kind, pod, spec, body, containers)


def service_of(body: Section) -> ServiceObject:
    """Read a Service.

    Raises:
        TwinError: it has no name, a port that is no number, or a target port that is neither number nor name.
    """
    spec = section_at(body, "spec")
    ports = []
    for entry in sections_at(spec, "ports"):
        port = port_number(entry, "port")
        if not port:
            raise TwinError(f"{entry.place}: service {name_of(body)!r} has a port without a number; give port")
        is_number = isinstance(entry.get("targetPort"), int)
        target = port_number(entry, "targetPort") if is_number else text_at(entry, "targetPort")  # else a port's name
        ports.append(ServicePort(port, target or port, text_at(entry, "protocol") or "TCP"))
    return ServiceObject(
        name_of(body),
        namespace_of(body),
        text_at(spec, "type") or "ClusterIP",
        tuple(sorted(labels_at(spec, "selector").items())),
        tuple(ports),
        body,
    )


def port_number(section: Section, key: str) -> int:
    """A port under a key; 0 if there is none.

    Raises:
        TwinError: it is no port.
    """
    value = section.get(key)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 65_535:
        raise TwinError(f"{section.place_of(key)}: {key} {value!r} is no port; give a number from 1 to 65535")
    return value


def policy_of(body: Section) -> Policy:
    """Read a NetworkPolicy.

    Raises:
        TwinError: a selector, port or address block is not one.
    """
    spec = section_at(body, "spec")
    types = [as_text(one) for one in list_at(spec, "policyTypes")]
    if not types:  # the API's default: ingress always, egress if it has rules
        types = ["Ingress"] + (["Egress"] if "egress" in spec else [])
    return Policy(
        name_of(body),
        namespace_of(body),
        selector_of(section_at(spec, "podSelector")),
        tuple(_rule(rule, "from") for rule in sections_at(spec, "ingress")) if "Ingress" in types else None,
        tuple(_rule(rule, "to") for rule in sections_at(spec, "egress")) if "Egress" in types else None,
    )


def selector_of(section: Section) -> Selector:
    """Read a label selector.

    Raises:
        TwinError: an operator is unknown.
    """
    requirements = []
    for row in sections_at(section, "matchExpressions"):
        operator = text_at(row, "operator")
        if operator not in _OPERATORS:
            raise TwinError(f"{row.place}: operator {operator!r} is unknown; use one of {', '.join(_OPERATORS)}")
        values = tuple(as_text(value) for value in list_at(row, "values"))
        requirements.append(Requirement(text_at(row, "key"), operator, values))
    return Selector(tuple(sorted(labels_at(section, "matchLabels").items())), tuple(requirements))


def _rule(rule: Section, side: str) -> Rule:
    return Rule(
        tuple(_peer(peer) for peer in sections_at(rule, side)),
        tuple(_policy_port(port) for port in sections_at(rule, "ports")),
    )


def _peer(peer: Section) -> Peer:
    if "ipBlock" in peer:
        block = section_at(peer, "ipBlock")
        excepts = tuple(as_text(one) for one in list_at(block, "except"))
        cidr = text_at(block, "cidr")
        for one in (cidr, *excepts):
            _check_block(one, block)
        return Peer(cidr=cidr, excepts=excepts)
    pods = selector_of(section_at(peer, "podSelector")) if "podSelector" in peer else None
    namespaces = selector_of(section_at(peer, "namespaceSelector")) if "namespaceSelector" in peer else None
    if pods is None and namespaces is None:
        raise TwinError(f"{peer.place}: a peer without podSelector, namespaceSelector or ipBlock; give one of them")
    return Peer(pods, namespaces)


def _check_block(cidr: str, block: Section) -> None:
    try:
        ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        raise TwinError(f"{block.place}: {cidr!r} is no address block; write like 10.0.0.0/8") from None


def _policy_port(port: Section) -> PolicyPort:
    value = port.get("port")
    if value is not None and not isinstance(value, str):
        value = port_number(port, "port")
    return PolicyPort(value, port_number(port, "endPort") or None, text_at(port, "protocol") or "TCP")
