"""Planners as contenders: how often they plan, a policy file as their base, and options rolled side by side."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tocsin.envs.learned import Learned
from tocsin.envs.policy_file import NumpyPolicy
from tocsin.envs.rule_layer import RulePolicy
from tocsin.envs.vector import ResponseWorlds
from tocsin.playbooks.actions import encode
from tocsin.tests.envs.games import short_game
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.training.contenders import CLAIRVOYANT, NOTHING, Tuned, contenders
from tocsin.training.network import PairNetwork
from tocsin.training.planned_contenders import CONTAINING, PLANNER, PlannerBase, with_planner
from tocsin.training.planning import LearnedBase, Planned, Suspects
from tocsin.training.rule_file import shipped_numbers
from tocsin.twin.analysis.planner import PlanSettings
from tocsin.twin.analysis.rollouts import Following, roll_options
from tocsin.twin.analysis.sampling import draw_worlds
from tocsin.twin.rulebook.worlds import STREAM_EVALUATION

QUICK = PlanSettings(horizon_ticks=6, worlds=2, most_worlds=2)
TUNED = Tuned(0.4, 0.8, 1.0, 1.0, (0.5,))


def some_policy() -> NumpyPolicy:
    """Random weights that act."""
    torch.manual_seed(1)
    network = PairNetwork(short_game().effects)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        network.wait.bias.zero_()
    return NumpyPolicy(network.numpy_weights(), {})


def plans_of(moved: float, patience: int) -> int:
    game = short_game()
    policy = Planned(game, Suspects(game), settings=QUICK, moved=moved, patience=patience)
    worlds = ResponseWorlds(game, range(3), stream=STREAM_EVALUATION)
    worlds.reset()
    for _ in range(game.decisions - 1):
        worlds.step(policy(worlds))
    return policy.plans


def test_where_belief_has_not_moved_nothing_is_planned_anew() -> None:
    """Belief that never moves far enough leaves the first plan and those by patience; any change brings all back."""
    seldom, sometimes, always = plans_of(2.0, 1000), plans_of(2.0, 4), plans_of(0.0, 1)
    assert 0 < seldom <= 3 < sometimes < always


def test_a_policy_as_base_decides_as_it_does_in_worlds() -> None:
    """On the same state and belief it proposes what the policy file proposes where worlds keep what is seen."""
    game, policy = short_game(), some_policy()
    worlds = ResponseWorlds(game, range(4), stream=STREAM_EVALUATION)
    worlds.reset()
    learned, base, acted = Learned(game, policy), LearnedBase(game, policy), 0
    for _ in range(8):
        actions = learned(worlds)
        assert base(worlds.worlds, worlds.belief).tolist() == actions.tolist()
        acted += int((actions > 0).sum())
        worlds.step(actions)
    assert acted


@pytest.mark.parametrize("with_base", [False, True])
def test_options_are_rolled_as_if_each_were_alone(with_base: bool) -> None:
    """Side by side or one by one: the same losses in the same worlds, which stay as they are; losses only grow."""
    game = short_game()
    worlds = ResponseWorlds(game, range(2), stream=STREAM_EVALUATION)
    worlds.reset()
    for _ in range(6):
        worlds.step(np.zeros(2, np.int32))
    drawn = draw_worlds(
        game.compiled,
        game.effects,
        game.assumed,
        belief=worlds.belief,
        view=1,
        state=worlds.worlds.state,
        world=1,
        count=16,
        seed=3,
    )
    before = drawn.state.loss.copy()
    restore = encode(game.library.index_of("restore-asset"), 0, game.compiled.targets)
    legal = np.flatnonzero(worlds.masks()[1])
    options = [(), (int(legal[legal >= restore][0]),), tuple(int(one) for one in legal[1:4])]
    following = Following(LearnedBase(game, some_policy()), worlds.belief, 1, 2) if with_base else None
    together = roll_options(drawn, options[:2], [4, 10], following)
    alone = [roll_options(drawn, [option], [4, 10], following) for option in options[:2]]
    if with_base:  # who follows begins when the longest option is over
        alone[0] = together[:, :1]
    assert (together == np.concatenate(alone, axis=1)).all() and together.shape == (2, 2, 16)
    assert (together[1] >= together[0]).all() and together[1].sum() > 0
    assert (drawn.state.loss == before).all()
    assert roll_options(drawn, options, [4, 10]).shape == (2, 3, 16)


@pytest.mark.parametrize("based_on", list(PlannerBase))
def test_planners_play_beside_the_policies_they_build_on(based_on: PlannerBase) -> None:
    """Alone, on the rule that contains, which plays too, and on each policy; who sees the truth stays last."""
    game = short_game()
    learned = {"mine": some_policy()}
    field = with_planner(learned, based_on)(contenders(game, TUNED, learned))
    names = [PLANNER, CONTAINING, f"{CONTAINING}, with planner", "mine, with planner", CLAIRVOYANT]
    assert list(field)[-5:] == names
    worlds = ResponseWorlds(game, range(1), stream=STREAM_EVALUATION)
    worlds.reset()
    for _ in range(5):
        for name in (PLANNER, "mine, with planner"):
            assert worlds.masks()[0, field[name].policy(worlds)[0]]
        worlds.step(field[NOTHING].policy(worlds))


def test_the_rule_as_base_decides_as_it_does_in_worlds() -> None:
    """On the same belief and state it proposes what the rule proposes, opening what is cut off and clean as well."""
    game = short_game()
    worlds = ResponseWorlds(game, range(4), stream=STREAM_EVALUATION)
    worlds.reset()
    policy = RulePolicy(shipped_numbers())
    rule, base, acted = Learned(game, policy), LearnedBase(game, policy), 0
    isolate = encode(game.library.index_of("isolate-asset"), 0, game.compiled.targets)
    asset = int(np.flatnonzero(worlds.masks()[0, isolate : isolate + game.compiled.sizes[0]])[0])
    worlds.step(np.array([isolate + asset, 0, 0, 0]))
    for _ in range(game.decisions - 2):
        actions = base(worlds.worlds, worlds.belief)
        assert actions.tolist() == rule(worlds).tolist()
        acted += int((actions > 0).sum())
        worlds.step(actions)
    assert acted


def test_candidates_answer_what_is_suspected_and_open_what_is_cut_off() -> None:
    """All are legal; where something is cut off, one of them releases it."""
    game = short_game()
    worlds = ResponseWorlds(game, range(2), stream=STREAM_EVALUATION)
    worlds.reset()
    prior = Suspects(game)
    isolate, release = (
        encode(game.library.index_of(name), 0, game.compiled.targets) for name in ("isolate-asset", "release-asset")
    )
    asset = int(np.flatnonzero(worlds.masks()[0, isolate : isolate + game.compiled.sizes[0]])[0])
    worlds.step(np.array([isolate + asset, 0]))
    opened, most = False, 0
    for _ in range(game.decisions - 2):
        for world, candidates in enumerate(prior(worlds)):
            assert worlds.masks()[world, candidates].all()
            most = max(most, len(set(candidates)))
        opened |= release + asset in prior(worlds)[0]
        worlds.step(np.zeros(2, np.int32))
    assert opened
    assert most > 3
