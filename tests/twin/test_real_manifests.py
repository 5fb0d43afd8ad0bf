"""The importers on real manifests: counts and who can reach whom, counted by hand from the files."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from tocsin.twin.facts import merge
from tocsin.twin.graph import Twin
from tocsin.twin.sources import load_example, read_paths
from tocsin.twin.sources.reading import Reading
from tocsin.twin.vocabulary import AssetKind, LinkKind

DATA = Path(os.environ.get("TOCSIN_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
BOUTIQUE = "chain/saas-online-boutique"
POLICIES = f"{BOUTIQUE}/kustomize/components/network-policies"


def data(*relative: str) -> list[Path]:
    paths = [DATA / one for one in relative]
    for path in paths:
        if not path.exists():
            if os.environ.get("CI") == "true":
                pytest.fail(f"{path} is not there; in CI the test data must be")
            pytest.skip(f"{path} is not there; set TOCSIN_TEST_DATA")
    return paths


def read(*relative: str) -> tuple[Reading, Twin]:
    reading = read_paths(data(*relative), "o")
    return reading, merge(reading.facts).twin


def kinds(twin: Twin) -> dict[str, int]:
    return dict(Counter(asset.kind.word for asset in twin.assets))


def reaches(twin: Twin, container: str) -> set[tuple[str, int | None]]:
    """Names and ports of the services that a container reaches, itself or from a segment it is a member of."""
    start = f"o/container/{container}"
    links = [link for link in twin.links if link.kind is LinkKind.REACHES]
    sources = {start} | {link.target for link in links if link.source == start and "/segment/" in link.target}
    return {
        (twin.asset_by_id[link.target].name, link.port)
        for link in links
        if link.source in sources and twin.asset_by_id[link.target].kind is not AssetKind.SEGMENT
    }


def published(twin: Twin) -> set[tuple[str, int | None]]:
    """Names and ports that the internet reaches."""
    return {
        (twin.asset_by_id[link.target].name, link.port)
        for link in twin.links
        if link.kind is LinkKind.REACHES and link.source == "internet/external/internet"
    }


def needs(twin: Twin, name: str) -> set[str]:
    return {
        twin.asset_by_id[link.target].name
        for link in twin.links
        if link.kind is LinkKind.DEPENDS_ON and twin.asset_by_id[link.source].name == name
    }


def test_online_boutique_counts() -> None:
    """12 Deployments, 12 Services, 11 ServiceAccounts; 13 NetworkPolicies beside them."""
    reading, twin = read(f"{BOUTIQUE}/kubernetes-manifests", POLICIES)
    documents = {kind: reading.documents[kind] for kind in ("Deployment", "Service", "ServiceAccount", "NetworkPolicy")}
    assert documents == {"Deployment": 12, "Service": 12, "ServiceAccount": 11, "NetworkPolicy": 13}
    assert kinds(twin) == {"container": 12, "service": 12, "identity": 11, "host": 1, "segment": 1, "external": 1}
    assert sorted(note.what.split(" ")[0] for note in reading.not_understood) == [
        "Component",
        "Kustomization",
        "SHOPPING_ASSISTANT_SERVICE_ADDR",
    ]
    assert not twin.weaknesses


def test_online_boutique_without_policies_is_open() -> None:
    """Every container reaches all 12 services."""
    _, twin = read(f"{BOUTIQUE}/kubernetes-manifests")
    assert len(reaches(twin, "loadgenerator")) == 12
    assert ("redis-cart", 6379) in reaches(twin, "loadgenerator")


def test_online_boutique_with_policies_is_what_they_say() -> None:
    """Ingress per service, for each source, from the files; emailservice listens on 5000 before 8080."""
    _, twin = read(f"{BOUTIQUE}/kubernetes-manifests", POLICIES)
    front = {("frontend", 80), ("frontend-external", 80)}
    assert reaches(twin, "loadgenerator") == front
    assert reaches(twin, "redis-cart") == front
    assert reaches(twin, "cartservice") == front | {("redis-cart", 6379)}
    assert reaches(twin, "recommendationservice") == front | {("productcatalogservice", 3550)}
    assert reaches(twin, "checkoutservice") == front | {
        ("cartservice", 7070),
        ("currencyservice", 7000),
        ("emailservice", 5000),
        ("paymentservice", 50051),
        ("productcatalogservice", 3550),
        ("shippingservice", 50051),
    }
    assert reaches(twin, "frontend") == front | {
        ("adservice", 9555),
        ("cartservice", 7070),
        ("checkoutservice", 5050),
        ("currencyservice", 7000),
        ("productcatalogservice", 3550),
        ("recommendationservice", 8080),
        ("shippingservice", 50051),
    }
    assert published(twin) == {("frontend-external", 80)}


def test_online_boutique_dependencies_are_those_of_its_environment() -> None:
    """Seven of the frontend, six of the checkout; the cart needs its Redis."""
    _, twin = read(f"{BOUTIQUE}/kubernetes-manifests")
    assert needs(twin, "cartservice") == {"redis-cart"}
    assert len(needs(twin, "frontend")) == 7 and len(needs(twin, "checkoutservice")) == 6
    assert needs(twin, "loadgenerator") == {"frontend"}


def test_sock_shop_policies_are_taken_at_their_word() -> None:
    """The policy of carts-db admits pods named `cart`; the Deployment is named `carts`, so nobody gets in."""
    reading, twin = read("chain/alt-sock-shop")
    assert (reading.documents["Deployment"], reading.documents["Service"]) == (14, 14)
    inside = "sock-shop.carts-db"
    assert not any((inside, 27017) in reaches(twin, asset.name) for asset in twin.assets if asset.name != inside)


def test_citrineos() -> None:
    """Six containers, five with ports on the internet; three accounts; MinIO's init is no dependency at run time."""
    _, twin = read("chain/saas-citrineos-csms/docker-compose.yml")
    assert kinds(twin) == {"container": 6, "service": 5, "identity": 3, "host": 1, "segment": 1, "external": 1}
    assert {("ocpp-db", 5432), ("amqp-broker", 15672), ("graphql-engine", 8090), ("citrine", 8081)} <= published(twin)
    assert ("graphql-engine", 8080) in reaches(twin, "minio-init")
    assert needs(twin, "citrine") == {"ocpp-db", "amqp-broker"}
    holders = {
        twin.asset_by_id[link.source].name
        for link in twin.links
        if link.kind is LinkKind.HOLDS_CREDENTIAL and link.target == "o/identity/ocpp-db-citrine"
    }
    assert holders == {"ocpp-db", "citrine", "graphql-engine"}


def test_free5gc() -> None:
    """17 functions, 12 with ports, five with NET_ADMIN, only the web UI published; TNGF lives on the host's network."""
    _, twin = read("chain/telecom-free5gc/docker-compose.yaml")
    assert kinds(twin) == {"container": 17, "service": 12, "data_store": 1, "host": 1, "segment": 1, "external": 1}
    assert published(twin) == {("free5gc-webui", 5000), ("free5gc-webui", 2122), ("free5gc-webui", 2121)}
    assert {w.asset.rsplit("/", 1)[1] for w in twin.weaknesses} == {
        "free5gc-upf",
        "free5gc-n3iwf",
        "free5gc-tngf",
        "ueransim",
        "n3iwue",
    }
    assert ("db", 27017) in reaches(twin, "free5gc-upf")
    assert reaches(twin, "free5gc-tngf") == published(twin)
    assert needs(twin, "free5gc-smf") == {"free5gc-nrf", "free5gc-upf"}


def test_edgex() -> None:
    """14 containers, 13 with ports, five volumes; all published on loopback but the user interface."""
    _, twin = read("chain/iot-edgex/docker-compose-no-secty.yml")
    assert kinds(twin) == {
        "container": 14,
        "service": 13,
        "data_store": 5,
        "identity": 1,
        "host": 1,
        "segment": 1,
        "external": 1,
    }
    assert published(twin) == {("ui", 4000)}
    assert ("mqtt-broker", 1883) in reaches(twin, "device-virtual")
    assert "o/host/edgex" in twin.asset_by_id
    assert needs(twin, "rules-engine") == {"database", "mqtt-broker"}


def test_everest() -> None:
    """Three containers; Node-RED published; the broker is published with OCPP 2.0.1 only."""
    _, twin = read("chain/energy-everest/docker-compose.yml")
    assert kinds(twin) == {"container": 3, "service": 1, "host": 1, "segment": 1, "external": 1}
    assert published(twin) == {("node-red", 1880)}
    assert needs(twin, "manager") == {"mqtt-server"}
    _, twin = read("chain/energy-everest/docker-compose.ocpp201.yml")
    assert published(twin) == {("nodered", 1880), ("mqtt-server", 2727)}


@pytest.mark.parametrize(
    "folder",
    ["energy-everest", "iot-edgex", "saas-citrineos-csms", "telecom-free5gc", "saas-online-boutique", "alt-sock-shop"],
)
def test_whole_folders_are_read(folder: str) -> None:
    """Every real folder imports; what is not understood is said."""
    reading, twin = read(f"chain/{folder}")
    assert len(twin.assets) > 20 and len(reading.files) > 1


def test_the_example_marks_exactly_the_known_exploited_cves() -> None:
    """CISA's list of August 2025, beside the test data."""
    [file] = data("inventory/vuln/cisa_kev_2025-08.json.gz")
    known = {row["cveID"] for row in json.loads(gzip.decompress(file.read_bytes()))["vulnerabilities"]}
    wrong = {w.id for w in load_example().twin.weaknesses if w.id.startswith("CVE-") and w.kev != (w.id in known)}
    assert wrong == set()
