"""Assets from which very many attack steps lead, as from the internet to every front of a large chain.

Flows in: attack steps by source and the attackers' tastes. Flows out: cumulative tastes of the steps from such assets,
by which a step is drawn in place of looking through all of them (`attacking.first_of_crowd`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..compiled import CompiledTwin, Float32, Int32

CROWD = 32  # steps from one asset beyond which they are a crowd; where that lies only speed and draws depend on


class Crowds(NamedTuple):
    """Tables over C crowds of together M steps and K attackers."""

    crowd_asset: Int32  # [C] ascending
    crowd_first: Int32  # [C] row of the crowd's first step in `crowd_taste`; its steps are in the order of `out_step`
    crowd_taste: npt.NDArray[np.float64]  # [K, M] tastes, cumulative within each crowd


def crowds_of(twin: CompiledTwin, weight: Float32) -> Crowds:
    """Find the crowds of a twin; weight: float32[K, E] attackers' taste for each step."""
    out = twin.asset["out_last"] - twin.asset["out_first"]
    assets = np.flatnonzero(out > CROWD)
    first = np.cumsum([0, *out[assets]])
    taste = np.zeros((len(weight), int(first[-1])))
    for asset, begin in zip(assets, first, strict=False):
        steps = twin.out_step[twin.asset["out_first"][asset] : twin.asset["out_last"][asset]]
        taste[:, begin : begin + len(steps)] = np.cumsum(weight[:, steps], axis=1, dtype=np.float64)
    return Crowds(assets.astype(np.int32), first[:-1].astype(np.int32), taste)
