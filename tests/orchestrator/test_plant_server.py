"""The plant over HTTP: OpenC2 by owner, lockstep with delivery, the truth after the end only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from tocsin.orchestrator.actuators.base import Order, Refused
from tocsin.orchestrator.actuators.openc2_http import Endpoint, OpenC2Http
from tocsin.orchestrator.api import create_app as create_node_app
from tocsin.orchestrator.keys import make_home
from tocsin.orchestrator.plant.delivery import to_orchestrator
from tocsin.orchestrator.plant.openc2 import CONTENT_TYPE
from tocsin.orchestrator.plant.plant import DeliveryFailed, Plant
from tocsin.orchestrator.plant.server import create_app
from tocsin.orchestrator.plant.tokens import TokensError, read_tokens
from tocsin.tests.orchestrator.fakes import house
from tocsin.tests.orchestrator.openc2_consumer import serving
from tocsin.tests.orchestrator.plant_chain import (
    CHARGER,
    GATEWAY,
    ISOLATE,
    LINK,
    TOKENS,
    WATCH,
    WEB,
    chain,
    plant_world,
)

OPERATOR = {"Authorization": f"Bearer {TOKENS.operator}"}


class Listener:
    """Takes telemetry, or is away."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Any]] = []
        self.away = False

    def __call__(self, owner: str, events: Sequence[Any]) -> None:
        if self.away:
            raise DeliveryFailed("nobody there")
        self.taken += [(owner, event) for event in events]


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def client(listener: Listener) -> TestClient:
    return TestClient(create_app(Plant(plant_world(), listener), TOKENS, tick_s=60.0, lockstep=True))


def command(target: dict[str, str], playbook: str = ISOLATE, **more: Any) -> dict[str, Any]:
    wish = {"playbook": playbook, "response": "r1", **more}
    return {"action": "contain", "target": {"x-tocsin": target}, "args": {"x-tocsin": wish}}


def send(
    client: TestClient, owner: str, content: dict[str, Any], key: str = "k1", **headers: str
) -> tuple[int, int, str]:
    """Give HTTP status, OpenC2 status and text."""
    message = {"headers": {"request_id": key}, "body": {"openc2": {"request": content}}}
    standard = {"Authorization": f"Bearer {TOKENS.actuator[owner]}", "Content-Type": CONTENT_TYPE}
    answer = client.post("/.well-known/openc2", content=json.dumps(message), headers=standard | headers)
    response = answer.json().get("body", {}).get("openc2", {}).get("response", {})
    return answer.status_code, response.get("status", 0), response.get("status_text", "")


def step(client: TestClient, ticks: int = 1) -> Any:
    answer = client.post("/step", json={"ticks": ticks}, headers=OPERATOR)
    assert answer.status_code == 200, answer.text
    return answer.json()


def truth(client: TestClient) -> Any:
    client.post("/end", headers=OPERATOR)
    return client.get("/truth", headers=OPERATOR).json()


def test_stepping_delivers_per_owner_before_it_returns(client: TestClient, listener: Listener) -> None:
    """The clock moves, and each owner's events went out as that owner."""
    before = client.get("/clock").json()
    after = step(client, 60)
    assert (before["tick"], after["tick"], after["mode"], after["simulated"]) == (0, 60, "lockstep", True)
    assert after["events"] == len(listener.taken) > 0 and before["time"] < after["time"]
    assert {owner for owner, _ in listener.taken} == {"shop", "edge"}
    assert all(event["device"]["uid"].startswith(f"{owner}/") for owner, event in listener.taken if "device" in event)


def test_telemetry_is_kept_while_nobody_takes_it(client: TestClient, listener: Listener) -> None:
    """The step says 502; nothing is lost or doubled."""
    listener.away = True
    assert client.post("/step", json={"ticks": 40}, headers=OPERATOR).status_code == 502
    listener.away = False
    step(client, 60)
    uids = [event["metadata"]["uid"] for _, event in listener.taken]
    assert len(set(uids)) == len(uids) > 0


def test_an_order_is_carried_out_once_per_request_id(client: TestClient) -> None:
    """The same id again gets the same answer and changes nothing; with another command it is refused."""
    first = send(client, "edge", command({"asset": GATEWAY}))
    assert first[:2] == (200, 200)
    step(client, 5)
    assert send(client, "edge", command({"asset": GATEWAY})) == first
    assert send(client, "edge", command({"asset": GATEWAY}, WATCH))[1] == 400
    step(client, 5)
    assert [entry["kind"] for entry in truth(client)["trace"]].count("started") == 1


def test_the_target_is_written_as_the_language_asks(client: TestClient) -> None:
    """Profile, colon, name: the same asset as in the older form."""
    content = {**command({"asset": GATEWAY}), "target": {"x-tocsin:asset": GATEWAY}}
    assert send(client, "edge", content)[1] == 200
    assert "runs already" in send(client, "edge", command({"asset": GATEWAY}), "k2")[2]


def test_undo_takes_the_effect_back(client: TestClient, listener: Listener) -> None:
    """Telemetry shows the mode go."""
    send(client, "edge", command({"asset": GATEWAY}))
    step(client, 3)
    assert send(client, "edge", command({"asset": GATEWAY}, undo=True), "k2")[1] == 200
    step(client, 3)
    told = [event["security_states"] for _, event in listener.taken if event["class_uid"] == 5019]
    assert [state["state"] for state in told[0]][:1] == ["isolated"] and told[-1] == []


def test_either_owner_of_a_link_may_have_it_cut(client: TestClient) -> None:
    """The second owner's order finds it running."""
    assert "starts" in send(client, "shop", command({"link": LINK}, "playbook--cut"))[2]
    assert "runs already" in send(client, "edge", command({"link": LINK}, "playbook--cut"))[2]


def test_an_owner_commands_its_own_only(client: TestClient) -> None:
    """Another owner's asset is forbidden, and a token of nobody gets nowhere."""
    assert send(client, "shop", command({"asset": GATEWAY}))[:2] == (403, 403)
    assert send(client, "shop", command({"asset": WEB}), Authorization="Bearer nobody")[0] == 401
    assert send(client, "shop", command({"asset": WEB}), Authorization=f"Bearer {TOKENS.operator}")[0] == 401
    assert "started" not in [entry["kind"] for entry in truth(client)["trace"]]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"action": "explode"}, 400),
        ({"target": {"ipv4_net": "10.0.0.0/8"}}, 501),
        ({"target": {"x-tocsin": {"asset": GATEWAY, "owner": "edge"}}}, 400),
        ({"target": {"x-tocsin": {}}}, 400),
        ({"target": {"x-tocsin": {"asset": 7}}}, 400),
        ({"target": "gateway"}, 400),
        ({"args": {}}, 400),
        ({"args": {"response_requested": "complete"}}, 501),
        ({"args": {"slpf": {"direction": "both"}}}, 501),
        ({"target": {"x-tocsin:host": GATEWAY}}, 501),
        ({"surprise": 1}, 400),
        ({"args": {"x-tocsin": {"playbook": "playbook--nobody"}}}, 501),
        ({"args": {"x-tocsin": {"playbook": ISOLATE, "undo": "yes"}}}, 400),
        ({"target": {"x-tocsin": {"asset": "edge/host/none"}}}, 404),
        ({"target": {"x-tocsin": {"owner": "edge"}}}, 400),
        ({"args": {"x-tocsin": {"playbook": "playbook--release"}}}, 400),
    ],
)
def test_bad_commands_are_refused_as_openc2_says(client: TestClient, change: dict[str, Any], status: int) -> None:
    """400 for what is no command, 501 for what is not of this profile, 404 for what is not here."""
    http, code, text = send(client, "edge", command({"asset": GATEWAY}) | change)
    assert (http, code) == (200, status) and text


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"headers": {}}', b"[" * 60_000, b"\xff"])
def test_what_is_no_message_is_answered_with_400(client: TestClient, body: bytes) -> None:
    """Any bytes get an OpenC2 answer."""
    headers = {"Authorization": f"Bearer {TOKENS.actuator['edge']}", "Content-Type": CONTENT_TYPE}
    answer = client.post("/.well-known/openc2", content=body, headers=headers)
    assert answer.json()["body"]["openc2"]["response"]["status"] == 400
    assert answer.headers["content-type"] == CONTENT_TYPE


def test_media_type_and_size_are_checked(client: TestClient) -> None:
    """Plain JSON is not OpenC2; a body has an end."""
    assert send(client, "edge", command({"asset": GATEWAY}), **{"Content-Type": "application/json"})[0] == 415
    assert send(client, "edge", command({"asset": "x" * 70_000}))[0] == 413


def test_the_truth_is_told_after_the_end_only(client: TestClient) -> None:
    """Before it nobody gets it, not even the operator; after it nothing moves any more."""
    step(client)
    assert client.get("/truth", headers=OPERATOR).status_code == 409
    for route in ("/step", "/end"):
        assert client.post(route).status_code == 401
        actuator = {"Authorization": f"Bearer {TOKENS.actuator['edge']}"}
        assert client.post(route, headers=actuator).status_code == 401
    assert truth(client)["ticks"] == 1
    assert client.get("/truth").status_code == 401
    assert client.post("/step", headers=OPERATOR).status_code == 409
    assert send(client, "edge", command({"asset": GATEWAY}))[1] == 503


def test_a_free_plant_is_not_stepped(listener: Listener) -> None:
    """Steps are for lockstep."""
    app = create_app(Plant(plant_world(), listener), TOKENS, tick_s=60.0, lockstep=False)
    assert TestClient(app).post("/step", headers=OPERATOR).status_code == 409


@pytest.mark.parametrize("ticks", [0, -1, 1.5, 10**9, "2"])
def test_a_step_has_a_size(client: TestClient, ticks: Any) -> None:
    """Odd numbers of ticks are refused."""
    assert client.post("/step", json={"ticks": ticks}, headers=OPERATOR).status_code == 422


def test_with_the_real_node_and_actuator(tmp_path: Path) -> None:
    """Telemetry reaches a node over its API with the owners' tokens; our OpenC2 actuator commands the plant."""
    make_home(tmp_path, ["edge", "net", "shop"], operator="edge")
    home = house(tmp_path, twin=chain())
    sensor = {o: [home.token(o, name) for name in ("sensor", "sensor-2")] for o in ("edge", "net", "shop")}
    with TestClient(create_node_app(home.node)) as http:
        plant = Plant(plant_world(), to_orchestrator("", sensor, http=http))
        sent = plant.step(60)
    home.tick()
    assert sent == len(home.advisor.observed) > 0
    with serving(create_app(plant, TOKENS, tick_s=60.0, lockstep=True)) as url:
        actuator = OpenC2Http(
            {owner: Endpoint(f"{url}/.well-known/openc2", token) for owner, token in TOKENS.actuator.items()}
        )
        outcome = actuator.carry_out(Order("r/do/1/1", "edge", command({"asset": CHARGER})))
        assert (outcome.status, "starts" in outcome.text) == (200, True)
        with pytest.raises(Refused, match="403"):
            actuator.carry_out(Order("r/do/1/2", "shop", command({"asset": CHARGER})))


def test_a_node_that_is_away_fails_the_delivery() -> None:
    """The reason is one line."""
    deliver = to_orchestrator("http://127.0.0.1:9", TOKENS.sensor, http=httpx.Client(base_url="http://127.0.0.1:9"))
    with pytest.raises(DeliveryFailed, match="telemetry of 'edge'"):
        deliver("edge", [{"class_uid": 4001}])


GOOD = {
    "operator": TOKENS.operator,
    "owners": {o: {"actuator": TOKENS.actuator[o], "sensor": TOKENS.sensor[o]} for o in TOKENS.sensor},
}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("{}", "operator"),
        (json.dumps(GOOD | {"owners": {}}), "owners: edge, net, shop"),
        (json.dumps(GOOD | {"operator": TOKENS.actuator["edge"]}), "one token stands for two"),
        (json.dumps(GOOD | {"operator": "short"}), "operator"),
    ],
)
def test_token_files_are_checked(tmp_path: Path, text: str, says: str) -> None:
    """File and place are named, tokens are not."""
    path = tmp_path / "plant.json"
    path.write_text(text)
    with pytest.raises(TokensError, match=says) as error:
        read_tokens(path, owners=frozenset(TOKENS.sensor))
    assert "token-edge" not in str(error.value)
    path.write_text(json.dumps(GOOD))
    assert read_tokens(path, owners=frozenset(TOKENS.sensor)) == TOKENS
