"""The learner's network: legal actions only, and one set of weights for twins of any size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tocsin.envs.game import Game, load_game, make_game
from tocsin.envs.scenario import read_scenario
from tocsin.envs.vector import ResponseWorlds
from tocsin.training.policy import PairNetwork
from tocsin.training.settings import TrainSettings
from tocsin.training.train import make_learner
from tocsin.twin.graph import Twin
from tocsin.twin.sources import load_example


@pytest.fixture(scope="module")
def game() -> Game:
    return load_game(read_scenario())


def _smaller(twin: Twin) -> Twin:
    """The twin without its links between owners' assets of the last owner: fewer targets."""
    return replace(twin, links=twin.links[: len(twin.links) // 2])


def test_no_illegal_action_is_sampled(game: Game) -> None:
    """Actions drawn by SB3's interface are legal in every world, also where responses are running."""
    learner = make_learner(game, TrainSettings(worlds=4, steps=2))
    worlds = ResponseWorlds(game, range(16))
    observation = worlds.reset()
    with torch.no_grad():
        learner.policy.network.wait.bias.fill_(-5.0)  # so that it acts
        for _ in range(10):
            masks = worlds.masks()
            actions = learner.policy(torch.from_numpy(observation), action_masks=masks)[0].numpy()
            assert masks[np.arange(16), actions].all()
            observation = worlds.step(actions).observation


def test_weights_load_on_another_twin(game: Game) -> None:
    """Weights learned on one twin load and run on a twin with another number of targets."""
    other = make_game(game.scenario, _smaller(load_example().twin), game.library)
    assert other.compiled.targets != game.compiled.targets
    network = PairNetwork(other)
    network.load_state_dict(PairNetwork(game).state_dict())
    worlds = ResponseWorlds(other, range(3))
    logits, values = network(torch.from_numpy(worlds.reset()))
    assert logits.shape == (3, other.actions)
    assert torch.isfinite(values).all()


def test_an_untrained_policy_mostly_waits(game: Game) -> None:
    """Before learning, no single response is likelier than waiting, so exploring does not stop the chain."""
    torch.manual_seed(0)
    worlds = ResponseWorlds(game, range(4))
    observation = torch.from_numpy(worlds.reset())
    logits = PairNetwork(game)(observation)[0].masked_fill(~torch.from_numpy(worlds.masks()), -1e8)
    assert (logits.argmax(dim=1) == 0).all()
