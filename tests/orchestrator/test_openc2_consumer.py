"""An OpenC2 consumer over HTTP(S): who may command, what it answers, and that nothing is done twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from tocsin.orchestrator.actuators.base import Order, Refused, Unavailable
from tocsin.orchestrator.actuators.openc2_http import Endpoint, OpenC2Http
from tocsin.orchestrator.openc2.consumer import Asked, Gate, Tokens, create_consumer
from tocsin.orchestrator.openc2.language import Command, Response
from tocsin.orchestrator.openc2.memory import Memory
from tocsin.orchestrator.openc2.message import CONTENT_TYPE, ENDPOINT
from tocsin.orchestrator.openc2.profiles import Profile, known_profiles
from tocsin.tests.orchestrator.certificates import make_authority, make_server
from tocsin.tests.orchestrator.openc2_consumer import serving

DENY = {"action": "deny", "target": {"ipv4_net": "10.9.0.0/16"}, "args": {"response_requested": "complete"}}


class Counter:
    """An enforcer that counts."""

    def __init__(self) -> None:
        self.done: list[Asked] = []
        self.breaks = False

    @property
    def profiles(self) -> Mapping[str, Profile]:
        return known_profiles()

    @property
    def pairs(self) -> Mapping[str, tuple[str, ...]]:
        return {"deny": ("ipv4_net",)}

    def is_meant(self, command: Command) -> bool:
        return command.actuator == "slpf" and command.specifiers.asset_id in (None, "fw-1")

    def carry_out(self, asked: Asked) -> Response:
        if self.breaks:
            raise RuntimeError("the wall fell")
        self.done.append(asked)
        return Response(200, "OK", {"slpf": {"rule_number": len(self.done)}})


class Client:
    """Sends requests to a consumer in memory."""

    def __init__(self, enforcer: Counter, memory: Memory, **settings: Any) -> None:
        gate = Gate(enforcer, Tokens.of({"node": "right", "other": "another"}), memory, **settings)
        self.app = create_consumer(gate)
        self.http = TestClient(self.app, raise_server_exceptions=False)

    def send(self, command: Any, key: str = "1", *, token: str = "right", **headers: str) -> tuple[int, Any]:
        body = {"headers": {"request_id": key}, "body": {"openc2": {"request": command}}}
        return self.post(json.dumps(body).encode(), token=token, **headers)

    def post(self, body: bytes, *, token: str = "right", **headers: str) -> tuple[int, Any]:
        sent = {"Authorization": f"Bearer {token}", "Content-Type": CONTENT_TYPE, **headers}
        answer = self.http.post(ENDPOINT, content=body, headers=sent)
        if not answer.content:
            return answer.status_code, None
        assert answer.headers["content-type"] == CONTENT_TYPE
        return answer.status_code, answer.json()["body"]["openc2"]["response"]


@pytest.fixture
def enforcer() -> Counter:
    return Counter()


@pytest.fixture
def client(enforcer: Counter) -> Client:
    return Client(enforcer, Memory())


def test_a_good_command_is_carried_out_once_per_request(client: Client, enforcer: Counter) -> None:
    """A repetition gives the first answer; another request id is another command."""
    assert client.send(DENY) == (200, {"status": 200, "status_text": "OK", "results": {"slpf": {"rule_number": 1}}})
    assert client.send(DENY)[1]["results"]["slpf"]["rule_number"] == 1
    assert client.send(DENY, "2")[1]["results"]["slpf"]["rule_number"] == 2
    assert [asked.key for asked in enforcer.done] == ["1", "2"]


def test_the_memory_outlives_a_restart(enforcer: Counter, tmp_path: Path) -> None:
    """After a restart on the same file the repetition is still known."""
    first = Memory(tmp_path / "memory.db")
    assert Client(enforcer, first).send(DENY)[0] == 200
    first.close()
    answer = Client(enforcer, Memory(tmp_path / "memory.db")).send(DENY)
    assert answer[1]["results"]["slpf"]["rule_number"] == 1 and len(enforcer.done) == 1


def test_one_id_for_two_commands_is_a_bad_request(client: Client, enforcer: Counter) -> None:
    """A producer that reuses an id is told so, and nothing is done."""
    client.send(DENY)
    status, answer = client.send({**DENY, "target": {"ipv4_net": "10.8.0.0/16"}})
    assert status == 400 and "request_id" in answer["status_text"] and len(enforcer.done) == 1


def test_equal_ids_of_two_producers_are_two_requests(client: Client, enforcer: Counter) -> None:
    """Nobody answers for another's numbers."""
    client.send(DENY)
    client.send(DENY, token="another")
    assert [asked.producer for asked in enforcer.done] == ["node", "other"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic right", "right"])
def test_strangers_are_refused_before_anything_is_read(client: Client, enforcer: Counter, header: str) -> None:
    """No token, an empty one, a wrong one: 401, by default."""
    status, _ = client.send(DENY, Authorization=header)
    assert status == 401 and not enforcer.done


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ({"action": "deny"}, 400),
        ({"action": "dance", "target": {"ipv4_net": "10.0.0.1"}}, 400),
        ({**DENY, "target": {"ipv4_net": "10.0.0.300"}}, 400),
        ({**DENY, "target": {"ipv6_net": "::1"}}, 501),
        ({**DENY, "action": "allow"}, 501),
        ({**DENY, "actuator": {"x-other": {}}}, 501),
        ({**DENY, "actuator": {"slpf": {"asset_id": "fw-2"}}}, 404),
        ({"action": "delete", "target": {"slpf:rule_number": 1}}, 501),
        ({**DENY, "args": {"slpf": {"insert_rule": 1}}}, 400),
    ],
)
def test_what_is_not_understood_or_not_here_is_told_apart(client: Client, command: Any, status: int) -> None:
    """400: no OpenC2; 404: another actuator is meant; 501: not implemented here."""
    code, answer = client.send(command)
    assert code == status == answer["status"] and answer["status_text"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[" * 10_000,
        b" " * 100_000,
        b'{"headers": {"request_id": "1"}, "headers": {}, "body": {}}',
        b'{"headers": {"request_id": "1"}, "body": {"openc2": {"response": {"status": 200}}}}',
        b'{"headers": {}, "body": {"openc2": {"request": {"action": "query", "target": {"features": []}}}}}',
    ],
)
def test_hostile_bodies_are_bad_requests(client: Client, enforcer: Counter, body: bytes) -> None:
    """Empty, deep, large, doubled, answering instead of asking, nameless."""
    assert client.post(body)[0] == 400 and not enforcer.done


def test_features_are_told(client: Client) -> None:
    """The one command that every consumer must know (4.1)."""
    query = {"action": "query", "target": {"features": ["versions", "profiles", "pairs", "rate_limit"]}}
    _, answer = client.send(query)
    assert answer["results"]["versions"] == ["1.0"] and answer["results"]["profiles"] == ["slpf", "x-tocsin"]
    assert answer["results"]["pairs"] == {"query": ["features"], "deny": ["ipv4_net"]}
    assert client.send({"action": "query", "target": {"features": []}}, "2") == (
        200,
        {"status": 200, "status_text": "OK"},
    )


def test_a_producer_that_wants_no_answer_gets_none(client: Client, enforcer: Counter) -> None:
    """`none`: done, and nothing said; `ack`: 102."""
    assert client.send({**DENY, "args": {"response_requested": "none"}}) == (200, None)
    assert client.send({**DENY, "action": "allow", "args": {"response_requested": "none"}}, "3") == (200, None)
    assert client.send({**DENY, "args": {"response_requested": "ack"}}, "2")[1]["status"] == 102
    assert len(enforcer.done) == 2


def test_the_id_may_stand_in_the_http_header(client: Client, enforcer: Counter) -> None:
    """Where the message has none, X-Request-ID counts (transfer specification 3.3.3)."""
    body = json.dumps({"body": {"openc2": {"request": DENY}}}).encode()
    assert client.post(body, **{"X-Request-ID": "h-1"})[0] == 200 and enforcer.done[0].key == "h-1"


def test_a_fault_of_ours_is_an_internal_error_and_may_be_tried_again(client: Client, enforcer: Counter) -> None:
    """500 without insides; the same request succeeds once the fault is mended."""
    enforcer.breaks = True
    status, answer = client.send(DENY)
    assert status == 500 and "wall" not in json.dumps(answer)
    enforcer.breaks = False
    assert client.send(DENY)[0] == 200


def test_too_many_commands_are_told_to_come_later(enforcer: Counter) -> None:
    """Beyond the rate limit: 503, which a producer tries again; repetitions do not count."""
    client = Client(enforcer, Memory(), rate_limit=2)
    assert [client.send(DENY, key)[0] for key in ("1", "2", "2", "3")] == [200, 200, 200, 503]


def test_our_producer_and_our_consumer_speak_the_same_language(enforcer: Counter) -> None:
    """Over a real connection: done, done once, refused with the consumer's own words."""
    app = Client(enforcer, Memory()).app
    order = Order("response--0b7e2a8e-6b2e-4a43-8ab1-2c3d4e5f6a7b/do/step-1/1", "edge", DENY)
    with serving(app) as url:
        producer = OpenC2Http({"edge": Endpoint(url + ENDPOINT, "right")}, sleep=lambda _s: None)
        first = producer.carry_out(order)
        assert first.results == {"slpf": {"rule_number": 1}} and producer.carry_out(order) == first
        with pytest.raises(Refused, match="allow ipv4_net is not supported here"):
            producer.carry_out(Order("2", "edge", {**DENY, "action": "allow"}))
    assert len(enforcer.done) == 1


def test_orders_go_to_verified_consumers_only(enforcer: Counter, tmp_path: Path) -> None:
    """HTTPS: what a trusted authority signed is spoken to; self-signed or signed by a stranger never hears a token."""
    app = Client(enforcer, Memory()).app
    trusted, stranger = make_authority(tmp_path, "trusted"), make_authority(tmp_path, "stranger")
    good = make_server(tmp_path, "good", by=trusted)
    alone, forged = make_server(tmp_path, "alone"), make_server(tmp_path, "forged", by=stranger)
    order = Order("1", "edge", DENY)
    for server, is_good in ((good, True), (alone, False), (forged, False)):
        with serving(app, ssl_certfile=str(server.cert), ssl_keyfile=str(server.key)) as url:
            ends = {"edge": Endpoint(url + ENDPOINT, "right")}
            producer = OpenC2Http(ends, ca_file=str(trusted.cert), sleep=lambda _s: None)
            if is_good:
                assert producer.carry_out(order).status == 200
                with pytest.raises(Unavailable, match="not reached"):  # the system's authorities do not know ours
                    OpenC2Http(ends, sleep=lambda _s: None).carry_out(order)
            else:
                with pytest.raises(Unavailable, match="not reached"):
                    producer.carry_out(order)
    assert len(enforcer.done) == 1


def test_a_certificate_for_another_name_is_refused(enforcer: Counter, tmp_path: Path) -> None:
    """Signed by the right authority, for 127.0.0.1 alone: `localhost` is not it."""
    trusted = make_authority(tmp_path, "trusted")
    good = make_server(tmp_path, "good", by=trusted)
    with serving(Client(enforcer, Memory()).app, ssl_certfile=str(good.cert), ssl_keyfile=str(good.key)) as url:
        wrong = url.replace("127.0.0.1", "localhost") + ENDPOINT
        producer = OpenC2Http({"edge": Endpoint(wrong, "right")}, ca_file=str(trusted.cert), sleep=lambda _s: None)
        with pytest.raises(Unavailable, match="not reached"):
            producer.carry_out(Order("1", "edge", DENY))
    assert not enforcer.done


def test_other_methods_and_paths_are_not_served(client: Client) -> None:
    """POST at the well-known place, nothing else."""
    assert client.http.get(ENDPOINT).status_code == 405
    assert client.http.get("/docs").status_code == 404
    assert isinstance(client.http, httpx.Client)
