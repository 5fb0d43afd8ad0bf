"""A sensor token in an attacker's hands: what it can and cannot make a node do, through the API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from tocsin.envs.game import Game, load_game
from tocsin.envs.scenario import read_scenario
from tocsin.orchestrator.advise import Situation, TwinAdvisor
from tocsin.orchestrator.api import create_app
from tocsin.orchestrator.client import ApiError, Client
from tocsin.orchestrator.clock import SKEW, LockstepClock, iso
from tocsin.orchestrator.identity import TokenStore, TrustStore
from tocsin.orchestrator.keys import make_home, read_token
from tocsin.orchestrator.lease import NoLease
from tocsin.orchestrator.node import Node
from tocsin.orchestrator.script import CacaoScript
from tocsin.orchestrator.shelf import shelf_of
from tocsin.orchestrator.store import open_store, sqlite_url
from tocsin.orchestrator.twin_state import TwinState
from tocsin.playbooks.actions import encode
from tocsin.tests.orchestrator.fakes import GATEWAY, START, FakeActuator, house, ocsf
from tocsin.twin.compiled import Int32
from tocsin.twin.sensing.events import Event, EventClass
from tocsin.twin.sensing.findings import Finding
from tocsin.twin.vocabulary import Confidence, SensorClass, StepClass

YEAR_2099 = 4_070_908_800_000


@pytest.fixture(scope="module")
def game() -> Game:
    return load_game(read_scenario())


@dataclass
class Wish:
    """A policy that wants one action while it wants anything."""

    action: int
    wants: bool = True

    def __call__(self, situation: Situation) -> Int32:
        """The action where it is legal."""
        return np.where(situation.masks[:, self.action] & self.wants, self.action, 0).astype(np.int32)


@dataclass
class Site:
    """A node with the real detectors and advisor, whose policy wants one asset monitored."""

    home: Path
    http: TestClient
    asset: str
    policy: Wish

    def client(self, name: str) -> Client:
        """Give a client by the name of a token."""
        return Client("http://testserver", read_token(self.home / "tokens" / f"{name}.token"), http=self.http)

    def post(self, token: str, *events: dict[str, Any]) -> int:
        """Post events by one of the shop's tokens."""
        return self.client(f"shop.{token}").post_events(events)

    def tick(self, minutes: float) -> list[dict[str, Any]]:
        """Tick, and give the responses that the shop sees."""
        self.client("csms.operator").tick(iso(START + timedelta(minutes=minutes)))
        viewer = self.client("shop.viewer")
        return [viewer.get(f"/v1/responses/{row['id']}") for row in viewer.get("/v1/responses")]

    def exploit(self, uid: str, *, at_ms: int | None = None) -> dict[str, Any]:
        """An event that makes a finding of a network sensor."""
        event = ocsf(uid, self.asset)
        event |= {"class_uid": 4002, "http_request": {"url": {"path": "/?q=${jndi:ldap://x}"}}}
        return event if at_ms is None else event | {"time": at_ms}

    def shell(self, uid: str) -> dict[str, Any]:
        """An event that makes a finding of a host sensor."""
        process = {"name": "sh", "cmd_line": "sh"}
        actor = {"process": {"name": "java"}}
        return ocsf(uid, self.asset) | {"class_uid": 1007, "activity_id": 1, "process": process, "actor": actor}


@pytest.fixture
def site(game: Game, tmp_path: Path) -> Iterator[Site]:
    twin, library = game.compiled.twin, game.library
    make_home(tmp_path, [owner.id for owner in twin.owners], operator="csms")
    playbook = library.index_of("raise-monitoring")
    kinds = shelf_of(library)[library.playbooks[playbook].id].effect.kinds
    asset = next(one.id for one in twin.assets if one.owner == "shop" and one.kind in kinds)
    policy = Wish(encode(playbook, game.compiled.target_number[asset], game.compiled.targets))
    node = Node(
        twin=twin,
        shelf=shelf_of(library),
        is_active=lambda _playbook, _owner: True,
        engine=open_store(sqlite_url(tmp_path / "store.sqlite")),
        tokens=TokenStore.load(tmp_path / "tokens.json"),
        trust=TrustStore.load(tmp_path / "trust"),
        clock=LockstepClock(START),
        advisor=TwinAdvisor(game.compiled, library, game.effects, game.assumed, policy),
        actuator=FakeActuator(),
        script=CacaoScript(),
        lease=NoLease(),
    )
    with TestClient(create_app(node), raise_server_exceptions=False) as http:
        yield Site(tmp_path, http, asset, policy)


def test_one_token_is_one_source_whatever_it_claims(site: Site) -> None:
    """Findings of two sensor classes by one token do not make the owner's rule consent by itself."""
    site.post("sensor", site.exploit("e1"), site.shell("e2"))
    (response,) = site.tick(1)
    assert (response["sources"], len(response["evidence"])) == (1, 2)
    assert response["state"] == "awaiting_consent" and not response["consents"]


def test_two_collectors_that_agree_are_two_sources(site: Site) -> None:
    """The same two findings by the owner's two tokens: its rule says yes, and the response is carried out."""
    site.post("sensor-2", site.exploit("e1"))
    site.post("sensor", site.shell("e2"))
    (response,) = site.tick(1)
    assert response["sources"] == 2
    assert [(one["owner"], one["basis"]) for one in response["consents"]] == [("shop", "rule")]
    assert response["state"] in ("executing", "verifying")


def test_two_collectors_of_one_class_are_one_source(site: Site) -> None:
    """What deceives one network sensor deceives the other."""
    site.post("sensor-2", site.exploit("e1"))
    site.post("sensor", site.exploit("e2"))
    (response,) = site.tick(1)
    assert response["sources"] == 1 and response["state"] == "awaiting_consent"


def test_a_finding_does_not_outlive_its_time(site: Site) -> None:
    """Forged ahead as far as the node's clock allows, it bears out nothing half an hour and the skew after it came."""
    ahead = round((START + timedelta(hours=20)).timestamp() * 1000)
    site.policy.wants = False
    site.post("sensor-2", site.exploit("e1", at_ms=ahead))
    assert site.tick(1) == []
    site.policy.wants = True
    (response,) = site.tick(1 + 31 + SKEW.total_seconds() / 60)
    assert (response["sources"], response["evidence"]) == (0, [])


def test_events_from_the_future_are_refused_to_their_sender(tmp_path: Path) -> None:
    """With the place, both times and the mend; the others of the post are not kept either."""
    home = house(tmp_path)
    with TestClient(create_app(home.node)) as http:
        sensor = Client("http://testserver", home.token("edge", "sensor"), http=http)
        with pytest.raises(ApiError, match="event 1: time 2099-01-01.* set the sensor's clock right") as error:
            sensor.post_events([ocsf("e1", GATEWAY), ocsf("e2", GATEWAY) | {"time": YEAR_2099}])
        assert (error.value.status, error.value.reason) == (422, "event_from_the_future")
        assert sensor.post_events([ocsf("e3", GATEWAY)]) == 1
    home.tick()
    assert [event.uid for event in home.advisor.observed] == ["e3"]


def test_the_credential_is_the_nodes_word_not_the_senders(tmp_path: Path) -> None:
    """An event that claims a credential is recorded with the one it came by, which tells tokens apart and not more."""
    home = house(tmp_path)
    with TestClient(create_app(home.node)) as http:
        for name in ("sensor", "sensor-2"):
            event = ocsf(name, GATEWAY) | {"credential": "forged"}
            Client("http://testserver", home.token("edge", name), http=http).post_events([event])
    home.tick()
    seen = {event.uid: event.credential for event in home.advisor.observed}
    assert len(set(seen.values())) == 2 and "forged" not in seen.values()
    assert all(len(one) == 16 and one not in home.token("edge", name) for name, one in seen.items())


def test_a_flood_of_one_owner_crowds_no_other_out_of_belief(game: Game) -> None:
    """A tick holds so many findings and so many reports of restored assets: every owner keeps its room in it."""
    state = TwinState(game.compiled, game.effects, game.assumed, tuple(one.id for one in game.library.playbooks))
    shop = [asset.id for asset in game.compiled.twin.assets if asset.owner == "shop"]
    finding = Finding(shop[0], SensorClass.HOST, StepClass.EXPLOIT, Confidence.HIGH, 0, "shop", "rule")
    room = state.world.finding.shape[1]
    flood = [replace(finding, asset=asset, time_ms=n) for n in range(room) for asset in shop]
    other = replace(finding, asset="csms/container/desk", owner="csms", confidence=Confidence.LOW)
    restore = game.library.playbooks[game.library.index_of("restore-asset")].id
    done = Event("e", EventClass.REMEDIATION, 99, 0, shop[0], "shop", "inventory", operation=restore)
    flooded = [replace(done, asset=asset, operation=f"{restore}{n}") for n in range(2_000) for asset in shop[:1]]
    reports = [replace(done, asset=other.asset, owner="csms"), *flooded, *(replace(done, asset=one) for one in shop)]
    state.advance(reports, [*flood, other])
    number = game.compiled.asset_number[other.asset]
    assert number in state.world.finding[0, : state.world.world["finding_n"][0], 0]
    assert number in state.world.cleaned[0, : state.world.world["cleaned_n"][0], 0]
    assert state.worked(restore, number, 0, 0) is not None
