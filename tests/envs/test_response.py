"""The Gymnasium face: both checkers, registry, seeds, masks, refusals, losses, ends, pictures."""

from __future__ import annotations

import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.env_checker import check_env as check_env_sb3
from tocsin.envs.registration import ATTACK, RESPONSE, register
from tocsin.envs.response import ResponseEnv
from tocsin.tests.envs.games import STEPS, short_game
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.twin.vocabulary import LossCause


@pytest.fixture
def env() -> ResponseEnv:
    return ResponseEnv(game=short_game())


def test_gymnasium_finds_nothing_wrong(env: ResponseEnv) -> None:
    """Gymnasium's checker passes without a warning, and so does each render mode."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env, skip_render_check=True)
    for mode in ResponseEnv.metadata["render_modes"]:
        check_env(ResponseEnv(game=short_game(), render_mode=mode))


def test_stable_baselines_finds_nothing_wrong(env: ResponseEnv) -> None:
    """SB3's checker passes."""
    check_env_sb3(env, warn=False)


def test_it_is_made_by_its_name() -> None:
    """The registry knows it, however often it is registered, and by module too."""
    register()
    for name in (RESPONSE, f"tocsin.envs.registration:{RESPONSE}", f"tocsin.envs.response:{RESPONSE}"):
        made = gymnasium.make(name, game=short_game())
        observation, _ = made.reset(seed=3)
        assert made.observation_space.contains(observation)
        made.close()


def test_registering_loads_no_environment() -> None:
    """Importing the registration makes both names known and loads neither torch nor numba."""
    code = (
        "import sys, gymnasium, tocsin.envs.registration; "
        f"[gymnasium.spec(name) for name in ({RESPONSE!r}, {ATTACK!r})]; "
        "print([name for name in ('torch', 'numba', 'tocsin.envs.response') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_masks_are_what_maskable_ppo_asks_for(env: ResponseEnv) -> None:
    """sb3-contrib finds the masks, and waiting is always legal."""
    env.reset(seed=3)
    assert is_masking_supported(env)
    masks = get_action_masks(env)
    assert masks.shape == (env.action_space.n,) and masks[0]


def test_legal_pairs_name_what_the_mask_allows(env: ResponseEnv) -> None:
    """The same proposals as playbook and target."""
    env.reset(seed=3)
    pairs = env.legal_pairs()
    numbers = 1 + pairs[:, 0] * env.game.compiled.targets + pairs[:, 1]
    assert numbers.tolist() == np.flatnonzero(env.action_masks())[1:].tolist()


def episode(env: ResponseEnv, seed: int | None) -> list[float]:
    env.reset(seed=seed)
    return [env.step(0)[1] for _ in range(STEPS)]


def test_a_seed_names_a_world_and_a_bare_reset_its_next_episode(env: ResponseEnv) -> None:
    """Equal seeds, equal episodes; without a seed the next episode of the same world, repeatable too."""
    first, second, again, second_again = (episode(env, seed) for seed in (7, None, 7, None))
    assert first == again and second == second_again and first != second


def test_every_step_tells_its_loss_and_the_last_the_episodes(env: ResponseEnv) -> None:
    """Loss by owner and cause each step; the end is a truncation, never a termination, with the sum of all steps."""
    env.reset(seed=7)
    total: dict[str, float] = {}
    for number in range(STEPS):
        observation, reward, terminated, truncated, told = env.step(0)
        spent = [sum(causes.values()) for causes in told["loss"].values()]
        assert reward == pytest.approx(-sum(spent), rel=1e-5, abs=1e-9)
        assert not terminated and truncated == (number == STEPS - 1) == ("episode_loss" in told)
        for owner, causes in told["loss"].items():
            total[owner] = total.get(owner, 0.0) + sum(causes.values())
    assert observation.any()
    assert set(told["episode_loss"]) == {owner.id for owner in env.game.compiled.twin.owners}
    for owner, causes in told["episode_loss"].items():
        assert set(causes) == {cause.word for cause in LossCause}
        assert sum(causes.values()) == pytest.approx(total[owner])
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


def test_an_illegal_action_is_refused_and_one_out_of_range_raises(env: ResponseEnv) -> None:
    """The data sheet's word: refused waits and is told, no number of an action raises before anything changes."""
    env.reset(seed=7)
    illegal = int(np.flatnonzero(~env.action_masks())[0])
    for action in (-1, int(env.action_space.n), 1.5, "0", np.zeros(1, np.int64), None):
        with pytest.raises(ValueError, match="give an integer within"):
            env.step(action)  # type: ignore[arg-type]
    refused = env.step(illegal)
    env.reset(seed=7)
    waited = env.step(0)
    assert refused[4]["refused"] and not waited[4]["refused"]
    assert (refused[0] == waited[0]).all() and refused[1] == waited[1]


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "a"])
def test_a_seed_that_names_no_world_is_refused(env: ResponseEnv, seed: object) -> None:
    """Before the world has changed."""
    env.reset(seed=7)
    env.step(0)
    with pytest.raises(ValueError, match="give an integer within"):
        env.reset(seed=seed)  # type: ignore[arg-type]
    assert not env.step(0)[3]


def test_an_unknown_render_mode_is_refused() -> None:
    """With the modes that there are."""
    with pytest.raises(ValueError, match="ansi, rgb_array"):
        ResponseEnv(game=short_game(), render_mode="human")


def test_the_table_shows_what_is_believed_and_what_runs() -> None:
    """`ansi`: the place in the episode, every owner, a running response; after the last step, the end."""
    env = ResponseEnv(game=short_game(), render_mode="ansi")
    env.reset(seed=7)
    playbook, target = (int(one) for one in env.legal_pairs()[0])
    env.step(1 + playbook * env.game.compiled.targets + target)
    text = env.render()
    assert "world 7, episode 0, tick 2 of 30" in text
    assert f"{env.game.library.names[playbook]} on {env.game.compiled.target_name(target)}: " in text
    assert all(owner.id in text for owner in env.game.compiled.twin.owners)
    for _ in range(STEPS - 1):
        env.step(0)
    assert "the end" in env.render()


def test_the_picture_follows_the_observation_alone() -> None:
    """`rgb_array`: equal observations give equal pictures, others differ; bytes of a fixed shape."""
    one, other = (ResponseEnv(game=short_game(), render_mode="rgb_array") for _ in range(2))
    one.reset(seed=7), other.reset(seed=7)
    before = one.render()
    assert before.dtype == np.uint8 and before.ndim == 3 and before.shape[2] == 3
    for _ in range(STEPS - 1):
        one.step(0), other.step(0)
    assert (one.render() == other.render()).all() and (one.render() != before).any()


def test_without_a_render_mode_nothing_is_drawn(env: ResponseEnv) -> None:
    """As Gymnasium has it."""
    env.reset(seed=7)
    assert env.render() is None
