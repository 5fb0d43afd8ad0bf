"""Several producers at one packet filter: each decides on its own addresses, and none lifts or overrides another's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from tocsin.orchestrator.enforcement import serving
from tocsin.orchestrator.enforcement.nft import Place, transaction
from tocsin.orchestrator.enforcement.point import EnforcementPoint
from tocsin.orchestrator.enforcement.reach import EVERYWHERE, NOWHERE, Reach
from tocsin.orchestrator.enforcement.rules import Flow, Rule, key_of
from tocsin.orchestrator.enforcement.tokens import read_token_file
from tocsin.orchestrator.openc2.consumer import create_consumer
from tocsin.orchestrator.openc2.message import CONTENT_TYPE, ENDPOINT
from tocsin.tests.orchestrator.filter_bench import by_producer

COMPLETE = {"response_requested": "complete"}
EDGE, SHOP = "token-of-the-edge-owner", "token-of-the-shop-owner"
WATCH = "token-of-one-who-watches"
WEB, GW = "shop/host/web", "edge/host/gw"


@dataclass
class Filter:
    """A packet filter as `tocsin actuator nftables` puts it together, with a kernel that takes all."""

    http: httpx.Client
    point: EnforcementPoint
    count: int = 0

    def send(self, token: str, action: str, target: dict[str, Any], **args: Any) -> tuple[int, dict[str, Any]]:
        """One command; OpenC2's status and the whole response."""
        self.count += 1
        command = {"action": action, "target": target, "args": {**COMPLETE, **args}}
        if action == "query":
            command.pop("args")
        message = {"headers": {"request_id": f"r{self.count}"}, "body": {"openc2": {"request": command}}}
        headers = {"Authorization": f"Bearer {token}", "Content-Type": CONTENT_TYPE}
        answer = self.http.post(ENDPOINT, content=json.dumps(message), headers=headers)
        response: dict[str, Any] = answer.json()["body"]["openc2"]["response"]
        return response["status"], response

    def deny(self, token: str, net: str) -> int:
        """A rule's number."""
        status, response = self.send(token, "deny", {"ipv4_net": net})
        assert status == 200, response
        return int(response["results"]["slpf"]["rule_number"])


def entry(producer: str, token: str, *addresses: str) -> dict[str, Any]:
    return {
        "producer": producer,
        "sha256": hashlib.sha256(token.encode()).hexdigest(),
        **({"addresses": addresses} if addresses else {}),
    }


@pytest.fixture
def wall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Filter]:
    """Edge decides on 10.1.0.0/16 and fd01::/32, the shop on 10.2.0.0/16; one may only ask."""
    listed = [
        entry("edge", EDGE, "10.1.0.0/16", "fd01::/32"),
        entry("shop", SHOP, "10.2.0.0/16"),
        entry("watch", WATCH),
    ]
    (tmp_path / "tokens.json").write_text(json.dumps(listed))
    (tmp_path / "names.json").write_text(json.dumps({"assets": {WEB: ["10.2.0.8"], GW: ["10.1.0.1", "fd01::1"]}}))
    monkeypatch.setattr(serving, "run", lambda _commands, _place: None)
    gate = serving.build(
        Place(), token_file=tmp_path / "tokens.json", state=tmp_path / "s.db", names=tmp_path / "names.json"
    )
    point = gate.enforcer
    assert isinstance(point, EnforcementPoint)
    with TestClient(create_consumer(gate)) as http:
        yield Filter(http, point)


def test_a_producer_decides_on_its_own_addresses_only(wall: Filter) -> None:
    """403 for those of others, for all addresses, and for a range wider than its own; nothing is written."""
    assert wall.send(EDGE, "deny", {"ipv4_net": "10.1.9.0/24"})[0] == 200
    kept = wall.point.store.rules()
    refused: tuple[dict[str, Any], ...] = (
        {"ipv4_net": "10.2.0.8"},
        {"ipv4_net": "10.0.0.0/8"},
        {"ipv4_net": "0.0.0.0/0"},
        {"ipv6_net": "fd02::1"},
        {"ipv4_connection": {"protocol": "tcp", "dst_port": 22}},
        {"ipv4_connection": {"src_addr": "10.2.0.8", "dst_addr": "10.3.0.1"}},
    )
    for target in refused:
        for action in ("deny", "allow"):
            status, response = wall.send(EDGE, action, target)
            assert status == 403 and "not for producer 'edge' to decide" in response["status_text"]
    assert wall.point.store.rules() == kept


def test_one_end_of_its_own_is_enough(wall: Filter) -> None:
    """An owner may cut what others send to its hosts, and what its hosts send to others."""
    for ends in ({"src_addr": "10.2.0.8", "dst_addr": "10.1.0.1"}, {"src_addr": "10.1.0.1", "dst_addr": "10.2.0.8"}):
        assert wall.send(EDGE, "deny", {"ipv4_connection": ends})[0] == 200


def test_names_of_the_twin_are_held_to_the_same_addresses(wall: Filter) -> None:
    """Its own asset, and a link that begins or ends at one; not the asset of another."""
    assert wall.send(EDGE, "contain", {"x-tocsin:asset": GW})[0] == 200
    assert wall.send(EDGE, "deny", {"x-tocsin:link": f"reaches {GW} {WEB} 22"})[0] == 200
    assert wall.send(EDGE, "contain", {"x-tocsin:asset": WEB})[0] == 403
    assert wall.send(SHOP, "contain", {"x-tocsin:asset": WEB})[0] == 200


def test_who_is_listed_without_addresses_may_ask_and_decide_nothing(wall: Filter) -> None:
    """Nothing is allowed by default."""
    assert wall.send(WATCH, "query", {"features": ["pairs"]})[0] == 200
    assert wall.send(WATCH, "deny", {"ipv4_net": "10.1.0.1"})[0] == 403
    assert wall.send("token-of-nobody-at-all", "query", {"features": []})[0] == 401
    assert not wall.point.store.rules()


def test_a_rule_of_another_is_not_deleted(wall: Filter) -> None:
    """A number that is not one's own is a 404, whoever else has it. Its maker can."""
    number = wall.deny(EDGE, "10.1.0.1")
    for other in (number, number - 1):
        assert wall.send(SHOP, "delete", {"slpf:rule_number": other})[0] == 404
    assert [rule.number for rule in wall.point.store.rules()] == [number]
    assert wall.send(EDGE, "delete", {"slpf:rule_number": number})[0] == 200


def test_a_query_tells_the_rules_of_who_asks(wall: Filter) -> None:
    """What others ordered is theirs to know."""
    wall.send(EDGE, "contain", {"x-tocsin:asset": GW})
    held = wall.point.store.rules()[0].number
    told = {
        token: wall.send(token, "query", {"x-tocsin:asset": GW})[1]["results"]["x-tocsin"]["rules"]
        for token in (EDGE, SHOP, WATCH)
    }
    assert told == {EDGE: [held], SHOP: [], WATCH: []}


def test_nobody_uses_up_what_others_need(wall: Filter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the rules, of which each has its part, nor the commands a minute."""
    monkeypatch.setattr("tocsin.orchestrator.enforcement.point.MAX_RULES", 6)
    for _ in range(2):
        wall.deny(EDGE, "10.1.0.1")
    status, response = wall.send(EDGE, "deny", {"ipv4_net": "10.1.0.1"})
    assert status == 500 and "2 rules of this producer" in response["status_text"]
    wall.deny(SHOP, "10.2.0.1")


def test_what_no_longer_is_a_producers_can_still_be_taken_back(wall: Filter) -> None:
    """The owner took addresses from its list: old rules stay until their maker lifts them."""
    number = wall.deny(EDGE, "10.1.0.1")
    wall.point.reaches = {"edge": NOWHERE}
    assert wall.send(EDGE, "deny", {"ipv4_net": "10.1.0.1"})[0] == 403
    assert wall.send(EDGE, "delete", {"slpf:rule_number": number})[0] == 200


def test_two_tokens_may_stand_for_one_producer(tmp_path: Path) -> None:
    """Nodes that stand in for each other; a token alone in its file commands all."""
    path = tmp_path / "tokens"
    path.write_text(json.dumps([entry("edge", EDGE, "10.1.0.0/16"), entry("edge", SHOP, "10.1.0.0/16")]))
    found = read_token_file(path)
    assert {found.tokens.producer(f"Bearer {token}") for token in (EDGE, SHOP)} == {"edge"}
    assert found.tokens.producer(f"Bearer {WATCH}") is None
    path.write_text(EDGE)
    assert read_token_file(path).reaches == {"node": EVERYWHERE}


def test_ranges_that_touch_are_one() -> None:
    """Two halves are the whole."""
    both = Reach.of(["0.0.0.0/1", "128.0.0.0/1"])
    assert both.covers(Flow(4, dport=22)) and not both.covers(Flow(6, dport=22))
    assert not Reach.of(["0.0.0.0/1"]).covers(Flow(4, dport=22))


# What the kernel makes of a transaction, for packets of two addresses: enough to see whose rule wins.
HOSTS = ("10.1.0.1", "10.1.0.2", "10.2.0.8", "10.3.0.3")
NETS = (None, "10.1.0.0/16", "10.2.0.0/16", *HOSTS)
FLOWS = st.builds(Flow, st.just(4), st.sampled_from(NETS), st.sampled_from(NETS))
LISTS = st.lists(st.tuples(st.sampled_from(["deny", "allow"]), FLOWS), max_size=5)


def passes(rules: Sequence[Rule], source: str, target: str) -> bool:
    """Whether a packet is forwarded, where the kernel was told rules."""
    chains: dict[str, list[list[dict[str, Any]]]] = {}
    for command in transaction(by_producer(rules), Place())["nftables"]:
        rule = command.get("add", {}).get("rule")
        if rule:
            chains.setdefault(rule["chain"], []).append(rule["expr"])
    return walked(chains, source, target)


def walked(chains: Mapping[str, list[list[dict[str, Any]]]], source: str, target: str) -> bool:
    """Whether a packet is forwarded by these chains: `return` leads back to behind the jump."""

    def walk(chain: str) -> str:
        for expressions in chains.get(chain, []):
            *matches, verdict = expressions
            if not all(_matches(one["match"], source, target) for one in matches):
                continue
            if "jump" in verdict:
                if walk(verdict["jump"]["target"]) == "drop":
                    return "drop"
                continue
            return next(iter(verdict))
        return "accept"

    return walk("forward") != "drop"


def _matches(match: dict[str, Any], source: str, target: str) -> bool:
    left = match["left"]
    if "meta" in left:
        return bool(match["right"] == "ipv4")
    seen = source if left["payload"]["field"] == "saddr" else target
    right = match["right"]
    net = f"{right['prefix']['addr']}/{right['prefix']['len']}" if isinstance(right, dict) else right
    return ip_address(seen) in ip_network(net)


def _rules(producer: str, first: int, wanted: list[tuple[Any, Flow]]) -> list[Rule]:
    return [
        Rule(first + number, verb, (flow,), key=key_of(producer, str(number)))
        for number, (verb, flow) in enumerate(wanted)
    ]


@given(LISTS, LISTS, st.booleans())
def test_a_packet_passes_where_it_passes_the_list_of_every_producer(
    edge: list[tuple[Any, Flow]], shop: list[tuple[Any, Flow]], edge_first: bool
) -> None:
    """Whatever numbers the rules have: no allow of one opens what the other denies, and alone each is as it was."""
    ours, theirs = _rules("edge", 1 if edge_first else 100, edge), _rules("shop", 50, shop)
    for source in HOSTS:
        for target in HOSTS:
            each = [passes(rules, source, target) for rules in (ours, theirs)]
            assert passes([*ours, *theirs], source, target) == all(each)
            first = next((verb for verb, flow in edge if _is_in(flow, source, target)), "allow")
            assert each[0] == (first == "allow")


def _is_in(flow: Flow, source: str, target: str) -> bool:
    ends = ((flow.src, source), (flow.dst, target))
    return all(net is None or ip_address(seen) in ip_network(net) for net, seen in ends)
