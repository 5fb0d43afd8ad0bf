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


@pytest.mark.parametrize("name", sorted(set(PLAYBOOKS) - {"release-asset"}))
def test_a_playbook_starts_takes_effect_and_is_undone(world: PlantWorld, name: str) -> None:
    """Its command starts it; its undo, where it has one, ends what it holds."""
    plant, playbook = Plant(world, nowhere), PLAYBOOKS[name]
    target = legal_target(world, playbook["id"])
    owner = world.compiled.owners_of(world.compiled.target_number[target])[0]
    do, *undo = commands(playbook)
    reply = plant.obey(owner, filled(do, target, "k1"))
    assert (reply.status, "starts" in reply.text) == (200, True)
    plant.step(30)
    kinds = [entry["kind"] for entry in world.truth()["trace"] if entry["subject"] == target]
    assert "started" in kinds and {"took_effect", "failed"} & set(kinds)
    for number, request in enumerate(undo):
        reply = plant.obey(owner, filled(request, target, f"u{number}"))
        assert reply.status == 200
        plant.step(2)
        assert "undone" in [entry["kind"] for entry in world.truth()["trace"] if entry["subject"] == target]


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
