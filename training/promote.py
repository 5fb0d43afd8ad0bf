"""Whether a policy may go to production: a decision over what an evaluation showed of it.

Flows in: figures on the held-out suite, a budget. Flows out: every reason that speaks against promotion, none where it
may go, and what is written on the card. Pure: it evaluates and signs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Shown:
    """What an evaluation showed of a candidate; losses in owner-hours per attack, all policies on the same attacks."""

    suite: str
    suite_digest: str
    chains: tuple[str, ...]
    attacks: int
    loss: Interval
    baselines: Mapping[str, Interval]  # every policy that it must beat
    clairvoyant: Interval | None  # sees the truth; no competitor
    downtime: float  # owner-hours per attack that responses alone cost
    false: float  # containments per attack of what no attacker held
    consents: float  # answers per attack that people were asked for
    baseline_costs: Mapping[str, Mapping[str, float]]  # the same three of each baseline


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that a promoted policy's responses may cost per attack."""

    downtime: float  # owner-hours
    false: float


MOST_NAME = 200  # letters; a policy file bounds its signature


class PromoteError(ValueError):
    """A budget or name with which nothing can be promoted; the message names it and the mend."""


def check_bounds(bounds: Bounds) -> Bounds:
    """The bounds, if they bound anything.

    Raises:
        PromoteError: one is negative or not finite.
    """
    for flag, bound in (("--downtime", bounds.downtime), ("--false", bounds.false)):
        if not (math.isfinite(bound) and bound >= 0):
            raise PromoteError(f"{flag} {bound}: is no budget; give a finite number, 0 or more")
    return bounds


def check_person(person: str) -> str:
    """The promoter's name, if it is one.

    Raises:
        PromoteError: it is empty, too long, or holds what cannot be shown.
    """
    if not person.strip() or not person.isprintable() or len(person) > MOST_NAME:
        raise PromoteError(
            f"--person {person[:60]!r}: give your name as trust files spell it, {MOST_NAME} letters at most"
        )
    return person


@dataclass(frozen=True, slots=True)
class Reason:
    """What speaks against promotion."""

    name: str  # not_better, downtime, false_containments, another_version, no_baselines
    message: str


def reasons_against(shown: Shown, bounds: Bounds) -> tuple[Reason, ...]:
    """All reasons against promotion; empty: it may be promoted.

    A baseline counts as beaten where the intervals of both means lie apart: its lowest is above the policy's highest.
    """
    found = []
    if not shown.baselines:
        found.append(Reason("no_baselines", "nothing was played that it could beat; evaluate it beside the baselines"))
    for name, theirs in sorted(shown.baselines.items(), key=lambda row: row[1].mean):
        if not shown.loss.high < theirs.low:
            how = "loses less" if theirs.mean <= shown.loss.mean else "intervals meet"
            found.append(
                Reason("not_better", f"does not beat {name}, {how}: it loses {shown.loss}, {name} {theirs} owner-hours")
            )
    costs = (
        ("downtime", shown.downtime, bounds.downtime, "owner-hours of downtime by its responses"),
        ("false_containments", shown.false, bounds.false, "containments of what was free"),
    )
    for name, spent, bound, what in costs:
        if not spent <= bound:
            found.append(Reason(name, f"{spent:.2f} {what} per attack, the budget is {bound:g}"))
    return tuple(found)


LIMITS = (
    "Figures come from simulation on the chains and attackers of the suite; other chains and attackers may differ.",
    "It reads belief and evidence of this version's observation, and may propose only the playbooks listed.",
    "It proposes; consent tables, budgets of owners and the guard decide what is carried out.",
    "The clairvoyant is a script that sees the truth, no proven bound.",
)


def told(shown: Shown, bounds: Bounds, **more: Any) -> dict[str, Any]:
    """What the card says of the evaluation, as JSON values; `more` is added."""
    return {
        "suite": {
            "name": shown.suite,
            "digest": shown.suite_digest,
            "chains": list(shown.chains),
            "attacks": shown.attacks,
        },
        "figures": {
            "loss": asdict(shown.loss),
            "downtime": shown.downtime,
            "false_containments": shown.false,
            "consents": shown.consents,
            "baselines": {name: asdict(one) for name, one in shown.baselines.items()},
            "baseline_costs": {name: dict(one) for name, one in shown.baseline_costs.items()},
            "clairvoyant": None if shown.clairvoyant is None else asdict(shown.clairvoyant),
        },
        "budget": asdict(bounds),
        "limits": list(LIMITS),
        **more,
    }
