"""Where an attacker is likely to be soon: from where it is believed, by the steps that the assumed attacker likes.

Flows in: a game, belief, minutes to look ahead. Flows out: odds for each asset. So a rule acts where nobody is yet. It
is an overestimate where many assets are held: each of them is taken to be worked from as if it were the only one. In
return it grows with every belief and needs public facts alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from ..envs.game import Game
from ..twin.vocabulary import Gain

Float64 = npt.NDArray[np.float64]
_FOOTHOLDS = (Gain.USER, Gain.ADMIN)


@dataclass(frozen=True)
class Coming:
    """What is gained, per minute, by the game that is assumed."""

    game: Game

    @cached_property
    def _per_minute(self) -> csr_array:
        """[N, N] mean gains of an asset (row) a minute from one that is held (column)."""
        t, p = self.game.compiled.arrays, self.game.assumed
        step = np.asarray(t.step)
        taste = np.asarray(p.weight, np.float64).mean(axis=0)
        of_source = np.bincount(step["src"], taste, minlength=len(t.asset))
        share = taste / np.maximum(of_source, 1e-9)[step["src"]]
        tries = float(np.asarray(p.attacker["try_p"], np.float64).mean()) * 60.0 / p.tick_s
        foothold = np.isin(step["gain"], _FOOTHOLDS)
        rate = (tries * share * step["probability"])[foothold]
        return csr_array((rate, (step["dst"][foothold], step["src"][foothold])), shape=(len(t.asset),) * 2)

    def per_minute(self, held: Float64, blocked: npt.NDArray[np.bool_]) -> Float64:
        """float64[B, N] mean gains of each asset a minute.

        Args:
            held: [B, N] belief, 0 to 1.
            blocked: [B, N] assets from which nothing is tried.
        """
        mean: Any = self._per_minute @ np.where(blocked, 0.0, held).T
        return np.ascontiguousarray(mean.T)


def soon(held: Float64, per_minute: Float64, minutes: float | Float64) -> Float64:
    """float64[B, N] odds that an asset is held now or gained within so many minutes, one or [B, 1] each.

    Gains are taken for a Poisson process.
    """
    odds: Float64 = 1.0 - (1.0 - held) * np.exp(-minutes * per_minute)
    return odds
