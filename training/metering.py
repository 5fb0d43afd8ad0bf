"""What responses cost while training, and the prices that keep costs within their budgets.

Flows in: worlds, actions, budgets. Flows out: costs per attack; prices. A Lagrangian: the cost of a step, times a
price, is taken off its reward; a price rises while its cost is above the budget and falls, to no less than 0, while it
is below (dual ascent, as in Stooke et al. 2020, "Responsive Safety in Reinforcement Learning by PID Lagrangian
Methods", without the proportional and derivative terms). What the costs are, `costs` says.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..envs.active_worlds import ActiveWorlds
from ..envs.joined import JoinedWorlds
from .costs import Meter
from .settings import TrainSettings

Float64 = npt.NDArray[np.float64]
COSTS = ("downtime", "false", "consents")  # order of all arrays of costs


class Metering:
    """Reads costs of joined worlds; lives as long as those."""

    def __init__(self, worlds: JoinedWorlds) -> None:
        """Make a meter for each chain."""
        self._worlds = worlds
        self._meters = [Meter(part.game) for part in worlds.parts]
        self._decisions = np.concatenate([np.full(part.count, part.game.decisions) for part in worlds.parts])

    def read(self, actions: npt.NDArray[np.integer]) -> Float64:
        """float64[B, 3] `COSTS` of actions over slots, as the worlds stand before they are taken."""
        rows = []
        for meter, part, own in zip(self._meters, self._worlds.parts, self._worlds.split(actions), strict=True):
            assert isinstance(part, ActiveWorlds), "budgets are for the coalition's seat"
            chosen, worlds = part.dense(own), part.worlds
            downtime = meter.downtime(worlds) * part.game.scenario.decide_every
            rows.append(np.stack([downtime, meter.false(chosen, worlds), meter.consents(chosen)], axis=1))
        return np.concatenate(rows)

    def per_attack(self, steps: Sequence[Float64]) -> Float64:
        """float64[3] mean cost of an attack, from what steps cost: worlds stand at all times of an episode."""
        mean = np.mean(np.stack(steps), axis=0)
        found: Float64 = (mean * self._decisions[:, None]).mean(axis=0)
        return found


def budgets(settings: TrainSettings) -> Float64:
    """float64[3] the most that an attack may cost on average; infinity: no bound."""
    given = np.array([getattr(settings, f"{name}_budget") for name in COSTS])
    return np.where(given > 0, given, np.inf)


def is_bound(settings: TrainSettings) -> bool:
    """Whether there is any budget."""
    return bool(np.isfinite(budgets(settings)).any())


def overrun(costs: Float64, settings: TrainSettings) -> float:
    """By how much costs per attack are above their budgets, in shares of these, summed; 0: all are kept."""
    return float(np.maximum(np.nan_to_num(costs) / budgets(settings) - 1.0, 0.0).sum())


def next_multipliers(multipliers: Float64, costs: Float64, settings: TrainSettings) -> Float64:
    """float64[3] one step of dual ascent: up by `budget_rate` for each share of a budget that was overrun."""
    return np.maximum(0.0, multipliers + settings.budget_rate * (costs / budgets(settings) - 1.0))


def prices(multipliers: Float64, settings: TrainSettings) -> Float64:
    """float64[3] loss, in a chain's unit, that one of each cost counts as."""
    return multipliers / budgets(settings)
