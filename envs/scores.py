"""How good probabilities are: log loss, Brier score, calibration, summed up tick by tick.

Flows in: probabilities and what came true. Flows out: means. Probabilities are capped alike for all who are judged:
who says never and is wrong would else lose without bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

CAP: Final = 1e-5  # no probability counts as lower than this, or higher than 1 - this
EDGES: Final = np.array([1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.01])  # bins up to these
SUSPECT: Final = 0.05  # an edge: from here on an asset is suspected


@dataclass
class Score:
    """Sums over cases; lives as long as its run."""

    log_loss: float = 0.0
    brier: float = 0.0
    cases: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(EDGES)))  # per bin
    said: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(EDGES)))
    came: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(EDGES)))

    def add(self, probability: npt.NDArray[Any], truth: npt.NDArray[np.bool_]) -> None:
        """Judge probabilities by what came true; both of one shape."""
        said = np.clip(probability.ravel().astype(np.float64), CAP, 1.0 - CAP)
        came = truth.ravel()
        self.log_loss -= float(np.log(np.where(came, said, 1.0 - said)).sum())
        self.brier += float(((said - came) ** 2).sum())
        place = np.searchsorted(EDGES, said, side="right")
        self.cases += np.bincount(place, minlength=len(EDGES))
        self.said += np.bincount(place, said, minlength=len(EDGES))
        self.came += np.bincount(place, came, minlength=len(EDGES))

    def means(self) -> dict[str, float]:
        """Per case: log loss in nats, Brier score, and how far what was said lies from what came, mean over bins.

        `calibration_error_suspects` looks only at what was said to be held with `SUSPECT` or more.
        """
        suspects = np.searchsorted(EDGES, SUSPECT, side="right")
        gap = np.abs(self.said - self.came)
        return {
            "log_loss": self.log_loss / self.cases.sum(),
            "brier": self.brier / self.cases.sum(),
            "calibration_error": float(gap.sum() / self.cases.sum()),
            "calibration_error_suspects": float(gap[suspects:].sum() / max(self.cases[suspects:].sum(), 1.0)),
        }
