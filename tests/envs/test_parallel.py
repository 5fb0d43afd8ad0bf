"""The PettingZoo face: its own test, spaces, seeds, rewards, refusals, ends."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test
from tocsin.envs.owners import OwnerWorlds
from tocsin.envs.parallel import OwnersEnv
from tocsin.tests.envs.games import STEPS, short_game
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)

LOSSY = 9  # a world in which something is lost within fifteen steps


@pytest.fixture
def env() -> OwnersEnv:
    return OwnersEnv(game=short_game())


def waits(env: OwnersEnv) -> dict[str, int]:
    return dict.fromkeys(env.agents, 0)


def test_pettingzoo_finds_nothing_wrong(env: OwnersEnv) -> None:
    """`parallel_api_test` over whole episodes and `parallel_seed_test` pass without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(env, num_cycles=2 * STEPS)
        parallel_seed_test(lambda: OwnersEnv(game=short_game()), num_cycles=STEPS)


def test_observations_lie_in_their_spaces_and_rows_have_names(env: OwnersEnv) -> None:
    """For every agent, at the start and later."""
    seen, _ = env.reset(seed=7)
    for _ in range(STEPS):
        for agent in env.possible_agents:
            assert env.observation_space(agent).contains(seen[agent])
            rows = len(seen[agent]["observation"])
            assert len(env.target_names(agent)) == rows == len(env.static(agent))
        seen, *_ = env.step(waits(env))


@pytest.mark.parametrize("own_share", [0.0, 0.25, 1.0])
def test_rewards_mix_own_and_common_loss(own_share: float) -> None:
    """`own_share` of an owner's own loss, the rest of the coalition's; infos tell an owner its own alone."""
    env, lost = OwnersEnv(game=short_game(), own_share=own_share), 0.0
    env.reset(seed=LOSSY)
    for _ in range(STEPS):
        _, rewards, _, _, infos = env.step(waits(env))
        own = {agent: sum(info["loss"].values()) for agent, info in infos.items()}
        common = sum(own.values())  # the internet, which has no seat, loses nothing
        for agent, reward in rewards.items():
            assert reward == pytest.approx(-own_share * own[agent] - (1 - own_share) * common, rel=1e-5, abs=1e-8)
        lost += common
    assert lost > 0


def test_all_end_at_the_horizon_by_truncation(env: OwnersEnv) -> None:
    """With each owner's loss of the episode by cause, and no step before the next reset."""
    env.reset(seed=7)
    for number in range(STEPS):
        *_, terminated, truncated, infos = env.step(waits(env))
        assert not any(terminated.values()) and all(truncated.values()) == (number == STEPS - 1)
    assert env.agents == [] and all("episode_loss" in info for info in infos.values())
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step({})


def test_what_is_no_action_for_everyone_changes_nothing(env: OwnersEnv) -> None:
    """Missing and unknown agents, numbers out of range: named, before the world has changed."""
    env.reset(seed=7)
    good = waits(env)
    for bad, fault in [
        ({**good, "nobody": 0}, "'nobody'"),
        ({"csms": 0}, "'cloud'"),
        ({**good, "csms": -1}, "'csms': give an integer"),
        ({**good, "csms": 10**6}, "'csms': give an integer"),
        ({**good, "csms": "0"}, "'csms': give an integer"),
    ]:
        with pytest.raises(ValueError, match=fault):
            env.step(bad)
    for _ in range(STEPS - 1):
        assert env.agents
        env.step(good)
    assert env.agents


@pytest.mark.parametrize("own_share", [-0.1, 1.5, float("nan")])
def test_an_own_share_out_of_range_is_refused(own_share: float) -> None:
    """Naming the range."""
    with pytest.raises(ValueError, match="within 0..1"):
        OwnersEnv(game=short_game(), own_share=own_share)


def test_an_illegal_action_is_refused_and_waits(env: OwnersEnv) -> None:
    """It plays on as if that seat had waited, and says so to that seat alone."""
    seen, _ = env.reset(seed=7)
    illegal = int(np.flatnonzero(seen["csms"]["action_mask"] == 0)[0])
    refused = env.step({**waits(env), "csms": illegal})
    env.reset(seed=7)
    waited = env.step(waits(env))
    assert [agent for agent, info in refused[4].items() if info["refused"]] == ["csms"]
    assert refused[1] == waited[1]
    assert all((refused[0][a]["observation"] == waited[0][a]["observation"]).all() for a in env.agents)


def test_two_seats_that_want_one_target_get_it_in_order() -> None:
    """The lower seat's proposal is entered, the higher seat's is refused and told so."""
    worlds = OwnerWorlds(short_game(), [7])
    worlds.reset()
    first, second = worlds.owners.index("csms"), worlds.owners.index("energy")
    masks = worlds.legal
    theirs = [one.whole(np.flatnonzero(m[0]).astype(np.int32)) for one, m in zip(worlds.lanes, masks, strict=True)]
    both = set(theirs[first]) & set(theirs[second]) - {0}
    wanted = min(both)
    actions = np.zeros((1, len(worlds.owners)), np.int32)
    for seat in (first, second):
        actions[0, seat] = np.flatnonzero(masks[seat][0])[list(theirs[seat]).index(wanted)]
    step = worlds.step(actions)
    assert step.refused[0].nonzero()[0].tolist() == [second]


def test_results_do_not_depend_on_the_batch() -> None:
    """World 7 gives the same alone and among others."""
    alone, among = OwnerWorlds(short_game(), [7]), OwnerWorlds(short_game(), [2, 7])
    alone.reset(), among.reset()
    for _ in range(STEPS):
        one = alone.step(np.zeros((1, len(alone.owners)), np.int32))
        two = among.step(np.zeros((2, len(among.owners)), np.int32))
        assert (one.loss[0] == two.loss[1]).all()
        assert all((a[0] == b[1]).all() for a, b in zip(one.observations, two.observations, strict=True))


def test_each_owners_text_and_picture_are_of_its_view_alone() -> None:
    """Neither assets nor responses out of sight are named; of losses its own; the whole game is their tiles."""
    env = OwnersEnv(game=short_game(), render_mode="ansi")
    seen, _ = env.reset(seed=LOSSY)
    names = {agent: env.target_names(agent) for agent in env.possible_agents}
    rng = np.random.default_rng(0)
    for _ in range(4):
        acts = {agent: int(rng.choice(np.flatnonzero(seen[agent]["action_mask"]))) for agent in env.agents}
        seen, _, _, _, infos = env.step(acts)
    ids = {asset.id for asset in env.game.compiled.twin.assets}
    for agent in env.agents:
        text = env.render_of(agent)
        rows = text.split("owners:")[0].splitlines()
        assert not [one for one in ids - set(names[agent]) for row in rows if one in row.split()]
        told = [line.strip().split(": ")[0].split(" on ")[1] for line in rows if " on " in line]
        assert set(told) <= set(names[agent])
        losses = [line.split() for line in text.split("owners:")[1].splitlines()[1:]]
        assert [row[2] for row in losses if row[0] != "-"] == [agent]
        assert text in env.render()
    assert any(" on " in env.render_of(agent) for agent in env.agents)
    env.render_mode = "rgb_array"
    high, wide, _ = env.render_of("fleet").shape
    whole = env.render()
    assert whole.dtype == np.uint8 and whole.shape == (2 * high, 3 * wide, 3)
    place = env.possible_agents.index("fleet")
    tile = whole[place // 3 * high :, place % 3 * wide :][:high, :wide]
    assert (tile == env.render_of("fleet")).all() and not (tile == env.render_of("csms")).all()


def test_what_cannot_be_shown_is_refused(env: OwnersEnv) -> None:
    """An unknown mode or agent is named; without a mode nothing is shown."""
    with pytest.raises(ValueError, match="render mode 'human' is unknown"):
        OwnersEnv(game=short_game(), render_mode="human")
    with pytest.raises(ValueError, match="agent 'nobody' is unknown; take one of cloud"):
        env.render_of("nobody")
    env.reset(seed=7)
    assert env.render() is None
