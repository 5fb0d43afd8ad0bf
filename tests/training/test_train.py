"""Training in one process: same seed, same weights; cloning learns; returns and settings are what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tocsin.envs.active_worlds import ActiveWorlds
from tocsin.envs.game import Game, load_game
from tocsin.envs.rule_layer import RulePolicy
from tocsin.envs.rule_numbers import RuleNumbers
from tocsin.envs.scenario import read_scenario
from tocsin.envs.vector import ResponseWorlds
from tocsin.training.family import Chain, single
from tocsin.training.imitate import chances, clone, discounted, imitate, watch
from tocsin.training.network import PairNetwork
from tocsin.training.ppo import make_learner
from tocsin.training.rollout import Roller
from tocsin.training.rule_file import shipped_numbers
from tocsin.training.settings import OWNERS, TrainError, TrainSettings
from tocsin.training.worth import Watchful
from tocsin.twin.rulebook.worlds import STREAM_EVALUATION

TINY = TrainSettings(worlds=3, steps=6, workers=1, imitation_worlds=2, imitation_passes=1, epochs=1, minibatches=1)


@pytest.fixture(scope="module")
def game() -> Game:
    return load_game(read_scenario())


def _trained(game: Game, settings: TrainSettings) -> dict[str, np.ndarray]:
    torch.set_num_threads(1)
    learner = make_learner(game, settings)
    scale = imitate(learner.policy.network, single(game), settings)
    roller = Roller(single(game), worlds=settings.worlds, first_world=0, seed=settings.seed, gamma=settings.gamma)
    for _ in range(2):
        learner.update([roller.roll(learner.policy, settings.steps, scale)], 1.0)
    weights: dict[str, np.ndarray] = learner.policy.network.numpy_weights()
    return weights


def test_a_seed_decides_the_weights(game: Game) -> None:
    """Two runs with one seed end with equal weights, a run with another seed does not."""
    first, second = _trained(game, TINY), _trained(game, TINY)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    other = _trained(game, replace(TINY, seed=5))
    assert any(not np.array_equal(first[name], other[name]) for name in first)


def test_a_rollout_is_what_was_played(game: Game) -> None:
    """Actions are legal, log probabilities are those of the weights, and episodes end within an episode's length."""
    policy = make_learner(game, TINY).policy
    roller = Roller(single(game), worlds=8, first_world=0, seed=1, gamma=0.99)
    rollout = roller.roll(policy, 20, 0.1)
    assert np.take_along_axis(rollout.masks, rollout.actions[..., None], axis=2).all()
    assert (rollout.log_probs <= 0).all()
    values = policy.predict_values(torch.from_numpy(rollout.observations[7]))
    np.testing.assert_allclose(values[:, 0].detach().numpy(), rollout.values[7], rtol=1e-4, atol=1e-5)
    assert rollout.starts.any(), "worlds are spread over the episode, so some begin one in 20 decisions"
    assert len(rollout.losses) == rollout.starts[1:].sum() + rollout.last_starts.sum()


def test_workers_log_probabilities_are_those_sb3_computes(game: Game) -> None:
    """What a worker says of its actions is what SB3's policy says of them."""
    learner = make_learner(game, TINY)
    roller = Roller(single(game), worlds=3, first_world=0, seed=0, gamma=0.99)
    rollout = roller.roll(learner.policy, 2, 0.1)
    values, log_probs, _ = learner.policy.evaluate_actions(
        torch.from_numpy(rollout.observations[1]), torch.from_numpy(rollout.actions[1]), action_masks=rollout.masks[1]
    )
    np.testing.assert_allclose(values.detach().numpy()[:, 0], rollout.values[1], atol=1e-5)
    np.testing.assert_allclose(log_probs.detach().numpy(), rollout.log_probs[1], atol=1e-4)


def test_learning_changes_the_policy(game: Game) -> None:
    """One update on a rollout moves the weights."""
    learner = make_learner(game, TINY)
    before = learner.policy.network.numpy_weights()
    roller = Roller(single(game), worlds=3, first_world=0, seed=0, gamma=0.99)
    learner.update([roller.roll(learner.policy, TINY.steps, 0.1)], 1.0)
    after = learner.policy.network.numpy_weights()
    assert any(not np.array_equal(before[name], after[name]) for name in before)


def test_cloning_comes_to_act_like_the_rule(game: Game) -> None:
    """After cloning an owners' network often picks the very pair that their rule would; before, hardly ever."""
    settings = TrainSettings(imitation_worlds=8, imitation_passes=40, seats=OWNERS)
    lesson = watch(Chain(game), 8, 1.0, settings)
    torch.manual_seed(0)
    network = PairNetwork(game.effects)
    assert lesson.chances is not None
    chosen_by_rule = lesson.chances.argmax(axis=1)
    acted = chosen_by_rule > 0

    def agreement() -> float:
        with torch.no_grad():
            logits, _ = network(torch.from_numpy(lesson.observations), torch.from_numpy(lesson.masks))
        chosen = logits.argmax(dim=1).numpy()
        return float((chosen == chosen_by_rule)[acted].mean())

    assert acted.any()
    assert agreement() < 0.1
    clone(network, [lesson], settings)
    assert agreement() > 0.25


def test_a_lesson_is_the_rules_choice_softened(game: Game) -> None:
    """What is legal and likeliest in a lesson is the rule's own choice, wherever that has a slot."""
    seen = ActiveWorlds(ResponseWorlds(game, range(16)))
    rule, acted, lacking = Watchful(game, 1.0), 0, 0
    anywhere = np.ones((16, seen.settings.slots), np.bool_)
    for _ in range(60):
        lesson, choice = chances(rule, seen, anywhere), rule(seen.worlds)
        np.testing.assert_allclose(lesson.sum(axis=1), 1.0, rtol=1e-5)
        assert not lesson[~seen.active.legal].any()
        told = seen.slotted(choice)
        has_slot = (choice == 0) | (told > 0)
        best = lesson.argmax(axis=1)
        tied = np.isclose(lesson[np.arange(16), told], lesson[np.arange(16), best])
        assert ((best == told) | tied)[has_slot].all()
        acted, lacking = acted + int((told > 0).sum()), lacking + int((~has_slot).sum())
        seen.advance(choice)
    assert acted > 5 and lacking < acted / 10


def test_the_coalitions_network_begins_as_the_rule_and_learns_what_it_is_worth(game: Game) -> None:
    """After the warm start it does in every decision what the rule of the settings' numbers does; values are fitted."""
    settings = TrainSettings(imitation_worlds=16, imitation_passes=20)
    torch.manual_seed(0)
    network = PairNetwork(game.effects)
    scale = imitate(network, single(game), settings)
    assert scale > 0
    rule = RulePolicy(RuleNumbers.of_array(network.rule_numbers.numpy()))
    assert rule.numbers.cut == pytest.approx(shipped_numbers().cut)
    seen, acted = ActiveWorlds(ResponseWorlds(game, range(8), stream=STREAM_EVALUATION)), 0
    for _ in range(game.decisions - 1):
        with torch.no_grad():
            logits, _ = network(torch.from_numpy(seen.active.rows), torch.from_numpy(seen.active.legal))
        actions = rule.act_on(seen.active, game.effects)
        assert (logits.argmax(dim=1).numpy() == actions).all()
        acted += int((actions > 0).sum())
        seen.step(actions)
    assert acted
    lesson = watch(Chain(game), 16, rule.numbers.level / shipped_numbers().level, settings)
    assert lesson.chances is None
    with torch.no_grad():
        values = network.values(torch.from_numpy(lesson.observations))[:, 0].numpy()
    assert np.corrcoef(values, lesson.returns)[0, 1] > 0.5


def test_returns_are_discounted_sums() -> None:
    """Constant rewards have the return of a constant stream at every step."""
    returns = discounted(np.full((8, 2), -0.5, np.float32), 0.9)
    np.testing.assert_allclose(returns, -5.0, rtol=1e-5)


@pytest.mark.parametrize(("name", "value"), [("seconds", 1.0), ("workers", 0), ("seed", -1), ("gamma", 0.0)])
def test_settings_that_cannot_run_are_named(name: str, value: float) -> None:
    """A setting out of range is refused with its name."""
    with pytest.raises(TrainError, match=name):
        TrainSettings(**{name: value})  # type: ignore[arg-type]


def test_bad_input_leaves_files_alone(tmp_path: Path) -> None:
    """The command refuses bad settings and places before it starts anything; an old policy file stays as it was."""
    from tocsin.training.train_commands import train

    old = tmp_path / "policy.tocsin"
    old.write_text("old")
    with pytest.raises(TrainError, match="workers"):
        train(out=old, workers=0)
    with pytest.raises(TrainError, match="--out"):
        train(out=tmp_path / "none" / "policy.tocsin")
    with pytest.raises(TrainError, match="--out"):
        train(out=tmp_path)
    with pytest.raises(TrainError, match="--chart"):
        train(out=old, chart=tmp_path)
    assert old.read_text() == "old"
