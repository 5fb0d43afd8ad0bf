"""The learner's reward: what the coalition lost in a step, negative and scaled.

Flows in: losses of a step. Flows out: numbers of about 0.01 to 1, and losses in words. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..twin.vocabulary import LossCause

REWARD_SCALE = 1.0  # reward per owner-hour lost; on the charging chain a step costs 0.001 to 1


def rewards(loss: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """float32[B] from the loss of a step, float64[B, O, LossCause] in owner-hours: less all of it."""
    scaled: npt.NDArray[np.float64] = loss.reshape(len(loss), -1).sum(axis=1) * -REWARD_SCALE
    return scaled.astype(np.float32)


def owner_rewards(loss: npt.NDArray[np.float64], own_share: float) -> npt.NDArray[np.float32]:
    """float32[B, O]: each owner's mixture of its own loss, `own_share` of 0..1, and all owners', the rest."""
    own: npt.NDArray[np.float64] = loss.sum(axis=2)
    mixed = own_share * own + (1.0 - own_share) * own.sum(axis=1, keepdims=True)
    return (mixed * -REWARD_SCALE).astype(np.float32)


_CAUSES = tuple(cause.word for cause in LossCause)


def told_losses(owners: Sequence[str], loss: npt.NDArray[np.float64]) -> dict[str, dict[str, float]]:
    """{owner: {cause: loss}} of float64[O, LossCause]."""
    rows = zip(owners, loss.tolist(), strict=True)
    return {owner: dict(zip(_CAUSES, row, strict=False)) for owner, row in rows}  # strict doubles the time of a step's
