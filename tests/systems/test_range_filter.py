"""The enforcement point on the range: packets of real services, cut by real rules, opened again by undo."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tocsin.orchestrator.actuators.base import Refused, Unavailable
from tocsin.orchestrator.enforcement.nft import Place, removal, run, transaction
from tocsin.orchestrator.enforcement.rules import LARGEST, Flow, Rule, key_of
from tocsin.orchestrator.range.machine import call
from tocsin.orchestrator.range.topology import HTTP, SSH, Plan
from tocsin.tests.orchestrator.certificates import make_authority, make_server
from tocsin.tests.orchestrator.filter_bench import by_producer
from tocsin.tests.systems.real_filter import COMPLETE, TOKEN, RealFilter
from tocsin.tests.systems.real_range import inside, into, opens

pytestmark = pytest.mark.systems


@pytest.mark.parametrize("ipv6", [False, True], ids=["IPv4", "IPv6"])
def test_a_denied_connection_is_cut_and_works_again_after_undo(plan: Plan, wall: RealFilter, ipv6: bool) -> None:
    """Worked, cut by deny (also what was open), survives two restarts of the actuator, works after delete."""
    source, target = "shop/web", "edge/gateway"
    address = plan.host(target).ipv6 if ipv6 else plan.host(target).ipv4
    assert opens(plan, source, target, ipv6=ipv6)
    with inside(plan.host(source).namespace):
        standing = socket.create_connection((address, HTTP), 2)
    connection = {"dst_addr": address, "dst_port": HTTP, "protocol": "tcp"}
    number = wall.filter("deny", {"ipv6_connection" if ipv6 else "ipv4_connection": connection})
    assert not opens(plan, source, target, ipv6=ipv6)
    standing.settimeout(1)
    standing.sendall(b"GET / HTTP/1.0\r\n\r\n")
    with pytest.raises(TimeoutError):
        standing.recv(1)
    assert opens(plan, source, target, ipv6=not ipv6) and opens(plan, source, target, SSH, ipv6=ipv6)
    for how in (signal.SIGTERM, signal.SIGKILL):
        wall.stop(how)
        assert not opens(plan, source, target, ipv6=ipv6)
        wall.start()
        assert not opens(plan, source, target, ipv6=ipv6)
    wall.delete(number)
    assert opens(plan, source, target, ipv6=ipv6)
    standing.close()


def test_no_producer_opens_what_another_denies(plan: Plan, place: Path, tmp_path: Path) -> None:
    """Two owners command one filter: an allow on top of the other's deny opens nothing, nor does a delete; lifted by
    its maker, packets pass again. Neither decides on the other's addresses."""
    edge, shop = plan.host("edge/gateway").ipv4, plan.host("shop/web").ipv4
    of = {"edge": (TOKEN, edge), "shop": (f"{TOKEN}-of-the-shop", shop)}
    listed = [
        {"producer": name, "sha256": hashlib.sha256(token.encode()).hexdigest(), "addresses": [address]}
        for name, (token, address) in of.items()
    ]
    wall = RealFilter(tmp_path / "wall", plan.router, tokens=json.dumps(listed))
    wall.start()
    try:
        number = wall.filter("deny", {"ipv4_net": edge})
        wall.filter("allow", {"ipv4_net": shop}, token=of["shop"][0])  # both ways, and on top
        assert not opens(plan, "shop/web", "edge/gateway")
        with pytest.raises(Refused, match="403"):
            wall.send({"action": "deny", "target": {"ipv4_net": edge}, "args": COMPLETE}, token=of["shop"][0])
        wall.delete(number, token=of["shop"][0])  # its own of that number
        with pytest.raises(Refused, match="404"):
            wall.delete(number, token=of["shop"][0])
        assert not opens(plan, "shop/web", "edge/gateway")
        wall.filter("allow", {"ipv4_net": edge})
        assert opens(plan, "shop/web", "edge/gateway"), "its own newest word counts"
    finally:
        wall.stop()
        call([*into(plan.router), "nft", "delete", "table", "inet", "tocsin"])


def test_rules_come_back_after_the_kernel_lost_them(plan: Plan, wall: RealFilter) -> None:
    """As after a reboot: the table is gone, the actuator starts, the persistent rule stands and the other does not."""
    web, app = plan.host("edge/gateway"), plan.host("cloud/app")
    wall.filter("deny", {"ipv4_net": web.ipv4})
    wall.filter("deny", {"ipv4_net": app.ipv4}, slpf={"persistent": False})
    assert not opens(plan, "shop/web", "edge/gateway") and not opens(plan, "shop/web", "cloud/app")
    wall.stop()
    call([*into(plan.router), "nft", "delete", "table", "inet", "tocsin"])
    assert opens(plan, "shop/web", "edge/gateway")
    wall.start()
    assert not opens(plan, "shop/web", "edge/gateway") and opens(plan, "shop/web", "cloud/app")


def test_a_rule_ends_by_itself_even_without_its_actuator(plan: Plan, wall: RealFilter) -> None:
    """The kernel looks at the clock: the actuator is killed, the rule ends on time all the same."""
    wall.filter("deny", {"ipv4_net": plan.host("edge/gateway").ipv4}, duration=8_000)
    ends = time.monotonic() + 9.5  # whole seconds, outwards
    wall.stop(signal.SIGKILL)
    assert not opens(plan, "shop/web", "edge/gateway")
    while not opens(plan, "shop/web", "edge/gateway"):
        assert time.monotonic() < ends + 2
    wall.start()


def test_a_rule_for_later_begins_later(plan: Plan, wall: RealFilter) -> None:
    """start_time: open until then, closed from then on."""
    start = int((time.time() + 8) * 1000)
    wall.filter("deny", {"ipv4_net": plan.host("edge/gateway").ipv4}, start_time=start)
    assert opens(plan, "shop/web", "edge/gateway")
    time.sleep(max(0.0, start / 1000 - time.time()) + 0.1)
    assert not opens(plan, "shop/web", "edge/gateway")


def test_a_reject_tells_the_sender(plan: Plan, wall: RealFilter) -> None:
    """drop_process reject: the host is unreachable at once, no waiting."""
    host = plan.host("edge/gateway")
    wall.filter("deny", {"ipv4_net": host.ipv4}, slpf={"drop_process": "reject"})
    with inside(plan.host("shop/web").namespace), pytest.raises(OSError, match="No route to host"):
        socket.create_connection((host.ipv4, HTTP), 5)


def test_direction_counts_from_the_inside(plan: Plan, wall: RealFilter) -> None:
    """The gateway's wire is inside: with egress of ssh cut it cannot call outwards, but may be called."""
    wall.filter("deny", {"ipv4_connection": {"dst_port": SSH, "protocol": "tcp"}}, slpf={"direction": "egress"})
    assert not opens(plan, "edge/gateway", "cloud/app", SSH)
    assert opens(plan, "shop/web", "edge/gateway", SSH) and opens(plan, "shop/office", "shop/web", SSH)


def test_the_newer_allow_counteracts_a_deny(plan: Plan, wall: RealFilter) -> None:
    """A range is denied, one host of it allowed; delete of the allow closes it again."""
    wall.filter("deny", {"ipv4_net": "10.77.0.0/16"})
    assert not opens(plan, "shop/web", "edge/gateway")
    number = wall.filter("allow", {"ipv4_net": plan.host("edge/gateway").ipv4})
    assert not opens(plan, "shop/web", "cloud/app")
    # Our table lets it by; the owners' own filter after it still decides.
    assert opens(plan, "shop/web", "edge/gateway") and not opens(plan, "shop/office", "edge/gateway")
    wall.delete(number)
    assert not opens(plan, "shop/web", "edge/gateway")


def test_over_tls_with_a_verified_certificate(plan: Plan, place: Path, tmp_path: Path) -> None:
    """HTTPS as the command line serves it: our authority is needed, and then a rule is made."""
    trusted = make_authority(tmp_path, "trusted")
    server = make_server(tmp_path, "server", by=trusted)
    options = ("--tls-cert", str(server.cert), "--tls-key", str(server.key))
    wall = RealFilter(tmp_path / "wall", plan.router, options=options)
    wall.start()
    try:
        assert wall.url.startswith("https://")
        with pytest.raises(Unavailable, match="not reached"):
            wall.filter("deny", {"ipv4_net": plan.host("edge/gateway").ipv4})
        wall.ca = trusted.cert
        wall.delete(wall.filter("deny", {"ipv4_net": plan.host("edge/gateway").ipv4}))
    finally:
        wall.stop()
        call([*into(plan.router), "nft", "delete", "table", "inet", "tocsin"])


ADDRESSES = {
    4: st.sampled_from([None, "10.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "255.255.255.255"]),
    6: st.sampled_from([None, "fd77::1", "fd77::/16", "::/0", "::ffff:10.0.0.1"]),
}
PORTED = st.none() | st.integers(0, 65_535)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Any rule that a command can ask for."""
    flows = []
    for _ in range(draw(st.integers(1, 3))):
        family = draw(st.sampled_from([4, 6]))
        protocol = draw(st.sampled_from([None, "icmp", "tcp", "udp", "sctp"]))
        sport, dport = (None, None) if protocol == "icmp" else (draw(PORTED), draw(PORTED))
        flows.append(Flow(family, draw(ADDRESSES[family]), draw(ADDRESSES[family]), sport, dport, protocol))  # type: ignore[arg-type]
    return Rule(
        draw(st.integers(1, LARGEST)),
        draw(st.sampled_from(["deny", "allow"])),
        tuple(flows),
        draw(st.sampled_from(["both", "ingress", "egress"])),
        draw(st.booleans()),
        start_ms=draw(st.sampled_from([0, 1, 1_900_000_000_000])),
        stop_ms=draw(st.sampled_from([None, 1, 1_900_000_000_001, 4_000_000_000_000])),
        key=key_of(draw(st.sampled_from(["edge", "shop", "a b"])), "1"),
    )


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(found=st.lists(rules(), max_size=6))
def test_the_kernel_takes_every_list_of_rules(plan: Plan, place: Path, found: list[Rule]) -> None:
    """Whatever a command may ask for, nft understands how we say it."""
    where = Place("tocsintry", plan.router, (plan.host("edge/gateway").wire,), management=8450)
    run(transaction(by_producer(found), where), where)
    run(removal(where), where)


def test_strangers_and_repetitions_change_nothing(plan: Plan, wall: RealFilter) -> None:
    """A wrong token is refused; one request, sent twice over a restart, makes one rule."""
    deny = {"action": "deny", "target": {"ipv4_net": plan.host("edge/gateway").ipv4}, "args": COMPLETE}
    with pytest.raises(Refused, match="401"):
        wall.send(deny, token="not-the-token-at-all")
    assert opens(plan, "shop/web", "edge/gateway")
    first = wall.send(deny, "once")
    wall.stop(signal.SIGKILL)
    wall.start()
    assert wall.send(deny, "once") == first
    wall.delete(int(first.results["slpf"]["rule_number"]))
    assert opens(plan, "shop/web", "edge/gateway")
