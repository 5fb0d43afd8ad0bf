"""Every playbook of the library at a node: proposed by a person, consented, carried out on the plant, undone.

Node, advisor, interpreter, OpenC2 actuator and the plant's server are the real ones; the plant is calm and all work
succeeds. A new file in the library is tested here too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from joserfc.jwk import OKPKey
from starlette.testclient import TestClient
from tocsin.envs.game import make_game
from tocsin.envs.scenario import read_scenario
from tocsin.orchestrator.actuators.base import Actuator, Order, Outcome
from tocsin.orchestrator.actuators.manual import Tasks
from tocsin.orchestrator.actuators.openc2_http import Endpoint, OpenC2Http
from tocsin.orchestrator.actuators.router import build
from tocsin.orchestrator.advise import Situation, TwinAdvisor
from tocsin.orchestrator.api import create_app
from tocsin.orchestrator.asking import BY_TABLE, case_of, rule_consents
from tocsin.orchestrator.client import Client, sign_for
from tocsin.orchestrator.clock import LockstepClock, iso
from tocsin.orchestrator.consent import Decision
from tocsin.orchestrator.guard import Basis, Budget, GivenConsent, refusal
from tocsin.orchestrator.identity import TokenStore, TrustStore
from tocsin.orchestrator.keys import load_key, make_home, read_token
from tocsin.orchestrator.lease import NoLease
from tocsin.orchestrator.node import Node
from tocsin.orchestrator.plant.plant import Plant
from tocsin.orchestrator.plant.server import create_app as create_plant
from tocsin.orchestrator.plant.tokens import PlantTokens
from tocsin.orchestrator.plant.world import PlantWorld
from tocsin.orchestrator.proposals import Proposal
from tocsin.orchestrator.proposing import response_of
from tocsin.orchestrator.script import CacaoScript
from tocsin.orchestrator.shelf import shelf_of
from tocsin.orchestrator.store import open_store, sqlite_url
from tocsin.orchestrator.targets import resolve
from tocsin.orchestrator.terms import Terms
from tocsin.orchestrator.views import View
from tocsin.playbooks.actions import encode, load_library
from tocsin.playbooks.execute import among, installed
from tocsin.tests.orchestrator.fakes import START
from tocsin.tests.orchestrator.openc2_consumer import serving
from tocsin.twin.compiled import Int32
from tocsin.twin.graph import Twin
from tocsin.twin.rulebook.parameters import AttackerProfile, GameSettings
from tocsin.twin.sources import load_example
from tocsin.twin.vocabulary import ConsentMode, RunState

LIBRARY = load_library()
EVERY = pytest.mark.parametrize("name", LIBRARY.names)
FITTING = {  # one each, so that no two hold the same
    "isolate-asset": "fleet/host/erp",
    "quarantine-container": "csms/container/amqp",
    "preserve-and-isolate": "fleet/host/clerk-desk",
    "release-asset": "fleet/host/dispatch-desk",
    "restore-asset": "shop/container/search",
    "patch-and-reboot": "fleet/host/vpn",
    "fail-over-service": "shop/container/cart",
    "rate-limit-service": "csms/container/desk",
    "sinkhole-domain": "csms/data_store/customers",
    "kill-sessions": "shop/container/catalog",
    "raise-monitoring": "shop/container/checkout",
    "deploy-decoy": "fleet/data_store/erp",
    "revoke-credentials": "fleet/identity/dispatcher",
    "disable-identity": "fleet/identity/domain-admin",
    "put-process-in-safe-state": "energy/process/charging",
    "block-link": "reaches shop/service/checkout csms/service/api 8080",
    "unblock-link": "reaches telecom/container/upf energy/service/mqtt 1883",
    "suspend-update-channel": "supplies cloud/host/registry csms/container/ocpp-1 0",
    "notify-contact": "csms",
    "request-action": "telecom",
}
FIRST = {"release-asset": "isolate-asset", "unblock-link": "block-link"}  # what must hold before


@dataclass
class Wish:
    """A policy that wants one action, or nothing."""

    action: int = 0

    def __call__(self, situation: Situation) -> Int32:
        """The action where it is legal."""
        return np.where(situation.masks[:, self.action], self.action, 0).astype(np.int32)


@dataclass
class Watched:
    """The actuator, with what it was asked for and what came back."""

    inside: Actuator
    sent: list[tuple[Order, Outcome]] = field(default_factory=list)
    removes_duplicates: bool = True

    def carry_out(self, order: Order) -> Outcome:
        """Pass on, and remember."""
        outcome = self.inside.carry_out(order)
        self.sent.append((order, outcome))
        return outcome

    def read(self, order: Order) -> Outcome | None:
        """Pass on."""
        return self.inside.read(order)


@dataclass
class Site:
    """A node, and the plant that it acts on; minutes go by for both together."""

    home: Path
    node: TestClient
    plant: Plant
    world: PlantWorld
    actuator: Watched
    twin: Twin
    policy: Wish
    minutes: int = 0
    askers: dict[str, str] = field(default_factory=dict)  # who looks at a response

    def client(self, name: str) -> Client:
        """A client by the name of a token."""
        return Client("http://testserver", read_token(self.home / "tokens" / f"{name}.token"), http=self.node)

    def tick(self) -> None:
        """A minute goes by."""
        self.minutes += 1
        self.plant.step(1)
        self.client("csms.operator").tick(iso(START + timedelta(minutes=self.minutes)))

    def proposes(self, name: str, target: str) -> str:
        """A person who sees the target proposes, else the node itself does; give the response's id."""
        compiled = self.world.compiled
        owners = compiled.owners_of(compiled.target_number[target])
        seeing = [owner for owner in owners if View.of(self.twin, owner).sees_target(target)]
        if seeing:
            body = {"playbook": name, "targets": [target], "reason": "a test"}
            id_ = str(self.client(f"{seeing[0]}.approver").post("/v1/responses", body)["id"])
        else:
            self.policy.action = encode(LIBRARY.index_of(name), compiled.target_number[target], compiled.targets)
        self.tick()
        if not seeing:
            self.policy.action = 0
            (id_,) = [
                str(row["id"])
                for row in self.client(f"{owners[0]}.viewer").get("/v1/responses")
                if row["targets"] == [target]
            ]
        self.askers[id_] = (seeing or owners)[0]
        return id_

    def consents(self, id_: str) -> None:
        """Two persons sign for every owner that is asked: a quorum of two is the most that the chain wants."""
        for owner in self.row(id_)["owners"]:
            for person, name in ((f"approver@{owner}", owner), (f"second@{owner}", f"{owner}-2")):
                key, approver = load_key(self.home / "keys" / f"{name}.jwk"), self.client(f"{owner}.approver")
                valid = timedelta(hours=6)
                jws = sign_for(approver, id_, Decision.APPROVE, key, owner=owner, person=person, valid=valid)
                approver.post(f"/v1/responses/{id_}/consent", {"jws": jws})

    def answers(self) -> None:
        """A person answers every open task."""
        tasks = Tasks(self.home / "actuators" / "manual.sqlite")
        for task in tasks.all():
            if task.state == "open":
                values = dict.fromkeys(task.returns, "the account is locked")
                tasks.answer(task.key, "done", person="second@telecom", answer="done", values=values)
        tasks.close()

    def row(self, id_: str) -> dict[str, Any]:
        """A response as one that is asked sees it."""
        found: dict[str, Any] = self.client(f"{self.askers[id_]}.viewer").get(f"/v1/responses/{id_}")
        return found

    def ends(self, id_: str, *states: str, within: int = 60) -> str:
        """Let minutes go by until a response is in one of the states."""
        for _ in range(within):
            if (state := str(self.row(id_)["state"])) in states:
                return state
            self.tick()
            self.answers()
        return str(self.row(id_)["state"])

    def orders(self, id_: str) -> list[tuple[str, str]]:
        """Way and action of what was sent for a response."""
        return [(o.key.split("/")[1], str(o.command["action"])) for o, _ in self.actuator.sent if o.key.startswith(id_)]

    def holding(self, target: str) -> bool:
        """Whether the plant holds anything on a target."""
        rows = self.world._worlds.state.run[0]
        mine = rows[rows["target"] == self.world.compiled.target_number[target]]
        return bool((mine["state"] == RunState.HOLDING).any())


def second_persons(home: Path, owners: Sequence[str]) -> None:
    """Let every owner have a second approver."""
    for owner in owners:
        key, file = OKPKey.generate_key("Ed25519"), home / "trust" / f"{owner}.json"
        public = {name: str(key.as_dict(private=False)[name]) for name in ("kty", "crv", "x")}
        content = json.loads(file.read_text())
        content["keys"].append({"person": f"second@{owner}", "role": "approver", "jwk": public})
        file.write_text(json.dumps(content))
        (home / "keys" / f"{owner}-2.jwk").write_text(json.dumps(key.as_dict(private=True)))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One node and one plant for all playbooks."""
    home = tmp_path_factory.mktemp("home")
    twin = load_example().twin
    owners = [owner.id for owner in twin.owners]
    make_home(home, owners, operator="csms")
    second_persons(home, owners)
    game = make_game(read_scenario(), twin, LIBRARY)
    world = PlantWorld(
        game.compiled, LIBRARY.effects, seed=1, attackers=[AttackerProfile("nobody", absent=1.0)], start=START
    )
    world._worlds.effects.playbook["success"] = 1.0
    tokens = PlantTokens("operator-token-0000", {one: f"actuator-{one}" for one in owners}, {})
    nodes: list[Site] = []
    policy = Wish()

    def deliver(owner: str, events: Sequence[Mapping[str, Any]]) -> None:
        nodes[0].client(f"{owner}.sensor").post_events(events)

    plant = Plant(world, deliver)
    with serving(create_plant(plant, tokens, tick_s=60.0, lockstep=True)) as url:
        endpoints = {one: Endpoint(f"{url}/.well-known/openc2", tokens.actuator[one]) for one in owners}
        actuator = Watched(build(home, OpenC2Http(endpoints)))
        node = Node(
            twin=twin,
            shelf=shelf_of(LIBRARY),
            is_active=lambda _playbook, _owner: True,
            engine=open_store(sqlite_url(home / "store.sqlite")),
            tokens=TokenStore.load(home / "tokens.json"),
            trust=TrustStore.load(home / "trust"),
            clock=LockstepClock(START),
            advisor=TwinAdvisor(
                game.compiled,
                LIBRARY,
                game.effects,
                game.assumed,
                policy,
                frozenset({"isolate-asset", "suspend-update-channel"}),
            ),
            actuator=actuator,
            script=CacaoScript(among(LIBRARY.playbooks), supported=installed()),
            lease=NoLease(),
            terms=Terms(
                budgets={one: Budget(1000, 1000.0) for one in owners},
                response_s=20_000.0,
                fresh_s=20_000.0,
                verify_s=3600.0,
            ),
        )
        with TestClient(create_app(node)) as http:
            nodes.append(Site(home, http, plant, world, actuator, twin, policy))
            yield nodes[0]


@EVERY
def test_a_person_has_it_carried_out_and_undone(site: Site, name: str) -> None:
    """Rehearsed, consented, every order accepted, confirmed by what the plant reports; its undo is accepted too."""
    target, effect = FITTING[name], LIBRARY.effects[LIBRARY.index_of(name)]
    if name in FIRST:
        before = site.proposes(FIRST[name], target)
        site.consents(before)
        assert site.ends(before, "succeeded", "failed") == "succeeded"
    id_ = site.proposes(name, target)
    row = site.row(id_)
    assert row["state"] == "awaiting_consent" and row["forecast"]["this"], row
    site.consents(id_)
    assert site.ends(id_, "succeeded", "failed", "expired", "denied") == "succeeded", site.row(id_)
    sent = [(order, outcome) for order, outcome in site.actuator.sent if order.key.startswith(id_)]
    assert sent and {outcome.status for _, outcome in sent} == {200}
    assert site.holding(target) == (effect.mode is not None or effect.coverage or effect.cut)
    if not effect.undoable:
        return
    site.client(f"{row['owners'][0]}.approver").post(f"/v1/responses/{id_}/undo", None)
    assert site.ends(id_, "undone", "undo_failed") == "undone"
    assert {way for way, _ in site.orders(id_)} == {"do", "undo"}
    site.tick()
    assert not site.holding(target)


@pytest.mark.parametrize("name", [one for one in LIBRARY.names if FITTING[one] in ("csms", "telecom")])
def test_a_rehearsal_of_telling_an_owner_is_that_of_nothing_and_the_work(site: Site, name: str) -> None:
    """An owner as target is rehearsed like any other, and costs what it says."""
    id_ = site.proposes(name, "energy")
    forecast = site.row(id_)["forecast"]
    labour_h = LIBRARY.effects[LIBRARY.index_of(name)].labour_h
    cost = labour_h * site.world.compiled.twin.owner_by_id["energy"].value_per_hour * GameSettings().labour_rate
    assert forecast["this"]["mean"] == pytest.approx(forecast["nothing"]["mean"] + cost, abs=1e-3)


def test_evidence_is_copied_before_the_asset_is_isolated(site: Site) -> None:
    """Memory and logs, then the isolation of the playbook that it calls, which is also what undoes it."""
    target = "fleet/host/domain-controller"
    id_ = site.proposes("preserve-and-isolate", target)
    site.consents(id_)
    assert site.ends(id_, "succeeded", "failed") == "succeeded"
    assert site.orders(id_) == [("do", "copy"), ("do", "copy"), ("do", "contain")]
    site.client("fleet.approver").post(f"/v1/responses/{id_}/undo", None)
    assert site.ends(id_, "undone", "undo_failed") == "undone"
    assert site.orders(id_)[3:] == [("undo", "allow")]


def test_a_reboot_is_waited_for(site: Site) -> None:
    """The asset is asked once a minute until its work has ended."""
    id_ = site.proposes("patch-and-reboot", "shop/container/orders-db")
    site.consents(id_)
    assert site.ends(id_, "succeeded", "failed") == "succeeded"
    actions = [action for _, action in site.orders(id_)]
    assert actions[0] == "update" and set(actions[1:]) == {"query"}
    work = LIBRARY.effects[LIBRARY.index_of("patch-and-reboot")].work_s / 60
    assert work - 1 <= len(actions) - 1 <= work + 2


@pytest.mark.parametrize(
    ("target", "decoy"),
    [
        ("shop/identity/checkout", "credential"),
        ("csms/data_store/customers", "record"),
        ("csms/host/engine", "service"),
    ],
)
def test_a_decoy_suits_the_kind_of_its_target(site: Site, target: str, decoy: str) -> None:
    """The kind that the owner's system tells decides."""
    id_ = site.proposes("deploy-decoy", target)
    site.consents(id_)
    assert site.ends(id_, "succeeded", "failed") == "succeeded"
    orders = [order.command for order, _ in site.actuator.sent if order.key.startswith(id_)]
    assert [order["action"] for order in orders] == ["query", "create"]
    assert orders[1]["args"]["x-tocsin"]["what"] == decoy


def test_no_other_link_is_cut_as_an_update_channel(site: Site) -> None:
    """On a link that supplies nothing no order goes out."""
    target = "reaches csms/container/desk energy/service/gateway 59882"
    id_ = site.proposes("suspend-update-channel", target)
    site.consents(id_)
    site.tick()
    site.tick()
    assert site.row(id_)["state"] == "verifying" and site.orders(id_) == [] and not site.holding(target)


SAFETY = [
    name for name, effect in zip(LIBRARY.names, LIBRARY.effects, strict=True) if effect.consent_class.word == "safety"
]


@pytest.mark.parametrize("name", SAFETY)
def test_a_process_is_never_touched_automatically(site: Site, name: str) -> None:
    """The table gives no yes by itself, whatever it says; and one given by rule the guard does not take."""
    twin = replace(site.twin, consent=tuple(replace(rule, mode=ConsentMode.AT_ONCE) for rule in site.twin.consent))
    shelf, target = shelf_of(LIBRARY), "energy/process/feeder-breaker"
    shelved = shelf[LIBRARY.playbooks[LIBRARY.index_of(name)].id]
    proposal = Proposal(shelved.id, shelved.index, (target,), ("energy",), "a test", sources=9)
    found = resolve(twin, [target], shelved.effect)
    response = response_of(proposal, shelved, found, terms=Terms(), now=START, proposer="node", person="")
    later = START + timedelta(minutes=30)
    assert rule_consents(twin, shelf, response, [], asked=iso(START), now=later) == []
    by_rule = GivenConsent(
        "energy", BY_TABLE, Decision.APPROVE, Basis.RULE, response.binding, START + timedelta(hours=1)
    )
    told = refusal(
        case_of(
            response,
            [by_rule],
            twin=twin,
            shelf=shelf,
            terms=Terms(),
            is_active=lambda _playbook, _owner: True,
            spent={},
            kill_switch=False,
            now=later,
        )
    )
    assert told is not None and told.name == "safety"
