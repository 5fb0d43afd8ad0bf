"""Whether a policy is still fit: shifts beyond chance call for training again, few samples cannot tell."""

from __future__ import annotations

import numpy as np
import pytest
from tocsin.envs.active import ACTIVE_FEATURES, BUSY, COMING, INPUTS, PRESENT
from tocsin.envs.profile import SIZES, Profile, Window, counted, profile_of
from tocsin.orchestrator.fitness import (
    LEAST_OUTCOMES,
    LEAST_OUTLOOKS,
    Came,
    Verdict,
    fitness,
    forecasts,
    success,
)

EVIDENCE, HELD, SHARE = (ACTIVE_FEATURES.index(name) for name in ("evidence", "held", "share"))
GOOD = [Came(0.0, 1.0, 0.5)] * 40
WORKED = [(0.9, True)] * 36 + [(0.9, False)] * 4


def _windows(
    seed: int, count: int, *, held: int = 100, share: int = 9, alert: bool = True, changed: int = HELD
) -> list[Window]:
    """Windows of twelve decisions over three slots; `changed` varies around `held` from decision to decision."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        rows = np.zeros((12, 4, INPUTS + 8), np.uint8)
        rows[:, :3, PRESENT] = 255
        rows[:, :3, changed] = np.clip(rng.normal(held, 40, (12, 3)), 0, 255)
        rows[:, :, SHARE] = share
        rows[6:, :, EVIDENCE] = 20 if alert else 0
        found.append(counted(rows))
    return found


@pytest.fixture(scope="module")
def profile() -> Profile:
    return profile_of([_windows(1, 60), _windows(2, 60)], 12)


def test_what_is_as_in_training_is_fit(profile: Profile) -> None:
    """Enough windows of the same kind, forecasts that hold and playbooks that do as they say: fit."""
    found = fitness(profile, _windows(3, 20), GOOD, WORKED)
    assert found.verdict is Verdict.FIT and {part.verdict for part in found.parts} == {Verdict.FIT}


def test_a_shift_is_found_and_named(profile: Profile) -> None:
    """Belief that stands a bin and a half higher calls for training again, and is named."""
    found = fitness(profile, _windows(3, 20, held=150), GOOD, WORKED)
    assert found.verdict is Verdict.TRAIN_AGAIN
    alert = next(part for part in found.parts if part.name == "observations, alert")
    assert alert.verdict is Verdict.TRAIN_AGAIN and alert.moved[0].feature == "held" and "held" in alert.says


@pytest.mark.parametrize(("column", "name"), [(COMING, "coming"), (BUSY, "busy")])
def test_what_an_active_view_tells_of_the_moment_is_judged_as_it_changes(column: int, name: str) -> None:
    """What is gained soon, and how many responses are under way, stand behind the columns of the chain."""
    trained = profile_of([_windows(1, 60, changed=column), _windows(2, 60, changed=column)], 12)
    found = fitness(trained, _windows(3, 20, held=150, changed=column), GOOD, WORKED)
    alert = next(part for part in found.parts if part.name == "observations, alert")
    assert alert.verdict is Verdict.TRAIN_AGAIN and alert.moved[0].feature == name and alert.moved[0].index > 0.25
    same = fitness(trained, _windows(3, 20, changed=column), GOOD, WORKED)
    assert same.verdict is Verdict.FIT


def test_a_kind_of_chain_never_seen_is_novel(profile: Profile) -> None:
    """A static feature in a range that training never had is told by its novelty, not by its index."""
    found = fitness(profile, _windows(3, 20, share=200), GOOD, WORKED)
    (moved,) = next(part for part in found.parts if part.name == "observations, quiet").moved
    assert (moved.feature, moved.index, moved.novelty) == ("share", 0.0, 1.0)
    assert found.verdict is Verdict.TRAIN_AGAIN


def test_few_windows_cannot_tell(profile: Profile) -> None:
    """Also far off, fewer windows than the least say nothing; nor do many that hold one decision each."""
    few = fitness(profile, _windows(3, SIZES[0] - 1, held=250), GOOD, WORKED)
    assert few.verdict is Verdict.CANNOT_TELL
    rows = np.zeros((1, 1, INPUTS), np.uint8)
    rows[0, 0, [PRESENT, EVIDENCE]] = 255
    thin = fitness(profile, [counted(rows)] * 30, GOOD, WORKED)
    assert thin.parts[1].verdict is Verdict.CANNOT_TELL and thin.parts[1].samples == 5.0


def test_quiet_windows_say_nothing_of_alerts(profile: Profile) -> None:
    """A node that saw no attack knows nothing of what its policy does in one."""
    found = fitness(profile, _windows(3, 40, alert=False), GOOD, WORKED)
    assert [part.verdict for part in found.parts[:2]] == [Verdict.FIT, Verdict.CANNOT_TELL]
    assert found.verdict is Verdict.CANNOT_TELL


@pytest.mark.parametrize(
    ("held", "missed", "verdict"),
    [
        (36, 4, Verdict.FIT),
        (40, 0, Verdict.FIT),  # more than nine in ten is no fault
        (28, 12, Verdict.TRAIN_AGAIN),
        (LEAST_OUTLOOKS - 1, 0, Verdict.CANNOT_TELL),
    ],
)
def test_forecasts_should_hold_nine_in_ten(held: int, missed: int, verdict: Verdict) -> None:
    """Counts as a binomial test at 1 % has it; ends of the interval belong to it."""
    rows = [Came(0.0, 1.0, 1.0)] * held + [Came(0.0, 1.0, 1.5)] * missed
    assert forecasts(rows).verdict is verdict


@pytest.mark.parametrize(
    ("worked", "failed", "verdict"),
    [
        (36, 4, Verdict.FIT),
        (20, 20, Verdict.TRAIN_AGAIN),
        (200, 0, Verdict.TRAIN_AGAIN),  # better than declared is wrong as well
        (LEAST_OUTCOMES - 1, 0, Verdict.CANNOT_TELL),
    ],
)
def test_playbooks_should_do_as_they_declare(worked: int, failed: int, verdict: Verdict) -> None:
    """Nine in ten declared: half is too few, all of two hundred too many."""
    part = success([(0.9, True)] * worked + [(0.9, False)] * failed)
    assert part.verdict is verdict


def test_a_sure_playbook_is_not_tested() -> None:
    """What is declared to succeed always has no calibration to test."""
    assert success([(1.0, True)] * 100).verdict is Verdict.CANNOT_TELL
