"""One set of weights for other libraries, and one observation at once: what serving needs of a learned policy."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch
from tocsin.envs.game import Game
from tocsin.envs.policy_file import NumpyPolicy
from tocsin.envs.vector import ResponseWorlds
from tocsin.tests.envs.games import short_game
from tocsin.training.policy import PairNetwork


def _with_another_playbook(game: Game) -> Game:
    """The game with its library's first playbook once more, under a number of its own."""
    table = game.effects
    rows = np.concatenate([table.playbook, table.playbook[:1]]).view(np.recarray)
    return replace(game, effects=table._replace(playbook=rows, lower=np.concatenate([table.lower, table.lower[:1]])))


def test_weights_load_with_another_library() -> None:
    """In torch too a new playbook needs no new network: its copy scores the same, and only legal pairs are drawn."""
    game = short_game()
    larger = _with_another_playbook(game)
    torch.manual_seed(1)
    network, other = PairNetwork(game), PairNetwork(larger)
    other.load_state_dict(network.state_dict())
    worlds, targets = ResponseWorlds(larger, range(4)), game.compiled.targets
    observation, masks = worlds.reset(), worlds.masks()
    with torch.no_grad():
        logits = other(torch.from_numpy(observation))[0]
        before = network(torch.from_numpy(observation))[0]
    assert logits.shape == (4, larger.actions) and larger.actions == game.actions + targets
    np.testing.assert_allclose(logits[:, : game.actions], before, atol=1e-5)
    np.testing.assert_allclose(logits[:, game.actions :], logits[:, 1 : 1 + targets], atol=1e-5)
    drawn = torch.multinomial(logits.masked_fill(~torch.from_numpy(masks), -1e8).exp(), 500, replacement=True).numpy()
    assert np.take_along_axis(masks, drawn, axis=1).all()


def test_one_observation_is_decided_at_once() -> None:
    """Serving asks for one world: within 20 ms on a chain of 89 assets, the best of five tries on a busy machine."""
    game = short_game()
    policy, worlds = NumpyPolicy(PairNetwork(game).numpy_weights(), {}), ResponseWorlds(game, [0])
    observation, masks, spent = worlds.reset(), worlds.masks(), []
    for _ in range(5):
        began = time.perf_counter()
        policy.act(observation, game.static, masks, game.effects)
        spent.append(time.perf_counter() - began)
    assert game.compiled.sizes[0] >= 80 and min(spent) < 0.02
