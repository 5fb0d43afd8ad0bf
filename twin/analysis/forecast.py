"""Rehearsal: what a response is expected to be worth over the next hour or hours, on worlds drawn from the belief.

Flows in: the game, one belief lane, the public state, options (each a tuple of actions; empty: do nothing). Flows out:
expected loss per option with intervals, and the paired difference to doing nothing. All options share the drawn worlds
and their draws (common random numbers). Consent is taken as given at once: the question is what the response does, not
whether it may.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..compiled import Compiled
from ..rulebook.effects import EffectTable
from ..rulebook.parameters import Parameters
from ..rulebook.state import WorldState
from ..rulebook.worlds import Worlds
from ..sensing.belief import BeliefState
from ..vocabulary import ConsentMode
from .rollouts import roll_losses
from .sampling import draw_worlds

Z95 = 1.959964  # two-sided 95 % of the normal distribution
LEAST_WORLDS, MOST_WORLDS = 1024, 4096
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of lost service; the outer two hold nine worlds in ten


@dataclass(frozen=True, slots=True)
class Outcome:
    """Expected loss of one option over the horizon, in owners' units, with 95 % intervals."""

    actions: tuple[int, ...]
    mean: float
    low: float
    high: float
    saved: float  # paired: loss of doing nothing less loss of this option
    saved_low: float
    saved_high: float
    service: tuple[float, ...] = ()  # `QUANTILES` over worlds of lost service alone, which owners can see come


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Outcomes of all options, in the order given, doing nothing first."""

    horizon_s: float
    worlds: int
    outcomes: tuple[Outcome, ...]

    @property
    def best(self) -> Outcome:
        """The option with the least expected loss."""
        return min(self.outcomes, key=lambda outcome: outcome.mean)


def rehearse(
    compiled: Compiled,
    effects: EffectTable,
    parameters: Parameters,
    *,
    belief: BeliefState,
    view: int,
    state: WorldState,
    world: int,
    options: Sequence[tuple[int, ...]],
    horizons_s: Sequence[float] = (3600.0,),
    seed: int = 0,
) -> tuple[Rehearsal, ...]:
    """Roll every option forward until the best is told apart from the rest or MOST_WORLDS are drawn.

    Gives one rehearsal per horizon, all over the same worlds; the first horizon says how many are drawn.

    Args:
        compiled: the twin.
        effects: what playbooks do.
        parameters: the assumed game.
        belief: beliefs; lane `view` is used.
        view: which lane.
        state: worlds; the public part of row `world` is used.
        world: which row.
        options: options besides doing nothing, each the actions to propose tick after tick, 1..P*T.
        horizons_s: how far to look, seconds, growing.
        seed: equal seeds give equal worlds.

    Raises:
        ValueError: an action that is not in the action space, or horizons that do not grow.
    """
    if list(horizons_s) != sorted(set(horizons_s)) or not horizons_s:
        raise ValueError(f"horizons {tuple(horizons_s)} s: give one or more, growing")
    ticks = [max(1, round(horizon / compiled.tick_s)) for horizon in horizons_s]
    every = [(), *dict.fromkeys(option for option in options if option)]
    consenting = parameters._replace(consent=parameters.consent.copy(), call=0.0)
    consenting.consent["mode"] = ConsentMode.AT_ONCE

    def draw(number: int) -> Worlds:
        return draw_worlds(
            compiled,
            effects,
            consenting,
            belief=belief,
            view=view,
            state=state,
            world=world,
            count=LEAST_WORLDS,
            seed=seed * 64 + number,
        )

    losses = _rolled(draw, every, ticks)
    return tuple(
        Rehearsal(
            horizon,
            rows.shape[1],
            tuple(_outcome(a, row, rows[0], lost) for a, row, lost in zip(every, rows, services, strict=True)),
        )
        for horizon, rows, services in zip(horizons_s, *losses, strict=True)
    )


def _rolled(
    draw: Callable[[int], Worlds], options: Sequence[tuple[int, ...]], ticks: Sequence[int]
) -> npt.NDArray[np.float64]:
    """float64[2, horizons, options, worlds] losses in all and of service, until options are told apart."""
    losses = np.zeros((2, len(ticks), len(options), 0))
    while True:
        drawn = draw(losses.shape[3] // LEAST_WORLDS)
        more = np.concatenate([roll_losses(drawn, [option], ticks) for option in options], axis=2)
        losses = np.concatenate([losses, more], axis=3)
        if losses.shape[3] >= MOST_WORLDS or _is_told_apart(losses[0, 0]):
            return losses


def _is_told_apart(losses: npt.NDArray[np.float64]) -> bool:
    """Whether the option with the least mean differs from every other, pairwise, at 95 %."""
    best = int(np.argmin(losses.mean(axis=1)))
    for other in range(len(losses)):
        difference = losses[other] - losses[best]
        if other != best and difference.mean() < Z95 * _error(difference):
            return False
    return True


def _error(sample: npt.NDArray[np.float64]) -> float:
    return float(sample.std(ddof=1) / np.sqrt(len(sample)))


def _outcome(
    actions: tuple[int, ...],
    losses: npt.NDArray[np.float64],
    nothing: npt.NDArray[np.float64],
    service: npt.NDArray[np.float64],
) -> Outcome:
    mean, half = float(losses.mean()), Z95 * _error(losses)
    saved = nothing - losses
    gain, gain_half = float(saved.mean()), Z95 * _error(saved)
    quantiles = tuple(float(one) for one in np.quantile(service, QUANTILES))
    return Outcome(actions, mean, mean - half, mean + half, gain, gain - gain_half, gain + gain_half, quantiles)
