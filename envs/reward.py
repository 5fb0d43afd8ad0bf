"""The learner's reward: what the coalition lost in a step, negative and scaled.

Flows in: losses before and after. Flows out: numbers of about 0.01 to 1. Pure.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

REWARD_SCALE = 1.0  # reward per owner-hour lost; on the charging chain a step costs 0.001 to 1


def rewards(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """float32[B] from coalition losses float64[B], in owner-hours, at both ends of a step."""
    return (-(after - before) * REWARD_SCALE).astype(np.float32)
