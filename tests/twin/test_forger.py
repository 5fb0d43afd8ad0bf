"""The attacker that forges findings: how many, where, from when, and that nothing tells them from true ones."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from tocsin.tests.twin.played import chain, numbers, worlds_of
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.twin.rulebook.campaign import GameError
from tocsin.twin.rulebook.parameters import AttackerProfile
from tocsin.twin.vocabulary import AssetKind

HOUR = 60


def forger(rate: float = 30.0, *, focus: float = 0.0, at_once: bool = True, **more: object) -> AttackerProfile:
    said: dict[str, object] = {"tries_per_hour": 0.0, "onset_s": (0.0, 0.0), "absent": 0.0, **more}
    return AttackerProfile("f", forges_per_hour=rate, forge_focus=focus, forges_at_once=at_once, **said)  # type: ignore[arg-type]


def found(*attackers: AttackerProfile, count: int = 40, ticks: int = HOUR) -> np.ndarray:
    """int32[F, 4]: all findings of some worlds."""
    worlds, seen = worlds_of(numbers(*attackers), count), []
    for _ in range(ticks):
        worlds.roll(1)
        state = worlds.state
        seen += [state.finding[b, : state.world["finding_n"][b]].copy() for b in range(count)]
    return np.concatenate(seen)


@pytest.fixture(scope="module")
def quiet() -> float:
    """Findings per world and hour where nobody forges and nobody attacks."""
    return len(found(forger(0.0))) / 40


def test_it_forges_as_often_as_it_says(quiet: float) -> None:
    """Thirty an hour beside what there is anyway; four standard errors."""
    forged = len(found(forger(30.0))) / 40 - quiet
    assert abs(forged - 30.0 * (HOUR - 1) / HOUR) < 4 * np.sqrt(60 / 40)


def test_without_a_foothold_it_forges_only_if_it_may_from_outside(quiet: float) -> None:
    """It needs an asset that sensors watch; from its coming on only where the profile says so."""
    assert len(found(forger(30.0, at_once=False))) / 40 == quiet
    watched = chain().twin.assets[int(np.flatnonzero(chain().arrays.asset["sensors"])[0])].id
    assert len(found(forger(30.0, at_once=False, entry=(watched,)))) / 40 > quiet + 20


def test_the_more_focus_the_more_critical_its_targets() -> None:
    """The mean share of criticality of what findings name grows with focus."""
    share, means = chain().arrays.asset["share"], []
    for focus in (0.0, 1.0, 3.0):
        means.append(share[found(forger(60.0, focus=focus))[:, 0]].mean())
    assert means[0] < means[1] < means[2]


def test_forged_findings_name_what_sensors_there_can_say() -> None:
    """Sensor and class are those of a true finding on that asset."""
    rows, hit = found(forger(60.0)), numbers(forger()).hit
    watched = chain().arrays.asset["sensors"][rows[:, 0]]
    assert ((watched >> rows[:, 1]) & 1 == 1).all() and (hit[rows[:, 1], rows[:, 2]] > 0).all()
    kinds = {AssetKind(int(kind)) for kind in chain().arrays.asset["kind"][rows[:, 0]]}
    assert len(kinds) > 2


def test_two_forgers_forge_apart() -> None:
    """The second adds findings of its own to those of the first, and not the same again."""
    one, two = (Counter(map(tuple, found(*forgers, count=1))) for forgers in ([forger()], [forger(), forger()]))
    assert one < two and two - one != one


@pytest.mark.parametrize("said", [{"rate": -1.0}, {"rate": 61.0}, {"focus": 4.0}, {"rate": float("nan")}])
def test_what_is_out_of_range_is_refused(said: dict[str, float]) -> None:
    """The error names attacker and field."""
    with pytest.raises(GameError, match="attacker 'f': needs forges_per_hour"):
        numbers(forger(**said))  # type: ignore[arg-type]
