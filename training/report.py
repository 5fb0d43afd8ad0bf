"""What a run measures, growing while it runs; goes into checkpoints and on after them.

Flows in: iterations and validations. Flows out: counters, curves, rates. It decides nothing.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .metering import COSTS
from .peer import Iteration

Curve = list[tuple[float, float]]


@dataclass
class Report:
    """Counters and curves of one run, over all its lives."""

    began: float = field(default_factory=time.monotonic)  # of this life
    earlier: float = 0.0  # seconds of earlier lives, up to the checkpoint this one began from
    stage: str = "starting Ray"
    chains_stage: int = 0  # of the chains that are played, see `family`
    samples: int = 0  # decisions learned from
    iterations: int = 0
    replaced_workers: int = 0
    lost_iterations: int = 0
    learning_since: float = 0.0  # seconds of the clock at which PPO began
    seconds: float = 0.0
    scale: float = 1.0  # of rewards
    validation: Curve = field(default_factory=list)  # (seconds, mean loss), in owner-hours or the chains' units
    losses: Curve = field(default_factory=list)  # (seconds, mean loss of ended episodes)
    best_loss: float = float("inf")
    best_overrun: float = float("inf")  # of budgets, in shares of them, by the weights that are kept
    multipliers: list[float] = field(default_factory=lambda: [0.0] * len(COSTS))  # of budgets, see `metering`
    costs: list[float] = field(default_factory=list)  # of an attack in the last iteration; empty: not metered
    spent: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # seconds by what they went into

    def clock(self) -> float:
        """Seconds since the run began."""
        return self.earlier + time.monotonic() - self.began

    def note(self, told: Iteration) -> dict[str, float]:
        """Count one iteration; gives its figures."""
        self.iterations += 1
        self.samples += told.samples
        for name, seconds in told.seconds.items():
            self.spent[name] = self.spent.get(name, 0.0) + seconds
        figures = {
            "samples": float(self.samples),
            "seconds": round(self.clock(), 3),
            "stage": float(self.chains_stage),
            **told.figures,
            **told.seconds,
        }
        if not np.isnan(told.costs).any():
            self.costs = told.costs.tolist()
            for name, cost, multiplier in zip(COSTS, self.costs, self.multipliers, strict=True):
                figures |= {f"cost {name}": cost, f"multiplier {name}": multiplier}
        if len(told.losses):
            figures["episode loss"] = float(told.losses.mean())
            self.losses.append((self.clock(), figures["episode loss"]))
        return figures

    def rate(self) -> float:
        """Samples per second since learning began."""
        return self.samples / max(self.clock() - self.learning_since, 1e-3)

    def kept(self) -> dict[str, Any]:
        """For a checkpoint."""
        plain = ("samples", "iterations", "replaced_workers", "lost_iterations", "learning_since", "scale", "best_loss")
        budgets = ("best_overrun", "multipliers", "costs")
        curves = {name: [list(point) for point in getattr(self, name)] for name in ("validation", "losses")}
        return {
            "clock": self.clock(),
            "spent": dict(self.spent),
            **{name: getattr(self, name) for name in (*plain, *budgets)},
            **curves,
        }

    def go_on(self, kept: dict[str, Any]) -> None:
        """Count on from a checkpoint."""
        for name, value in kept.items():
            setattr(self, {"clock": "earlier"}.get(name, name), value)
        self.validation = [(float(at), float(loss)) for at, loss in kept["validation"]]
        self.losses = [(float(at), float(loss)) for at, loss in kept["losses"]]
