"""Requests to owners' HTTP interfaces: below their base, with our key, and not twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from tocsin.orchestrator.actuators.base import Malformed, Order, Refused, Unavailable
from tocsin.orchestrator.actuators.http_api import HttpApi, make_http_api
from tocsin.orchestrator.actuators.setup import Setup, SetupError
from tocsin.orchestrator.addresses import AddressError
from tocsin.tests.orchestrator.certificates import make_authority, make_server
from tocsin.tests.orchestrator.openc2_consumer import serving


@dataclass
class Interface:
    """What the owner's side saw."""

    url: str = ""
    seen: list[Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    says: list[int] = field(default_factory=list)  # statuses of the next answers

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "DELETE"])
        async def take(path: str, request: Request) -> Response:
            self.seen.append(request)
            self.bodies.append(await request.body())
            code = self.says.pop(0) if self.says else 200
            headers = {"Location": "/elsewhere"} if code == 302 else {}
            if path.endswith("large"):
                return Response(b"x" * 1_100_000)
            return JSONResponse({"ticket": "T-1", "n": 7}, code, headers)

        return app


@pytest.fixture
def interface() -> Iterator[Interface]:
    it = Interface()
    with serving(it.app()) as it.url:
        yield it


def actuator(folder: Path, url: str, **owner: Any) -> HttpApi:
    return make_http_api(Setup("http-api", folder, {"owners": {"edge": {"url": url, **owner}}}))


def order(key: str = "k", method: str = "POST", path: str = "/hosts/7/quarantine", **more: Any) -> Order:
    command = {"method": method, "path": path, "headers": more.pop("headers", {}), "content": more.pop("content", None)}
    return Order(key, "edge", command, "http-api", **more)


def test_the_request_is_sent_as_ordered(tmp_path: Path, interface: Interface) -> None:
    """Method, path, headers, content; our token and key; values come back by name."""
    (tmp_path / "token").write_text("s3cret\n")
    it = actuator(tmp_path, interface.url + "/api", token_file="token")
    headers = {"X-Why": ["isolate"], "Authorization": ["Bearer stolen"], "Host": ["other"]}
    sent = order(headers=headers, content='{"a": 1}', returns={"__ticket__": "string", "__n__": "integer"})
    done = it.carry_out(sent)
    (seen,) = interface.seen
    assert (seen.method, seen.url.path, interface.bodies) == ("POST", "/api/hosts/7/quarantine", [b'{"a": 1}'])
    assert seen.headers["authorization"] == "Bearer s3cret" and seen.headers["host"] != "other"
    assert seen.headers["x-why"] == "isolate" and seen.headers["idempotency-key"] == '"k"'
    assert dict(done.arguments) == {"__ticket__": "T-1", "__n__": "7"}
    assert "s3cret" not in repr(it)


@pytest.mark.parametrize(
    "sent",
    [
        order(path="/../admin"),
        order(path="/a/%2e%2e/admin"),
        order(path="/a/..%2fadmin"),
        order(path="/..;/admin"),
        order(path="/a/..;x=1/admin"),
        order(path="/%252e%252e/admin"),
        order(path="/a/%2e%2e%3b/admin"),
        order(headers={"X-A": ["caf\u00e9"]}),
        order(headers={"X-A": ["\ud800"]}),
        order(headers={"X-A": ["a\r\nX-B: c"]}),
        order(headers={"X A": ["a"]}),
        order(content="\ud800"),
        order(path="@evil.example/"),
        order(path="/a b"),
        order(path="/a\r\nX: y"),
        order(path="/a\\..\\b"),
        order(agent={"address": {"url": ["{base}/../admin"]}}),
        order(agent={"address": {"url": ["{base}/%2E%2e/admin"]}}),
        order(agent={"address": {"url": ["{base}.evil.example"]}}),
        order(agent={"address": {"url": ["urn:tocsin:actuator:shop"]}}),
        order(method="TRACE"),
        order(agent={"address": {"url": ["http://169.254.169.254/latest"]}}),
        order(agent={"address": {"url": ["http://127.0.0.1:1/api"]}}),
    ],
)
def test_a_playbook_cannot_choose_another_place(tmp_path: Path, interface: Interface, sent: Order) -> None:
    """The owner's settings say where; anything beside or above is refused."""
    base = interface.url + "/api"
    addresses = [url.format(base=base) for url in sent.agent.get("address", {}).get("url", ())]
    with pytest.raises(Refused):
        actuator(tmp_path, base).carry_out(replace(sent, agent={"address": {"url": addresses}}))
    with pytest.raises(Refused, match="'shop'"):
        actuator(tmp_path, interface.url).carry_out(Order("k", "shop", {"method": "GET", "path": "/"}, "http-api"))
    assert not interface.seen


def test_an_agent_below_the_base_is_taken(tmp_path: Path, interface: Interface) -> None:
    """As the playbook's agent has it: the base, a place below, or the host with the whole path in the command."""
    base = interface.url + "/api"
    for number, (url, path) in enumerate(
        [(base, "/x"), (base + "/v2", "/x"), (interface.url, "/api/x"), ("urn:tocsin:actuator:edge", "/x")]
    ):
        actuator(tmp_path, base).carry_out(order(str(number), path=path, agent={"address": {"url": [url]}}))
    assert [request.url.path for request in interface.seen] == ["/api/x", "/api/v2/x", "/api/x", "/api/x"]


def test_a_lost_answer_is_not_repeated_unless_that_is_harmless(tmp_path: Path, interface: Interface) -> None:
    """POST: once, then a person looks; PUT, or an interface that keeps keys: again, under the same key."""
    for number, (method, more, count) in enumerate(
        [("POST", {}, 1), ("PUT", {}, 2), ("POST", {"keeps_keys": True}, 2)]
    ):
        interface.seen.clear()
        interface.says = [500]
        it = actuator(tmp_path, interface.url, **more)
        with pytest.raises(Unavailable, match="HTTP 500"):
            it.carry_out(order(str(number), method))
        if count == 1:
            with pytest.raises(Unavailable, match="not repeated"):
                it.carry_out(order(str(number), method))
        else:
            assert it.carry_out(order(str(number), method)).status == 200
        assert len(interface.seen) == count


def test_what_was_turned_away_may_come_again(tmp_path: Path, interface: Interface) -> None:
    """503 and 429 did nothing; nor did a port where nobody listens."""
    interface.says = [503, 429]
    it = actuator(tmp_path, interface.url)
    for _ in range(2):
        with pytest.raises(Unavailable, match="try again later"):
            it.carry_out(order())
    assert it.carry_out(order()).status == 200
    with pytest.raises(Unavailable, match="not reached"):
        actuator(tmp_path, "http://127.0.0.1:9").carry_out(order("k2"))
    assert it.carry_out(order("k2")).status == 200


def test_why_it_failed_is_told_without_values(tmp_path: Path, interface: Interface) -> None:
    """Nothing where the step asks for values; else the body's beginning, without what we sent in it."""
    interface.says = [400, 400]
    it = actuator(tmp_path, interface.url)
    with pytest.raises(Refused, match=r"HTTP 400;"):
        it.carry_out(order("1", returns={"__ticket__": "string"}))
    with pytest.raises(Refused, match=r'HTTP 400: \{"ticket":"__word__"'):
        it.carry_out(order("2", arguments={"__word__": "T-1"}))


@pytest.mark.parametrize("code", [302, 400, 403, 409])
def test_no_and_elsewhere_are_refusals(tmp_path: Path, interface: Interface, code: int) -> None:
    """A redirection is not followed."""
    interface.says = [code]
    with pytest.raises(Refused, match=f"HTTP {code}"):
        actuator(tmp_path, interface.url).carry_out(order())
    assert len(interface.seen) == 1


def test_an_answer_that_is_too_large_is_malformed(tmp_path: Path, interface: Interface) -> None:
    """It is not kept."""
    with pytest.raises(Malformed):
        actuator(tmp_path, interface.url).carry_out(order(path="/large"))


def test_only_encrypted_and_verified(tmp_path: Path, interface: Interface) -> None:
    """Plain HTTP is for loopback; a certificate of a stranger's authority is not spoken to."""
    with pytest.raises(AddressError, match="https"):
        actuator(tmp_path, "http://10.0.0.1/api")
    trusted, alone = make_authority(tmp_path, "trusted"), make_server(tmp_path, "alone")
    good = make_server(tmp_path, "good", by=trusted)
    for server, is_good in ((good, True), (alone, False)):
        with serving(interface.app(), ssl_certfile=str(server.cert), ssl_keyfile=str(server.key)) as url:
            settings = {"ca_file": "trusted.pem", "owners": {"edge": {"url": url}}}
            it = make_http_api(Setup("http-api", tmp_path, settings))
            if is_good:
                assert it.carry_out(order("tls")).status == 200
            else:
                with pytest.raises(Unavailable, match="not reached"):
                    it.carry_out(order("tls2"))


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    """Token and certificates."""
    with pytest.raises(SetupError, match="token_file gone"):
        actuator(tmp_path, "https://edge.example", token_file="gone")
    with pytest.raises(SetupError, match="ca_file gone"):
        make_http_api(Setup("http-api", tmp_path, {"ca_file": "gone"}))
