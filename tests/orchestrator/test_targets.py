"""Targets resolve to owners to ask, owners to notify, what is interrupted, and a digest of their part of the twin."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tocsin.orchestrator.targets import TargetError, resolve
from tocsin.tests.orchestrator.fakes import CONTROLLER, CROSSING, CUT, GATEWAY, ISOLATE, METER, WEB, chain, shelf
from tocsin.twin.facts import key_of
from tocsin.twin.graph import Asset, Link, Owner, Twin, Weakness
from tocsin.twin.vocabulary import AssetKind, LinkKind, TargetType

ISOLATES, CUTS = shelf()[ISOLATE].effect, shelf()[CUT].effect


def test_owner_of_the_asset_is_asked_and_those_who_depend_are_notified() -> None:
    """Isolating edge's gateway asks edge; shop, whose web shop depends on it, is notified; meter is not."""
    found = resolve(chain(), [GATEWAY], ISOLATES)
    assert (found.owners, found.notified) == (("edge",), ("shop",))


def test_both_ends_of_a_boundary_link_are_asked() -> None:
    """Cutting a link between owners asks both."""
    assert resolve(chain(), [key_of(CROSSING)], CUTS).owners == ("edge", "shop")


def test_criticality_counts_what_stops() -> None:
    """Isolating the gateway stops a quarter of edge; cutting the link stops shop, which needs the gateway, not edge."""
    assert resolve(chain(), [GATEWAY], ISOLATES).criticality == {"edge": 0.25, "shop": 1.0}
    assert resolve(chain(), [key_of(CROSSING)], CUTS).criticality == {"edge": 0.0, "shop": 1.0}


def test_watching_interrupts_nothing() -> None:
    """A playbook that only raises coverage touches no criticality."""
    watches = replace(ISOLATES, mode=None, coverage=True)
    assert resolve(chain(), [GATEWAY], watches).criticality == {"edge": 0.0}


def test_owner_as_target_is_asked() -> None:
    """A playbook that acts on an owner asks that owner."""
    notify = replace(ISOLATES, target_type=TargetType.OWNER, kinds=(), mode=None)
    assert resolve(chain(), ["shop"], notify).owners == ("shop",)


@pytest.mark.parametrize("names", [[], ["none"], [key_of(CROSSING)], ["edge"], [f"edge/host/{i}" for i in range(40)]])
def test_what_is_no_target_is_named(names: list[str]) -> None:
    """No target, one that is not there or of another type, or too many: refused by name."""
    with pytest.raises(TargetError):
        resolve(chain(), names, ISOLATES)


def test_digest_changes_with_the_part_and_only_with_it() -> None:
    """A change at the target changes the digest; one elsewhere leaves it."""
    twin = chain()
    before = resolve(twin, [GATEWAY], ISOLATES).twin_part
    at_target: list[Twin] = [
        replace(twin, weaknesses=(Weakness("CVE-2021-44228", GATEWAY),)),
        replace(twin, links=(*twin.links, Link(LinkKind.REACHES, CONTROLLER, GATEWAY, port=22))),
        replace(twin, assets=tuple(replace(a, criticality=9.0) if a.id == GATEWAY else a for a in twin.assets)),
    ]
    assert all(resolve(other, [GATEWAY], ISOLATES).twin_part != before for other in at_target)
    elsewhere = replace(twin, weaknesses=(Weakness("CVE-2021-44228", METER), Weakness("CWE-250", WEB)))
    assert resolve(elsewhere, [GATEWAY], ISOLATES).twin_part == before


def layered() -> Twin:
    """A shop's service on a container on a host; it needs edge's controller behind a segment; meter needs it."""
    assets = [
        Asset("shop/host/h", AssetKind.HOST, "shop", "h"),
        Asset("shop/container/c", AssetKind.CONTAINER, "shop", "c"),
        Asset("shop/service/s", AssetKind.SERVICE, "shop", "s", criticality=1.0),
        Asset("edge/segment/lan", AssetKind.SEGMENT, "edge", "lan"),
        Asset("edge/host/x", AssetKind.HOST, "edge", "x"),
        Asset("edge/service/controller", AssetKind.SERVICE, "edge", "controller"),
        Asset("meter/service/board", AssetKind.SERVICE, "meter", "board"),
    ]
    links = [
        Link(LinkKind.RUNS_ON, "shop/container/c", "shop/host/h"),
        Link(LinkKind.RUNS_ON, "shop/service/s", "shop/container/c"),
        Link(LinkKind.RUNS_ON, "edge/service/controller", "edge/host/x"),
        ROAD,
        Link(LinkKind.REACHES, "edge/segment/lan", "edge/host/x"),
        Link(LinkKind.DEPENDS_ON, "shop/service/s", "edge/service/controller"),
        Link(LinkKind.DEPENDS_ON, "meter/service/board", "shop/service/s"),
    ]
    return Twin.build(owners=[Owner("shop"), Owner("edge"), Owner("meter")], assets=assets, links=links)


ROAD = Link(LinkKind.REACHES, "shop/host/h", "edge/segment/lan")


def test_what_runs_on_an_isolated_host_stops_with_it() -> None:
    """Containers and services above the host stop, and what needs them in turn, whoever owns it."""
    found = resolve(layered(), ["shop/host/h"], ISOLATES)
    assert found.stopped == {"shop/host/h", "shop/container/c", "shop/service/s", "meter/service/board"}
    assert found.notified == ("meter",) and set(found.criticality) == {"shop", "meter"}


def test_what_needs_a_cut_link_stops() -> None:
    """A service whose only road to what it needs crosses the link stops; with another road it does not."""
    twin = layered()
    assert resolve(twin, [key_of(ROAD)], CUTS).stopped == {"shop/service/s", "meter/service/board"}
    detour = replace(twin, links=(*twin.links, Link(LinkKind.REACHES, "shop/container/c", "edge/host/x")))
    assert resolve(detour, [key_of(ROAD)], CUTS).stopped == frozenset()
