"""The plant's world: an attack that only orders change, seen only through telemetry."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tocsin.orchestrator.plant.world import OrderRefused, PlantWorld
from tocsin.tests.orchestrator.plant_chain import CUT, GATEWAY, ISOLATE, LINK, RELEASE, WATCH, WEB, plant_world
from tocsin.twin.sensing.detectors import detect, initial_state
from tocsin.twin.sensing.events import EventClass, parse_event
from tocsin.twin.vocabulary import SensorClass


def number(world: PlantWorld, playbook: str) -> int:
    return world.playbooks.index(playbook)


def order(world: PlantWorld, playbook: str, name: str, *, undo: bool = False) -> str:
    return world.order(number(world, playbook), world.compiled.target_number[name], undo=undo)


def run(world: PlantWorld, ticks: int) -> list[dict[str, Any]]:
    return [event for _ in range(ticks) for _, event in world.step()]


def states(events: list[dict[str, Any]], asset: str) -> list[list[str]]:
    return [
        [one["state"] for one in event["security_states"]]
        for event in events
        if event["class_uid"] == EventClass.CONFIG_STATE and event["device"]["uid"] == asset
    ]


def kinds(world: PlantWorld) -> list[str]:
    return [entry["kind"] for entry in world.truth()["trace"]]


def test_the_same_seed_is_the_same_attack() -> None:
    """Telemetry and truth repeat exactly; another seed differs."""
    one, two, other = plant_world(1), plant_world(1), plant_world(2)
    assert run(one, 60) == run(two, 60) != run(other, 60)
    assert one.truth() == two.truth()


def test_an_attack_goes_through_where_nobody_acts() -> None:
    """The eager attacker takes web and gateway within hours and is not contained by luck."""
    world = plant_world()
    run(world, 300)
    truth = world.truth()
    assert {WEB, GATEWAY} <= set(truth["held"])
    assert truth["loss_total"] > 0 and not truth["eradicated"]
    assert truth["loss_total"] == pytest.approx(sum(sum(causes.values()) for causes in truth["loss"].values()))


def test_every_event_is_valid_and_its_owners() -> None:
    """All telemetry passes our own reader; owner, asset and tick agree; ids are unique."""
    world, uids = plant_world(), []
    for tick in range(120):
        began = world.time.timestamp() * 1000
        for owner, raw in world.step():
            event = parse_event(json.loads(json.dumps(raw)))
            assert event.owner == owner == event.asset.split("/")[0]
            assert began <= event.time_ms < began + 60_000, (tick, raw)
            uids.append(event.uid)
    assert len(set(uids)) == len(uids) > 50


def test_no_event_tells_the_truth() -> None:
    """No word of tries, steps or attackers is in telemetry."""
    text = json.dumps(run(plant_world(), 200)).lower()
    assert not any(word in text for word in ("attack", "tried", "truth", "benign", "cve-1", "t1190", "lookalike"))


def test_detectors_find_the_attack_from_telemetry_alone() -> None:
    """Over a long attack findings fall on what it took, far more often than on a quiet chain."""
    world = plant_world()
    state, findings = initial_state(world.compiled.twin), []
    for _ in range(600):
        some, state = detect((parse_event(event) for _, event in world.step()), state)
        findings += some
    assert {WEB, GATEWAY} <= {finding.asset for finding in findings}
    assert {SensorClass.NETWORK, SensorClass.HOST} <= {finding.sensor for finding in findings}


def test_isolation_takes_effect_is_reported_and_is_undone() -> None:
    """The mode shows in telemetry one tick after the order, and goes after undo; counts are right."""
    world = plant_world()
    assert "starts" in order(world, ISOLATE, GATEWAY)
    assert states(run(world, 3), GATEWAY) == [["isolated", "not_serving"]]
    assert "runs already" in order(world, ISOLATE, GATEWAY)
    assert "taken back" in order(world, ISOLATE, GATEWAY, undo=True)
    assert states(run(world, 2), GATEWAY) == [[]]
    assert "does not hold" in order(world, ISOLATE, GATEWAY, undo=True)
    assert kinds(world).count("started") == 1


def test_an_order_may_be_taken_back_before_it_begins_or_holds() -> None:
    """Before the tick it never starts; while working it ends as soon as it holds."""
    world = plant_world()
    order(world, ISOLATE, WEB)
    assert "will not" in order(world, ISOLATE, WEB, undo=True)
    run(world, 2)
    assert "started" not in kinds(world)
    order(world, ISOLATE, WEB)
    run(world, 1)
    order(world, ISOLATE, WEB, undo=True)
    run(world, 4)
    assert kinds(world).count("took_effect") == 1
    assert states(run(world, 3), WEB) == []


def test_what_two_responses_hold_ends_with_the_second() -> None:
    """Undo of one takes away only what it alone holds; undo of a stranger takes nothing."""
    world = plant_world()
    playbook, target = number(world, ISOLATE), world.compiled.target_number[GATEWAY]
    world.order(playbook, target, "a"), world.order(playbook, target, "b")
    run(world, 3)
    assert "another response" in world.order(playbook, target, "a", undo=True)
    assert "another response" in world.order(playbook, target, "c", undo=True)
    assert states(run(world, 2), GATEWAY) == []
    world.order(playbook, target, "b", undo=True)
    assert states(run(world, 2), GATEWAY) == [[]]


def test_isolating_the_way_in_contains_the_attack() -> None:
    """With web isolated from the first tick the gateway is never held; without, it is."""
    world, free = plant_world(), plant_world()
    order(world, ISOLATE, WEB)
    run(world, 300), run(free, 300)
    assert GATEWAY not in world.truth()["ever_held"] and GATEWAY in free.truth()["ever_held"]


def test_a_cut_link_is_reported_at_both_ends() -> None:
    """Each owner's inventory says which link is cut."""
    world = plant_world()
    order(world, CUT, LINK)
    events = run(world, 3)
    assert states(events, WEB)[-1] == ["not_serving", f"cut {LINK}"]
    assert states(events, GATEWAY)[-1] == [f"cut {LINK}"]


def test_release_undoes_isolation_as_a_playbook() -> None:
    """A playbook that clears the mode is an order like any other, refused while there is nothing to clear."""
    world = plant_world()
    with pytest.raises(OrderRefused, match="does not apply"):
        order(world, RELEASE, GATEWAY)
    order(world, ISOLATE, GATEWAY)
    run(world, 3)
    order(world, RELEASE, GATEWAY)
    assert states(run(world, 3), GATEWAY)[-1] == []


def test_orders_on_one_target_start_one_after_the_other() -> None:
    """Two playbooks ordered at once on one asset both run; so do more orders than seats."""
    world = plant_world()
    order(world, ISOLATE, GATEWAY), order(world, WATCH, GATEWAY)
    events = run(world, 4)
    assert states(events, GATEWAY)[-1] == ["isolated", "monitored", "not_serving"]
    done = [event["command_uid"] for event in events if event["class_uid"] == EventClass.REMEDIATION]
    assert sorted(done) == [ISOLATE, WATCH]
    assert "refused" not in kinds(world)


def test_findings_of_the_rulebook_are_not_used() -> None:
    """The trace in the truth holds none."""
    world = plant_world()
    run(world, 200)
    assert "finding" not in kinds(world) and "tried" in kinds(world)
