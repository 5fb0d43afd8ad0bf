"""The Gymnasium face: its own checker, registry, seeds, masks, refusals, ends."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from tocsin.envs.response import ENV_ID, ResponseEnv, register
from tocsin.tests.envs.games import STEPS, short_game
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.twin.vocabulary import LossCause


@pytest.fixture
def env() -> ResponseEnv:
    return ResponseEnv(game=short_game())


def test_gymnasium_finds_nothing_wrong(env: ResponseEnv) -> None:
    """Gymnasium's checker passes; the environment has nothing to render."""
    check_env(env, skip_render_check=True)


def test_it_is_made_by_its_name() -> None:
    """The registry knows it, however often it is registered, and by module too."""
    register()
    for name in (ENV_ID, f"tocsin.envs.response:{ENV_ID}"):
        made = gymnasium.make(name, game=short_game())
        observation, _ = made.reset(seed=3)
        assert made.observation_space.contains(observation)
        made.close()


def test_masks_are_what_maskable_ppo_asks_for(env: ResponseEnv) -> None:
    """sb3-contrib finds the masks, and waiting is always legal."""
    env.reset(seed=3)
    assert is_masking_supported(env)
    masks = get_action_masks(env)
    assert masks.shape == (env.action_space.n,) and masks[0]


def episode(env: ResponseEnv, seed: int | None) -> list[float]:
    env.reset(seed=seed)
    return [env.step(0)[1] for _ in range(STEPS)]


def test_a_seed_names_a_world_and_a_bare_reset_its_next_episode(env: ResponseEnv) -> None:
    """Equal seeds, equal episodes; without a seed the next episode of the same world, repeatable too."""
    first, second, again, second_again = (episode(env, seed) for seed in (7, None, 7, None))
    assert first == again and second == second_again and first != second


def test_the_end_is_a_truncation_with_the_loss_told(env: ResponseEnv) -> None:
    """After the last step: truncated, never terminated, the loss by owner and cause, and no step without a reset."""
    env.reset(seed=7)
    rewards = []
    for number in range(STEPS):
        observation, reward, terminated, truncated, told = env.step(0)
        rewards.append(reward)
        assert not terminated and truncated == (number == STEPS - 1)
    assert observation.any()
    assert set(told["loss"]) == {owner.id for owner in env.game.compiled.twin.owners}
    assert all(set(loss) == {cause.word for cause in LossCause} for loss in told["loss"].values())
    assert sum(rewards) == pytest.approx(-sum(sum(loss.values()) for loss in told["loss"].values()), rel=1e-4)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


def test_an_illegal_action_is_refused_and_one_out_of_range_raises(env: ResponseEnv) -> None:
    """The data sheet's word: refused waits and is told, no number of an action raises before anything changes."""
    env.reset(seed=7)
    illegal = int(np.flatnonzero(~env.action_masks())[0])
    for action in (-1, int(env.action_space.n), 1.5):
        with pytest.raises(ValueError, match="give an integer within"):
            env.step(action)
    refused = env.step(illegal)
    env.reset(seed=7)
    waited = env.step(0)
    assert refused[4]["refused"] and not waited[4]["refused"]
    assert (refused[0] == waited[0]).all() and refused[1] == waited[1]
