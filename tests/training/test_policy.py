"""The learner's network: legal actions only, and one set of weights for twins of any size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from tocsin.envs.active import INPUTS
from tocsin.envs.active_worlds import ActiveWorlds
from tocsin.envs.game import Game, load_game
from tocsin.envs.scenario import Generator, Scenario, read_scenario
from tocsin.envs.vector import ResponseWorlds
from tocsin.training.network import ILLEGAL, PairNetwork
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


def test_scoring_only_what_is_legal_changes_no_score(game: Game) -> None:
    """Legal pairs have the scores, and weights the gradients, that they have when all are scored and then masked."""
    seen = ActiveWorlds(ResponseWorlds(game, range(6)))
    for _ in range(20):
        seen.step(np.zeros(6, np.int64))
    rows, legal = torch.from_numpy(seen.active.rows), torch.from_numpy(seen.active.legal)
    network = _network(game)
    every, _ = network(rows)
    expected = every.masked_fill(~legal, ILLEGAL)
    logits, _ = network(rows, legal)
    assert 1 < legal.sum() / len(legal) < legal.shape[1] / 2 and (every > ILLEGAL).sum() > legal.sum()
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    for name, wanted, found in _gradients(network, expected, logits):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5, msg=name)


def test_nothing_legal_and_nothing_there_can_be_learned_from(game: Game) -> None:
    """Worlds that may only wait, and worlds without a filled slot, have a score for waiting, a value, and gradients."""
    network, rows = _network(game), torch.from_numpy(ActiveWorlds(ResponseWorlds(game, range(3))).active.rows)
    legal = torch.zeros(3, 1 + len(game.effects.playbook) * rows.shape[1], dtype=torch.bool)
    legal[:, 0] = True
    for shown in (rows, torch.zeros_like(rows)):
        logits, values = network(shown, legal)
        assert (logits[:, 0].abs() < 100).all() and (logits[:, 1:] == ILLEGAL).all()
        network.zero_grad()
        (logits[:, 0].sum() + values.sum()).backward()
        assert network.wait.bias.grad == 3 and network.value.bias.grad == 3


def test_gradients_of_a_batch_are_the_sum_of_its_worlds(game: Game) -> None:
    """Each world learns as it does alone, also beside worlds without a filled slot and such that may only wait."""
    seen = ActiveWorlds(ResponseWorlds(game, range(4)))
    for _ in range(20):
        seen.step(np.zeros(4, np.int64))
    rows, legal = torch.from_numpy(seen.active.rows.copy()), torch.from_numpy(seen.active.legal.copy())
    rows[1], rows[2, 7:], rows[2, :, INPUTS:] = 0, 0, 0  # no slot; seven without neighbours
    legal[3, 1:] = False
    network = _network(game)

    def gradients(worlds: slice) -> list[torch.Tensor]:
        logits, values = network(rows[worlds], legal[worlds])
        loss = (torch.softmax(logits, dim=1) ** 2).sum() + (values**2).sum()
        return list(torch.autograd.grad(loss, list(network.parameters())))

    alone = [gradients(slice(world, world + 1)) for world in range(4)]
    for name, found, *parts in zip(dict(network.named_parameters()), gradients(slice(0, 4)), *alone, strict=True):
        assert found.abs().max() > 0, name
        torch.testing.assert_close(found, sum(parts), rtol=1e-4, atol=1e-5, msg=name)


def test_a_mask_may_be_of_one_world(game: Game) -> None:
    """As SB3's own policies take it: `predict` of one situation with the mask of that one."""
    learner = make_learner(game, TrainSettings(worlds=4, steps=2))
    seen = ActiveWorlds(ResponseWorlds(game, range(1)))
    row, mask = seen.active.rows[0].copy(), seen.masks()[0]
    masks = mask, mask[None], mask[None, None]
    told = [learner.predict(row, action_masks=one, deterministic=True)[0] for one in masks]
    assert mask[told[0]] and told[0] == told[1] == told[2]


def test_chances_are_those_of_sb3(game: Game) -> None:
    """Log probabilities, entropies, and their gradients, are those of the masked distribution of sb3-contrib."""
    policy = make_learner(game, TrainSettings(worlds=4, steps=2)).policy
    seen = ActiveWorlds(ResponseWorlds(game, range(8)))
    rows, masks = torch.from_numpy(seen.active.rows), seen.masks()
    theirs = policy.get_distribution(rows, masks)
    actions = theirs.sample()
    _, chances, entropy = policy.evaluate_actions(rows, actions, action_masks=masks)
    torch.testing.assert_close(chances, theirs.log_prob(actions), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(entropy, theirs.entropy(), rtol=1e-6, atol=1e-6)
    (expected,) = torch.autograd.grad((theirs.log_prob(actions) + theirs.entropy()).sum(), policy.network.wait.weight)
    (found,) = torch.autograd.grad((chances + entropy).sum(), policy.network.wait.weight)
    assert expected.abs().max() > 1e-4
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def _network(game: Game) -> PairNetwork:
    torch.manual_seed(0)
    network = PairNetwork(game.effects)
    with torch.no_grad():
        for one in network.parameters():  # what starts at nought must count too
            one.add_(0.1 * torch.randn_like(one))
    return network


def _gradients(
    network: PairNetwork, expected: torch.Tensor, found: torch.Tensor
) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
    names, parameters = zip(*network.named_parameters(), strict=True)
    both = [
        torch.autograd.grad(torch.log_softmax(one, dim=1)[:, 1:9].sum(), parameters, allow_unused=True)
        for one in (expected, found)
    ]
    for name, one, other in zip(names, *both, strict=True):
        if one is not None:
            yield name, one, other


def test_an_untrained_policy_mostly_waits(game: Game) -> None:
    """Before learning, no single response is likelier than waiting, so exploring does not stop the chain."""
    torch.manual_seed(0)
    active = ActiveWorlds(ResponseWorlds(game, range(4))).active
    logits = PairNetwork(game.effects)(torch.from_numpy(active.rows), torch.from_numpy(active.legal))[0]
    assert active.legal[:, 1:].any() and (logits.argmax(dim=1) == 0).all()
