"""One hour of the shipped chain for duels: an attacker who comes at once."""

from __future__ import annotations

from functools import cache

import torch
from tocsin.envs.attackers import Attacker
from tocsin.envs.game import Game, load_game
from tocsin.envs.scenario import Scenario
from tocsin.training.attack_network import AttackNetwork, NumpyAttacker, numpy_weights

STREAM = 2
TICKS = 60


def the_scenario() -> Scenario:
    """An hour on the shipped chain."""
    return Scenario(name="hour", attackers=(Attacker(onset_s=(0.0, 0.0), absent=0.0),), horizon_ticks=TICKS)


@cache
def the_game() -> Game:
    """Its game."""
    return load_game(the_scenario())


def some_attacker(seed: int = 0) -> NumpyAttacker:
    """A network that has learned nothing."""
    torch.manual_seed(seed)
    network = AttackNetwork()
    with torch.no_grad():
        for one in network.parameters():
            one.add_(torch.randn_like(one) * 0.1)
    return NumpyAttacker(numpy_weights(network), {"steps": seed})
