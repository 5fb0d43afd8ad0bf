"""Training: SB3's own advantages on workers' data, one seed one rollout, settings that make no run."""

from __future__ import annotations

import numpy as np
import pytest
from stable_baselines3.common.utils import obs_as_tensor
from tocsin.envs.game import Game, load_game
from tocsin.envs.scenario import read_scenario
from tocsin.training.rollout import Roller, Rollout
from tocsin.training.settings import TrainError, TrainSettings
from tocsin.training.train import fill_buffer, make_learner

SETTINGS = TrainSettings(workers=1, worlds=3, steps=5, minibatches=1, epochs=1)


@pytest.fixture(scope="module")
def game() -> Game:
    return load_game(read_scenario())


def roll(game: Game, seed: int = 0) -> Rollout:
    learner = make_learner(game, SETTINGS)
    roller = Roller(game, worlds=3, first_world=0, seed=seed, gamma=0.99)
    return roller.roll(learner.policy.network.state_dict(), 5, 0.1)


def test_one_seed_gives_one_rollout(game: Game) -> None:
    """Equal seeds give equal actions, rewards and values; another seed another rollout."""
    first, again, other = roll(game), roll(game), roll(game, seed=1)
    assert np.array_equal(first.actions, again.actions) and np.array_equal(first.rewards, again.rewards)
    assert not np.array_equal(first.observations, other.observations) or not np.array_equal(
        first.actions, other.actions
    )


def test_no_illegal_action_is_sampled(game: Game) -> None:
    """Every action rolled out was legal where it was taken."""
    rollout = roll(game)
    steps, worlds = rollout.actions.shape
    assert rollout.masks[np.arange(steps)[:, None], np.arange(worlds)[None], rollout.actions].all()


def test_workers_log_probabilities_are_those_sb3_computes(game: Game) -> None:
    """What a worker says of its actions is what SB3's policy says of them."""
    learner, rollout = make_learner(game, SETTINGS), roll(game)
    observation = obs_as_tensor(rollout.observations[0], learner.device)
    values, log_probs, _ = learner.policy.evaluate_actions(
        observation, obs_as_tensor(rollout.actions[0], learner.device), action_masks=rollout.masks[0]
    )
    assert np.allclose(values.detach().numpy()[:, 0], rollout.values[0], atol=1e-5)
    assert np.allclose(log_probs.detach().numpy(), rollout.log_probs[0], atol=1e-4)


def test_learning_changes_the_policy(game: Game) -> None:
    """One update of SB3's MaskablePPO on a rollout moves the weights."""
    learner = make_learner(game, SETTINGS)
    before = learner.policy.network.numpy_weights()
    learner.rollout_buffer = fill_buffer(learner, [roll(game)])
    learner.train()
    after = learner.policy.network.numpy_weights()
    assert any(not np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("setting", [{"seconds": 1}, {"workers": 0}, {"gamma": 0.0}, {"seed": -1}])
def test_impossible_settings_are_named(setting: dict[str, float]) -> None:
    """A setting out of range is refused by its name."""
    with pytest.raises(TrainError, match=next(iter(setting))):
        TrainSettings(**setting)  # type: ignore[arg-type]
