"""Runs go on, and are taken back, by the version of a playbook that they began with, whatever came since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tocsin.orchestrator import audit
from tocsin.orchestrator.clock import SystemClock
from tocsin.orchestrator.competing import living
from tocsin.orchestrator.lifecycle import State
from tocsin.orchestrator.script import CacaoScript
from tocsin.orchestrator.shelf import Vetting, active_by_signatures, of_version
from tocsin.orchestrator.store import open_store, playbooks, responses, sqlite_url
from tocsin.orchestrator.versions import Versions
from tocsin.playbooks.actions import load_library
from tocsin.playbooks.cacao import Playbook, digest
from tocsin.playbooks.targets import expand_in
from tocsin.tests.orchestrator.fakes import GATEWAY, House, at_once, chain, house
from tocsin.tests.orchestrator.node_steps import caller, calls
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
    home = node(tmp_path, V2, world, is_active=lambda name, _owner: name != digest(V1))
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


EARLY = "2025-01-01T00:00:00.000Z"
BOTH = flow(
    {
        "c1": {"type": "playbook-action", "playbook_id": OTHER, "playbook_version": EARLY, "on_completion": "a8"},
        "a8": act(8, on_completion="c2", delay=600_000),
        "c2": {"type": "playbook-action", "playbook_id": OTHER, "on_completion": "a9"},
        "a9": act(9, on_completion="e0", delay=600_000),
    },
    "c1",
    **DECLARED,
)


@pytest.mark.parametrize("restarts", [False, True], ids=["one node", "over restarts"])
def test_a_call_without_a_version_takes_the_latest_also_after_one_by_version(tmp_path: Path, restarts: bool) -> None:
    """What was called by its version says nothing of what the latest is; both are taken back as they were."""
    world = World()
    home = node(tmp_path, BOTH, world, _called(2025, 3), _called(2026, 4))
    propose(home, BOTH)
    for minutes in (11, 22):
        if restarts:
            home = node(tmp_path, BOTH, world, _called(2025, 3), _called(2026, 4))
        home.tick(minutes)
    assert world.words == ["a3", "a8", "a4", "a9"] and only(home).state is State.SUCCEEDED
    home.node.want_undo(caller("edge"), only(home).id)
    home.tick()
    assert world.words[4:] == ["-a4", "-a3"] and only(home).state is State.UNDONE


BY_VERSION = flow(
    {
        "c1": {"type": "playbook-action", "playbook_id": OTHER, "playbook_version": EARLY, "on_completion": "a8"},
        "a8": act(8, on_completion="e0", delay=600_000),
    },
    "c1",
    **DECLARED,
)


@pytest.mark.parametrize("calling", [CALLER, BY_VERSION], ids=["the latest", "by version"])
def test_a_called_playbook_stays_the_content_that_was_met(tmp_path: Path, calling: Playbook) -> None:
    """Another content under the same id and time lies there now: the run goes on with its own, and is undone by it."""
    world, asked = World(), []

    def is_active(name: str, _owner: str) -> bool:
        asked.append(name)
        return True

    home = node(tmp_path, calling, world, _called(2025, 3), is_active=is_active)
    propose(home, calling)
    assert world.words == ["a3"] and digest(_called(2025, 3)) in asked
    home = node(tmp_path, calling, world, _called(2025, 4), is_active=is_active)
    home.tick(11)
    assert world.words == ["a3", "a8"] and only(home).state is State.SUCCEEDED
    home.node.want_undo(caller("edge"), only(home).id)
    home.tick()
    assert world.words == ["a3", "a8", "-a3"] and only(home).state is State.UNDONE
    assert digest(_called(2025, 4)) not in asked


@pytest.mark.parametrize("calling", [CALLER, BY_VERSION], ids=["the latest", "by version"])
def test_two_contents_of_one_name_are_not_called(tmp_path: Path, calling: Playbook) -> None:
    """Id and version do not say which: nothing is sent, and the reason names both contents."""
    world = World()
    home = node(tmp_path, calling, world, _called(2025, 3), _called(2025, 4))
    propose(home, calling)
    assert world.words == [] and only(home).state is State.FAILED
    told = calls(home)[-1]
    assert "two contents" in told and all(digest(_called(2025, number))[:12] in told for number in (3, 4))


def test_only_the_content_that_was_signed_is_active() -> None:
    """A digest names one content; an id and version might name another."""
    asked: list[str] = []
    library = load_library()
    old = version(2025, 1)
    is_active = active_by_signatures(library, Vetting, SystemClock(), [old], kept=lambda name: asked.append(name))
    assert not is_active(digest(old), "edge") and not is_active(ISOLATE.id, "edge") and asked == []
    assert not is_active(digest(V2), "edge") and asked == [digest(V2)]


def _spoil(home: House, name: str) -> None:
    with home.engine.begin() as conn:
        body = conn.execute(sa.select(playbooks.c.body).where(playbooks.c.digest == name)).scalar_one()
        conn.execute(sa.update(playbooks).where(playbooks.c.digest == name).values(body=body.replace("undo", "redo")))


@pytest.mark.parametrize("which", ["its own", "called"])
def test_a_spoiled_version_is_named_and_mended_by_its_file(tmp_path: Path, which: str) -> None:
    """The undo stops with the digest of what is missing; with the file back, the store is whole and the undo works."""
    world = World()
    playbook, called = (V1, []) if which == "its own" else (CALLER, [_called(2025, 3)])
    lost = V1 if which == "its own" else _called(2025, 3)
    home = node(tmp_path, playbook, world, *called)
    propose(home, playbook)
    home.tick(11)
    done = list(world.words)
    _spoil(home, digest(lost))
    now = V2 if which == "its own" else CALLER
    home = node(tmp_path, now, world)
    home.node.want_undo(caller("edge"), only(home).id)
    home.tick()
    assert world.words == done and only(home).state is State.FAILED
    assert digest(lost) in calls(home)[-1] and "HOME/vetting/playbooks" in calls(home)[-1]
    home = node(tmp_path, now, world, lost)
    home = node(tmp_path, now, world)  # the store has it again
    home.node.want_undo(caller("edge"), only(home).id)
    home.tick()
    assert world.words[len(done) :] == [f"-{done[0]}"] and only(home).state is State.UNDONE


def _holding(year: int, hold_s: float, *, undoable: bool) -> Playbook:
    """A version that says how long it holds."""
    ((name, effect),) = DECLARED["playbook_extensions"].items()
    said = {**DECLARED, "playbook_extensions": {name: {**effect, "hold_s": hold_s}}}
    steps = {"a1": act(1, undo=undoable, on_completion="e0")}
    return flow(steps, "a1", modified=f"{year}-01-01T00:00:00.000Z", **said)


@pytest.mark.parametrize("hold_s", [0, 3_600], ids=["until undone", "for an hour"])
def test_what_holds_is_judged_by_the_version_that_was_carried_out(tmp_path: Path, hold_s: int) -> None:
    """A later one that holds otherwise, or cannot be undone, changes nothing of what was done."""
    world, old = World(), _holding(2025, hold_s, undoable=True)
    home = node(tmp_path, old, world)
    propose(home, old)
    assert only(home).state is State.SUCCEEDED
    home = node(tmp_path, _holding(2026, 0 if hold_s else 3_600, undoable=False), world)
    with home.engine.begin() as conn:
        held = living(conn, home.node.pinned.of, home.node.clock.now())
    assert [row.id for row in held] == [only(home).id] and list(home.advisor.recalls) == [(GATEWAY,)]


def test_the_log_says_which_contents_were_run(tmp_path: Path) -> None:
    """The response's own, each order's, and what was called by then; a row that says otherwise is seen."""
    world, old = World(), _called(2025, 3)
    home = node(tmp_path, CALLER, world, old)
    propose(home, CALLER)
    home.tick(11)
    met = [f"{digest(old)} {OTHER}"]
    with home.engine.begin() as conn:
        records = [(one.kind, one.content) for one in audit.read(conn)]
    assert [one["digest"] for kind, one in records if kind == "proposed"] == [digest(CALLER)]
    told = [(one["playbook"], one["met"]) for kind, one in records if kind == "order"]
    assert told == [(digest(old), met), (digest(CALLER), met)]
    with home.engine.begin() as conn:
        run = conn.execute(sa.select(responses.c.run)).scalar_one()
        run["do"][0]["met"] = [f"{digest(_called(2025, 4))} {OTHER}"]
        conn.execute(sa.update(responses).values(run=run))
        found = audit.verify(conn)
    assert not found.is_whole and "its run is not what its records say" in found.reason
