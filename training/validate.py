"""How much a network loses on worlds kept apart from training and evaluation.

Flows in: a network, chains. Flows out: losses in the chains' units. It chooses nothing; `train` keeps the best by it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from ..envs.active_worlds import ActiveWorlds
from ..envs.joined import JoinedWorlds
from ..envs.vector import ResponseWorlds
from .family import Chains
from .network import PairNetwork
from .streams import STREAM_VALIDATION


def validation_losses(chains: Chains, network: PairNetwork, worlds: int) -> npt.NDArray[np.float64]:
    """float64[len(chains)] mean of what the coalition lost in an episode of each validation world, in its unit.

    The likeliest action is taken, as from the policy file. All chains are played in one batch: the network is faster.

    Args:
        chains: with as many decisions in an episode.
        network: what is judged.
        worlds: attacks on each chain.
    """
    parts = [ActiveWorlds(ResponseWorlds(chain.game, range(worlds), stream=STREAM_VALIDATION)) for chain in chains]
    together, lost = JoinedWorlds(parts), np.zeros(worlds * len(chains))
    rows, device = together.look(), network.playbooks.device
    for _ in range(chains[0].game.decisions):
        with torch.no_grad():
            logits, _ = network(*(torch.from_numpy(one).to(device) for one in (rows, together.masks())))
        step = together.step(logits.argmax(dim=1).cpu().numpy())
        lost[step.ended], rows = step.terminal_loss, step.observation
    return lost.reshape(len(chains), worlds).mean(axis=1) / np.array([chain.unit for chain in chains])
