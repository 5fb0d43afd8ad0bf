"""Which pod may talk to which pod on which port: the semantics of Kubernetes NetworkPolicy, and nothing else.

Flows in: pods, namespaces' labels, policies. Flows out: yes or no. Source: kubernetes.io, "Network Policies", and the
API reference of networking.k8s.io/v1. Policies only add: a pod that no policy selects for a direction allows all;
one that is selected allows what any of its policies allows. Pods cannot block access to themselves.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Labels = Mapping[str, str]
_NOT_INTERNET = tuple(  # RFC 1918, 6598, 3927, 1122, 4193, 4291
    ipaddress.ip_network(block)
    for block in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "fc00::/7",
        "fe80::/10",
        "::1/128",
    )
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One row of matchExpressions: `key operator values`."""

    key: str
    operator: str  # In, NotIn, Exists, DoesNotExist
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selector:
    """Labels that must match; an empty selector matches everything."""

    labels: tuple[tuple[str, str], ...] = ()
    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """Whether every label and requirement holds."""
        return all(labels.get(key) == value for key, value in self.labels) and all(
            _holds(requirement, labels) for requirement in self.requirements
        )


@dataclass(frozen=True, slots=True)
class PolicyPort:
    """A port of a rule: a number, a range up to `end`, a name, or (None) every port of the protocol."""

    port: int | str | None = None
    end: int | None = None
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True)
class Peer:
    """Who may be on the other side: pods by selectors, or addresses."""

    pods: Selector | None = None  # None with namespaces given: all pods there
    namespaces: Selector | None = None  # None: the policy's own namespace
    cidr: str = ""  # an ipBlock; matches no pod, whose addresses are not known
    excepts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One allow rule; empty peers or ports stand for all."""

    peers: tuple[Peer, ...] = ()
    ports: tuple[PolicyPort, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """One NetworkPolicy; a direction that it does not govern is None."""

    name: str
    namespace: str
    pods: Selector
    ingress: tuple[Rule, ...] | None = None
    egress: tuple[Rule, ...] | None = None


@dataclass(frozen=True, slots=True)
class Pod:
    """The pods of one workload."""

    name: str
    namespace: str
    labels: Labels
    port_names: Mapping[str, int] = field(default_factory=dict)
    host_network: bool = False  # its traffic comes from the node; policies do not select it


@dataclass(frozen=True, slots=True)
class Policies:
    """All policies of a cluster, with the labels of its namespaces."""

    policies: tuple[Policy, ...] = ()
    namespace_labels: Mapping[str, Labels] = field(default_factory=dict)

    def may_connect(self, source: Pod, target: Pod, port: int, protocol: str = "TCP") -> bool:
        """Whether the source's egress and the target's ingress both allow the connection to the target's pod port."""
        if source == target:
            return True
        return self._allowed(self._rules(source, outgoing=True), target, target, port, protocol) and self._allowed(
            self._rules(target, outgoing=False), source, target, port, protocol
        )

    def may_enter(self, target: Pod, port: int, protocol: str = "TCP") -> bool:
        """Whether the target's ingress allows somebody outside the cluster on the pod port."""
        rules = self._rules(target, outgoing=False)
        return rules is None or any(
            (not rule.peers or any(_is_public(peer) for peer in rule.peers))
            and _port_matches(rule.ports, target, port, protocol)
            for _, rule in rules
        )

    def _rules(self, pod: Pod, *, outgoing: bool) -> list[tuple[Policy, Rule]] | None:
        """Rules of the policies that select the pod for a direction; None if no policy does."""
        if pod.host_network:
            return None
        governing = [
            (policy, policy.egress if outgoing else policy.ingress)
            for policy in self.policies
            if policy.namespace == pod.namespace and policy.pods.matches(pod.labels)
        ]
        found = [(policy, rules) for policy, rules in governing if rules is not None]
        return [(policy, rule) for policy, rules in found for rule in rules] if found else None

    def _allowed(
        self,
        rules: list[tuple[Policy, Rule]] | None,
        peer: Pod,
        target: Pod,
        port: int,
        protocol: str,
    ) -> bool:
        if rules is None:
            return True
        return any(
            self._peer_matches(policy, rule.peers, peer) and _port_matches(rule.ports, target, port, protocol)
            for policy, rule in rules
        )

    def _peer_matches(self, policy: Policy, peers: tuple[Peer, ...], pod: Pod) -> bool:
        return not peers or any(self._is(policy, peer, pod) for peer in peers)

    def _is(self, policy: Policy, peer: Peer, pod: Pod) -> bool:
        if peer.cidr or pod.host_network:
            return False
        if peer.namespaces is None:
            if pod.namespace != policy.namespace:
                return False
        elif not peer.namespaces.matches(self._labels_of(pod.namespace)):
            return False
        return peer.pods is None or peer.pods.matches(pod.labels)

    def _labels_of(self, namespace: str) -> Labels:
        """Labels of a namespace, with the name label that Kubernetes sets itself."""
        return {**self.namespace_labels.get(namespace, {}), "kubernetes.io/metadata.name": namespace}


def _holds(requirement: Requirement, labels: Labels) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return False


def _port_matches(ports: Iterable[PolicyPort], target: Pod, port: int, protocol: str) -> bool:
    ports = tuple(ports)
    return not ports or any(one.protocol.upper() == protocol.upper() and _is_port(one, target, port) for one in ports)


def _is_port(one: PolicyPort, target: Pod, port: int) -> bool:
    if one.port is None:
        return True
    if isinstance(one.port, str):
        return target.port_names.get(one.port) == port
    return one.port <= port <= (one.end or one.port)


def _is_public(peer: Peer) -> bool:
    """Whether an ipBlock holds some address of the internet that no `except` takes out whole."""
    if not peer.cidr:
        return False
    block = ipaddress.ip_network(peer.cidr, strict=False)
    inside = (*_NOT_INTERNET, *(ipaddress.ip_network(one, strict=False) for one in peer.excepts))
    return not any(block.version == one.version and block.subnet_of(one) for one in inside)  # type: ignore[arg-type]
