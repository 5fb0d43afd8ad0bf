"""Undo where responses overlap: each takes away its own hold and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tocsin.tests.twin.random_twins import (
    ISOLATE,
    QUARANTINE,
    RELEASE,
    SHUT_DOWN,
    RandomGame,
    one_thread,  # noqa: F401  (a fixture of the module)
    random_game,
)
from tocsin.tests.twin.test_rulebook_laws import passable
from tocsin.tests.twin.world_checks import blocked
from tocsin.twin.rulebook.effects import EffectTable
from tocsin.twin.rulebook.worlds import Worlds
from tocsin.twin.vocabulary import ConsentMode

HOST = "o0/host/h"


@pytest.fixture
def game() -> RandomGame:
    """A game in which owners consent at once, playbooks succeed at once and hold until undone, and nobody attacks."""
    it = random_game(11, attackers=1)
    consent, playbook = it.parameters.consent.copy(), it.effects.playbook.copy()
    attacker = it.parameters.attacker.copy()
    consent["mode"], attacker["absent"] = ConsentMode.AT_ONCE, 1.0
    playbook["work"], playbook["hold"], playbook["success"] = 1, 0, 1.0
    parameters = it.parameters._replace(consent=consent, attacker=attacker)
    return replace(it, parameters=parameters, effects=EffectTable(playbook, it.effects.lower))


def run(worlds: Worlds, game: RandomGame, *playbooks: int) -> list[bool]:
    """Run playbooks on the host, one a tick, until all took effect; give the passable steps."""
    target = game.compiled.target_number[HOST]
    for playbook in playbooks:
        worlds.tick(np.array([[game.action(playbook, target)]], np.int32))
    worlds.roll(1)
    found: list[bool] = passable(0, game.compiled.arrays, worlds.state).tolist()
    return found


def test_release_reopens_what_isolation_closed(game: RandomGame) -> None:
    """Isolation closes every step from and to the host; release opens them all again."""
    worlds = game.worlds([0])
    before = run(worlds, game)
    step, host = game.compiled.arrays.step, game.compiled.asset_number[HOST]
    touched = (step["src"] == host) | (step["dst"] == host)
    assert all(before) and touched.any()
    assert run(worlds, game, ISOLATE) == (~touched).tolist()
    assert run(worlds, game, RELEASE) == before


def test_release_leaves_what_another_mode_holds(game: RandomGame) -> None:
    """A host isolated and shut down stays closed when released: shutting down still holds it."""
    worlds = game.worlds([0])
    closed = run(worlds, game, SHUT_DOWN)
    assert run(worlds, game, ISOLATE) == closed and run(worlds, game, RELEASE) == closed
    assert blocked(worlds, 0)[game.compiled.asset_number[HOST]]


def test_release_ends_all_isolations_of_its_target(game: RandomGame) -> None:
    """Two responses hold the same mode; the playbook that clears the mode undoes both."""
    worlds = game.worlds([0])
    before = run(worlds, game)
    closed = run(worlds, game, ISOLATE, QUARANTINE)
    assert closed != before and run(worlds, game, RELEASE) == before
    assert not worlds.state.asset[0]["modes"].any()


def test_expiry_of_one_isolation_leaves_the_other(game: RandomGame) -> None:
    """The first isolation expires while the second holds: nothing opens until that ends too."""
    game.effects.playbook["hold"][ISOLATE] = 3
    worlds = game.worlds([0])
    before = run(worlds, game)
    closed = run(worlds, game, ISOLATE, QUARANTINE)
    worlds.roll(5)
    assert (worlds.state.run["state"] != 0).sum() == 1
    assert run(worlds, game) == closed != before
    assert run(worlds, game, RELEASE) == before


def test_release_has_nothing_to_do_where_nothing_is_isolated(game: RandomGame) -> None:
    """It is legal on a target only while some isolation holds there."""
    worlds, host = game.worlds([0]), game.compiled.target_number[HOST]
    assert not worlds.masks()[0, game.action(RELEASE, host)]
    run(worlds, game, ISOLATE)
    assert worlds.masks()[0, game.action(RELEASE, host)]
