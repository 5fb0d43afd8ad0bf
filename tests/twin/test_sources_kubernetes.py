"""Kubernetes manifests to facts: small clusters drawn by hand."""

from __future__ import annotations

import pytest
from tocsin.twin.facts import Fact, Provenance, merge
from tocsin.twin.graph import Owner, Twin, TwinError
from tocsin.twin.sources.kubernetes import read_kubernetes
from tocsin.twin.sources.reading import Reading
from tocsin.twin.vocabulary import AssetKind, LinkKind

INTERNET = "internet/external/internet"


def deployment(name: str, *, pod: str = "", container: str = "", namespace: str = "default") -> str:
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      {pod or "restartPolicy: Always"}
      containers:
      - name: main
        image: x/{name}:1.2
        ports: [{{containerPort: 8080, name: http}}]
        {container}
---"""


def service(name: str, *, kind: str = "ClusterIP", target: str = "http", namespace: str = "default") -> str:
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{type: {kind}, selector: {{app: {name}}}, ports: [{{port: 80, targetPort: {target}}}]}}
---"""


def policy(name: str, ingress: str, namespace: str = "default") -> str:
    return f"""
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{podSelector: {{matchLabels: {{app: {name}}}}}, ingress: {ingress}}}
---"""


def read(*texts: str) -> Reading:
    return read_kubernetes([("k.yaml", "".join(texts).encode())], "o", cluster="c")


def twin_of(*texts: str) -> Twin:
    return merge([Fact(Owner("o"), Provenance("test", "test:1", "o")), *read(*texts).facts]).twin


def reachers(twin: Twin, target: str) -> set[tuple[str, int | None]]:
    return {(link.source, link.port) for link in twin.links if link.kind is LinkKind.REACHES and link.target == target}


def test_without_policies_the_namespace_reaches_every_service() -> None:
    """One link from the segment, of which every container is a member."""
    twin = twin_of(deployment("web"), deployment("db"), service("db"))
    assert reachers(twin, "o/service/db") == {("o/segment/default", 80)}
    assert {source for source, _ in reachers(twin, "o/segment/default")} == {"o/container/web", "o/container/db"}


def test_a_policy_turns_the_segment_into_the_containers_it_allows() -> None:
    """On the pod's port behind the service's."""
    allow = "[{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 8080}]}]"
    twin = twin_of(deployment("web"), deployment("db"), deployment("job"), service("db"), policy("db", allow))
    assert reachers(twin, "o/service/db") == {("o/container/web", 80)}
    other = allow.replace("8080", "80")
    twin = twin_of(deployment("web"), deployment("db"), service("db"), policy("db", other))
    assert reachers(twin, "o/service/db") == set()


def test_other_namespaces_reach_unless_a_policy_says_otherwise() -> None:
    """Names outside the default namespace carry it."""
    parts = [deployment("web", namespace="a"), deployment("db", namespace="b"), service("db", namespace="b")]
    assert ("o/segment/a", 80) in reachers(twin_of(*parts), "o/service/b.db")
    closed = twin_of(*parts, policy("db", "[{from: [{podSelector: {}}]}]", namespace="b"))
    assert reachers(closed, "o/service/b.db") == {("o/segment/b", 80)}


@pytest.mark.parametrize(("kind", "reached"), [("LoadBalancer", True), ("NodePort", True), ("ClusterIP", False)])
def test_published_services_are_reached_from_the_internet(kind: str, reached: bool) -> None:
    """Unless ingress to the pod is closed to the outside."""
    twin = twin_of(deployment("web"), service("web", kind=kind))
    assert ((INTERNET, 80) in reachers(twin, "o/service/web")) is reached
    closed = twin_of(deployment("web"), service("web", kind=kind), policy("web", "[{from: [{podSelector: {}}]}]"))
    assert (INTERNET, 80) not in reachers(closed, "o/service/web")


def test_an_ingress_publishes_its_backends() -> None:
    """And notes those that are not there."""
    ingress = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i}
spec: {rules: [{http: {paths: [{path: /, backend: {service: {name: web, port: {number: 80}}}},
  {path: /x, backend: {service: {name: gone, port: {number: 80}}}}]}}]}
"""
    assert (INTERNET, 80) in reachers(twin_of(deployment("web"), service("web"), ingress), "o/service/web")
    assert "'gone'" in read(deployment("web"), service("web"), ingress).not_understood[0].what


def test_service_accounts_are_identities_whose_token_the_pod_holds() -> None:
    """Unless it is not mounted; an account that no file declares is noted."""
    account = "\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web}\n---"
    held = twin_of(account, deployment("web", pod="serviceAccountName: web"))
    [link] = [link for link in held.links if link.kind is LinkKind.HOLDS_CREDENTIAL]
    assert (link.source, link.target) == ("o/container/web", "o/identity/web")
    unmounted = "serviceAccountName: web\n      automountServiceAccountToken: false"
    kept = twin_of(account, deployment("web", pod=unmounted))
    assert not [link for link in kept.links if link.kind is LinkKind.HOLDS_CREDENTIAL]
    assert "'web'" in read(deployment("web", pod="serviceAccountName: web")).not_understood[0].what


@pytest.mark.parametrize(
    ("pod", "container"),
    [
        ("hostNetwork: true", ""),
        ("hostPID: true", ""),
        ("volumes: [{name: r, hostPath: {path: /}}]", ""),
        ("", "securityContext: {privileged: true}"),
        ("", "securityContext: {capabilities: {add: [SYS_ADMIN]}}"),
    ],
)
def test_more_of_the_node_than_needed_is_a_weakness(pod: str, container: str) -> None:
    """CWE-250 on the container; an ordinary pod has none."""
    assert [w.id for w in twin_of(deployment("a", pod=pod, container=container)).weaknesses] == ["CWE-250"]
    assert not twin_of(deployment("a")).weaknesses


def test_addresses_in_the_environment_are_dependencies() -> None:
    """By name, with namespace or as full DNS name; one that is no Service is noted."""
    env = (
        "env: [{name: DB_ADDR, value: 'db:80'}, {name: N, value: c}, "
        "{name: B_URL, value: 'http://b.ns.svc.cluster.local/x'}]"
    )
    parts = [deployment("a", container=env), service("a"), deployment("db"), service("db"), service("c")]
    twin = twin_of(*parts, deployment("b", namespace="ns"), service("b", namespace="ns"))
    needed = {(link.source, link.target) for link in twin.links if link.kind is LinkKind.DEPENDS_ON}
    assert needed == {("o/service/a", "o/service/db"), ("o/service/a", "o/service/ns.b")}
    assert any("b.ns.svc" in note.what for note in read(*parts).not_understood)


def test_claimed_volumes_are_data_stores() -> None:
    """What outlives the pod stores data."""
    twin = twin_of(deployment("db", pod="volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]"))
    assert [a.id for a in twin.assets if a.kind is AssetKind.DATA_STORE] == ["o/data_store/data"]


def test_what_is_not_understood_is_noted_and_counted() -> None:
    """Kinds of documents are counted, unknown ones noted with their place."""
    reading = read(deployment("a"), "\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\n")
    assert dict(reading.documents) == {"Deployment": 1, "Secret": 1}
    assert [(note.place, note.what) for note in reading.not_understood] == [("k.yaml:16", "Secret s")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("apiVersion: v1\nkind: Service\nmetadata: {}\n", "k.yaml:1: Service has no metadata.name"),
        (service("a").replace("port: 80", "port: 80000"), "is no port"),
        (service("a", target="[1]"), "must be a plain value"),
        (service("a", target="0"), "targetPort 0 is no port"),
        (policy("a", "[{from: [{}]}]"), "a peer without"),
        (policy("a", "[{from: [{ipBlock: {cidr: here}}]}]"), "'here' is no address block"),
        (policy("a", "[{from: [{podSelector: {matchExpressions: [{key: a, operator: Like}]}}]}]"), "'Like' is unknown"),
        (deployment("a/b"), "is no name of an asset"),
    ],
)
def test_broken_objects_are_told_with_their_place(text: str, told: str) -> None:
    """File, line and mend."""
    with pytest.raises(TwinError) as refusal:
        read(text)
    assert told in str(refusal.value) and str(refusal.value).startswith("k.yaml:")
