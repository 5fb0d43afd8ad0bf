"""How much a policy loses on worlds kept apart from training and evaluation.

Flows in: a policy, world ids. Flows out: coalition losses. It chooses nothing; `train` keeps the best by it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..envs.game import Game
from ..envs.scripted import Defender
from ..envs.vector import ResponseWorlds
from .streams import STREAM_VALIDATION


def validation_losses(game: Game, policy: Defender, world_ids: Sequence[int]) -> npt.NDArray[np.float64]:
    """float64[len(world_ids)] owner-hours that the coalition lost in one episode of each validation world."""
    worlds = ResponseWorlds(game, world_ids, stream=STREAM_VALIDATION)
    worlds.reset()
    losses = np.zeros(len(world_ids))
    for _ in range(game.decisions):
        step = worlds.step(policy(worlds))
        losses[step.ended] = step.terminal_loss.sum(axis=(1, 2))
    return losses
