"""Responses on the range: the library isolates and cuts, an intruder over ssh is contained, through consent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tocsin.orchestrator.actuators.openc2_http import Endpoint, OpenC2Http
from tocsin.orchestrator.lifecycle import State
from tocsin.orchestrator.range.probing import probe_all
from tocsin.orchestrator.range.topology import SSH, Plan
from tocsin.orchestrator.range.twin_of import predicted
from tocsin.orchestrator.script import CacaoScript
from tocsin.playbooks.actions import load_library
from tocsin.tests.orchestrator.fakes import ISOLATE, house, isolate
from tocsin.tests.orchestrator.node_steps import caller, kinds, only, signed
from tocsin.tests.systems.real_filter import TOKEN, RealFilter, library_commands
from tocsin.tests.systems.real_range import beats, logged_in, opens, ssh
from tocsin.twin.graph import Twin

pytestmark = pytest.mark.systems


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
    with logged_in(plan, place, gateway) as session:
        assert beats(session)
        wall.send(library_commands("isolate-asset", gateway.asset, "response--9")[0])
        assert not beats(session)
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
