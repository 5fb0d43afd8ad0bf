"""A small chain, a home in memory, and fakes of what other rooms supply: advisor, interpreter, actuator.

The chain: `edge` runs a gateway and a controller, `shop` a web shop that depends on the controller; `edge` shares its
findings with `shop`; `meter` is a third owner that shares nothing and touches nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from joserfc.jwk import OKPKey
from tocsin.orchestrator.actuators.base import Order, Outcome, Refused, Unavailable
from tocsin.orchestrator.clock import LockstepClock
from tocsin.orchestrator.interpreting import NO_TIME, Due, Moment, RunEvent, Script, StepOrder, StepOutcome
from tocsin.orchestrator.keys import load_key, make_home, read_token
from tocsin.orchestrator.lease import NoLease
from tocsin.orchestrator.node import Node
from tocsin.orchestrator.proposals import BeliefRow, Estimate, Forecast, Proposal, SeenFinding, Verification
from tocsin.orchestrator.records import Response
from tocsin.orchestrator.revocable import LiveTokens, LiveTrust
from tocsin.orchestrator.shelf import IsActive, Shelved
from tocsin.orchestrator.store import open_store, sqlite_url
from tocsin.orchestrator.terms import Terms
from tocsin.orchestrator.versions import Versions
from tocsin.twin.facts import key_of
from tocsin.twin.graph import Asset, ConsentRule, Link, Owner, Sharing, Twin
from tocsin.twin.rulebook.effects import Effect
from tocsin.twin.sensing.events import Event
from tocsin.twin.vocabulary import AssetKind, ConsentClass, ConsentMode, LinkKind, Mode, Proposer, TargetType

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
ISOLATE, CUT = "playbook--isolate", "playbook--cut"
GATEWAY, CONTROLLER, WEB, METER = "edge/host/gateway", "edge/service/controller", "shop/service/web", "meter/device/m1"
CROSSING = Link(LinkKind.REACHES, WEB, GATEWAY, port=443)
OWNERS = ("edge", "meter", "shop")


def chain(*consent: ConsentRule) -> Twin:
    """Give the chain, with the given consent rules."""
    return Twin.build(
        owners=[Owner("edge", contact="ops@edge.example"), Owner("shop"), Owner("meter")],
        assets=[
            Asset(GATEWAY, AssetKind.HOST, "edge", "gateway", criticality=1.0),
            Asset(CONTROLLER, AssetKind.SERVICE, "edge", "controller", criticality=3.0),
            Asset(WEB, AssetKind.SERVICE, "shop", "web", criticality=1.0, crown_jewel=True),
            Asset(METER, AssetKind.DEVICE, "meter", "m1", criticality=1.0),
        ],
        links=[CROSSING, Link(LinkKind.DEPENDS_ON, WEB, GATEWAY)],
        sharing=[Sharing("edge", "shop", ("findings",))],
        consent=list(consent),
    )


def at_once(owner: str, consent_class: ConsentClass = ConsentClass.CONTAIN) -> ConsentRule:
    """Give a rule by which the owner lets its own node act at once."""
    return ConsentRule(owner, consent_class, Proposer.OWN, ConsentMode.AT_ONCE)


def shelf(*, hold_s: float = 0.0) -> dict[str, Shelved]:
    """Give two playbooks: isolate a host or service, cut a boundary link."""
    common: dict[str, Any] = {"work_s": 60.0, "hold_s": hold_s, "labour_h": 0.1, "success": 0.9, "undoable": True}
    kinds = (AssetKind.HOST, AssetKind.SERVICE)
    contain = ConsentClass.CONTAIN
    isolate = Effect(ISOLATE, TargetType.ASSET, kinds, contain, mode=Mode.ISOLATED, **common)
    cut = Effect(CUT, TargetType.LINK, (), contain, cut=True, **common)
    two_steps = [("deny", "allow"), ("set", "restore")]
    return {
        ISOLATE: Shelved(ISOLATE, 0, "a" * 64, "isolate", two_steps, isolate),
        CUT: Shelved(CUT, 1, "b" * 64, "cut link", two_steps[:1], cut),
    }


class ListScript:
    """Reads a document as a list of (action, undo action), carried out in order on every target."""

    def due(self, document: Any, response: Response, events: Sequence[RunEvent], moment: Moment = NO_TIME) -> Due:
        """Give the next of the list; a failure ends it."""
        outcomes = _outcomes(events)
        steps = [(i, target, pair[0]) for target in response.targets for i, pair in enumerate(document)]
        if len(outcomes) >= len(steps) or any(not outcome.succeeded for outcome in outcomes):
            return Due(is_over=True)
        return Due((_order(*steps[len(outcomes)]),))

    def succeeded(
        self, document: Any, response: Response, events: Sequence[RunEvent], moment: Moment = NO_TIME
    ) -> bool:
        """All steps succeeded."""
        return all(outcome.succeeded for outcome in _outcomes(events))

    def why_failed(
        self, document: Any, response: Response, events: Sequence[RunEvent], moment: Moment = NO_TIME
    ) -> str:
        """What was said of the last step that failed."""
        return next((one.text for one in reversed(_outcomes(events)) if not one.succeeded), "")

    def undo_orders(
        self, document: Any, response: Response, events: Sequence[RunEvent], moment: Moment = NO_TIME
    ) -> Sequence[StepOrder]:
        """Give the undo actions of what was done, in reverse."""
        steps = [(i, target, pair[1]) for target in response.targets for i, pair in enumerate(document)]
        done = {outcome.step for outcome in _outcomes(events) if outcome.succeeded or outcome.perhaps}
        orders = [_order(*step) for step in steps]
        return [order for order in reversed(orders) if order.step in done]


def _outcomes(events: Sequence[RunEvent]) -> list[StepOutcome]:
    return [one for one in events if isinstance(one, StepOutcome)]


def _order(number: int, target: str, action: str) -> StepOrder:
    owner = target.split(" ")[-2].split("/")[0] if " " in target else target.split("/")[0]
    return StepOrder(f"step-{number}:{target}", owner, {"action": action, "target": {"x-tocsin:asset": target}})


def ocsf(uid: str, asset: str) -> dict[str, Any]:
    """Give an OCSF event about an asset."""
    product = {"product": {"name": "sensor"}, "uid": uid}
    return {"class_uid": 4001, "time": 1_793_534_400_000, "metadata": product, "device": {"uid": asset}}


@dataclass
class FakeAdvisor:
    """Says what it is told to say, and remembers what it was told."""

    proposals: list[Proposal] = field(default_factory=list)
    verification: Verification = Verification.CONFIRMED
    losses: tuple[float, float] = (10.0, 4.0)  # of doing nothing, of the response
    observed: list[Event] = field(default_factory=list)
    holds: dict[tuple[str, ...], bool] = field(default_factory=dict)
    recalls: dict[tuple[str, ...], datetime | None] = field(default_factory=dict)

    def observe(self, events: Sequence[Event], now: datetime) -> Sequence[SeenFinding]:
        """Every event is a finding."""
        self.observed.extend(events)
        return [SeenFinding(event.uid, now, event.asset, {"product": event.product}) for event in events]

    def propose(self) -> Sequence[Proposal]:
        """Give what it was told to."""
        return self.proposals

    def rehearse(self, proposal: Proposal) -> Forecast:
        """Give the losses it was told."""
        nothing, this = self.losses
        options = [
            Estimate(name, mean, mean - 0.5, mean + 0.5) for name, mean in (("nothing", nothing), ("this", this))
        ]
        return Forecast(3600.0, 1000, *options)

    def verify(self, proposal: Proposal, since: datetime) -> Verification:
        """Give what it was told."""
        return self.verification

    def applied(self, proposal: Proposal, *, holds: bool, since: datetime) -> None:
        """Remember."""
        self.holds[proposal.targets] = holds

    def recalled(self, proposal: Proposal, *, until: datetime | None) -> None:
        """Remember."""
        self.recalls[proposal.targets] = until

    def belief(self, viewer: str) -> Sequence[BeliefRow]:
        """Every asset of the chain, seen or not: the node must leave out what is hidden."""
        return [BeliefRow(asset, 0.25, 0.125) for asset in (CONTROLLER, GATEWAY, METER, WEB)]


@dataclass
class FakeActuator:
    """An actuator that does not remove duplicates, and can be told to crash, refuse or be away."""

    removes_duplicates: bool = False
    done: dict[str, Order] = field(default_factory=dict)
    sent: list[Order] = field(default_factory=list)
    crash_after: int = -1  # die after carrying out so many orders, before the outcome is known
    refuse: frozenset[str] = frozenset()  # actions
    away: int = 0  # so many orders find nobody
    loses: bool = False  # orders take effect, but their answers are lost

    def carry_out(self, order: Order) -> Outcome:
        """Do it, or what it was told."""
        if self.away > 0:
            self.away -= 1
            raise Unavailable(f"order {order.key}: nobody there; is it running?")
        if order.command.get("action") in self.refuse:
            raise Refused(f"order {order.key}: no")
        if self.loses:
            self.sent += [] if order.key in self.done else [order]
            self.done[order.key] = order
            raise Unavailable(f"order {order.key}: no answer")
        assert order.key not in self.done, f"{order.key} was carried out twice"
        self.done[order.key] = order
        self.sent.append(order)
        if self.crash_after == len(self.sent):
            raise KeyboardInterrupt
        return Outcome(200, "done")

    def read(self, order: Order) -> Outcome | None:
        """Say whether it was done."""
        return Outcome(200, "done before") if order.key in self.done else None

    @property
    def actions(self) -> list[str]:
        """What was done, in order."""
        return [order.command["action"] for order in self.sent]


@dataclass
class House:
    """A home with a node in it, as the tests use it."""

    path: Path
    node: Node
    advisor: FakeAdvisor
    actuator: Any

    def token(self, owner: str, role: str) -> str:
        """Give a plain token."""
        return read_token(self.path / "tokens" / f"{owner}.{role}.token")

    def key(self, owner: str) -> OKPKey:
        """Give an owner's signing key."""
        return load_key(self.path / "keys" / f"{owner}.jwk")

    @property
    def engine(self) -> sa.Engine:
        """The node's store."""
        return self.node.engine

    def tick(self, minutes: float = 1.0) -> None:
        """Let time pass, then tick."""
        self.node.tick(self.node.clock.now() + timedelta(minutes=minutes))


def house(
    path: Path,
    *,
    twin: Twin | None = None,
    actuator: Any = None,
    hold_s: float = 0.0,
    terms: Terms | None = None,
    store_url: str = "",
    on_shelf: Shelved | None = None,
    script: Script | None = None,
    versions: Versions | None = None,
    is_active: IsActive = lambda _playbook, _owner: True,
) -> House:
    """Make a home and a node in it; a home that exists is used again, as after a restart."""
    if not (path / "tokens.json").exists():
        make_home(path, OWNERS, operator="edge")
    advisor, actuator = FakeAdvisor(), actuator or FakeActuator()
    node = Node(
        twin=twin or chain(),
        shelf=shelf(hold_s=hold_s) if on_shelf is None else {on_shelf.id: on_shelf},
        is_active=is_active,
        engine=open_store(store_url or sqlite_url(path / "store.sqlite")),
        tokens=LiveTokens(path / "tokens.json", OWNERS),
        trust=LiveTrust(path / "trust"),
        clock=LockstepClock(START),
        advisor=advisor,
        actuator=actuator,
        script=script or ListScript(),
        lease=NoLease(),  # so that tests can open a store twice, as a node after its restart does
        terms=terms or Terms(),
        versions=versions or Versions(),
    )
    return House(path, node, advisor, actuator)


def isolate(target: str = GATEWAY, *, sources: int = 2) -> Proposal:
    """Propose to isolate a target."""
    return Proposal(ISOLATE, 0, (target,), (target.split("/")[0],), "it beacons", ("f1", "f2"), 0.9, sources)


def cut() -> Proposal:
    """Propose to cut the link between shop and edge."""
    return Proposal(CUT, 1, (key_of(CROSSING),), ("edge", "shop"), "the attack came this way", ("f1",), 0.8, 2)
