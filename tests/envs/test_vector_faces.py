"""The vector faces of Gymnasium and SB3: each lane is a `ResponseEnv`, ends are told truly, the libraries take them."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from tocsin.envs.gymnasium_vector import ResponseVectorEnv
from tocsin.envs.registration import RESPONSE
from tocsin.envs.response import ResponseEnv
from tocsin.envs.sb3_vector import ResponseVecEnv
from tocsin.tests.envs.games import STEPS, short_game
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)

IDS = [5, 6, 7]
B = len(IDS)


def some_actions(masks: np.ndarray, step: int) -> np.ndarray:
    """int64[B]: legal actions, every third one none."""
    rng = np.random.default_rng(step)
    chosen = [rng.choice(np.flatnonzero(mask)) if (step + lane) % 3 else 0 for lane, mask in enumerate(masks)]
    return np.array(chosen)


def test_gymnasium_lanes_are_single_environments() -> None:
    """Observations, rewards, masks, losses and ends of two episodes equal those of `ResponseEnv`, lane by lane."""
    lanes, singles = ResponseVectorEnv(B, game=short_game()), [ResponseEnv(game=short_game()) for _ in IDS]
    observations, _ = lanes.reset(seed=IDS[0])
    for single, world, first in zip(singles, IDS, observations, strict=True):
        assert (single.reset(seed=world)[0] == first).all()
    for number in range(2 * STEPS):
        masks = lanes.action_masks()
        assert all((single.action_masks() == mask).all() for single, mask in zip(singles, masks, strict=True))
        actions = some_actions(masks, number)
        observations, rewards, terminated, truncated, infos = lanes.step(actions)
        for lane, single in enumerate(singles):
            seen, reward, ended, cut, told = single.step(int(actions[lane]))
            assert (reward, ended, cut) == (rewards[lane], terminated[lane], truncated[lane])
            assert told["refused"] == infos["refused"][lane]
            assert [list(causes.values()) for causes in told["loss"].values()] == infos["loss"][lane].tolist()
            if cut:
                assert (infos["final_obs"][lane] == seen).all() and infos["_final_obs"][lane]
                final = infos["final_info"]["episode_loss"][lane].tolist()
                assert [list(causes.values()) for causes in told["episode_loss"].values()] == final
                seen = single.reset()[0]
            assert (seen == observations[lane]).all()


def test_sb3_lanes_are_single_environments() -> None:
    """The same for SB3's `VecEnv`, with `terminal_observation` and `TimeLimit.truncated` where lanes end."""
    lanes, singles = ResponseVecEnv(B, game=short_game()), [ResponseEnv(game=short_game()) for _ in IDS]
    lanes.seed(IDS[0])
    observations = lanes.reset()
    for single, world, first in zip(singles, IDS, observations, strict=True):
        assert (single.reset(seed=world)[0] == first).all()
    for number in range(2 * STEPS):
        masks = get_action_masks(lanes)
        actions = some_actions(masks, number)
        observations, rewards, dones, infos = lanes.step(actions)
        for lane, single in enumerate(singles):
            assert (masks[lane] == single.action_masks()).all()
            seen, reward, _, cut, told = single.step(int(actions[lane]))
            last, truncated = infos[lane].pop("terminal_observation", None), infos[lane].pop("TimeLimit.truncated")
            assert (reward, cut, told) == (rewards[lane], dones[lane], infos[lane]) and truncated == cut
            assert (last is not None) == cut
            if cut:
                assert (last == seen).all()
                seen = single.reset()[0]
            assert (seen == observations[lane]).all()


def test_gymnasium_makes_the_vector_by_name_and_wraps_it() -> None:
    """`make_vec` takes our own vector environment, declares its autoreset, and Gymnasium's wrappers work on it."""
    envs = gymnasium.make_vec(f"tocsin.envs.registration:{RESPONSE}", num_envs=B, game=short_game())
    assert isinstance(envs.unwrapped, ResponseVectorEnv)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    counted = RecordEpisodeStatistics(envs)
    observations, _ = counted.reset(seed=3)
    assert envs.observation_space.contains(observations)
    for _ in range(STEPS):
        *_, infos = counted.step(np.zeros(B, np.int64))
    assert infos["episode"]["l"].tolist() == [STEPS] * B


def test_maskable_ppo_learns_on_the_sb3_face() -> None:
    """A few hundred steps of sb3-contrib's MaskablePPO; every action it takes is legal."""
    torch.set_num_threads(1)
    envs = ResponseVecEnv(4, game=short_game())
    assert is_masking_supported(envs)
    learner = MaskablePPO("MlpPolicy", envs, n_steps=32, batch_size=64, n_epochs=1, seed=0, device="cpu")
    learner.learn(256)
    masks = get_action_masks(envs)
    actions, _ = learner.predict(envs.reset(), action_masks=masks)
    assert learner.num_timesteps >= 256 and masks[np.arange(4), actions].all()


@pytest.mark.parametrize(
    ("actions", "fault"),
    [
        (np.zeros(B + 1, np.int64), "one for each world"),
        (np.zeros(B), "integers"),
        (np.full(B, -1), "give 0"),
        (np.full(B, 10**6), "give 0"),
    ],
)
def test_what_is_no_action_changes_nothing(actions: np.ndarray, fault: str) -> None:
    """Both faces refuse it before any world moves: the next step is the first."""
    gym, sb3, single = (
        ResponseVectorEnv(B, game=short_game()),
        ResponseVecEnv(B, game=short_game()),
        ResponseEnv(game=short_game()),
    )
    gym.reset(seed=0), sb3.seed(0), sb3.reset(), single.reset(seed=0)
    for env in (gym, sb3):
        with pytest.raises(ValueError, match=fault):
            env.step(actions)
    first = single.step(0)[0]
    assert (gym.step(np.zeros(B, np.int64))[0][0] == first).all()
    assert (sb3.step(np.zeros(B, np.int64))[0][0] == first).all()


def test_seeds_that_name_no_worlds_are_refused() -> None:
    """Too few, or out of range; lists name worlds one by one."""
    envs = ResponseVectorEnv(B, game=short_game())
    with pytest.raises(ValueError, match="2 seeds for 3 worlds"):
        envs.reset(seed=[1, 2])
    with pytest.raises(ValueError, match="give an integer within"):
        envs.reset(seed=-5)
    listed, _ = envs.reset(seed=[9, 4, 4])
    assert (listed[1] == listed[2]).all()


def test_lanes_have_no_methods_but_their_own() -> None:
    """`env_method` and `set_attr` name what there is instead of failing oddly."""
    envs = ResponseVecEnv(B, game=short_game())
    envs.reset()
    pairs = envs.env_method("legal_pairs", indices=[1])
    assert pairs[0].shape[1] == 2
    with pytest.raises(AttributeError, match="action_masks and legal_pairs"):
        envs.env_method("jump")
    with pytest.raises(AttributeError, match="share"):
        envs.set_attr("game", None)
