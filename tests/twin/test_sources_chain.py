"""chain.yaml and folders: owners, contracts, overlays, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tocsin.twin.facts import merge
from tocsin.twin.graph import Twin, TwinError
from tocsin.twin.sources import read_chain, read_paths
from tocsin.twin.vocabulary import Access, ConsentClass, ConsentMode, LinkKind, Proposer, SensorClass

CHAIN = """
tocsin: 1
owners:
  a: {name: Owner A, value_per_hour: 2}
  b: {}
manifests:
  - {path: a/compose.yaml, owner: a, host: engine}
assets:
  - {id: b/process/charging, crown_jewel: true, harm_per_hour: 3, criticality: 1}
  - {id: b/device/charger, sensors: [control, host], attributes: {version: "2"}}
overlays:
  a/service/web: {criticality: 2, sensors: [network], attributes: {role: front}}
links:
  - {kind: manages, source: b/device/charger, target: b/process/charging, access: admin}
contracts:
  - {source: a/service/web, target: b/device/charger, port: 9000, depends: true, group: g, need: 1}
weaknesses:
  - {id: CVE-2024-37310, on: [b/device/charger], kev: false, epss: 0.1, access: admin}
sharing:
  - {owner: a, peers: [b], what: [findings]}
consent:
  a:
    contain: {own: at_once, other: {mode: ask, minutes: 2, refusal: 0.5, hours: [8, 18], quorum: 2}}
"""
COMPOSE = "services:\n  web: {image: 'x:1', ports: ['80:80']}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "chain.yaml").write_text(CHAIN)
    return tmp_path


def twin_of(folder: Path) -> Twin:
    return merge(read_chain(folder).facts).twin


def rewrite(folder: Path, old: str, new: str) -> None:
    assert old in CHAIN
    (folder / "chain.yaml").write_text(CHAIN.replace(old, new))


def test_a_chain_joins_manifests_of_owners(folder: Path) -> None:
    """Owners, overlays, weaknesses, sharing and consent arrive in the twin."""
    twin = twin_of(folder)
    assert [(one.id, one.value_per_hour) for one in twin.owners] == [("a", 2.0), ("b", 1.0), ("internet", 0.0)]
    web = twin.asset_by_id["a/service/web"]
    assert (web.criticality, web.sensors) == (2.0, (SensorClass.NETWORK,))
    assert dict(web.attributes) == {"ports": "80", "role": "front"}
    assert twin.asset_by_id["b/process/charging"].crown_jewel
    [weakness] = twin.weaknesses
    assert (weakness.epss, weakness.access) == (0.1, Access.ADMIN)
    assert twin.visible_findings("b") >= {"a/service/web"}
    ask = next(rule for rule in twin.consent if rule.proposer is Proposer.OTHER)
    assert (ask.consent_class, ask.mode) == (ConsentClass.CONTAIN, ConsentMode.ASK)
    assert (ask.latency_s, ask.refusal, ask.hours, ask.quorum) == (120.0, 0.5, (8, 18), 2)


def test_a_contract_is_traffic_and_a_dependency_of_the_same_assets(folder: Path) -> None:
    """Both cross owners; without `depends` there is traffic alone."""
    ends = ("a/service/web", "b/device/charger")
    kinds = {link.kind: link for link in twin_of(folder).links if (link.source, link.target) == ends}
    assert set(kinds) == {LinkKind.REACHES, LinkKind.DEPENDS_ON}
    assert kinds[LinkKind.REACHES].port == 9000
    assert (kinds[LinkKind.DEPENDS_ON].group, kinds[LinkKind.DEPENDS_ON].need) == ("g", 1)
    rewrite(folder, "depends: true", "depends: false")
    assert {link.kind for link in twin_of(folder).links if (link.source, link.target) == ends} == {LinkKind.REACHES}


def test_facts_tell_file_line_and_owner(folder: Path) -> None:
    """The overlay's fact points at its line of chain.yaml, on the owner's behalf."""
    [fact] = [fact for fact in read_chain(folder).facts if fact.subject == "a/service/web"]
    assert fact.provenance.place == f"{folder}/chain.yaml:12"
    assert (fact.provenance.source, fact.provenance.owner) == ("chain", "a")
    assert fact.provenance.time.endswith("+00:00")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("owner: a, host", "owner: c, host", "chain.yaml:7: owner 'c' is unknown; declare it"),
        ("a/service/web: {", "a/service/gone: {", "chain.yaml:12: asset 'a/service/gone' is not there"),
        ("target: b/process/charging", "target: b/process/x", "chain.yaml:14: asset 'b/process/x' is not there"),
        ("on: [b/device/charger]", "on: [b/device/x]", "chain.yaml:18: asset 'b/device/x' is not there"),
        ("target: b/device/charger, port", "target: a/container/web, port", "chain.yaml:16: a contract joins two"),
        ("peers: [b]", "peers: [z]", "chain.yaml:20: owner 'z' is unknown"),
        ("id: b/device/charger", "id: b/gadget/charger", "chain.yaml:10: asset 'b/gadget/charger': unknown AssetKind"),
        ("id: b/device/charger", "id: charger", "chain.yaml:10: owner 'charger' is unknown"),
        ("criticality: 2", "criticality: -2", "chain.yaml:12: overlays.a/service/web.criticality:"),
        ("port: 9000", "prot: 9000", "chain.yaml:16: contracts.0.prot: unknown key"),
        ("kind: manages", "kind: owns", "chain.yaml:14: links.0.kind: unknown LinkKind 'owns'"),
        ("contain: {own", "safety: {own", "chain.yaml:23: consent to safety is never automatic"),
        ("contain: {own", "befriend: {own", "chain.yaml:23: unknown ConsentClass 'befriend'"),
        ("own: at_once", "own: maybe", "chain.yaml:23:"),
        ("tocsin: 1", "tocsin: 2", "chain.yaml:2: tocsin:"),
        ("path: a/compose.yaml", "path: a/gone.yaml", "chain.yaml:7: path 'a/gone.yaml' is not there"),
        ("path: a/compose.yaml", "path: ../x.yaml", "chain.yaml:7: path '../x.yaml' leads out"),
        ("path: a/compose.yaml", "path: /etc/hostname", "chain.yaml:7: path '/etc/hostname' leads out"),
        ("id: CVE-2024-37310", "id: log4shell", "chain.yaml:18: weaknesses.0.id:"),
        ("epss: 0.1", "cvss: 'CVSS:3.1/AV:Q'", "chain.yaml:18: weakness CVE-2024-37310 on b/device/charger: CVSS"),
        ("need: 1", "need: 99", "chain.yaml:16: need: 99 can never be met, group 'g' of 'a/service/web' has 1; lower"),
        (
            "kind: manages, source: b/device/charger, target: b/process/charging, access: admin",
            "kind: depends_on, source: b/process/charging, target: b/device/charger, need: 2",
            "chain.yaml:14: need: 2 can never be met, a dependency without a group",
        ),
    ],
)
def test_mistakes_are_told_with_file_line_and_mend(folder: Path, old: str, new: str, told: str) -> None:
    """One line each."""
    rewrite(folder, old, new)
    with pytest.raises(TwinError) as refusal:
        read_chain(folder)
    assert told in str(refusal.value) and "\n" not in str(refusal.value)


def test_links_do_not_lead_out_of_the_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither a linked file nor a file below a linked folder is read."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "compose.yaml").write_text(COMPOSE)
    os.symlink(outside / "compose.yaml", folder / "a" / "linked.yaml")
    rewrite(folder, "path: a/compose.yaml", "path: a/linked.yaml")
    with pytest.raises(TwinError, match="leads out"):
        read_chain(folder)
    rewrite(folder, "path: a/compose.yaml", "path: a")
    with pytest.raises(TwinError, match="leads out"):
        read_chain(folder)


def test_loose_manifests_are_told_apart_by_content(tmp_path: Path) -> None:
    """Compose and Kubernetes are read for the owner, the rest is noted."""
    (tmp_path / "one.yml").write_text(COMPOSE)
    (tmp_path / "two.yaml").write_text("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: sa}\n")
    (tmp_path / "three.yaml").write_text("logger: {level: info}\n")
    (tmp_path / "four.txt").write_text("a: [")
    reading = read_paths([tmp_path], "o")
    assert dict(reading.documents) == {"ServiceAccount": 1, "compose": 1}
    assert [note.place for note in reading.not_understood] == [f"{tmp_path}/three.yaml:1"]
    assert {"o/container/web", "o/identity/sa"} <= set(merge(reading.facts).twin.asset_by_id)


def test_stacks_of_one_owner_are_kept_apart(tmp_path: Path) -> None:
    """Two stacks may each have a service of the same name."""
    for name in ("north", "south"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "compose.yaml").write_text(COMPOSE)
    twin = merge(read_paths([tmp_path], "o").facts).twin
    assert {"o/container/north.web", "o/container/south.web"} <= set(twin.asset_by_id)


def test_manifests_need_an_owner(tmp_path: Path) -> None:
    """And a good one."""
    (tmp_path / "one.yml").write_text(COMPOSE)
    with pytest.raises(TwinError, match="give --owner NAME"):
        read_paths([tmp_path])
    with pytest.raises(TwinError, match="no id of an owner"):
        read_paths([tmp_path], "Big Corp/1")
