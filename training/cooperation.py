"""What cooperation between owners is worth: the same attacks under four kinds of it, owners' defenders at their seats.

Flows in: trials, policies. Flows out: losses by kind of cooperation and policy, with intervals. Every owner decides by
its own view alone. The rule's numbers are tuned anew for each kind, on training chains or attacks; a learned policy is
one network in all seats, for all kinds or one for each. Attacks are the same for all: worlds of equal ids have equal
draws, so differences are taken attack by attack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..envs.cooperation import with_cooperation
from ..envs.game import Game
from ..envs.kinds import ARMS, Cooperation
from ..envs.policy_file import NumpyPolicy
from ..envs.scripted import Threshold
from ..twin.rulebook.worlds import STREAM_ENVIRONMENT, STREAM_EVALUATION
from .chains import Trial
from .intervals import Estimate, Float64, Losses, Statistic, estimates, mean_of
from .owners_rule import OwnersThreshold
from .playing import play
from .seat_play import OwnersLearned, Played, Seated, play_seats, waits

Networks = Mapping[str, Mapping[str, NumpyPolicy]]  # by policy and kind; a policy need not have all kinds
Key = tuple[str, str]  # policy, kind
Progress = Callable[[float], None]

NOTHING, RULE, ONE_SEAT = "do nothing", "restore above belief", "one seat for all, restore above belief"
NEITHER = "neither"
LEVELS = (0.5, 0.7, 0.9)  # of belief, tried for the rule
TUNING_ATTACKS = 200  # per candidate and kind, shared out over the training chains; 60 chose by luck


class CooperationError(ValueError):
    """What cannot be compared; the message names fault and mend."""


@dataclass(frozen=True, slots=True)
class Row:
    """One policy under one kind of cooperation, over all chains; owner-hours per attack."""

    policy: str
    kind: str  # of `ARMS`; empty: does not apply
    loss: Estimate
    worth: Estimate | None  # what is lost less than by the same policy under `NEITHER`; None: it does not play there
    by_owner: Mapping[str, Estimate]  # owners of equal id on several chains are taken together
    by_chain: Mapping[str, float]
    asked: float | None  # proposals per attack that need another owner's answer; None: one seat acts for all
    more: Estimate | None = None  # lost more than by the reference under the same kind; None: there is none
    more_by_owner: Mapping[str, Estimate] | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Everything on one scenario."""

    scenario: str
    chains: tuple[str, ...]
    attacks: int  # on each chain
    rows: tuple[Row, ...]
    tuned: Mapping[str, OwnersThreshold]  # by kind
    against: str = ""  # the policy that others are compared with


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
            played = [play_seats(game, rule, attacks, stream=STREAM_ENVIRONMENT) for game in games]
            found[rule] = float(np.mean([one.loss.sum(axis=1).mean() for one in played]))
    return min(found, key=lambda rule: found[rule])


def compare(
    scenario: str,
    trials: Sequence[Trial],
    learned: Networks,
    attacks: int,
    *,
    against: str = "",
    progress: Progress = lambda share: None,
) -> Table:
    """Play all policies under all kinds of cooperation.

    Args:
        scenario: its name.
        trials: chains to judge on, each with those that may be tuned on; at least one.
        learned: networks trained with `seats: owners`.
        attacks: on each chain, 2 or more.
        against: the policy with which others are compared under the same kind, if any.
        progress: called with the share that is done.

    Raises:
        CooperationError: too few attacks, a name is taken, or `against` is no policy here.
    """
    check(learned, attacks, against)
    ids, steps = range(attacks), len(ARMS) * (1 + len(trials))
    tuned: dict[str, OwnersThreshold] = {}
    played: dict[Key, list[Played]] = {}
    done = 0
    for kind, how in ARMS.items():
        tuned[kind] = tuned_rule([with_cooperation(game, how) for game in trials[0].tuned], how)
        done += 1
        progress(done / steps)
    for trial in trials:
        for kind, how in ARMS.items():
            game = with_cooperation(trial.judged, how)
            for name, policy in policies_of(kind, tuned[kind], learned).items():
                played.setdefault((name, kind), []).append(play_seats(game, policy, ids, stream=STREAM_EVALUATION))
            done += 1
            progress(done / steps)
        # Nobody asks anything, so no kind of cooperation matters.
        played.setdefault((NOTHING, ""), []).append(play_seats(trial.judged, waits, ids, stream=STREAM_EVALUATION))
        played.setdefault((ONE_SEAT, ""), []).append(_one_seat(trial.judged, ids))
    rows = _Rows(trials, played, against).all()
    return Table(scenario, tuple(trial.name for trial in trials), attacks, rows, tuned, against)


def check(learned: Networks, attacks: int, against: str) -> None:
    """Refuse what cannot be compared, before anything is played.

    Raises:
        CooperationError: too few attacks, a policy has the name of one that is always there, or `against` is none.
    """
    if attacks < 2:
        raise CooperationError(f"--attacks {attacks}: give 2 or more")
    for name in (NOTHING, RULE, ONE_SEAT):
        if name in learned:
            raise CooperationError(f"policy name {name!r} is taken; write NAME=FILE with another name")
    if against and against not in (RULE, *learned):
        raise CooperationError(f"--against {against!r}: is no policy here; name one of {', '.join((RULE, *learned))}")


def policies_of(kind: str, rule: OwnersThreshold, learned: Networks) -> dict[str, Seated]:
    """The rule, and the networks that there are for a kind."""
    seated: dict[str, Seated] = {RULE: rule}
    return seated | {name: OwnersLearned(of[kind]) for name, of in learned.items() if kind in of}


def _one_seat(game: Game, ids: Sequence[int]) -> Played:
    """For comparison: one defender that sees all owners' findings and acts for all of them by their own consent."""
    loss = play(game, Threshold(game), ids, stream=STREAM_EVALUATION).loss.sum(axis=2)
    return Played(loss, np.full(len(ids), np.nan))


class _Rows:
    """What was played, as rows; lives for one table."""

    def __init__(self, trials: Sequence[Trial], played: Mapping[Key, Sequence[Played]], against: str) -> None:
        self._trials, self._played, self._against = trials, played, against
        parts = [
            np.stack([part.loss.sum(axis=1) for part in of], axis=1) for of in zip(*played.values(), strict=True)
        ]  # a table of each chain
        self._losses = Losses.of(parts)
        self._statistics: list[Statistic] = []

    def all(self) -> tuple[Row, ...]:
        """Every policy under every kind that it plays; all figures are resampled together."""
        wanted = {key: self._wanted(key) for key in self._played}
        found = estimates(self._losses, self._statistics)
        return tuple(self._row(key, wanted[key], found) for key in self._played)

    def _wanted(self, key: Key) -> dict[Key, int]:
        """Numbers of a row's statistics, by what they are of: a figure, and the owner or nothing."""
        (policy, kind), owners = key, self._owners()
        wanted = {("loss", ""): self._add(self._mean(key))}
        wanted |= {("loss", owner): self._add(self._mean(key, owner)) for owner in owners}
        if kind and (policy, NEITHER) in self._played:
            wanted["worth", ""] = self._add(self._mean((policy, NEITHER), less=key))
        other = (self._against, kind)
        if other in self._played and other != key:
            wanted["more", ""] = self._add(self._mean(key, less=other))
            wanted |= {("more", owner): self._add(self._mean(key, owner, less=other)) for owner in owners}
        return wanted

    def _add(self, statistic: Statistic) -> int:
        self._statistics.append(statistic)
        return len(self._statistics) - 1

    def _owners(self) -> list[str]:
        return list(dict.fromkeys(one.id for trial in self._trials for one in trial.judged.compiled.twin.owners))

    def _mean(self, key: Key, owner: str = "", *, less: Key | None = None) -> Statistic:
        """Mean over chains of what is lost, by all or by one owner on chains that have it, less another row's."""
        values = self._values(key, owner)
        if less is not None:
            values = [own - other for own, other in zip(values, self._values(less, owner), strict=True)]
        there = [number for number, one in enumerate(values) if not np.isnan(one).any()]
        if len(there) == len(values):
            return mean_of(self._losses, np.concatenate(values))

        def statistic(weights: Float64) -> Float64:
            parts = self._losses.of_chain(weights)
            return np.mean([parts[number] @ values[number] / len(values[number]) for number in there], axis=0)

        return statistic

    def _values(self, key: Key, owner: str) -> list[Float64]:
        """float64[n] of each chain; nan where it has no such owner."""
        found = []
        for trial, part in zip(self._trials, self._played[key], strict=True):
            number = trial.judged.compiled.owner_number
            if not owner:
                found.append(part.loss.sum(axis=1))
            else:
                found.append(part.loss[:, number[owner]] if owner in number else np.full(len(part.loss), np.nan))
        return found

    def _row(self, key: Key, wanted: Mapping[Key, int], found: Sequence[Estimate]) -> Row:
        figures = {what: found[number] for what, number in wanted.items()}
        by_owner = {
            figure: {owner: one for (of, owner), one in figures.items() if of == figure and owner}
            for figure in ("loss", "more")
        }
        parts = self._played[key]
        asked = float(np.mean([part.asked.mean() for part in parts]))
        return Row(
            *key,
            loss=figures["loss", ""],
            worth=figures.get(("worth", "")),
            by_owner=by_owner["loss"],
            by_chain={
                trial.name: float(part.loss.sum(axis=1).mean()) for trial, part in zip(self._trials, parts, strict=True)
            },
            asked=None if np.isnan(asked) else asked,
            more=figures.get(("more", "")),
            more_by_owner=by_owner["more"] or None,
        )


def told_kind(how: Cooperation) -> str:
    """A kind of cooperation in words."""
    findings = "findings shared" if how.shares else "findings kept"
    return f"{findings}, consent {'quick' if how.agrees else 'slow'}"
