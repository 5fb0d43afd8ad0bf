"""Laws of views, on random twins: what a view cannot know changes nothing that it sees or forecasts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from tocsin.tests.twin.random_twins import (
    FEW,
    RandomGame,
    busy_actions,
    one_thread,  # noqa: F401  (a fixture of the module)
    random_game,
    random_games,
)
from tocsin.twin.analysis.forecast import Rehearsal, rehearse
from tocsin.twin.rulebook.state import CARRIED_OUT, IMPACTED, WorldState
from tocsin.twin.rulebook.worlds import Worlds
from tocsin.twin.sensing.belief import BeliefState, new_belief, update_beliefs
from tocsin.twin.sensing.observe import new_observation, observe_all

TICKS = 20
HIDDEN_STATUS = IMPACTED | CARRIED_OUT
Change = Callable[[WorldState, np.random.Generator], None]


def follow(game: RandomGame, state: WorldState, belief: BeliefState) -> None:
    """Bring one view in step with one world."""
    update_beliefs(np.zeros(1, np.int64), game.compiled.arrays, game.effects, game.parameters, state, belief)


def seen(game: RandomGame, state: WorldState, belief: BeliefState) -> bytes:
    """All that a view shows: belief, evidence and observation."""
    out = new_observation(game.compiled, 1)
    observe_all(np.zeros(1, np.int64), game.compiled.arrays, state, belief, out)
    return belief.asset.tobytes() + belief.evidence.tobytes() + out.rows.tobytes()


def views(
    game: RandomGame, change: Change, *, sees: npt.NDArray[np.bool_] | None = None
) -> tuple[Worlds, BeliefState, list[tuple[bytes, bytes]]]:
    """A played world with its view, and per tick what two views see: of it, and of it after a change."""
    worlds, rng, scrambler = game.worlds([0]), np.random.default_rng(game.seed), np.random.default_rng(game.seed + 1)
    belief, other = new_belief(game.compiled, 1, sees=sees), new_belief(game.compiled, 1, sees=sees)
    pairs = []
    for _ in range(TICKS):
        worlds.tick(busy_actions(worlds, rng, pace=0.2))
        changed = worlds.fork([0]).state
        change(changed, scrambler)
        follow(game, worlds.state, belief)
        follow(game, changed, other)
        pairs.append((seen(game, worlds.state, belief), seen(game, changed, other)))
    return worlds, belief, pairs


def scramble(state: WorldState, rng: np.random.Generator) -> None:
    """Other keys, another attacker, other access, other harm; findings, modes, responses and service stay."""
    asset, world = state.asset, state.world
    for name in ("user", "admin", "persist"):
        asset[name] = rng.integers(0, 8, asset.shape)
    asset["modes"] = (asset["modes"] & ~np.uint32(HIDDEN_STATUS)) | (
        rng.integers(0, 1 << 32, asset.shape).astype(np.uint32) & np.uint32(HIDDEN_STATUS)
    )
    for name in ("id", "stream", "episode"):
        world[name] = rng.integers(0, 1000, world.shape)
    world["key"] = rng.integers(0, 2**63, world.shape)
    world["held_n"] = rng.integers(0, state.held.shape[1], world.shape)
    state.held[:] = rng.integers(0, asset.shape[1], state.held.shape)
    state.attacker["onset"] = rng.integers(0, 100, state.attacker.shape)
    state.attacker["choice"] = rng.integers(-1, 7, state.attacker.shape)
    state.rate["harm"] = rng.integers(0, 10**9, state.rate.shape)
    state.loss[:] = rng.integers(0, 10**9, state.loss.shape)


@given(random_games())
@FEW
def test_hidden_truth_that_left_the_same_findings_is_not_seen(game: RandomGame) -> None:
    """Belief, evidence and observation stay the same, byte by byte, tick after tick."""
    _, _, pairs = views(game, scramble)
    assert all(one == other for one, other in pairs)


@given(random_games(), st.integers(0, 2**16))
@FEW
def test_a_view_does_not_change_by_what_it_does_not_see(game: RandomGame, seed: int) -> None:
    """Findings on assets out of sight added, changed or taken away, and hidden truth with them: nothing moves."""
    assets = game.compiled.sizes[0]
    sees = np.random.default_rng(seed).random(assets) < 0.5

    def change(state: WorldState, rng: np.random.Generator) -> None:
        scramble(state, rng)
        count, late = int(state.world["finding_n"][0]), int(state.world["late_n"][0])
        kept = [tuple(row) for row in state.finding[0, : count - late] if sees[row[0]]]
        for _ in range(int(rng.integers(0, 4)) if (~sees).any() else 0):
            forged = (int(rng.choice(np.flatnonzero(~sees))), *(int(rng.integers(0, most)) for most in (4, 11, 3)))
            kept.insert(int(rng.integers(0, len(kept) + 1)), forged)
        told = [tuple(row) for row in state.finding[0, count - late : count] if sees[row[0]]]
        state.world["late_n"], kept = len(told), [*kept, *told]
        state.world["finding_n"] = len(kept)
        state.finding[0, : len(kept)] = np.array(kept, np.int32).reshape(-1, 4)

    _, _, pairs = views(game, change, sees=sees)
    assert all(one == other for one, other in pairs)


def test_a_finding_in_sight_is_seen() -> None:
    """The control of both laws: one finding more on an asset in sight, and the views part."""

    def report(state: WorldState, rng: np.random.Generator) -> None:
        if state.world["tick"][0] == 10:
            row = int(state.world["finding_n"][0])
            state.finding[0, row] = (game.compiled.asset_number["o0/host/h"], 0, 0, 2)
            state.world["finding_n"] += 1

    game = random_game(7)
    _, _, pairs = views(game, report)
    assert all(one == other for one, other in pairs[:9]) and pairs[9][0] != pairs[9][1]


def forecast(game: RandomGame, state: WorldState, belief: BeliefState, *, seed: int = 3) -> tuple[Rehearsal, ...]:
    """Ten minutes ahead."""
    parts = {"belief": belief, "view": 0, "state": state, "world": 0}
    return rehearse(game.compiled, game.effects, game.parameters, **parts, options=[], horizons_s=[600.0], seed=seed)


@given(random_games(), st.integers(0, 2**32))
@FEW
def test_a_forecast_does_not_change_with_the_seed_of_what_it_foresees(game: RandomGame, seed: int) -> None:
    """Other keys of the plant or environment and another hidden truth: the same forecast, number by number."""
    worlds, belief, _ = views(game, scramble)
    other = worlds.fork([0]).state
    scramble(other, np.random.default_rng(seed))
    assert forecast(game, worlds.state, belief) == forecast(game, other, belief)


def test_a_forecast_changes_with_its_own_seed() -> None:
    """The control: its draws are its own."""
    game = random_game(8)
    worlds, belief, _ = views(game, scramble)
    assert forecast(game, worlds.state, belief, seed=3) != forecast(game, worlds.state, belief, seed=4)
