"""The learner's network: legal actions only, and one set of weights for twins of any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tocsin.envs.active import INPUTS
from tocsin.envs.active_worlds import ActiveWorlds
from tocsin.envs.game import Game, load_game
from tocsin.envs.scenario import Generator, Scenario, read_scenario
from tocsin.envs.vector import ResponseWorlds
from tocsin.training.network import Nodes, PairNetwork, product
from tocsin.training.settings import TrainSettings
from tocsin.training.train import make_learner


@pytest.fixture(scope="module")
def game() -> Game:
    return load_game(read_scenario())


def test_no_illegal_action_is_sampled(game: Game) -> None:
    """Actions drawn by SB3's interface are legal in every world, also where responses are running."""
    learner = make_learner(game, TrainSettings(worlds=4, steps=2))
    seen, acted = ActiveWorlds(ResponseWorlds(game, range(16))), 0
    with torch.no_grad():
        learner.policy.network.wait.bias.fill_(-5.0)  # so that it acts
        for _ in range(10):
            masks, rows = seen.masks(), torch.from_numpy(seen.active.rows.copy())
            actions = learner.policy(rows, action_masks=masks)[0].numpy()
            assert masks[np.arange(16), actions].all()
            acted += int((actions > 0).sum())
            seen.step(actions)
    assert acted > 50


def test_weights_serve_chains_of_another_size(game: Game) -> None:
    """Worlds of a chain half the size and of this one share a batch, and score as they do alone."""
    torch.manual_seed(0)
    other = load_game(Scenario(name="made", generate=Generator(assets=40, owners=3)))
    assert other.compiled.targets < game.compiled.targets / 2
    network = PairNetwork(game.effects)
    rows = [torch.from_numpy(ActiveWorlds(ResponseWorlds(one, range(3))).active.rows) for one in (game, other)]
    with torch.no_grad():
        together, values = network(torch.cat(rows))
        alone = [network(one) for one in rows]
    torch.testing.assert_close(together, torch.cat([logits for logits, _ in alone]), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(values, torch.cat([value for _, value in alone]), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(values, network.values(torch.cat(rows)), rtol=1e-5, atol=1e-5)


def test_the_order_of_neighbours_does_not_matter(game: Game) -> None:
    """A slot's neighbours are a set: their columns may be swapped; where steps come from and lead are not the same."""
    seen = ActiveWorlds(ResponseWorlds(game, range(4)))
    for _ in range(40):
        seen.step(np.zeros(4, np.int64))
    rows, most = seen.active.rows.copy(), seen.settings.neighbours
    swapped, mirrored = rows.copy(), rows.copy()
    for column in range(INPUTS, rows.shape[2], most):
        swapped[:, :, column : column + most] = rows[:, :, column : column + most][:, :, ::-1]
    mirrored[:, :, INPUTS : INPUTS + 2 * most] = rows[:, :, INPUTS + 2 * most :]
    mirrored[:, :, INPUTS + 2 * most :] = rows[:, :, INPUTS : INPUTS + 2 * most]
    torch.manual_seed(0)
    network = PairNetwork(game.effects)
    with torch.no_grad():
        first, second, third = (network.values(torch.from_numpy(one)) for one in (rows, swapped, mirrored))
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-5)
    assert (first - third).abs().max() > 1e-4


def test_gradients_are_those_of_dense_products(game: Game) -> None:
    """The sparse product's gradient equals torch's own through a dense matrix."""
    torch.manual_seed(0)
    matrix = torch.rand(6, 4) * (torch.rand(6, 4) < 0.5)
    dense = torch.rand(4, 3, requires_grad=True)
    (product(matrix.to_sparse_csr(), matrix.T.to_sparse_csr(), dense) ** 2).sum().backward()
    expected = dense.detach().clone().requires_grad_()
    ((matrix @ expected) ** 2).sum().backward()
    torch.testing.assert_close(dense.grad, expected.grad)
    rows = ActiveWorlds(ResponseWorlds(game, range(4))).active.rows
    nodes = Nodes.of(torch.from_numpy(rows))
    torch.testing.assert_close(nodes.near.to_dense().T, nodes.near_back.to_dense())
    torch.testing.assert_close(nodes.world.to_dense().T, nodes.world_back.to_dense())


def test_an_untrained_policy_mostly_waits(game: Game) -> None:
    """Before learning, no single response is likelier than waiting, so exploring does not stop the chain."""
    torch.manual_seed(0)
    active = ActiveWorlds(ResponseWorlds(game, range(4))).active
    logits = PairNetwork(game.effects)(torch.from_numpy(active.rows), torch.from_numpy(active.legal))[0]
    assert active.legal[:, 1:].any() and (logits.argmax(dim=1) == 0).all()
