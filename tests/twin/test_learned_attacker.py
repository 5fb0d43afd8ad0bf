"""The attacker's seat: choices from outside, what is open, what becomes of a choice that is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.agents.attacker import AttackerAgent
from tocsin.agents.model import ChainModel
from tocsin.tests.twin.random_twins import (
    FEW,
    RandomGame,
    busy_actions,
    one_thread,  # noqa: F401  (a fixture of the module)
    random_game,
    random_games,
)
from tocsin.tests.twin.world_checks import live
from tocsin.twin.rulebook.attacking import NO_STEP, NOT_OPEN, TAKES_ITS_OWN
from tocsin.twin.rulebook.worlds import STREAM_ENVIRONMENT, Worlds
from tocsin.twin.vocabulary import AssetKind, OccurrenceKind

TICKS = 30
REFUSED, TRIED = int(OccurrenceKind.REFUSED), int(OccurrenceKind.TRIED)


def waiting(worlds: Worlds) -> np.ndarray:
    """int32[B, S] in which all seats wait."""
    return np.zeros((worlds.count, worlds.state.seat_owner.shape[1]), np.int32)


def some_open(worlds: Worlds, rng: np.random.Generator) -> np.ndarray:
    """int32[B, K]: an open step where there is one, else waiting."""
    chosen = np.full((worlds.count, worlds.state.attacker.shape[1]), NO_STEP, np.int32)
    for k in range(chosen.shape[1]):
        for b, row in enumerate(worlds.open_steps(k)):
            if row.any():
                chosen[b, k] = rng.choice(np.flatnonzero(row))
    return chosen


@given(random_games())
@FEW
def test_attackers_that_take_their_own_steps_are_the_built_in_ones(game: RandomGame) -> None:
    """Left to the built-in rule, by name or by leaving the choices out, the worlds are the same."""
    one, other, rng = game.worlds([0, 1]), game.worlds([0, 1]), np.random.default_rng(game.seed)
    for _ in range(TICKS):
        decision = busy_actions(one, rng)
        one.tick(decision)
        other.tick(decision, np.full((2, len(game.parameters.attacker)), TAKES_ITS_OWN, np.int32))
        assert [live(one.state, b) for b in range(2)] == [live(other.state, b) for b in range(2)]


@given(random_games(), st.integers(0, 2**16))
@FEW
def test_every_open_step_is_tried_and_no_other(game: RandomGame, seed: int) -> None:
    """While defenders wait, each step marked open is tried in the next tick, each other one is refused by name."""
    worlds, rng = game.worlds([3]), np.random.default_rng(seed)
    for _ in range(int(rng.integers(0, 25))):
        worlds.tick(waiting(worlds))
    attackers, count = len(game.parameters.attacker), len(game.compiled.steps)
    for k in range(attackers):
        [is_open] = worlds.open_steps(k)
        forks = worlds.fork([0] * count)
        attack = np.full((count, attackers), NO_STEP, np.int32)
        attack[:, k] = np.arange(count)
        forks.tick(waiting(forks), attack)
        for step in range(count):
            kinds = {(kind, subject) for kind, subject, *_ in forks.trace(step)}
            tried = (TRIED, int(game.compiled.arrays.step[step].dst)) in kinds
            refused = (REFUSED, step, k, NOT_OPEN) in forks.trace(step)
            assert tried == bool(is_open[step]) and refused == (not is_open[step])


def test_nothing_is_open_to_an_attacker_that_has_not_come() -> None:
    """Before its coming a choice is refused; in the tick after it something is open."""
    game = random_game(7, attackers=1)
    worlds = game.worlds([1])
    worlds.state.attacker["onset"] = 4
    for tick in range(5):
        assert not worlds.open_steps(0).any()
        worlds.tick(waiting(worlds), np.array([[0]], np.int32))
        assert (REFUSED, 0, 0, NOT_OPEN) in worlds.trace(0), tick
    assert worlds.open_steps(0).any()


def test_one_attacker_is_steered_and_the_other_takes_its_own() -> None:
    """Steering attacker 0 to wait leaves it with nothing but its entry; attacker 1 goes on."""
    game = random_game(7, attackers=2)
    worlds = game.worlds(list(range(8)))
    for _ in range(60):
        worlds.tick(waiting(worlds), np.tile(np.array([NO_STEP, TAKES_ITS_OWN], np.int32), (8, 1)))
    users = worlds.state.asset["user"] | worlds.state.asset["admin"]
    inside = game.compiled.arrays.asset["kind"] != AssetKind.EXTERNAL
    inside &= game.compiled.arrays.asset["kind"] != AssetKind.SEGMENT  # held with whatever is a member
    assert (users[:, inside] & 2).any() and not (users[:, inside] & 1).any()


def test_wrong_choices_change_no_world() -> None:
    """Shape, type and range are checked before any world moves; an attacker that is not there is named."""
    game = random_game(5, attackers=1)
    worlds = game.worlds([0, 1])
    before, count = [live(worlds.state, b) for b in range(2)], len(game.compiled.steps)
    for wrong in (np.zeros((2, 2), int), np.full((2, 1), count), np.full((2, 1), -3), np.zeros((2, 1))):
        with pytest.raises(ValueError, match="attack"):
            worlds.tick(waiting(worlds), wrong)
    with pytest.raises(ValueError, match=r"attacker 1: .* give 0\.\.0"):
        worlds.open_steps(1)
    assert [live(worlds.state, b) for b in range(2)] == before


@given(random_games(attackers=2))
@FEW
def test_mesa_agents_that_play_the_same_choices_give_the_same_trace(game: RandomGame) -> None:
    """A lane steered from outside and a model whose agents replay it agree occurrence by occurrence."""
    worlds, rng = game.worlds([5]), np.random.default_rng(game.seed)
    chosen, traces = [], []
    for _ in range(TICKS):
        chosen.append(some_open(worlds, rng))
        worlds.tick(waiting(worlds), chosen[-1])
        traces.append(worlds.trace(0))

    class Steered(AttackerAgent):
        def choose(self) -> int:
            return int(chosen[self.model.tick][0, self.number])

    parts = (game.compiled, game.effects, game.parameters)
    model = ChainModel(*parts, world_id=5, stream=STREAM_ENVIRONMENT, attacker=Steered)
    for trace in traces:
        model.step()
        assert model.trace == trace
