"""The shipped charging chain: what it promises to those who build on it."""

from __future__ import annotations

from collections import Counter

from tocsin.twin.attack.weaknesses import parse_cvss
from tocsin.twin.commands import counts
from tocsin.twin.facts import Merged
from tocsin.twin.sources import load_example
from tocsin.twin.vocabulary import AssetKind, ConsentClass, ConsentMode, LinkKind, Proposer, SensorClass

EXAMPLE: Merged = load_example()
TWIN = EXAMPLE.twin
OWNERS = {"fleet", "shop", "csms", "telecom", "energy", "cloud"}


def test_six_owners_and_the_internet() -> None:
    """60 to 90 assets, every owner with some and a value from 1 to 5."""
    assert set(TWIN.owner_by_id) == OWNERS | {"internet"}
    assert 60 <= len(TWIN.assets) <= 90
    sizes = Counter(asset.owner for asset in TWIN.assets)
    assert all(sizes[owner] >= 8 and 1 <= TWIN.owner_by_id[owner].value_per_hour <= 5 for owner in OWNERS)
    assert counts(TWIN)["assets"]["container"] == 23


def test_every_kind_of_link_and_sensor_occurs() -> None:
    """So that every rule and detector has something to work on."""
    assert {link.kind for link in TWIN.links} == set(LinkKind)
    assert {sensor for asset in TWIN.assets for sensor in asset.sensors} == set(SensorClass)
    assert {asset.kind for asset in TWIN.assets} == set(AssetKind) - {AssetKind.OPAQUE}


def test_crown_jewels_of_three_owners() -> None:
    """The customer database, the charging processes and the fleet's ERP data; each does harm when held."""
    jewels = {asset.id: asset.harm_per_hour for asset in TWIN.assets if asset.crown_jewel}
    assert set(jewels) == {
        "csms/data_store/customers",
        "energy/process/charging",
        "energy/process/feeder-breaker",
        "fleet/data_store/erp",
    }
    assert all(harm > 0 for harm in jewels.values())


def test_neighbours_have_contracts() -> None:
    """Every owner has a boundary link, and dependencies cross owners too."""
    crossing = [link for link in TWIN.links if TWIN.is_boundary(link)]
    touched = {TWIN.asset_by_id[end].owner for link in crossing for end in (link.source, link.target)}
    assert touched >= OWNERS
    assert {LinkKind.REACHES, LinkKind.DEPENDS_ON, LinkKind.MANAGES, LinkKind.SUPPLIES} <= {
        one.kind for one in crossing
    }
    assert any(link.need == 1 and link.group == "ocpp" for link in TWIN.links)


def test_every_owner_answers_every_consent_class_and_safety_is_never_automatic() -> None:
    """A full table: class by proposer, for each owner."""
    rules = {(rule.owner, rule.consent_class, rule.proposer): rule for rule in TWIN.consent}
    assert set(rules) == {(o, c, p) for o in OWNERS for c in ConsentClass for p in Proposer}
    for (_, consent_class, _), rule in rules.items():
        if consent_class is ConsentClass.SAFETY:
            assert rule.mode in (ConsentMode.ASK, ConsentMode.NEVER)


def test_weaknesses_are_cves_with_vectors_or_cwes() -> None:
    """Every CVE has a CVSS v3.1 vector that parses."""
    for weakness in TWIN.weaknesses:
        if weakness.id.startswith("CVE-"):
            parse_cvss(weakness.cvss, weakness=weakness.id, asset=weakness.asset)
        else:
            assert weakness.id.startswith("CWE-") and not weakness.cvss


def test_the_shop_is_closed_but_for_what_its_policies_allow() -> None:
    """From storefront to orders-db there is no direct way; the storefront alone is public."""
    reach = {(link.source, link.target) for link in TWIN.links if link.kind is LinkKind.REACHES}
    assert ("shop/container/checkout", "shop/service/orders-db") in reach
    assert ("shop/container/storefront", "shop/service/orders-db") not in reach
    assert ("shop/segment/default", "shop/service/orders-db") not in reach
    assert {target for source, target in reach if source.startswith("internet/") and "shop/" in target} == {
        "shop/service/storefront"
    }


def test_every_fact_tells_its_place() -> None:
    """Every part of the twin has facts that were read somewhere, and loading twice gives the same twin."""
    assert all(fact.provenance.place.startswith("charging/") for about in EXAMPLE.facts.values() for fact in about)
    assert load_example().twin.digest == TWIN.digest
