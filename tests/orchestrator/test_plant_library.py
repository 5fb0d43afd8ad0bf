"""The plant obeys what the shipped playbooks send, undo included."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from tocsin.orchestrator.plant.commands import build_world
from tocsin.orchestrator.plant.delivery import nowhere
from tocsin.orchestrator.plant.openc2 import Command, read_command
from tocsin.orchestrator.plant.plant import Plant
from tocsin.orchestrator.plant.world import PlantWorld

PLAYBOOKS = {
    path.name.removesuffix(".json"): json.loads(path.read_text())
    for path in files("tocsin.playbooks").joinpath("library").iterdir()
    if path.name.endswith(".json") and "lock" not in path.name
}


@pytest.fixture
def world() -> PlantWorld:
    return build_world(None, 3)


def commands(content: Any) -> Iterator[dict[str, Any]]:
    """Every OpenC2 command anywhere in a playbook."""
    if isinstance(content, dict):
        if content.get("type") == "openc2-http":
            yield json.loads(base64.b64decode(content["content_b64"]))
        for inside in content.values():
            yield from commands(inside)
    elif isinstance(content, list):
        for inside in content:
            yield from commands(inside)


def filled(request: dict[str, Any], target: str, key: str) -> Command:
    text = json.dumps({"headers": {"request_id": key}, "body": {"openc2": {"request": request}}})
    text = text.replace("__target__:value", target).replace("__response__:value", "r1")
    return read_command(text.encode())


def legal_target(world: PlantWorld, playbook: str) -> str:
    """A target that the playbook applies to now, by name."""
    index, targets = world.playbooks.index(playbook), world.compiled.targets
    legal = world._worlds.masks()[0, 1 + index * targets : 1 + (index + 1) * targets]
    return world.compiled.target_name(int(legal.nonzero()[0][0]))


@pytest.mark.parametrize("name", sorted(PLAYBOOKS))
def test_every_command_of_a_playbook_is_understood(world: PlantWorld, name: str) -> None:
    """Those of its steps and those that undo them name a playbook that the plant has, and a target."""
    for request in commands(PLAYBOOKS[name]):
        read = filled(request, "a target", "k1")
        assert (read.playbook, read.target, read.response) == (PLAYBOOKS[name]["id"], "a target", "r1")
        assert read.playbook in world.playbooks


def test_looking_changes_nothing_and_tells_how_far_the_work_is(world: PlantWorld) -> None:
    """A query is answered with the kind of the target and the progress of the playbook's own work."""
    plant, patch = Plant(world, nowhere), PLAYBOOKS["patch-and-reboot"]
    update, query, *_ = commands(patch)
    assert (update["action"], query["action"]) == ("update", "query")

    def told(key: str) -> tuple[str, str]:
        reply = plant.obey("fleet", filled(query, "fleet/host/vpn", key))
        assert reply.status == 200
        return reply.told["__kind__"], reply.told["__progress__"]

    assert told("q0") == ("host", "done")
    plant.obey("fleet", filled(update, "fleet/host/vpn", "k1"))
    assert told("q1") == ("host", "working")
    plant.step(3)
    assert told("q2") == ("host", "working")
    plant.step(30)
    assert told("q3") == ("host", "done")
    assert sum(entry["kind"] == "started" for entry in world.truth()["trace"]) == 1


def test_evidence_is_copied_without_isolating(world: PlantWorld) -> None:
    """A copy starts nothing; only the owner's own token has it made."""
    plant, copy = Plant(world, nowhere), next(commands(PLAYBOOKS["preserve-and-isolate"]))
    assert plant.obey("fleet", filled(copy, "fleet/host/vpn", "k1")).status == 200
    assert plant.obey("shop", filled(copy, "fleet/host/vpn", "k2")).status == 403
    plant.step(3)
    assert "started" not in [entry["kind"] for entry in world.truth()["trace"]]


def test_an_owner_is_told(world: PlantWorld) -> None:
    """An order on an owner is carried out, holds nothing, and may come again."""
    plant, notify = Plant(world, nowhere), next(commands(PLAYBOOKS["notify-contact"]))
    for key in ("k1", "k2"):
        assert "starts" in plant.obey("csms", filled(notify, "csms", key)).text
        plant.step(3)
    kinds = [entry["kind"] for entry in world.truth()["trace"] if entry["subject"] == "csms"]
    assert kinds.count("started") == 2


def test_release_ends_an_isolation(world: PlantWorld) -> None:
    """The playbook that releases is carried out where something is isolated."""
    plant, isolate, release = Plant(world, nowhere), PLAYBOOKS["isolate-asset"], PLAYBOOKS["release-asset"]
    target = legal_target(world, isolate["id"])
    owner = world.compiled.owners_of(world.compiled.target_number[target])[0]
    assert plant.obey(owner, filled(next(commands(release)), target, "k0")).status == 400
    plant.obey(owner, filled(next(commands(isolate)), target, "k1"))
    plant.step(5)
    assert plant.obey(owner, filled(next(commands(release)), target, "k2")).status == 200
    plant.step(5)
    assert "undone" in [entry["kind"] for entry in world.truth()["trace"]]
