"""Who beats whom, and how far the last defender can be exploited.

Flows in: losses of pairs, attack by attack. Flows out: estimates. Which attacker is the best and which script the worst
is decided on attacks of their own, so that the figures, told on others, do not flatter the one that was chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np

from .duel import Float64
from .intervals import Estimate, Losses, estimates, mean_of


def estimate(losses: Float64) -> Estimate:
    """The mean with its interval."""
    table = Losses.of([losses[:, None]])
    return estimates(table, [mean_of(table, losses)])[0]


def exploited(
    last: str,
    chosen_on: Mapping[str, Float64],
    told_on: Mapping[str, Float64],
    *,
    learned: Set[str],
    scripts: Sequence[str],
    as_fast: str,
) -> dict[str, Any]:
    """How much more the best response found takes from a defender than any script of the pool does.

    Args:
        last: name of the defender.
        chosen_on: float64[n] losses under each attacker, by which the best and the worst are chosen.
        told_on: float64[m] on other attacks.
        learned: names of the attackers that were trained.
        scripts: names of the scripts of the pool.
        as_fast: name of the script that tries as often as learned attackers may: what is taken beyond it is choice.
    """

    def most(names: Sequence[str]) -> str:
        return max(names, key=lambda name: float(chosen_on[name].mean()))

    best, worst = most(sorted(learned)), most(scripts)
    columns = {name: told_on[name] for name in (best, worst, as_fast)}
    table = Losses.of([np.stack(list(columns.values()), axis=1)])
    gaps = ((best, worst), (as_fast, worst), (best, as_fast))
    gap, tempo, choice = estimates(table, [mean_of(table, told_on[a] - told_on[b]) for a, b in gaps])
    return {
        "defender": last,
        "best_response": best,
        "best_response_loss": float(told_on[best].mean()),
        "worst_scripted": worst,
        "worst_scripted_loss": float(told_on[worst].mean()),
        "mean_scripted_loss": float(np.mean([told_on[name].mean() for name in scripts])),
        "as_fast": as_fast,
        "as_fast_loss": float(told_on[as_fast].mean()),
        "exploitability": _plain(gap),
        "by_tempo": _plain(tempo),
        "by_choice": _plain(choice),
    }


def by_round(
    chosen_on: Mapping[str, Mapping[str, Float64]],
    told_on: Mapping[str, Mapping[str, Float64]],
    *,
    learned: Set[str],
    scripts: Sequence[str],
    as_fast: str,
) -> list[dict[str, Any]]:
    """`exploited` of each defender, and what its best response takes less than that of the first, attack by attack.

    Args:
        chosen_on: losses by defender, in the order in which they were trained, and attacker.
        told_on: the same on other attacks; may hold more defenders. All are of the same attacks.
        learned: as of `exploited`.
        scripts: as of `exploited`.
        as_fast: as of `exploited`.
    """
    given: dict[str, Any] = {"learned": learned, "scripts": scripts, "as_fast": as_fast}
    told = [exploited(one, chosen_on[one], told_on[one], **given) for one in chosen_on]
    worst = [told_on[one["defender"]][one["best_response"]] for one in told]
    for one, lost in zip(told, worst, strict=True):
        one["less_than_first"] = _plain(estimate(worst[0] - lost))
    return told


def _plain(one: Estimate) -> dict[str, float]:
    return {"value": one.value, "low": one.low, "high": one.high}
