"""Twins of at most six assets an attacker can take, drawn by hand, on which belief is compared with the oracle."""

from __future__ import annotations

from dataclasses import replace

from tocsin.twin.attack.step import AttackStep
from tocsin.twin.graph import Asset, ConsentRule, Link, Owner, Twin
from tocsin.twin.vocabulary import (
    Access,
    AssetKind,
    ConsentClass,
    ConsentMode,
    Gain,
    LinkKind,
    Proposer,
    SensorClass,
    StepClass,
)

OUTSIDE = "net/external/internet"
WATCHED = (SensorClass.NETWORK, SensorClass.HOST)
EXPLOIT, ACCOUNT, ESCALATE = StepClass.EXPLOIT, StepClass.VALID_ACCOUNT, StepClass.PRIVILEGE_ESCALATION
CREDENTIAL, COLLECT = StepClass.CREDENTIAL_ACCESS, StepClass.COLLECTION
DISCOVER = StepClass.DISCOVERY
USER, ADMIN = Access.USER, Access.ADMIN


def host(name: str) -> Asset:
    """A watched host of owner a."""
    return Asset(f"a/host/{name}", AssetKind.HOST, "a", name, sensors=WATCHED)


def move(
    step_class: StepClass,
    source: str,
    target: str,
    probability: float,
    *,
    needs: Access = USER,
    gains: Gain = Gain.USER,
    identity: str | None = None,
) -> AttackStep:
    """One row of the attack graph."""
    return AttackStep("T0000", step_class, source, target, needs, gains, probability, identity=identity)


def twin_of(assets: list[Asset], links: list[Link] | None = None) -> Twin:
    """A twin of one owner who consents at once, with the outside."""
    return Twin.build(
        owners=[Owner("a"), Owner("net", value_per_hour=0.0)],
        assets=[Asset(OUTSIDE, AssetKind.EXTERNAL, "net", "internet"), *assets],
        links=links or [],
        consent=[ConsentRule("a", one, who, ConsentMode.AT_ONCE) for one in ConsentClass for who in Proposer],
    )


def chain() -> tuple[Twin, list[AttackStep]]:
    """Outside to web (admin by escalation) to app to its data."""
    store = Asset("a/data_store/data", AssetKind.DATA_STORE, "a", "data", harm_per_hour=1.0, crown_jewel=True)
    steps = [
        move(EXPLOIT, OUTSIDE, "a/host/web", 0.3),
        move(ESCALATE, "a/host/web", "a/host/web", 0.2, gains=Gain.ADMIN),
        move(EXPLOIT, "a/host/web", "a/host/app", 0.25),
        move(ACCOUNT, "a/host/app", "a/host/db", 0.4, gains=Gain.ADMIN),
        move(COLLECT, "a/host/db", store.id, 0.6),
    ]
    return twin_of([host("web"), host("app"), host("db"), store]), steps


def fork() -> tuple[Twin, list[AttackStep]]:
    """Two ways in and two ways on, joined again: which one was it?"""
    steps = [
        move(EXPLOIT, OUTSIDE, "a/host/left", 0.2),
        move(EXPLOIT, OUTSIDE, "a/host/right", 0.1),
        move(ACCOUNT, "a/host/left", "a/host/inner", 0.2),
        move(EXPLOIT, "a/host/right", "a/host/inner", 0.2, gains=Gain.ADMIN),
        move(ACCOUNT, "a/host/inner", "a/host/jewel", 0.3),
        move(ACCOUNT, "a/host/inner", "a/host/right", 0.3),
    ]
    jewel = Asset("a/host/jewel", AssetKind.HOST, "a", "jewel", sensors=WATCHED, harm_per_hour=1.0, crown_jewel=True)
    return twin_of([host("left"), host("right"), host("inner"), jewel]), steps


def identity_and() -> tuple[Twin, list[AttackStep]]:
    """The way to the jewel needs a host and an identity that only an admin of the host can steal."""
    dba = Asset("a/identity/dba", AssetKind.IDENTITY, "a", "dba")
    jewel = Asset("a/host/jewel", AssetKind.HOST, "a", "jewel", sensors=WATCHED, harm_per_hour=1.0, crown_jewel=True)
    steps = [
        move(EXPLOIT, OUTSIDE, "a/host/web", 0.3),
        move(ESCALATE, "a/host/web", "a/host/web", 0.2, gains=Gain.ADMIN),
        move(CREDENTIAL, "a/host/web", dba.id, 0.5, needs=ADMIN),
        move(EXPLOIT, "a/host/web", "a/host/app", 0.2),
        move(ACCOUNT, "a/host/app", jewel.id, 0.5, gains=Gain.ADMIN, identity=dba.id),
    ]
    return twin_of([host("web"), host("app"), dba, jewel]), steps


def segment() -> tuple[Twin, list[AttackStep]]:
    """Two members of a segment, from which the inner host and then the jewel are reached."""
    lan = Asset("a/segment/lan", AssetKind.SEGMENT, "a", "lan")
    jewel = Asset("a/host/jewel", AssetKind.HOST, "a", "jewel", sensors=WATCHED, harm_per_hour=1.0, crown_jewel=True)
    links = [Link(LinkKind.REACHES, f"a/host/{name}", lan.id) for name in ("one", "two")]
    steps = [
        move(EXPLOIT, OUTSIDE, "a/host/one", 0.25),
        move(EXPLOIT, OUTSIDE, "a/host/two", 0.1),
        move(ACCOUNT, lan.id, "a/host/inner", 0.2),
        move(ACCOUNT, lan.id, "a/host/two", 0.2),
        move(ESCALATE, "a/host/inner", "a/host/inner", 0.2, gains=Gain.ADMIN),
        move(EXPLOIT, "a/host/inner", jewel.id, 0.3, needs=ADMIN),
    ]
    return twin_of([host("one"), host("two"), host("inner"), jewel, lan], links), steps


def mapped_segment() -> tuple[Twin, list[AttackStep]]:
    """The same, but what the segment reaches has to be found first; a scan shows at the inner host."""
    twin, steps = segment()
    lan, inner = "a/segment/lan", "a/host/inner"
    scan = replace(move(DISCOVER, lan, lan, 0.5, gains=Gain.ADMIN), seen_at=inner)
    return twin, [scan, *(replace(step, needs=ADMIN) if step.source == lan else step for step in steps)]
