"""What policies came to: over all chains, on each, with intervals, beside what their responses cost.

Flows in: what every policy's episodes came to on every cell (a chain and an attacker). Flows out: `Score`s and
`Difference`s. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

from ..envs.game import Game
from ..twin.vocabulary import LossCause
from .costs import Budget, Costs, costs_of
from .intervals import (
    Estimate,
    Losses,
    estimates,
    interquartile_mean,
    mean,
    mean_of,
    probability_of_improvement,
)
from .playing import Played

COSTS = tuple(one.name for one in fields(Costs))


@dataclass(frozen=True, slots=True)
class ChainScore:
    """One policy on one chain, over its attackers; losses in owner-hours per attack."""

    mean: float
    low: float  # 95 % interval of the mean
    high: float
    iqm: Estimate
    episodes: int
    by_cause: Mapping[str, float]
    false_containments: float
    downtime: float
    consents: float


@dataclass(frozen=True, slots=True)
class Score:
    """One policy over all chains; losses in owner-hours per attack, means over chains."""

    name: str
    mean: float
    low: float  # 95 % interval of the mean
    high: float
    iqm: Estimate  # mean of the middle half of all attacks
    episodes: int  # attacks on all chains together
    by_cause: Mapping[str, float]
    by_owner: Mapping[str, float]  # mean over the chains that have an owner of this id
    by_chain: Mapping[str, float]
    responses: Mapping[str, float]  # proposals per episode, by playbook
    saved: float | None  # share of what the clairvoyant saves against doing nothing; None where it saves nothing
    breached: float  # share of attacks in which something was held
    contained: float | None  # share of those in which nothing was held at the end; None where none was breached
    minutes: float | None  # mean time of those from first to last hold, at most to the horizon; None as before
    false_containments: float  # per attack: proposals that contain what no attacker held
    downtime: float = 0.0  # owner-hours per attack of service that responses alone cost
    consents: float = 0.0  # answers per attack that people were asked for
    over_budget: tuple[str, ...] | None = None  # costs above the budget; None where none is set
    by_attacker: Mapping[str, float] = field(default_factory=dict)  # where chains are played against several
    chains: Mapping[str, ChainScore] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean loss of a policy less that of the reference over the same attacks; above 0: the reference is better."""

    policy: str
    reference: str
    mean: float
    low: float
    high: float
    improvement: Estimate  # probability that the reference loses less than the policy, ties half


@dataclass(frozen=True, slots=True)
class Results:
    """All that was played: a column per cell, cells of a chain side by side."""

    chains: tuple[str, ...]  # of each cell
    attackers: tuple[str, ...]  # of each cell; empty where its scenario says them
    games: Mapping[str, list[Game]]  # by policy, of each cell: where owners call it is another one
    played: Mapping[str, list[Played]]  # by policy, of each cell

    @property
    def names(self) -> list[str]:
        """Policies."""
        return list(self.played)

    def losses(self, cells: Sequence[int]) -> Losses:
        """Losses of all policies on some cells."""
        return Losses.of([np.stack([self.played[name][one].total for name in self.names], axis=1) for one in cells])

    def groups(self, of: Sequence[str]) -> dict[str, list[int]]:
        """Cells by a name of each."""
        found: dict[str, list[int]] = {}
        for cell, name in enumerate(of):
            found.setdefault(name, []).append(cell)
        return found


def scores_of(results: Results, *, worst: str, best: str, budget: Budget) -> tuple[Score, ...]:
    """Each policy over all cells, which weigh alike.

    Args:
        results: what was played.
        worst: the policy that saves nothing.
        best: the one whose saving is 1.
        budget: what responses may cost.
    """
    names = results.names
    losses = results.losses(range(len(results.chains)))
    means = estimates(losses, [mean(losses, policy) for policy in range(len(names))])
    middle = estimates(losses, [interquartile_mean(losses, policy) for policy in range(len(names))])
    none, all_of_it = (means[names.index(name)].value for name in (worst, best))
    parts = _chains(results)
    return tuple(
        _score(results, name, one, iqm, none, all_of_it, budget, parts[name])
        for name, one, iqm in zip(names, means, middle, strict=True)
    )


def _score(
    results: Results,
    name: str,
    loss: Estimate,
    iqm: Estimate,
    worst: float,
    best: float,
    budget: Budget,
    chains: Mapping[str, ChainScore],
) -> Score:
    parts, games = results.played[name], results.games[name]
    breached = np.concatenate([part.breached for part in parts])
    costs = _costs(parts)
    attackers = results.groups(results.attackers)
    return Score(
        name,
        loss.value,
        loss.low,
        loss.high,
        iqm=iqm,
        episodes=sum(len(part.total) for part in parts),
        by_cause=_by_cause(parts),
        by_owner=_by_owner(parts, games),
        by_chain={chain: one.mean for chain, one in chains.items()},
        responses=dict(
            zip(games[0].library.names, np.mean([part.proposed for part in parts], axis=0).tolist(), strict=True)
        ),
        saved=(worst - loss.value) / (worst - best) if worst > best else None,
        breached=float(breached.mean()),
        contained=_share(parts, "contained", breached),
        minutes=_share(parts, "minutes", breached),
        false_containments=costs.false,
        downtime=costs.downtime,
        consents=costs.consents,
        over_budget=budget.broken(costs) if budget.is_bound else None,
        by_attacker={
            attacker: float(np.mean([parts[cell].total.mean() for cell in cells]))
            for attacker, cells in attackers.items()
            if attacker
        },
        chains=chains,
    )


def _chains(results: Results) -> dict[str, dict[str, ChainScore]]:
    """Scores on each chain, by policy."""
    found: dict[str, dict[str, ChainScore]] = {name: {} for name in results.names}
    for chain, cells in results.groups(results.chains).items():
        losses, columns = results.losses(cells), range(len(results.names))
        statistics = [kind(losses, policy) for kind in (mean, interquartile_mean) for policy in columns]
        told = estimates(losses, statistics)
        for column, name in enumerate(results.names):
            parts = [results.played[name][cell] for cell in cells]
            loss, costs = told[column], _costs(parts)
            found[name][chain] = ChainScore(
                loss.value,
                loss.low,
                loss.high,
                iqm=told[len(results.names) + column],
                episodes=len(losses.table),
                by_cause=_by_cause(parts),
                false_containments=costs.false,
                downtime=costs.downtime,
                consents=costs.consents,
            )
    return found


def _costs(parts: Sequence[Played]) -> Costs:
    return costs_of({name: np.concatenate([getattr(part, name) for part in parts]) for name in COSTS})


def _by_cause(parts: Sequence[Played]) -> dict[str, float]:
    causes = np.mean([part.loss.mean(axis=0).sum(axis=0) for part in parts], axis=0)
    return {cause.word: float(causes[cause]) for cause in LossCause}


def _by_owner(parts: Sequence[Played], games: Sequence[Game]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for part, game in zip(parts, games, strict=True):
        for owner, loss in zip(game.compiled.twin.owners, part.loss.mean(axis=0).sum(axis=1), strict=True):
            found.setdefault(owner.id, []).append(float(loss))
    return {owner: float(np.mean(losses)) for owner, losses in found.items()}


def _share(parts: Sequence[Played], column: str, breached: npt.NDArray[np.bool_]) -> float | None:
    """Mean of a column over attacks that breached something."""
    values = np.concatenate([getattr(part, column) for part in parts])[breached]
    return float(values.mean()) if len(values) else None


def differences_of(results: Results, reference: str) -> tuple[Difference, ...]:
    """Each other policy against the reference, attack by attack."""
    names, losses = results.names, results.losses(range(len(results.chains)))
    other = names.index(reference)
    rest = [column for column in range(len(names)) if column != other]
    gaps = estimates(losses, [mean_of(losses, losses.table[:, one] - losses.table[:, other]) for one in rest])
    better = estimates(losses, [probability_of_improvement(losses, other, one) for one in rest])
    return tuple(
        Difference(names[one], reference, gap.value, gap.low, gap.high, improvement)
        for one, gap, improvement in zip(rest, gaps, better, strict=True)
    )
