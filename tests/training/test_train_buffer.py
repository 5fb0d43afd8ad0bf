"""What learns from workers is what SB3 would have collected itself: same buffer, same advantages, ends included."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3.common.callbacks import CallbackList
from tocsin.envs.active_sb3 import ActiveVecEnv
from tocsin.tests.envs.games import STEPS, short_game
from tocsin.tests.training.scaled import Scaled
from tocsin.training.family import single
from tocsin.training.ppo import fill_buffer, make_learner
from tocsin.training.rollout import Roller, Rollout
from tocsin.training.settings import TrainSettings

WORLDS, SCALE = 3, 0.5
SETTINGS = TrainSettings(worlds=WORLDS, workers=1, steps=STEPS + 5)  # longer than an episode: every world ends once


def _roller() -> Roller:
    return Roller(single(short_game()), worlds=WORLDS, first_world=0, seed=4, gamma=SETTINGS.gamma)


@pytest.fixture(scope="module")
def learner() -> MaskablePPO:
    torch.set_num_threads(1)
    return make_learner(short_game(), SETTINGS)


@pytest.fixture(scope="module")
def rollout(learner: MaskablePPO) -> Rollout:
    with torch.no_grad():
        learner.policy.network.wait.bias.zero_()  # so that it acts
    return _roller().roll(learner.policy, SETTINGS.steps, SCALE)


def _collected_by_sb3(learner: MaskablePPO, played: Rollout, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The buffer that SB3's own loop fills when it takes the actions that the worker took, in equal worlds."""
    twin, step = _roller(), iter(range(SETTINGS.steps))

    def replay(obs: torch.Tensor, deterministic: bool = False, action_masks: Any = None) -> Any:
        actions = torch.from_numpy(played.actions[next(step)])
        values, log_probs, _ = learner.policy.evaluate_actions(obs, actions, action_masks=action_masks)
        return actions, values, log_probs

    monkeypatch.setattr(learner.policy, "forward", replay)
    learner._last_obs, learner._last_episode_starts = twin._observation, twin._starts
    learner.ep_info_buffer, learner.ep_success_buffer = deque(), deque()
    callback = CallbackList([])
    callback.init_callback(learner)
    face = ActiveVecEnv(WORLDS, game=short_game())
    (face._seen,) = twin._worlds.parts  # where the worker's worlds stand
    learner.collect_rollouts(Scaled(face, SCALE), callback, learner.rollout_buffer, SETTINGS.steps)
    return learner.rollout_buffer


def test_a_workers_buffer_is_sb3s_own(learner: MaskablePPO, rollout: Rollout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker and `collect_rollouts` agree on all that PPO reads, over episodes that end by truncation."""
    ours, theirs = fill_buffer(learner, [rollout]), _collected_by_sb3(learner, rollout, monkeypatch)
    assert len(rollout.losses) >= WORLDS and (rollout.actions > 0).any()
    for name in ("observations", "actions", "action_masks", "episode_starts"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
    for name in ("rewards", "values", "log_probs", "returns", "advantages"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-4, atol=1e-4, err_msg=name)


def test_a_cut_episode_is_valued_at_its_true_last_observation(learner: MaskablePPO, rollout: Rollout) -> None:
    """At a truncation the reward is the step's own plus gamma times the value of what was seen before the reset."""
    network, twin = learner.policy.network, _roller()
    for step in range(SETTINGS.steps):
        told = twin._worlds.step(rollout.actions[step])
        expected = told.reward * np.float32(SCALE)
        if len(told.ended):
            with torch.no_grad():
                last = network.values(torch.from_numpy(told.terminal_observation))[:, 0].numpy()
            expected[told.ended] += SETTINGS.gamma * last
        np.testing.assert_allclose(rollout.rewards[step], expected, rtol=1e-4, atol=1e-5)


def test_rollouts_of_several_workers_lie_side_by_side(learner: MaskablePPO, rollout: Rollout) -> None:
    """Advantages of a world do not depend on the worker that stands beside its own."""
    alone, together = fill_buffer(learner, [rollout]), fill_buffer(learner, [rollout, rollout])
    assert together.n_envs == 2 * WORLDS
    np.testing.assert_allclose(together.advantages, np.tile(alone.advantages, (1, 2)), rtol=1e-5, atol=1e-6)
