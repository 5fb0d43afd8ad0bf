"""Active worlds are the same worlds: equal episodes, rewards and ends; bad actions change nothing; SB3 takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tocsin.envs.active import ActiveSettings, sees_rows
from tocsin.envs.active_sb3 import ActiveVecEnv
from tocsin.envs.active_worlds import ActiveWorlds
from tocsin.envs.vector import ResponseWorlds
from tocsin.tests.envs.games import STEPS, short_game, some_legal

WORLDS = 3


def _seen() -> ActiveWorlds:
    return ActiveWorlds(ResponseWorlds(short_game(), range(WORLDS)), ActiveSettings(slots=20))


def test_episodes_are_those_of_the_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over an end and into the next episode rewards, losses and what is seen equal those of `ResponseWorlds`."""
    seen, plain = _seen(), ResponseWorlds(short_game(), range(WORLDS))
    game, sizes = short_game(), seen.settings
    seen.reset(2)
    plain.reset(2)
    ended = 0
    for step in range(STEPS + 3):
        actions = some_legal(plain, list(range(WORLDS)), step)
        ours, theirs = seen.advance(actions), plain.step(actions)
        for name in ("reward", "loss", "truncated", "ended", "terminal_loss"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
        for name in ("observation", "terminal_observation"):
            told = getattr(theirs, name)
            if len(told):
                expected = sees_rows(told, game.graph, settings=sizes, playbooks=len(game.effects.playbook)).rows
                np.testing.assert_array_equal(getattr(ours, name), expected, err_msg=name)
        ended += len(ours.ended)
    assert ended == WORLDS


@pytest.mark.parametrize("wrong", [np.zeros(2, np.int64), np.zeros(WORLDS), np.full(WORLDS, -1), np.full(WORLDS, 9999)])
def test_actions_that_are_none_change_nothing(wrong: np.ndarray) -> None:
    """Wrong shapes, types and numbers are refused, and the worlds stand where they stood."""
    seen = _seen()
    before = seen.worlds.worlds.state.world["tick"].copy()
    with pytest.raises(ValueError, match="give"):
        seen.step(wrong)
    np.testing.assert_array_equal(seen.worlds.worlds.state.world["tick"], before)


def test_an_illegal_action_is_named() -> None:
    """An action on an empty slot is refused with its world and number."""
    seen = _seen()
    action = int(np.flatnonzero(~seen.masks()[1])[0])
    with pytest.raises(ValueError, match=f"world 1: action {action}"):
        seen.step(np.array([0, action, 0]))


def test_sb3s_face_gives_what_the_worlds_give() -> None:
    """Spaces, masks, rewards, ends and the true last observation of `ActiveVecEnv`."""
    env, seen = ActiveVecEnv(WORLDS, game=short_game(), settings=ActiveSettings(slots=20)), _seen()
    np.testing.assert_array_equal(env.reset(), seen.reset())
    assert env.observation_space.shape == (20, seen.settings.width) and env.action_space.n == seen.actions
    infos: list[dict[str, Any]] = []
    for _ in range(STEPS):
        masks = np.stack(env.env_method("action_masks"))
        np.testing.assert_array_equal(masks, seen.masks())
        actions = masks.shape[1] - 1 - masks[:, ::-1].argmax(axis=1)
        observation, rewards, dones, infos = env.step(actions)
        step = seen.step(actions)
        np.testing.assert_array_equal(observation, step.observation)
        np.testing.assert_array_equal(rewards, step.reward)
        np.testing.assert_array_equal(dones, step.truncated)
    assert dones.all()
    np.testing.assert_array_equal(infos[1]["terminal_observation"], step.terminal_observation[1])
    with pytest.raises(AttributeError, match="legal_pairs"):
        env.env_method("legal_pairs")
