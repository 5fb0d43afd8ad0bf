"""The range and the enforcement point for real: packets of real services, cut by real rules, opened again by undo."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tocsin.orchestrator.actuators.base import Refused, Unavailable
from tocsin.orchestrator.actuators.openc2_http import Endpoint, OpenC2Http
from tocsin.orchestrator.assemble import load_twin
from tocsin.orchestrator.enforcement.nft import Place, removal, run, transaction
from tocsin.orchestrator.enforcement.rules import LARGEST, Flow, Rule, key_of
from tocsin.orchestrator.lifecycle import State
from tocsin.orchestrator.range.machine import call, existing, lacking
from tocsin.orchestrator.range.probing import probe_all
from tocsin.orchestrator.range.running import describe, down, up
from tocsin.orchestrator.range.services import ssh_words
from tocsin.orchestrator.range.topology import HTTP, SSH, Host, Plan, RangeError
from tocsin.orchestrator.range.twin_of import predicted
from tocsin.orchestrator.script import CacaoScript
from tocsin.playbooks.actions import load_library
from tocsin.tests.orchestrator.certificates import make_authority, make_server
from tocsin.tests.orchestrator.fakes import ISOLATE, house, isolate
from tocsin.tests.orchestrator.node_steps import caller, kinds, only, signed
from tocsin.tests.systems.real_filter import COMPLETE, TOKEN, RealFilter, library_commands
from tocsin.twin.graph import Twin

pytestmark = pytest.mark.systems


@pytest.fixture(scope="module")
def plan() -> Plan:
    """A range of this test run alone."""
    reason = lacking()
    if reason:
        if os.environ.get("CI") == "true" and not reason.startswith("the kernel"):  # CI can install, not permit
            pytest.fail(f"no range: {reason}")
        pytest.skip(f"NO RANGE, nothing real was tested: {reason}")
    return Plan(f"tt{os.getpid()}")


@pytest.fixture(scope="module")
def place(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The range, up; its folder."""
    folder = tmp_path_factory.mktemp("range") / "files"
    up(plan, folder)
    yield folder
    down(plan, folder)


@pytest.fixture(scope="module")
def twin(place: Path) -> Twin:
    """What Tocsin reads out of the chain that the range wrote."""
    return load_twin(place / "chain")


@pytest.fixture
def wall(plan: Plan, place: Path, tmp_path: Path) -> Iterator[RealFilter]:
    """An enforcement point on the range's router; afterwards its table is gone."""
    found = RealFilter(
        tmp_path / "wall", plan.router, place / "names.json", ("--inside", plan.host("edge/gateway").wire)
    )
    found.start()
    yield found
    found.stop()
    call([*_in(plan.router), "nft", "delete", "table", "inet", "tocsin"])


def _in(namespace: str) -> list[str]:
    return ["ip", "netns", "exec", namespace]


def opens(plan: Plan, source: str, target: str, port: int = HTTP, *, ipv6: bool = False) -> bool:
    """Whether a new connection from one host to another is answered."""
    host = plan.host(target)
    address = host.ipv6 if ipv6 else host.ipv4
    code = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1.5)"
    words = [*_in(plan.host(source).namespace), "python3", "-I", "-c", code, address, str(port)]
    return subprocess.run(words, capture_output=True).returncode == 0


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Sockets that are made in the block belong to the namespace (this thread is there meanwhile)."""
    with open("/proc/self/ns/net") as home, open(f"/var/run/netns/{namespace}") as there:
        _setns(there.fileno())
        try:
            yield
        finally:
            _setns(home.fileno())


def _setns(number: int) -> None:
    import ctypes

    assert ctypes.CDLL(None, use_errno=True).setns(number, 0x40000000) == 0, os.strerror(ctypes.get_errno())


def ssh(plan: Plan, folder: Path, source: str, target: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Log in from one host to another with the reused key."""
    words = [*_in(plan.host(source).namespace), *ssh_words(folder, plan.host(target), *command)]
    return subprocess.run(words, capture_output=True, text=True, timeout=15)


def test_predicted_reachability_is_what_every_probe_finds(plan: Plan, place: Path, twin: Twin) -> None:
    """All ordered pairs, both ports, both families: 120 probes, as the twin's links say."""
    assert load_twin(place / "chain").owner_by_id.keys() == {"shop", "edge", "cloud"}
    wanted = predicted(twin)
    assert len(wanted) == 12
    assert probe_all(plan) == {4: wanted, 6: wanted}


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
        for action, target in (("delete", {"slpf:rule_number": number}), ("deny", {"ipv4_net": edge})):
            with pytest.raises(Refused, match="403"):
                wall.send({"action": action, "target": target, "args": COMPLETE}, token=of["shop"][0])
        wall.filter("allow", {"ipv4_net": edge})
        assert opens(plan, "shop/web", "edge/gateway"), "its own newest word counts"
    finally:
        wall.stop()
        call([*_in(plan.router), "nft", "delete", "table", "inet", "tocsin"])


def test_rules_come_back_after_the_kernel_lost_them(plan: Plan, wall: RealFilter) -> None:
    """As after a reboot: the table is gone, the actuator starts, the persistent rule stands and the other does not."""
    web, app = plan.host("edge/gateway"), plan.host("cloud/app")
    wall.filter("deny", {"ipv4_net": web.ipv4})
    wall.filter("deny", {"ipv4_net": app.ipv4}, slpf={"persistent": False})
    assert not opens(plan, "shop/web", "edge/gateway") and not opens(plan, "shop/web", "cloud/app")
    wall.stop()
    call([*_in(plan.router), "nft", "delete", "table", "inet", "tocsin"])
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
        call([*_in(plan.router), "nft", "delete", "table", "inet", "tocsin"])


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
    run(transaction(found, where), where)
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


def test_the_library_isolates_releases_and_cuts(plan: Plan, wall: RealFilter, twin: Twin) -> None:
    """Real probes equal the twin's prediction before, under isolation, under a cut link, and after undo and release."""
    gateway, before = plan.host("edge/gateway").asset, predicted(twin)

    def agrees(wanted: set[Any]) -> None:
        assert probe_all(plan) == {4: wanted, 6: wanted}

    isolate, undo = library_commands("isolate-asset", gateway, "response--1")
    wall.send(isolate)
    agrees(predicted(twin, isolated={gateway}))
    wall.send(undo)
    agrees(before)
    wall.send(isolate)
    wall.send(library_commands("release-asset", gateway, "response--2")[0])
    cut = (plan.host("shop/web").asset, gateway, SSH)
    block, unblock = library_commands("block-link", "reaches {} {} {}".format(*cut), "response--3")
    wall.send(block)
    agrees(predicted(twin, cut={cut}))
    wall.send(unblock)
    agrees(before)


def test_an_intruder_with_a_reused_key_is_contained(plan: Plan, place: Path, wall: RealFilter) -> None:
    """It moves web -> gateway -> app over real ssh; isolation of the gateway ends its session and bars both ways."""
    gateway = plan.host("edge/gateway")
    assert ssh(plan, place, "shop/web", "edge/gateway", "echo $TOCSIN_HOST").stdout == f"{gateway.asset}\n"
    assert ssh(plan, place, "edge/gateway", "cloud/app", "echo $TOCSIN_HOST").stdout == "cloud/host/app\n"
    assert ssh(plan, place, "shop/office", "shop/web", "true").returncode == 255  # the key does not open it
    with _session(plan, place, gateway) as session:
        assert _beats(session)
        wall.send(library_commands("isolate-asset", gateway.asset, "response--9")[0])
        assert not _beats(session)
        assert ssh(plan, place, "shop/web", "edge/gateway", "true").returncode == 255
        assert ssh(plan, place, "edge/gateway", "cloud/app", "true").returncode == 255
        assert opens(plan, "shop/web", "cloud/app") and opens(plan, "cloud/app", "cloud/db", SSH)
    wall.send(library_commands("isolate-asset", gateway.asset, "response--9")[1])
    assert ssh(plan, place, "shop/web", "edge/gateway", "true").returncode == 0


def test_a_node_contains_the_intruder_through_consent(
    plan: Plan, place: Path, wall: RealFilter, twin: Twin, tmp_path: Path
) -> None:
    """A whole response: proposed, rehearsed, signed by the owner, carried out on real rules, undone; audited."""
    playbook = load_library().playbooks[load_library().index_of("isolate-asset")]
    actuator = OpenC2Http({"edge": Endpoint(wall.url, TOKEN)}, sleep=lambda _s: None)
    home = house(tmp_path / "home", twin=twin, actuator=actuator)
    shelved = {ISOLATE: replace(home.node.shelf[ISOLATE], document=playbook)}
    home.node = replace(home.node, script=CacaoScript(), shelf=shelved)
    home.advisor.proposals = [isolate(plan.host("edge/gateway").asset)]
    home.tick()
    assert only(home).state is State.AWAITING_CONSENT
    assert ssh(plan, place, "shop/web", "edge/gateway", "true").returncode == 0
    home.node.consent(caller("edge"), only(home).id, signed(home, "edge"))
    home.tick()
    assert only(home).state is State.SUCCEEDED
    assert ssh(plan, place, "shop/web", "edge/gateway", "true").returncode == 255
    wanted = predicted(twin, isolated={plan.host("edge/gateway").asset})
    assert probe_all(plan) == {4: wanted, 6: wanted}
    home.node.want_undo(caller("edge"), only(home).id)
    home.advisor.proposals = []
    home.tick()
    assert only(home).state is State.UNDONE
    assert probe_all(plan) == {4: predicted(twin), 6: predicted(twin)}
    assert {"proposed", "consent", "order", "outcome", "undo_wanted"} <= set(kinds(home))


@contextmanager
def _session(plan: Plan, folder: Path, host: Host) -> Iterator[subprocess.Popen[bytes]]:
    """A shell of the intruder that says a line ten times a second."""
    words = ssh_words(folder, host, "while echo beat; do sleep 0.1; done")
    process = subprocess.Popen([*_in(plan.host("shop/web").namespace), *words], stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _beats(session: subprocess.Popen[bytes]) -> bool:
    """Whether lines still arrive, once what was on its way is read."""
    assert session.stdout is not None
    os.set_blocking(session.stdout.fileno(), False)
    time.sleep(0.5)
    session.stdout.read()
    time.sleep(1.5)
    return bool(session.stdout.read())


def test_up_twice_is_refused_and_down_takes_only_its_own(plan: Plan, place: Path, tmp_path: Path) -> None:
    """A second range stands beside the first, goes, goes again; the first stands as before."""
    with pytest.raises(RangeError, match="up already"):
        up(plan, place)
    other, folder = Plan(f"{plan.prefix}b"), tmp_path / "other"
    try:
        assert up(other, folder)["up"] and len(existing(other)) == 7
    finally:
        assert len(down(other, folder)) == 7
    assert down(other, folder) == [] and not folder.exists()
    assert describe(plan, place)["up"] and opens(plan, "shop/web", "edge/gateway")


def test_the_command_line_tells_machines(plan: Plan, tmp_path: Path) -> None:
    """`tocsin range up|status|down --json`, with exit codes; down of nothing is no fault."""
    words = ["--prefix", f"{plan.prefix}d", "--folder", str(tmp_path / "files"), "--json"]

    def run(*more: str) -> tuple[int, Any]:
        done = subprocess.run([sys.executable, "-m", "tocsin", "range", *more, *words], capture_output=True, text=True)
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    assert run("status")[0] == 1
    try:
        code, shown = run("up")
        assert code == 0 and shown["hosts"]["edge/host/gateway"]["ipv6"] == "fd77:0:0:3::2"
        code, again = run("up")
        assert code == 2 and "up already" in again
        code, shown = run("status", "--probe")
        assert code == 0 and shown["probes"]["ipv6"] == {"tried": 60, "reached": 12, "differs": []}
    finally:
        code, shown = run("down")
    assert code == 0 and len(shown["removed"]) == 7 and run("down") == (0, {"removed": []})


def test_a_folder_of_somebody_else_is_left_alone(plan: Plan, tmp_path: Path) -> None:
    """Files that are not a range's are neither overwritten nor removed."""
    (tmp_path / "thesis.txt").write_text("mine")
    other = Plan(f"{plan.prefix}c")
    with pytest.raises(RangeError, match="not a range's"):
        up(other, tmp_path)
    with pytest.raises(RangeError, match="not a range's"):
        down(other, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"
