"""What cooperation is worth whatever the assumed numbers are: the table's policies played under draws of all of them.

Flows in: trials, policies, the rule as it was tuned, draws. Flows out: in what share of draws each kind is worth
something. Times until consent are drawn too. As in `robust`, nothing is tuned or trained again, belief keeps the
table's numbers, and a claim stands where its sign holds in `robust.STANDS` of the draws. Chance of attacks is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from ..envs.assumptions import Assumptions, game_under
from ..envs.cooperation import cooperating
from ..envs.game import Game
from ..envs.kinds import ARMS, Cooperation
from ..twin.rulebook.worlds import STREAM_EVALUATION
from .chains import Trial
from .contest import game_digest
from .cooperation import NEITHER, NOTHING, Key, Networks, Table, policies_of
from .owners_rule import OwnersThreshold
from .robust import DEFAULT, STANDS, Extent, Means, played
from .robust_keeping import weights_digest
from .seat_play import play_seats, waits


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a policy's cooperation is worth under the draws; owner-hours per attack."""

    policy: str
    kind: str  # never `NEITHER`, with which it is compared
    assumed: float  # with all as assumed, on the table's attacks
    median: float
    low: float  # 5 % of draws are below
    high: float  # 5 % are above
    gains: float  # share of draws in which less is lost than under `NEITHER`
    harms: float  # share in which more is lost

    @property
    def stands(self) -> bool:
        """Whether it may be said that the kind gains, or that it harms."""
        return (self.gains if self.assumed > 0 else self.harms) >= STANDS


@dataclass(frozen=True, slots=True)
class Drawing:
    """What came of all draws."""

    draws: int
    attacks: int
    worths: tuple[Drawn, ...]
    beats_nothing: Mapping[Key, float]  # by policy and kind: share of draws in which it loses less than doing nothing


def drawings(
    table: Table,
    trials: Sequence[Trial],
    learned: Networks,
    extent: Extent,
    *,
    known: Mapping[int, Means] | None = None,
    keep: Callable[[int, Means], None] = lambda number, means: None,
    progress: Callable[[str, float], None] = lambda name, share: None,
) -> Drawing:
    """Play the draws that are not known yet, and say what stands.

    Args:
        table: of these trials and policies, with all as assumed.
        trials: what is played; the table's.
        learned: networks; the table's.
        extent: how much.
        known: means of draws that were played before, by number.
        keep: called with each draw that was played now.
        progress: called with what is played and how much of all is done, 0..1.
    """
    known = {**(known or {}), DEFAULT: {_named(row.policy, row.kind): row.loss.value for row in table.rows}}
    play = partial(play_draw, trials, table.tuned, learned, extent)
    assumed, draws = played(play, extent.draws, known=known, keep=keep, progress=progress)
    return _concluded(assumed, draws, keys_of(learned), extent)


def keys_of(learned: Networks) -> list[Key]:
    """Policies and kinds that play in a draw."""
    rule = OwnersThreshold()
    seats = [(name, kind) for kind in ARMS for name in policies_of(kind, rule, learned)]
    return [*seats, (NOTHING, "")]


def names_of(learned: Networks) -> set[str]:
    """How a draw's means are named."""
    return {_named(*key) for key in keys_of(learned)}


def header_of(table: Table, trials: Sequence[Trial], learned: Networks, extent: Extent) -> dict[str, Any]:
    """What is played, as a file of kept draws begins with it."""
    tuned = {kind: asdict(rule) for kind, rule in table.tuned.items()}
    return {**begun_by(table.scenario, trials, learned, extent), "tuned": tuned}


def begun_by(scenario: str, trials: Sequence[Trial], learned: Networks, extent: Extent) -> dict[str, Any]:
    """What of `header_of` is known before the table is played."""
    return {
        "cooperation": scenario,
        "games": [game_digest(trial.judged) for trial in trials],
        "of each draw": {name: value for name, value in asdict(extent).items() if name != "draws"},
        "policies": {
            name: {kind: weights_digest(policy.weights) for kind, policy in of.items()} for name, of in learned.items()
        },
    }


def play_draw(
    trials: Sequence[Trial],
    tuned: Mapping[str, OwnersThreshold],
    learned: Networks,
    extent: Extent,
    number: int,
) -> dict[str, float]:
    """Mean losses by policy and kind under one draw, over chains in turn."""
    losses: dict[str, list[float]] = {}
    for trial in {(number * extent.chains + i) % len(trials): None for i in range(extent.chains)}:
        for key, loss in _losses(trials[trial].judged, tuned, learned, extent, number).items():
            losses.setdefault(_named(*key), []).append(loss)
    return {name: float(np.mean(values)) for name, values in losses.items()}


def _losses(
    judged: Game, tuned: Mapping[str, OwnersThreshold], learned: Networks, extent: Extent, number: int
) -> dict[Key, float]:
    found: dict[Key, float] = {}
    assumptions, ids = Assumptions(extent.seed, number), range(extent.attacks)
    for kind, how in ARMS.items():
        game = cooperating_under(judged, assumptions, how)
        for name, policy in policies_of(kind, tuned[kind], learned).items():
            found[name, kind] = _mean(game, policy, ids)
    found[NOTHING, ""] = _mean(game, waits, ids)  # the kind makes no difference to it
    return found


def _mean(game: Game, policy: Any, ids: Sequence[int]) -> float:
    return float(play_seats(game, policy, ids, stream=STREAM_EVALUATION).loss.sum(axis=1).mean())


def cooperating_under(judged: Game, assumptions: Assumptions, how: Cooperation) -> Game:
    """A game in a world where the drawn numbers hold, whose owners cooperate so; times until consent are drawn too."""
    quick_s, slow_s = (assumptions.value(f"cooperation.{name}") for name in ("quick_s", "slow_s"))
    arrange = partial(cooperating, how=how, quick_s=quick_s, slow_s=slow_s)
    return game_under(judged.scenario, assumptions, arrange=arrange)


def _named(policy: str, kind: str) -> str:
    return f"{policy}, {kind}" if kind else policy


def _concluded(assumed: Means, draws: Sequence[Means], keys: Sequence[Key], extent: Extent) -> Drawing:
    """What stands, of mean losses with all as assumed and under each draw."""
    worths = []
    for policy, kind in keys:
        if kind in ("", NEITHER) or (policy, NEITHER) not in keys:
            continue
        own, base = _named(policy, kind), _named(policy, NEITHER)
        saved = np.array([means[base] - means[own] for means in draws])
        median, low, high = (float(value) for value in np.quantile(saved, (0.5, 0.05, 0.95)))
        gains, harms = float((saved > 0).mean()), float((saved < 0).mean())
        worths.append(Drawn(policy, kind, assumed[base] - assumed[own], median, low, high, gains, harms))
    beats = {key: float(np.mean([means[_named(*key)] < means[NOTHING] for means in draws])) for key in keys if key[1]}
    return Drawing(len(draws), extent.attacks, tuple(worths), beats)
