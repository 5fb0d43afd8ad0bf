"""Serving: refuses what is unsafe or missing before it writes anything, and works over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tocsin.orchestrator import assemble
from tocsin.orchestrator.actuators.openc2_http import Endpoint, OpenC2Http
from tocsin.orchestrator.api import create_app
from tocsin.orchestrator.assemble import Parts, Supply, build_node
from tocsin.orchestrator.client import ApiError, Client, sign_for
from tocsin.orchestrator.clock import SystemClock, iso
from tocsin.orchestrator.consent import Decision
from tocsin.orchestrator.identity import IdentityError
from tocsin.orchestrator.keys import make_home
from tocsin.orchestrator.node import Node
from tocsin.orchestrator.serve import Listen, ServeError, Worker, bind, check
from tocsin.orchestrator.settings import SettingsError, home_of, token_of
from tocsin.orchestrator.store import StoreError, open_existing, open_store
from tocsin.orchestrator.terms import TermsError, read_terms
from tocsin.tests.orchestrator.fakes import (
    GATEWAY,
    OWNERS,
    START,
    FakeAdvisor,
    ListScript,
    chain,
    cut,
    house,
    ocsf,
    shelf,
)
from tocsin.tests.orchestrator.openc2_consumer import Consumer, running, serving


def supplier(*_: Any) -> Supply:
    """Supply fakes."""
    return Supply(shelf(), lambda _playbook, _owner: True, FakeAdvisor(), ListScript())


@pytest.fixture
def small_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the small chain instead of the shipped one."""
    monkeypatch.setattr(assemble, "load_twin", lambda _chain: chain())


@pytest.mark.parametrize("host", ["0.0.0.0", "10.1.2.3", "example.org", "::"])
def test_leaving_loopback_needs_tls(host: str) -> None:
    """Any address but loopback is refused without TLS files."""
    with pytest.raises(ServeError, match="--tls-cert"):
        check(Listen(host, 8300))
    check(Listen("127.0.0.1", 8300))
    check(Listen("::1", 8300))


def test_tls_files_must_be_there(tmp_path: Path) -> None:
    """One TLS file alone, or one that is not there, is named."""
    with pytest.raises(ServeError, match="both"):
        check(Listen("0.0.0.0", 8300, tls_cert=tmp_path))
    with pytest.raises(ServeError, match="none.pem"):
        check(Listen("0.0.0.0", 8300, tls_cert=tmp_path / "none.pem", tls_key=tmp_path / "none.pem"))
    with pytest.raises(ServeError, match="no such file"):
        check(Listen("0.0.0.0", 8300, tls_cert=tmp_path / ("x" * 300), tls_key=tmp_path / "none.pem"))


def test_tls_files_must_be_pem(tmp_path: Path) -> None:
    """Files that hold no certificate and key are named before anything is served."""
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("no certificate")
    with pytest.raises(ServeError, match=r"cert\.pem.*key\.pem.*PEM form") as error:
        check(Listen("0.0.0.0", 8300, tmp_path / "cert.pem", tmp_path / "key.pem"))
    assert "\n" not in str(error.value)


def test_busy_port_is_named() -> None:
    """A port in use is one clear error."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ServeError, match=str(other.getsockname()[1])):
            bind(Listen("127.0.0.1", other.getsockname()[1]))


def test_missing_home_changes_nothing(tmp_path: Path, small_chain: None) -> None:
    """Without tokens nothing is served and no store is made."""
    home = home_of(tmp_path / "home", {})
    with pytest.raises(IdentityError, match="tokens.json"):
        build_node(home, Parts(), supplier)
    make_home(home.path, OWNERS, operator="edge")
    for path in home.trust.iterdir():
        path.unlink()
    with pytest.raises(IdentityError, match="trust"):
        build_node(home, Parts(), supplier)
    assert not (home.path / "store.sqlite").exists()


def test_unknown_owner_is_named(tmp_path: Path, small_chain: None) -> None:
    """A home of another chain is refused by the owner that is not in this one."""
    home = home_of(tmp_path / "home", {})
    make_home(home.path, ["edge", "mallory"], operator="edge")
    with pytest.raises(IdentityError, match="unknown owner 'mallory'"):
        build_node(home, Parts(), supplier)
    assert not (home.path / "store.sqlite").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("budgets: {mallory: {max_responses: 1}}", "unknown owner 'mallory'"),
        ("never_touch: [edge/host/none]", "edge/host/none"),
        ("budgets: {edge: {max_responses: -1}}", "budgets.edge.max_responses"),
        ("budgets: {edge: {max_criticality: .nan}}", "max_criticality"),
        ("order_s: 0", "order_s"),
        ("order_s: 86401", "order_s"),
        ("colour: red", "colour"),
        ("a: [", "line 2"),
        ("[" * 100_000, "nested too deeply"),
        ("a: !!python/object:os.system x", "not YAML"),
        ("a: &a [x]\nb: *a", "aliases"),
        ("- x", "top"),
    ],
)
def test_bad_terms_are_named(tmp_path: Path, text: str, said: str) -> None:
    """A terms file that cannot be used is one line with file and place."""
    path = tmp_path / "terms.yaml"
    path.write_text(text + "\n")
    with pytest.raises(TermsError, match="terms.yaml") as error:
        read_terms(path, owners=frozenset(OWNERS), assets=frozenset({GATEWAY}))
    assert said in str(error.value)


def test_terms_are_read(tmp_path: Path, small_chain: None) -> None:
    """Budgets, never-touch list and addresses come from HOME/terms.yaml, tokens from files."""
    home = home_of(tmp_path / "home", {})
    make_home(home.path, OWNERS, operator="edge")
    (home.path / "edge.token").write_text("t\n")
    (home.path / "terms.yaml").write_text(
        f"never_touch: [{GATEWAY}]\nbudgets: {{edge: {{max_responses: 2}}}}\n"
        "openc2: {edge: {url: 'http://127.0.0.1:9/openc2', token_file: edge.token}}\n"
    )
    node = build_node(home, Parts(lockstep=True), supplier)
    assert node.terms.never_touch == {GATEWAY} and node.terms.budgets["edge"].max_responses == 2
    openc2 = node.actuator.actuators["openc2-http"]  # type: ignore[attr-defined]
    assert openc2.endpoints == {"edge": Endpoint("http://127.0.0.1:9/openc2", "t")}


def test_store_must_be_a_store(tmp_path: Path) -> None:
    """A file that is no database is refused and left as it was."""
    path = tmp_path / "x.sqlite"
    path.write_bytes(b"this is no database, but long enough to be one" * 99)
    with pytest.raises(StoreError, match="x.sqlite"):
        open_store(f"sqlite:///{path}")
    with pytest.raises(StoreError, match="x.sqlite"):
        open_existing(path)
    assert path.read_bytes().startswith(b"this is no database")


@pytest.mark.parametrize("url", ["garbage", "nosuch://h/d", "sqlite:///" + "x" * 300])
def test_what_is_no_url_of_a_store_is_named(url: str) -> None:
    """TOCSIN_STORE is told as it is, with the mend."""
    for opened in (open_store, open_existing):
        with pytest.raises(StoreError, match=f"store .*{url[-10:]}.*; "):
            opened(url)


def test_secret_of_a_database_url_is_not_shown() -> None:
    """An error about a store does not show its password."""
    with pytest.raises(StoreError) as error:
        open_store("nosuch://user:secret@host/db")
    assert "secret" not in str(error.value)


def test_settings_come_from_flag_then_environment(tmp_path: Path) -> None:
    """Flags win over the environment; without a token the error says where to give one."""
    assert home_of(None, {"TOCSIN_HOME": "/x"}).path == Path("/x")
    assert home_of(tmp_path, {"TOCSIN_HOME": "/x"}).path == tmp_path
    assert home_of(tmp_path, {"TOCSIN_STORE": "postgresql://h/d"}).store_url == "postgresql://h/d"
    assert token_of(None, {"TOCSIN_TOKEN": " t "}) == "t"
    with pytest.raises(SettingsError, match="TOCSIN_TOKEN_FILE"):
        token_of(None, {})


@pytest.mark.parametrize("token", ["\u00e9", "a b", "a\nb", "\x7f"])
def test_what_can_be_no_token_is_told_by_its_place(tmp_path: Path, token: str) -> None:
    """A token goes out in a header: anything but printing ASCII is refused."""
    (tmp_path / "token").write_text(token)
    with pytest.raises(SettingsError, match="TOCSIN_TOKEN: holds no token"):
        token_of(None, {"TOCSIN_TOKEN": token})
    with pytest.raises(SettingsError, match="token: holds no token"):
        token_of(tmp_path / "token", {})


def test_incident_over_real_sockets(tmp_path: Path) -> None:
    """API and OpenC2 consumer as servers: events in, both owners sign, the order arrives once, undone, audit whole."""
    with running(Consumer()) as consumer:
        endpoint = Endpoint(consumer.url, consumer.token)
        actuator = OpenC2Http({"edge": endpoint, "shop": endpoint}, sleep=lambda _s: None)
        home = house(tmp_path, actuator=actuator)
        home.advisor.proposals = [cut()]
        with serving(create_app(home.node)) as url:
            clients = {owner: Client(url, home.token(owner, "approver")) for owner in OWNERS}
            operator = Client(url, home.token("edge", "operator"))
            Client(url, home.token("edge", "sensor")).post_events([ocsf("f1", GATEWAY)])
            operator.tick(iso(START + timedelta(minutes=1)))
            (row,) = clients["edge"].get("/v1/responses")
            path = f"/v1/responses/{row['id']}"
            for owner in ("edge", "shop"):
                names = {"owner": owner, "person": f"approver@{owner}", "valid": timedelta(hours=1)}
                jws = sign_for(clients[owner], row["id"], Decision.APPROVE, home.key(owner), **names)
                clients[owner].post(f"{path}/consent", {"jws": jws})
            consumer.lose_next = 1
            operator.tick(iso(START + timedelta(minutes=2)))
            assert clients["shop"].get(path)["state"] == "succeeded"
            clients["edge"].post(f"{path}/undo", None)
            home.advisor.proposals = []
            operator.tick(iso(START + timedelta(minutes=3)))
            assert clients["shop"].get(path)["state"] == "undone"
            with pytest.raises(ApiError, match="404"):
                clients["meter"].get(path)
        assert [command["action"] for command in consumer.done] == ["deny", "allow"]
        assert len(set(consumer.seen)) == 2 and len(consumer.seen) == 3


class Broken(FakeAdvisor):
    """An advisor whose first look fails."""

    looks = 0

    def observe(self, events: Any, now: Any) -> Any:
        """Fail once."""
        self.looks += 1
        if self.looks == 1:
            raise RuntimeError("first look")
        return super().observe(events, now)


def test_worker_ticks_and_outlives_a_fault(tmp_path: Path) -> None:
    """A node whose clock runs by itself is ticked; one failing tick does not end it."""
    home = house(tmp_path)
    node, advisor = home.node, Broken()
    running_node = Node(
        twin=node.twin,
        shelf=node.shelf,
        is_active=node.is_active,
        engine=node.engine,
        tokens=node.tokens,
        trust=node.trust,
        clock=SystemClock(),
        advisor=advisor,
        actuator=node.actuator,
        script=node.script,
        lease=node.lease,
    )
    with Worker(running_node, pause_s=0.01):
        until = time.monotonic() + 5
        while advisor.looks < 3 and time.monotonic() < until:
            time.sleep(0.01)
    assert advisor.looks >= 3 and threading.active_count() < 20
