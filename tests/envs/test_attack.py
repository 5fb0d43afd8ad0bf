"""The attacker's seat: both checkers, what it sees, what it may try, what it is paid."""

from __future__ import annotations

from functools import cache

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.env_checker import check_env as check_env_sb3
from tocsin.envs.attack import AttackEnv
from tocsin.envs.attackers import Attacker
from tocsin.envs.discovery import ASSET_COLUMNS, STEP_COLUMNS
from tocsin.envs.game import Game, load_game
from tocsin.envs.registration import ATTACK
from tocsin.envs.scenario import Scenario
from tocsin.envs.scripted import DEFENDERS, defender
from tocsin.envs.vector import ResponseWorlds
from tocsin.tests.envs.games import STEPS, TICKS, short_game
from tocsin.tests.twin.random_twins import FEW, one_thread  # noqa: F401  (a fixture of the module)
from tocsin.twin.rulebook.attacking import NOT_OPEN
from tocsin.twin.vocabulary import OccurrenceKind

LOSSY = 6  # a world in which something is lost within thirty ticks
USER, ENTRY = ASSET_COLUMNS.index("user"), ASSET_COLUMNS.index("entry")


@pytest.fixture
def env() -> AttackEnv:
    return AttackEnv(game=short_game())


@cache
def late_game() -> Game:
    """Two attackers who come some time within the episode, or never."""
    late = Attacker(onset_s=(0.0, 3600.0), absent=0.5)
    return load_game(Scenario(name="late", attackers=(late, late), horizon_ticks=TICKS))


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


def play(env: AttackEnv, seed: int | None, rng: np.random.Generator) -> list[float]:
    """Rewards of an episode in which every open step is as likely."""
    env.reset(seed=seed)
    rewards, over = [], False
    while not over:
        _, reward, _, over, _ = env.step(int(rng.choice(np.flatnonzero(env.action_masks()))))
        rewards.append(reward)
    return rewards


def test_both_checkers_find_nothing_wrong(env: AttackEnv) -> None:
    """Gymnasium's and SB3's, and it is made by its name."""
    check_env(env, skip_render_check=True)
    check_env_sb3(env, warn=False)
    assert is_masking_supported(env) and get_action_masks(env)[0]
    gymnasium.make(ATTACK, game=short_game()).close()


def test_an_attacker_holds_its_entry_when_the_episode_starts() -> None:
    """Whenever it comes, the first observation shows what it holds, and something may be tried."""
    env = AttackEnv(game=late_game(), attacker=1)
    for seed in range(5):
        seen, _ = env.reset(seed=seed)
        held, is_open = seen["assets"][:, USER], seen["steps"][:, STEP_COLUMNS.index("open")]
        assert (seen["assets"][:, ENTRY] == held).all() and held.any()
        assert is_open.any() and (env.action_masks()[1:] == is_open).all()


def test_what_is_tried_may_be_gained_and_pays_what_owners_lose(env: AttackEnv) -> None:
    """Random open steps take assets; rewards are the service and harm lost, labour of playbooks left out."""
    rng = np.random.default_rng(0)
    seen, _ = env.reset(seed=LOSSY)
    before, paid, over = seen["assets"][:, USER].sum(), 0.0, False
    while not over:
        seen, reward, terminated, over, told = env.step(int(rng.choice(np.flatnonzero(env.action_masks()))))
        assert not terminated
        lost = sum(causes["service"] + causes["harm"] for causes in told["loss"].values())
        assert reward == pytest.approx(lost)
        paid += reward
    assert seen["assets"][:, USER].sum() > before and paid > 0 and "episode_loss" in told
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


def test_equal_seeds_give_equal_episodes(env: AttackEnv) -> None:
    """And a bare reset the next one."""
    first, second, again = (play(env, seed, np.random.default_rng(1)) for seed in (3, None, 3))
    assert first == again and first != second


def test_a_step_that_is_not_open_is_refused_and_one_out_of_range_raises(env: AttackEnv) -> None:
    """Refused waits; no number of an action raises before anything changes."""
    env.reset(seed=3)
    for action in (-1, int(env.action_space.n), 0.5, "x"):
        with pytest.raises(ValueError, match="give an integer within"):
            env.step(action)  # type: ignore[arg-type]
    shut = int(np.flatnonzero(~env.action_masks())[0])
    refused = env.step(shut)
    env.reset(seed=3)
    waited = env.step(0)
    assert refused[4]["refused"] and refused[1] == waited[1]
    assert same(refused[0], waited[0])


@FEW
@given(seed=st.integers(0, 2**16))
def test_the_defenders_mind_is_not_seen(seed: int) -> None:
    """Scrambled belief, findings, other attackers' access and modes of what it does not hold change nothing."""
    rng, env = np.random.default_rng(seed), AttackEnv(game=late_game())
    env.reset(seed=int(rng.integers(0, 1000)))
    for _ in range(4):
        if not env._is_over:
            env.step(int(rng.choice(np.flatnonzero(env.action_masks()))))
    before, masks = env._see(), env.action_masks()
    state, belief = env._worlds.worlds.state, env._worlds.belief
    belief.asset["user"] = rng.random(belief.asset.shape)
    state.finding[:] = rng.integers(0, 4, state.finding.shape)
    state.world["finding_n"] = rng.integers(0, 64)
    for name in ("user", "admin", "persist"):
        state.asset[name] |= (rng.integers(0, 2, state.asset.shape) << 1).astype(np.uint8)
    assert same(env._see(), before) and (env.action_masks() == masks).all()


@pytest.mark.parametrize("name", DEFENDERS)
def test_every_scripted_defender_defends(name: str) -> None:
    """An episode against each; all but `nothing` propose something over a few worlds."""
    play(AttackEnv(game=short_game(), defender=name), 3, np.random.default_rng(0))
    worlds, acted = ResponseWorlds(short_game(), range(8)), False
    rule = defender(short_game(), name)
    worlds.reset()
    for _ in range(STEPS - 1):
        actions = rule(worlds)
        acted |= bool(actions.any())
        worlds.step(actions)
    assert acted == (name != "nothing")


def test_who_cannot_sit_there_is_named() -> None:
    """An unknown defender, attacker, or one that never comes."""
    with pytest.raises(ValueError, match="clairvoyant"):
        AttackEnv(game=short_game(), defender="nobody")
    with pytest.raises(ValueError, match="give 0..0"):
        AttackEnv(game=short_game(), attacker=1)
    never = load_game(Scenario(name="never", attackers=(Attacker(absent=1.0),)))
    with pytest.raises(ValueError, match="never comes"):
        AttackEnv(game=never)


def test_the_text_lists_what_is_known_and_open() -> None:
    """`ansi`: ids of assets that are held or known and no others, steps by the number of their action."""
    env = AttackEnv(game=short_game(), render_mode="ansi")
    env.reset(seed=3)
    play_some(env, 12)
    text = env.render()
    known = {asset.id for asset in env.game.compiled.twin.assets if f"{asset.id}:" in text}
    assert known == set(env.asset_names()) and "internet/external/internet: entry, user" in text
    assert all(f"  {number}: {name}" in text for number, name in enumerate(env.step_names(), 1))


def play_some(env: AttackEnv, ticks: int) -> None:
    """Random open steps from the episode's present tick on."""
    rng = np.random.default_rng(0)
    for _ in range(ticks):
        env.step(int(rng.choice(np.flatnonzero(env.action_masks()))))


def test_the_picture_follows_what_is_seen() -> None:
    """`rgb_array`: uint8 of a fixed size, another one once something is taken, the same for the same episode."""
    pictures = []
    for _ in range(2):
        env = AttackEnv(game=short_game(), render_mode="rgb_array", defender="nothing")
        env.reset(seed=LOSSY)
        pictures.append(env.render())
        play_some(env, 12)
        pictures.append(env.render())
    first, later, again, once_more = pictures
    assert first.dtype == np.uint8 and first.shape == later.shape and first.shape[2] == 3
    assert (first == again).all() and (later == once_more).all() and (first != later).any()


def test_maskable_ppo_learns_on_it() -> None:
    """sb3-contrib takes the observation and the masks as they are: two short rounds change the weights."""
    env = AttackEnv(game=short_game(), defender="nothing", slots=32, rows=32)
    learner = MaskablePPO("MultiInputPolicy", env, n_steps=32, batch_size=16, n_epochs=1, seed=0, device="cpu")
    before = [one.clone() for one in learner.policy.parameters()]
    learner.learn(64)
    assert any((one != other).any() for one, other in zip(before, learner.policy.parameters(), strict=True))


def test_what_the_rulebook_refuses_is_told(env: AttackEnv) -> None:
    """A step that a defence of the same tick closes was open when it was chosen; the answer still says refused."""
    rng, refused, over = np.random.default_rng(0), 0, False
    env.reset(seed=LOSSY)
    while not over:
        action = int(rng.choice(np.flatnonzero(env.action_masks())))
        step = int(env._discovery.listed[action - 1]) if action else -1
        *_, over, told = env.step(action)
        noted = (int(OccurrenceKind.REFUSED), step, 0, NOT_OPEN) in env._worlds.worlds.trace(0)
        assert told["refused"] == noted
        refused += noted
    assert refused


def test_lanes_without_a_seed_play_worlds_of_their_own() -> None:
    """As Gymnasium's own environments do; a world that was asked for is kept."""
    lanes = gymnasium.make_vec(ATTACK, num_envs=3, vectorization_mode="sync", game=short_game())
    lanes.reset()
    ids = [int(env.unwrapped._worlds.worlds.state.world["id"][0]) for env in lanes.envs]
    assert len(set(ids)) == 3
    env = AttackEnv(game=short_game(), world=5)
    env.reset()
    assert int(env._worlds.worlds.state.world["id"][0]) == 5
