"""Abstract targets in a twin: what a category, sector, place, group or address names, or a refusal."""

from __future__ import annotations

from typing import Any

import pytest
from tocsin.playbooks.execute import Phase, StepFault
from tocsin.playbooks.targets import Found, expand_in, resolve_targets
from tocsin.tests.playbooks.flows import act, flow, run
from tocsin.tests.playbooks.makers import step_id
from tocsin.twin.graph import Asset, Link, Owner, Twin
from tocsin.twin.vocabulary import AssetKind, LinkKind


def _asset(name: str, kind: AssetKind = AssetKind.HOST, **attributes: str) -> Asset:
    owner = name.split("/")[0]
    return Asset(f"{owner}/{kind.word}/{name.split('/')[1]}", kind, owner, name.split("/")[1], attributes=attributes)


TWIN = Twin.build(
    owners=[Owner("edge"), Owner("shop")],
    assets=[
        _asset("shop/wall", category="firewall, router", ipv4="192.0.2.1", location="Hall 2", country="NO"),
        _asset("edge/wall", category="firewall", ipv4="198.51.100.1", ipv6="2001:db8::1", product="OpenWrt Linux"),
        _asset("shop/desk", location="Hall 1", country="no", city="Oslo", l2mac="aa-bb-cc-dd-ee-ff"),
        _asset("shop/web", AssetKind.CONTAINER, group="front"),
        _asset("edge/charger", AssetKind.DEVICE, sector="energy"),
        _asset("edge/control", AssetKind.SERVICE),
        _asset("edge/plant", AssetKind.SEGMENT),
        _asset("edge/tocsin", AssetKind.NODE),
        _asset("edge/outside", AssetKind.EXTERNAL, category="firewall"),
    ],
    links=[
        Link(LinkKind.RUNS_ON, "shop/container/web", "shop/host/wall"),
        Link(LinkKind.RUNS_ON, "edge/service/control", "edge/device/charger"),
        Link(LinkKind.REACHES, "edge/device/charger", "edge/segment/plant"),
        Link(LinkKind.MANAGES, "edge/node/tocsin", "edge/host/wall"),
    ],
)


def _names(**definition: Any) -> list[str]:
    return [one.asset for one in resolve_targets({"name": "t", **definition}, TWIN)]


@pytest.mark.parametrize(
    ("definition", "assets"),
    [
        ({"type": "security-category", "category": ["firewall"]}, ["edge/host/wall", "shop/host/wall"]),
        ({"type": "security-category", "category": ["Router", "siem"]}, ["shop/host/wall"]),
        ({"type": "security-category", "category": ["orchestrator"]}, ["edge/node/tocsin"]),
        ({"type": "security-category", "category": ["os-linux"]}, ["edge/host/wall"]),
        ({"type": "sector", "sector": "energy"}, ["edge/device/charger", "edge/service/control"]),
        ({"type": "location", "logical": ["hall 2"]}, ["shop/container/web", "shop/host/wall"]),
        ({"type": "location", "location": {"country": "NO", "city": "oslo"}}, ["shop/host/desk"]),
        ({"type": "location", "location": {"name": "Hall 1"}}, ["shop/host/desk"]),
        ({"type": "location", "logical": ["hall 1", "hall 2"], "location": {"city": "Oslo"}}, ["shop/host/desk"]),
        ({"type": "group", "name": "Front"}, ["shop/container/web"]),
        ({"type": "group", "name": "plant"}, ["edge/device/charger"]),
        ({"type": "net-address", "address": {"ipv4": ["192.0.2.0/24"]}}, ["shop/host/wall"]),
        ({"type": "net-address", "address": {"ipv6": ["2001:DB8:0::1"]}}, ["edge/host/wall"]),
        ({"type": "net-address", "address": {"l2mac": ["AA:BB:CC:DD:EE:FF"]}}, ["shop/host/desk"]),
        ({"type": "linux", "address": {"dname": ["desk"]}}, ["shop/host/desk"]),
    ],
)
def test_a_definition_names_the_assets_that_answer_it(definition: dict[str, Any], assets: list[str]) -> None:
    """Ordered by id; what runs on a place is there; nothing outside the chain is ever meant."""
    assert _names(**definition) == assets


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ({"type": "security-category", "category": ["siem"]}, "category siem"),
        ({"type": "sector", "sector": "water"}, "sector water"),
        ({"type": "sector"}, "sector none"),
        ({"type": "location"}, "place none"),
        ({"type": "location", "location": {"country": "SE"}}, "place se"),
        ({"type": "group", "name": "back"}, "group back"),
        ({"type": "net-address", "address": {"ipv4": ["203.0.113.1"]}}, "203.0.113.1"),
        ({"type": "net-address", "address": {"ipv4": ["no address"]}}, "no address"),
        ({"type": "individual"}, "names no systems"),
    ],
)
def test_where_nothing_answers_there_is_a_refusal(definition: dict[str, Any], said: str) -> None:
    """With what was asked for; never an empty success."""
    with pytest.raises(StepFault, match=said):
        _names(**definition)


def test_what_manages_an_asset_is_named_with_it() -> None:
    """An asset without a manager is its owner's own matter."""
    edge, shop = resolve_targets({"type": "security-category", "name": "w", "category": ["firewall"]}, TWIN)
    assert edge == Found("edge/host/wall", "edge", ("edge/node/tocsin",))
    assert shop == Found("shop/host/wall", "shop", ())


def test_a_run_acts_on_what_the_twin_names() -> None:
    """Through the interpreter, in both owners."""
    wall = {step_id("security-category", 1): {"type": "security-category", "name": "w", "category": ["firewall"]}}
    playbook = flow({"a1": act(1, on_completion="e0", targets=list(wall))}, target_definitions=wall)
    done = run(playbook, expand=expand_in(TWIN))
    assert [one.target["asset"] for one in done.sent] == ["edge/host/wall", "shop/host/wall"]
    assert done.state.phase is Phase.SUCCEEDED


def test_an_abstract_agent_is_one_system() -> None:
    """Of several none is chosen by chance."""
    agents = {
        step_id("security-category", number): {"type": "security-category", "name": name, "category": [name]}
        for number, name in ((1, "firewall"), (2, "router"))
    }
    for number, succeeded in ((1, False), (2, True)):
        step = {**act(1, on_completion="e0"), "agent": step_id("security-category", number)}
        done = run(flow({"a1": step}, agent_definitions=agents), expand=expand_in(TWIN))
        assert (done.state.phase is Phase.SUCCEEDED) is succeeded
    assert done.sent[0].agent["asset"] == "shop/host/wall"


def test_an_address_is_looked_up_where_there_is_a_twin() -> None:
    """Whose it is, is known then; one that is not in the chain is refused; without a twin it stands for itself."""
    for address, asset in (("192.0.2.1", "shop/host/wall"), ("203.0.113.9", None)):
        net = {step_id("net-address", 1): {"type": "net-address", "name": "n", "address": {"ipv4": [address]}}}
        playbook = flow({"a1": act(1, on_completion="e0", targets=list(net))}, target_definitions=net)
        done = run(playbook, expand=expand_in(TWIN))
        assert [one.target["asset"] for one in done.sent] == ([asset] if asset else [])
        assert "asset" not in run(playbook).sent[0].target
