"""How much a network loses, and its responses cost, on worlds kept apart from training and evaluation.

Flows in: a network, chains. Flows out: losses in the chains' units, costs. `train` keeps the best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ..envs.joined import JoinedWorlds
from .family import Chains
from .metering import COSTS, Metering
from .network import PairNetwork
from .seats import Seating
from .streams import STREAM_VALIDATION


@dataclass(frozen=True, slots=True)
class Validated:
    """What a network's episodes came to."""

    losses: npt.NDArray[np.float64]  # [chains] mean loss of an attack, in the chain's unit
    costs: npt.NDArray[np.float64]  # [3] mean costs of an attack, see `metering.COSTS`


def validated(chains: Chains, network: PairNetwork, worlds: int, seating: Seating) -> Validated:
    """Play one episode of each validation world of every chain.

    The likeliest action is taken, as from the policy file. All chains are played in one batch: the network is faster.

    Args:
        chains: with as many decisions in an episode.
        network: what is judged.
        worlds: attacks on each chain.
        seating: who decides.
    """
    parts = [part for one in chains for part in seating.parts(one.game, range(worlds), stream=STREAM_VALIDATION)]
    together = JoinedWorlds(parts)
    lost = np.zeros(together.count)
    metering, costs = Metering(together), list[npt.NDArray[np.float64]]()
    rows, device = together.look(), network.playbooks.device
    for _ in range(chains[0].game.decisions):
        with torch.no_grad():
            logits, _ = network(*(torch.from_numpy(one).to(device) for one in (rows, together.masks())))
        chosen = logits.argmax(dim=1).cpu().numpy()
        if not seating.is_owners:
            costs.append(metering.read(chosen))
        step = together.step(chosen)
        lost[step.ended], rows = step.terminal_loss, step.observation
    means = [own.mean() / chain.unit for own, chain in zip(together.split(lost), chains, strict=True)]
    return Validated(np.array(means), metering.per_attack(costs) if costs else np.full(len(COSTS), np.nan))
