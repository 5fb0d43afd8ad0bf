"""Many worlds for learners: lanes that know nothing of each other, ends, rewards, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from tocsin.envs.reward import REWARD_SCALE, rewards
from tocsin.envs.vector import ResponseWorlds, Step
from tocsin.tests.envs.games import STEPS, short_game, some_legal
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)


def play(ids: list[int], steps: int) -> list[Step]:
    worlds = ResponseWorlds(short_game(), ids)
    worlds.reset()
    return [worlds.step(some_legal(worlds, ids, step)) for step in range(steps)]


def test_a_world_plays_alike_in_every_batch() -> None:
    """World 7 gives the same observations, rewards and ends alone, among others and at another place."""
    alone, among = play([7], STEPS + 3), play([2, 11, 7, 5], STEPS + 3)
    for one, four in zip(alone, among, strict=True):
        assert (one.observation[0] == four.observation[2]).all()
        assert one.reward[0] == four.reward[2]
        assert one.truncated[0] == four.truncated[2]
    assert (alone[STEPS - 1].terminal_loss[0] == among[STEPS - 1].terminal_loss[2]).all()


def test_different_worlds_differ() -> None:
    """Ids make worlds of their own."""
    last = play([1, 2, 3, 4], STEPS)[-1]
    assert len({float(loss) for loss in last.terminal_loss.sum(axis=(1, 2))}) > 1


def test_an_episode_that_ends_gives_its_last_observation_and_the_next_begins() -> None:
    """At the horizon: the true last observation and loss, then a clean world under the next episode number."""
    worlds = ResponseWorlds(short_game(), [7, 8])
    start = worlds.reset()
    steps = [worlds.step(np.zeros(2, np.int32)) for _ in range(STEPS)]
    assert not any(step.truncated.any() for step in steps[:-1])
    last = steps[-1]
    assert last.truncated.all() and list(last.ended) == [0, 1]
    assert (last.observation == start).all() and (last.terminal_observation != start).any()
    assert (worlds.worlds.state.world["episode"] == 1).all()
    assert worlds.worlds.losses().sum() == 0
    assert not worlds.held().any()


def test_rewards_add_up_to_the_loss_of_the_episode() -> None:
    """Nothing is lost between steps: rewards are the coalition's loss, negative and scaled."""
    steps = play([7, 8, 9], STEPS)
    total = np.sum([step.reward for step in steps], axis=0)
    assert total == pytest.approx(-REWARD_SCALE * steps[-1].terminal_loss.sum(axis=(1, 2)), rel=1e-4)
    assert (total < 0).all()


def test_reward_is_less_what_was_lost() -> None:
    """One owner-hour lost costs `REWARD_SCALE`."""
    assert rewards(np.array([[[0.0, 0.0, 0.0]], [[0.25, 0.5, 0.25]]])).tolist() == [0.0, -REWARD_SCALE]


@pytest.mark.parametrize(
    ("actions", "fault"),
    [
        (np.zeros(3, np.int32), "one for each world"),
        (np.zeros((2, 1), np.int32), "one for each world"),
        (np.zeros(2), "integers"),
        (np.array([0, -1]), "give 0"),
        (np.array([0, 10**6]), "give 0"),
    ],
)
@pytest.mark.parametrize("how", ["step", "step_refusing"])
def test_what_is_no_action_changes_nothing(actions: np.ndarray, fault: str, how: str) -> None:
    """Wrong shapes, types and numbers are refused before any world moves."""
    worlds = ResponseWorlds(short_game(), [7, 8])
    worlds.reset()
    with pytest.raises(ValueError, match=fault):
        getattr(worlds, how)(actions)
    assert (worlds.worlds.state.world["tick"] == 0).all()


def test_an_illegal_action_is_an_error_or_a_refusal() -> None:
    """`step` raises and nothing has changed; `step_refusing` plays on as if the world had waited."""
    worlds, waiting = ResponseWorlds(short_game(), [7, 8]), ResponseWorlds(short_game(), [7, 8])
    worlds.reset(), waiting.reset()
    illegal = int(np.flatnonzero(~worlds.masks()[1])[0])
    with pytest.raises(ValueError, match=f"world 1: action {illegal} is not legal"):
        worlds.step(np.array([0, illegal]))
    assert (worlds.worlds.state.world["tick"] == 0).all()
    refused, waited = worlds.step_refusing(np.array([0, illegal])), waiting.step(np.array([0, 0]))
    assert (refused.observation == waited.observation).all() and (refused.reward == waited.reward).all()


def test_findings_of_a_step_are_those_of_its_ticks() -> None:
    """`last_finding` names an asset exactly when a finding fell on it since the last decision."""
    worlds = ResponseWorlds(short_game(), range(8))
    worlds.reset()
    found_any = False
    for _ in range(STEPS - 1):
        before = worlds.worlds.state.world["tick"].copy()
        worlds.step(np.zeros(8, np.int32))
        last, evidence = worlds.last_finding(), worlds.belief.evidence["last"]
        assert ((last >= 0) == (evidence >= before[:, None])).all()
        assert (last[last >= 0] < worlds.worlds.state.world["tick"][0]).all()
        found_any |= bool((last >= 0).any())
    assert found_any


def test_reset_plays_a_given_episode_again() -> None:
    """Equal episode numbers give equal episodes, others differ."""
    worlds = ResponseWorlds(short_game(), [7])
    losses = []
    for episode in (4, 5, 4):
        worlds.reset(episode)
        for _ in range(STEPS):
            step = worlds.step(np.zeros(1, np.int32))
        losses.append(float(step.terminal_loss.sum()))
    assert losses[0] == losses[2] != losses[1]


def test_the_kept_observation_is_the_present_one() -> None:
    """After a reset, a step and an end, what is kept equals what would be observed now; it cannot be written to."""
    worlds = ResponseWorlds(short_game(), [7, 8])
    worlds.reset()
    for _ in range(STEPS + 1):
        assert (worlds.observation == worlds.observe()).all()
        given = worlds.step(np.zeros(2, np.int32)).observation
        assert (worlds.observation == given).all()
    with pytest.raises(ValueError, match="read-only"):
        worlds.observation[0, 0, 0] = 1
