"""One set of weights for other libraries, and one observation at once: what serving needs of a learned policy."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch
from tocsin.envs.active_worlds import ActiveWorlds
from tocsin.envs.game import Game, load_game
from tocsin.envs.policy_file import NumpyPolicy
from tocsin.envs.scenario import Generator, Scenario
from tocsin.envs.vector import ResponseWorlds
from tocsin.tests.envs.games import short_game
from tocsin.training.network import PairNetwork


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
    network, other = PairNetwork(game.effects), PairNetwork(larger.effects)
    other.load_state_dict(network.state_dict())
    seen = ActiveWorlds(ResponseWorlds(larger, range(4)))
    rows, masks, slots = torch.from_numpy(seen.active.rows), seen.masks(), seen.settings.slots
    with torch.no_grad():
        logits, before = other(rows)[0], network(rows)[0]
    assert logits.shape == (4, seen.actions) and seen.actions == before.shape[1] + slots
    np.testing.assert_allclose(logits[:, : before.shape[1]], before, atol=1e-5)
    np.testing.assert_allclose(logits[:, before.shape[1] :], logits[:, 1 : 1 + slots], atol=1e-5)
    drawn = torch.multinomial(logits.masked_fill(~torch.from_numpy(masks), -1e8).exp(), 500, replacement=True).numpy()
    assert np.take_along_axis(masks, drawn, axis=1).all()


def test_one_observation_is_decided_at_once() -> None:
    """Serving asks for one world: within 20 ms of processor on a chain of 1,000 assets, the best of five tries."""
    game = load_game(Scenario(name="large", generate=Generator(assets=1000, owners=6)))
    policy, worlds = NumpyPolicy(PairNetwork(game.effects).numpy_weights(), {}), ResponseWorlds(game, [0])
    observation, masks, spent = worlds.reset(), worlds.masks(), []
    policy.act(observation, masks, game.graph, game.effects)
    for _ in range(5):
        began = time.process_time()
        policy.act(observation, masks, game.graph, game.effects)
        spent.append(time.process_time() - began)
    assert game.compiled.sizes[0] >= 1000 and min(spent) < 0.02
