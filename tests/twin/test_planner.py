"""The planner: what it chooses, that it sees no hidden truth, and that equal seeds plan alike."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from tocsin.envs.attackers import Attacker
from tocsin.envs.game import Game, load_game
from tocsin.envs.scenario import Scenario
from tocsin.envs.vector import ResponseWorlds
from tocsin.playbooks.actions import encode
from tocsin.tests.envs.games import short_game
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.training.planning import Planned, RestoringBase, Suspects
from tocsin.twin.analysis.planner import Plan, PlanSettings, plan
from tocsin.twin.rulebook.worlds import STREAM_EVALUATION, Worlds
from tocsin.twin.sensing import belief as belief_module
from tocsin.twin.sensing.belief import BeliefState

FAR = PlanSettings(horizon_ticks=120, worlds=64, most_worlds=128)
JEWEL = "csms/container/db"


@cache
def game_of() -> Game:
    """The shipped chain, to which an attacker hardly ever comes: what is held is what is believed held."""
    return load_game(Scenario(name="rare", attackers=(Attacker(onset_s=(0.0, 0.0), absent=0.99),)))


def quiet() -> ResponseWorlds:
    """One world at its start."""
    worlds = ResponseWorlds(game_of(), [5], stream=STREAM_EVALUATION)
    worlds.reset()
    return worlds


def action(playbook: str, asset: str) -> int:
    game = game_of()
    return encode(game.library.index_of(playbook), game.compiled.target_number[asset], game.compiled.targets)


def held(worlds: ResponseWorlds, asset: str, probability: float) -> None:
    """Believe an asset held by an admin, and so an attacker to have come."""
    believed, arrays = worlds.belief, game_of().compiled.arrays
    for number in (game_of().compiled.target_number[asset], *arrays.external):
        believed.asset["admin"][0, number] = probability
        if not believed.asset["active"][0, number]:
            believed.asset["active"][0, number] = 1
            believed.active[0, believed.active_n[0]] = number
            believed.active_n[0] += 1


def chosen(worlds: ResponseWorlds, candidates: list[int], settings: PlanSettings = FAR, seed: int = 0) -> Plan:
    game = game_of()
    return plan(
        game.compiled,
        game.effects,
        game.assumed,
        belief=worlds.belief,
        view=0,
        state=worlds.worlds.state,
        world=0,
        candidates=candidates,
        settings=settings,
        seed=seed,
    )


def test_it_restores_what_is_surely_held_and_costly() -> None:
    """Waiting comes first, so restoring must be better beyond doubt."""
    worlds = quiet()
    held(worlds, JEWEL, 0.99)
    restore = action("restore-asset", JEWEL)
    found = chosen(worlds, [0, restore])
    assert found.action == restore
    wait, better = found.prospects
    assert wait.gain == 0.0 and better.gain > 0.0 and better.gain == pytest.approx(wait.mean - better.mean)


def test_it_leaves_alone_what_nobody_holds() -> None:
    """Restoring what is free costs service and saves nothing, even where it is the first candidate."""
    worlds = quiet()
    restore = action("restore-asset", JEWEL)
    assert chosen(worlds, [restore, 0]).action == 0
    assert chosen(worlds, [0, restore]).action == 0


def test_equal_seeds_plan_alike_and_truth_is_not_read() -> None:
    """What attackers hold in the world that is planned for changes nothing; only what is believed does."""
    worlds = quiet()
    held(worlds, JEWEL, 0.5)
    candidates = [0, action("restore-asset", JEWEL), action("isolate-asset", JEWEL)]
    first = chosen(worlds, candidates)
    worlds.worlds.state.asset["admin"][0, 3:20] = 1
    second = chosen(worlds, candidates)
    assert first.prospects == second.prospects and first.worlds == second.worlds
    assert chosen(worlds, candidates, seed=1).prospects != first.prospects


def test_candidates_that_are_told_apart_drop_out() -> None:
    """Where all others are clearly worse, no second round is drawn; one candidate needs no world."""
    worlds = quiet()
    restore = action("restore-asset", JEWEL)
    assert chosen(worlds, [0, restore]).worlds == FAR.worlds < FAR.most_worlds
    assert chosen(worlds, [restore]).worlds == 0 and chosen(worlds, [restore]).action == restore


def test_time_ends_a_plan() -> None:
    """No round begins after the budget; what is known by then decides."""
    worlds = quiet()
    held(worlds, JEWEL, 0.5)
    hurried = PlanSettings(horizon_ticks=20, worlds=2, most_worlds=4096, budget_s=1e-9)
    assert chosen(worlds, [0, action("isolate-asset", JEWEL)], hurried).worlds == 2


def test_the_base_policy_plays_on() -> None:
    """It is asked every so many ticks after the first, of all drawn worlds at once, with beliefs that move."""
    worlds, game = quiet(), game_of()
    held(worlds, JEWEL, 0.9)
    asked: list[tuple[int, float]] = []

    def base(future: Worlds, believed: BeliefState) -> np.ndarray:
        asked.append((int(future.state.world["tick"][0]), float(believed.asset["admin"].sum())))
        return np.zeros(future.count, np.int32)

    settings = PlanSettings(horizon_ticks=9, every=4, worlds=3, most_worlds=3)
    parts = {"belief": worlds.belief, "view": 0, "state": worlds.worlds.state, "world": 0}
    candidates = [0, action("restore-asset", JEWEL)]
    plan(game.compiled, game.effects, game.assumed, **parts, candidates=candidates, base=base, settings=settings)
    assert [tick for tick, _ in asked] == [4, 8] and asked[0][1] != asked[1][1]


def test_a_planned_policy_plays_episodes() -> None:
    """With a prior from belief and a base that restores it proposes legal actions alone, and the same ones again."""
    game = short_game()
    settings = PlanSettings(horizon_ticks=10, worlds=4, most_worlds=4)
    runs = []
    for _ in range(2):
        policy = Planned(game, Suspects(game), RestoringBase(game, 0.4), settings)
        worlds = ResponseWorlds(game, range(2), stream=STREAM_EVALUATION)
        worlds.reset()
        taken = []
        for _ in range(12):
            actions = policy(worlds)
            assert worlds.masks()[np.arange(2), actions].all()
            taken.append(actions.tolist())
            worlds.step(actions)
        runs.append(taken)
        assert policy.plans > 0
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("horizon_ticks", 0), ("every", 0), ("worlds", 1), ("most_worlds", 1), ("budget_s", 0.0), ("budget_s", math.nan)],
)
def test_settings_out_of_range_are_refused(setting: str, value: float) -> None:
    """The message names the setting."""
    with pytest.raises(ValueError, match=setting):
        PlanSettings(**{setting: value})


@pytest.mark.parametrize("candidates", [[], [-1], [10**9], list(range(65))])
def test_candidates_must_be_actions(candidates: list[int]) -> None:
    """None, too many, or numbers of no action."""
    with pytest.raises(ValueError, match="candidates"):
        chosen(quiet(), candidates)


@pytest.mark.parametrize("lots", [1, 2, 3])
def test_a_plan_does_not_depend_on_the_lane_or_on_threads(lots: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three equal worlds: what the base policy believes is the same whichever of them is planned for."""
    monkeypatch.setattr(belief_module, "LOTS", lots)
    game, told = game_of(), []
    worlds = ResponseWorlds(game, [5, 5, 5], stream=STREAM_EVALUATION)
    worlds.reset()
    for _ in range(6):
        worlds.step(np.zeros(3, np.int32))
    for view in (0, 2):
        seen: list[float] = []

        def base(future: Worlds, believed: BeliefState, seen: list[float] = seen) -> np.ndarray:
            seen.append(float(believed.asset["user"].sum()))
            return np.zeros(future.count, np.int32)

        parts = {"belief": worlds.belief, "view": view, "state": worlds.worlds.state, "world": view}
        settings = PlanSettings(horizon_ticks=9, every=2, worlds=3, most_worlds=3)
        candidates = [0, action("restore-asset", JEWEL)]
        plan(game.compiled, game.effects, game.assumed, **parts, candidates=candidates, base=base, settings=settings)
        told.append(seen)
    assert told[0] == told[1] and len(set(told[0])) > 1
