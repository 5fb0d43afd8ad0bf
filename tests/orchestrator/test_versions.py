"""Runs go on, and are taken back, by the version of a playbook that they began with, whatever came since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tocsin.orchestrator.lifecycle import State
from tocsin.orchestrator.script import CacaoScript
from tocsin.orchestrator.shelf import of_version
from tocsin.orchestrator.store import open_store, playbooks, sqlite_url
from tocsin.orchestrator.versions import Versions
from tocsin.playbooks.actions import load_library
from tocsin.playbooks.cacao import Playbook, digest
from tocsin.playbooks.targets import expand_in
from tocsin.tests.orchestrator.fakes import House, at_once, chain, house
from tocsin.tests.orchestrator.node_steps import caller
from tocsin.tests.orchestrator.test_carrying_out import TAKEN, World, kinds, only, propose
from tocsin.tests.playbooks.flows import PROGRAMS, act, flow
from tocsin.tests.playbooks.makers import step_id

OTHER = step_id("playbook", 501)
ISOLATE = next(one for one in load_library().playbooks if one.name == "isolate-asset")
DECLARED = {name: ISOLATE.raw[name] for name in ("playbook_extensions", "extension_definitions")}


def version(year: int, number: int, **then: Any) -> Playbook:
    """One version: it does its number, later one more."""
    steps = {
        f"a{number}": act(number, undo=True, on_completion="a8"),
        "a8": act(8, on_completion="e0", delay=600_000),
        **then,
    }
    return flow(steps, f"a{number}", modified=f"{year}-01-01T00:00:00.000Z", **DECLARED)


V1, V2 = version(2025, 1), version(2026, 2)


def node(path: Path, playbook: Playbook, world: World, *called: Playbook, **more: Any) -> House:
    """A node with one version on its shelf; again after a restart."""
    twin, versions = chain(at_once("edge")), Versions([*called, playbook])
    script = CacaoScript(versions.resolve, expand_in(twin), PROGRAMS, versions.of)
    shelved = of_version(playbook, digest(playbook), 0)
    return house(path, twin=twin, actuator=world, on_shelf=shelved, script=script, versions=versions, **more)


def test_a_run_goes_on_with_the_version_that_it_began_with(tmp_path: Path) -> None:
    """A later one lies on the shelf after the restart."""
    world = World()
    home = node(tmp_path, V1, world)
    propose(home, V1)
    home = node(tmp_path, V2, world)
    home.tick(11)
    assert world.words == ["a1", "a8"] and only(home).state is State.SUCCEEDED


@pytest.mark.parametrize("minutes", [1, 11])
def test_undo_is_that_of_the_version_that_was_carried_out(tmp_path: Path, minutes: int) -> None:
    """Half-way, and of what succeeded."""
    world = World()
    home = node(tmp_path, V1, world)
    propose(home, V1)
    home = node(tmp_path, V2, world)
    home.tick(minutes)
    home.node.want_undo(caller("edge"), only(home).id)
    home = node(tmp_path, V2, world)
    home.tick(minutes)
    assert world.words[-1] == "-a1" and only(home).state is State.UNDONE


def test_what_was_retired_goes_on_no_more_and_is_taken_back(tmp_path: Path) -> None:
    """Undoing needs no vetting: the guard stops the run, and it is undone by its own version."""
    world = World()
    home = node(tmp_path, V1, world)
    propose(home, V1)
    home = node(tmp_path, V2, world, is_active=lambda playbook, _owner: V1.modified not in playbook)
    home.tick(11)
    assert world.words == ["a1", "-a1"] and only(home).state is State.UNDONE


def test_a_version_that_was_retired_after_its_success_can_be_undone(tmp_path: Path) -> None:
    """It is only undone, and nothing can be started by it."""
    world = World()
    home = node(tmp_path, V1, world)
    propose(home, V1)
    home.tick(11)
    assert only(home).state is State.SUCCEEDED
    home = node(tmp_path, V2, world, is_active=lambda _playbook, _owner: False)
    home.node.want_undo(caller("edge"), only(home).id)
    home.tick()
    assert world.words == ["a1", "a8", "-a1"] and only(home).state is State.UNDONE


def test_what_waits_for_consent_lapses_with_a_new_version(tmp_path: Path) -> None:
    """Consent was asked for the other one: nothing of the old version starts."""
    world = World()
    twin = chain()
    shelved = of_version(V1, digest(V1), 0)
    home = house(tmp_path, twin=twin, actuator=world, on_shelf=shelved, script=CacaoScript(supported=PROGRAMS))
    propose(home, V1)
    assert only(home).state is State.AWAITING_CONSENT
    home = node(tmp_path, V2, world)
    home.tick()
    home.tick()
    assert world.words == [] and only(home).state is State.EXPIRED


def _called(year: int, number: int) -> Playbook:
    steps = {f"a{number}": act(number, undo=True, on_completion="e7")}
    return flow(steps, f"a{number}", variables=TAKEN, id=OTHER, modified=f"{year}-01-01T00:00:00.000Z")


CALLER = flow(
    {
        "c1": {"type": "playbook-action", "playbook_id": OTHER, "on_completion": "a8"},
        "a8": act(8, on_completion="e0", delay=600_000),
    },
    "c1",
    **DECLARED,
)


@pytest.mark.parametrize("is_there", [True, False], ids=["side by side", "in its place"])
def test_a_called_playbook_stays_the_version_that_was_met(tmp_path: Path, is_there: bool) -> None:
    """The latest was called; a later one does not change what was done, nor how it is taken back."""
    old, new, world = _called(2025, 3), _called(2026, 4), World()
    home = node(tmp_path, CALLER, world, old)
    propose(home, CALLER)
    assert world.words == ["a3"]
    home = node(tmp_path, CALLER, world, new, *([old] if is_there else []))
    home.tick(11)
    assert world.words == ["a3", "a8"] and only(home).state is State.SUCCEEDED
    home.node.want_undo(caller("edge"), only(home).id)
    home.tick()
    assert world.words == ["a3", "a8", "-a3"] and only(home).state is State.UNDONE and kinds(home)


def test_a_kept_version_that_was_changed_is_not_used(tmp_path: Path) -> None:
    """Its digest says so; the undo fails by name, and a person is called."""
    world = World()
    home = node(tmp_path, V1, world)
    propose(home, V1)
    home.tick(11)
    with home.engine.begin() as conn:
        body = conn.execute(sa.select(playbooks.c.body).where(playbooks.c.digest == digest(V1))).scalar_one()
        conn.execute(sa.update(playbooks).values(body=body.replace('"undo"', '"redo"')))
    home = node(tmp_path, V2, world)
    home.node.want_undo(caller("edge"), only(home).id)
    home.tick()
    assert world.words == ["a1", "a8"] and only(home).state is State.FAILED and "person_called" in kinds(home)


def test_only_what_is_there_now_is_the_latest(tmp_path: Path) -> None:
    """An earlier or later version that is gone is found by its name alone."""
    engine = open_store(sqlite_url(tmp_path / "store.sqlite"))
    Versions([_called(2026, 4)]).keep(engine)
    versions = Versions([_called(2025, 3)])
    versions.keep(engine)
    latest, named = versions.resolve(OTHER, None), versions.resolve(OTHER, "2026-01-01T00:00:00.000Z")
    assert latest is not None and named is not None
    assert (latest.modified[:4], named.modified[:4]) == ("2025", "2026")
    assert versions.resolve(OTHER, "2024-01-01T00:00:00.000Z") is None
