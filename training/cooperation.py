"""What cooperation between owners is worth: the same attacks under four kinds of it, owners' defenders at their seats.

Flows in: trials, policies. Flows out: losses by kind of cooperation and policy, with intervals. Every owner decides by
its own view alone. The rule's numbers are tuned anew for each kind, on training chains or attacks; a learned policy is
one network in all seats, the same for all kinds. Attacks are the same for all: worlds of equal ids have equal draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..envs.active import dense_actions, new_active
from ..envs.cooperation import ARMS, Cooperation, with_cooperation
from ..envs.game import Game
from ..envs.owners import OwnerWorlds
from ..envs.policy_file import NumpyPolicy
from ..envs.scripted import Threshold
from ..twin.compiled import Int32
from ..twin.rulebook.worlds import STREAM_ENVIRONMENT, STREAM_EVALUATION
from .chains import Trial
from .intervals import Estimate, Losses, estimates, mean_of
from .owners_rule import OwnersThreshold
from .playing import play

Float64 = npt.NDArray[np.float64]
Seated = Callable[[OwnerWorlds], Int32]  # int32[B, S], an action per world and seat in numbers of each view
Progress = Callable[[float], None]

NOTHING, RULE, ONE_SEAT = "do nothing", "restore above belief", "one seat for all, restore above belief"
NEITHER = "neither"
LEVELS = (0.5, 0.7, 0.9)  # of belief, tried for the rule
TUNING_ATTACKS = 200  # per candidate and kind, shared out over the training chains; 60 chose by luck
LANES = 100  # attacks played side by side; no result depends on it


class CooperationError(ValueError):
    """What cannot be compared; the message names fault and mend."""


@dataclass(frozen=True, slots=True)
class Row:
    """One policy under one kind of cooperation, over all chains; owner-hours per attack."""

    policy: str
    kind: str  # of `envs.cooperation.ARMS`; empty: does not apply
    loss: Estimate
    worth: Estimate | None  # what is lost less than under `NEITHER`, attack by attack
    by_owner: Mapping[str, float]  # owners of equal id on several chains are taken together
    by_chain: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Table:
    """Everything on one scenario."""

    scenario: str
    chains: tuple[str, ...]
    attacks: int  # on each chain
    rows: tuple[Row, ...]
    tuned: Mapping[str, OwnersThreshold]  # by kind


@dataclass(frozen=True)
class OwnersLearned:
    """A policy file at every owner's seat."""

    policy: NumpyPolicy

    def __call__(self, worlds: OwnerWorlds) -> Int32:
        """int32[B, S] actions in numbers of each view."""
        effects, chosen = worlds.game.effects, []
        for lane in worlds.lanes:
            active = new_active(worlds.count, len(effects.playbook), self.policy.view)
            lane.see_active(self.policy.view, active)
            own = self.policy.act_on(active, effects)
            chosen.append(dense_actions(own, active, lane.view.compiled.targets))
        return np.stack(chosen, axis=1)


def waits(worlds: OwnerWorlds) -> Int32:
    """Every seat waits."""
    return np.zeros((worlds.count, len(worlds.owners)), np.int32)


def play_seats(game: Game, policy: Seated, world_ids: Sequence[int], *, stream: int) -> Float64:
    """float64[n, O] owner-hours that each owner loses in one attack of every world."""
    parts = []
    for first in range(0, len(world_ids), LANES):
        worlds = OwnerWorlds(game, world_ids[first : first + LANES], stream=stream)
        for _ in range(game.decisions):
            worlds.step(policy(worlds))
        parts.append(worlds.worlds.losses().sum(axis=2))
    return np.concatenate(parts)


def tuned_rule(games: Sequence[Game], how: Cooperation) -> OwnersThreshold:
    """The rule that loses least on attacks of the training stream: its level, and whether owners ask each other.

    Args:
        games: training chains on which owners cooperate as `how` says.
        how: where nothing is shared there is nothing of others to ask about.
    """
    attacks = range(-(-TUNING_ATTACKS // len(games)))
    found: dict[OwnersThreshold, float] = {}
    for level in LEVELS:
        for helps in (False, True) if how.shares else (False,):
            rule = OwnersThreshold(level, helps)
            losses = [play_seats(game, rule, attacks, stream=STREAM_ENVIRONMENT).sum(axis=1).mean() for game in games]
            found[rule] = float(np.mean(losses))
    return min(found, key=lambda rule: found[rule])


def compare(
    scenario: str,
    trials: Sequence[Trial],
    learned: Mapping[str, NumpyPolicy],
    attacks: int,
    *,
    progress: Progress = lambda share: None,
) -> Table:
    """Play all policies under all kinds of cooperation.

    Args:
        scenario: its name.
        trials: chains to judge on, each with those that may be tuned on; at least one.
        learned: policy files by name, trained with `seats: owners`.
        attacks: on each chain, 2 or more.
        progress: called with the share that is done.

    Raises:
        CooperationError: too few attacks, or a name is taken.
    """
    check_policies(learned)
    if attacks < 2:
        raise CooperationError(f"--attacks {attacks}: give 2 or more")
    ids, steps = range(attacks), len(ARMS) * (1 + len(trials))
    tuned: dict[str, OwnersThreshold] = {}
    played: dict[tuple[str, str], list[Float64]] = {}
    done = 0
    for kind, how in ARMS.items():
        tuned[kind] = tuned_rule([with_cooperation(game, how) for game in trials[0].tuned], how)
        done += 1
        progress(done / steps)
    for trial in trials:
        for kind, how in ARMS.items():
            game = with_cooperation(trial.judged, how)
            policies = _policies(tuned[kind], learned)
            for name, policy in policies.items():
                played.setdefault((name, kind), []).append(play_seats(game, policy, ids, stream=STREAM_EVALUATION))
            done += 1
            progress(done / steps)
        played.setdefault((NOTHING, ""), []).append(_idle(trial.judged, ids))
        played.setdefault((ONE_SEAT, ""), []).append(_one_seat(trial.judged, ids))
    return Table(scenario, tuple(trial.name for trial in trials), attacks, _rows(played, trials), tuned)


def check_policies(learned: Mapping[str, NumpyPolicy]) -> None:
    """Refuse a policy under the name of one that is always there.

    Raises:
        CooperationError: names it.
    """
    for name in (NOTHING, RULE, ONE_SEAT):
        if name in learned:
            raise CooperationError(f"policy name {name!r} is taken; write NAME=FILE with another name")


def _policies(rule: OwnersThreshold, learned: Mapping[str, NumpyPolicy]) -> dict[str, Seated]:
    seated: dict[str, Seated] = {RULE: rule}
    return seated | {name: OwnersLearned(policy) for name, policy in learned.items()}


def _idle(game: Game, ids: Sequence[int]) -> Float64:
    """Nobody asks anything, so no kind of cooperation matters."""
    return play_seats(game, waits, ids, stream=STREAM_EVALUATION)


def _one_seat(game: Game, ids: Sequence[int]) -> Float64:
    """For comparison: one defender that sees all owners' findings and acts for all of them by their own consent."""
    return play(game, Threshold(game), ids, stream=STREAM_EVALUATION).loss.sum(axis=2)


def _rows(played: Mapping[tuple[str, str], list[Float64]], trials: Sequence[Trial]) -> tuple[Row, ...]:
    keys = list(played)
    tables = [np.stack([played[key][chain].sum(axis=1) for key in keys], axis=1) for chain in range(len(trials))]
    losses = Losses.of(tables)
    bases = [keys.index((name, NEITHER)) if kind else -1 for name, kind in keys]
    statistics = [mean_of(losses, losses.table[:, column]) for column in range(len(keys))]
    table = losses.table
    saved = [mean_of(losses, table[:, base] - table[:, own]) for own, base in enumerate(bases) if base >= 0]
    found = estimates(losses, [*statistics, *saved])
    worth = iter(found[len(keys) :])
    return tuple(
        Row(
            name,
            kind,
            found[column],
            next(worth) if kind else None,
            _by_owner([trial.judged for trial in trials], played[name, kind]),
            {trial.name: float(table[:, column].mean()) for trial, table in zip(trials, tables, strict=True)},
        )
        for column, (name, kind) in enumerate(keys)
    )


def _by_owner(games: Sequence[Game], parts: Sequence[Float64]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for game, part in zip(games, parts, strict=True):
        for owner, loss in zip(game.compiled.twin.owners, part.mean(axis=0), strict=True):
            found.setdefault(owner.id, []).append(float(loss))
    return {owner: float(np.mean(values)) for owner, values in found.items()}


def as_dict(table: Table) -> dict[str, Any]:
    """What `--json` prints of a table."""

    def told(estimate: Estimate | None) -> dict[str, float] | None:
        if estimate is None:
            return None
        return {name: round(getattr(estimate, name), 4) for name in ("value", "low", "high")}

    def rounded(values: Mapping[str, float]) -> dict[str, float]:
        return {name: round(value, 4) for name, value in values.items()}

    return {
        "scenario": table.scenario,
        "chains": list(table.chains),
        "attacks": table.attacks,
        "rows": [
            {
                "policy": row.policy,
                "cooperation": row.kind,
                "loss": told(row.loss),
                "worth": told(row.worth),
                "by_owner": rounded(row.by_owner),
                "by_chain": rounded(row.by_chain),
            }
            for row in table.rows
        ],
        "tuned": {kind: {"level": rule.level, "asks_others": rule.helps} for kind, rule in table.tuned.items()},
    }


def told_kind(how: Cooperation) -> str:
    """A kind of cooperation in words."""
    findings = "findings shared" if how.shares else "findings kept"
    return f"{findings}, consent {'quick' if how.agrees else 'slow'}"
