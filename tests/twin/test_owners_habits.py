"""What owners do by habit: load that follows the day, and today's practice of calling each other."""

from __future__ import annotations

import numpy as np
import pytest
from tocsin.playbooks.actions import encode, load_library
from tocsin.tests.twin.played import NOBODY, chain, effects, numbers, waiting, worlds_of
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.twin.rulebook.campaign import GameError
from tocsin.twin.rulebook.parameters import AttackerProfile, Parameters, Phone
from tocsin.twin.rulebook.sharing import sight
from tocsin.twin.rulebook.worlds import Worlds
from tocsin.twin.sensing.belief import new_belief, update_beliefs
from tocsin.twin.vocabulary import ConsentMode, OccurrenceKind

DESK = "csms"
BUSY = AttackerProfile("busy", tries_per_hour=120.0, onset_s=(0.0, 0.0), absent=0.0)


def calling(**said: object) -> Phone:
    return Phone(**{"call_h": 1.0, "late_s": 600.0, "part": 1.0, "desk": DESK, **said})  # type: ignore[arg-type]


def findings(worlds: Worlds, b: int) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """This tick's findings of a world: those made now, and those told late."""
    n, late = int(worlds.state.world["finding_n"][b]), int(worlds.state.world["late_n"][b])
    rows = [tuple(int(cell) for cell in row) for row in worlds.state.finding[b, :n]]
    return rows[: n - late], rows[n - late :]


def counted(parameters: Parameters, ticks: int, count: int = 100) -> int:
    worlds = worlds_of(parameters, count)
    worlds.roll(ticks)
    return int(worlds.state.world["finding_count"].sum())


def test_false_findings_follow_the_day_and_keep_their_mean() -> None:
    """At the peak nearly twice as many, twelve hours off nearly none; over a whole day as many as without rhythm."""
    peak = counted(numbers(load_amplitude=1.0, load_peak_hour=9.0, start_hour=8.0), 120)
    night = counted(numbers(load_amplitude=1.0, load_peak_hour=9.0, start_hour=20.0), 120)
    flat = counted(numbers(start_hour=8.0), 120)
    assert night < 0.1 * flat and 1.7 * flat < peak < 2.3 * flat
    day, even = counted(numbers(load_amplitude=1.0), 1440, 10), counted(numbers(), 1440, 10)
    assert abs(day - even) < 4 * np.sqrt(day + even)


def test_what_is_told_is_what_was_found_ten_minutes_ago() -> None:
    """Part 1: every finding comes once more, after the delay, in the same order."""
    worlds, made, told = worlds_of(numbers(BUSY, phone=calling()), 4), [], []
    for _ in range(90):
        worlds.roll(1)
        now, late = findings(worlds, 1)
        made.append(now)
        told.append(late)
    assert sum(map(len, made)) > 10
    assert told[10:] == made[:-10] and not any(told[:10])


def test_only_a_part_is_told() -> None:
    """A quarter, within four standard errors."""
    worlds, told = worlds_of(numbers(BUSY, phone=calling(part=0.25, late_s=0.0)), 50), 0
    for _ in range(120):
        worlds.roll(1)
        told += int(worlds.state.world["late_n"].sum())
    count = int(worlds.state.world["finding_count"].sum())
    assert abs(told - count / 4) < 4 * np.sqrt(count * 3 / 16)


def test_sharing_at_once_keeps_nothing_and_changes_nothing_else() -> None:
    """Without phones there is no room for pending findings; with them all else is the same attack."""
    shared, phone = worlds_of(numbers(BUSY)), worlds_of(numbers(BUSY, phone=calling()))
    assert shared.state.pending.shape[1] == 0 and phone.state.pending.shape[1] > 0
    for _ in range(60):
        shared.roll(1)
        phone.roll(1)
    assert shared.state.asset.tobytes() == phone.state.asset.tobytes()
    assert (shared.state.loss == phone.state.loss).all()


def test_a_view_sees_its_own_at_once_and_of_others_what_they_tell() -> None:
    """A desk's belief counts evidence on its own assets in their tick, on others' in the tick of the call."""
    parameters = numbers(BUSY, phone=calling())
    worlds = worlds_of(parameters, 6)
    belief = new_belief(chain(), 6, sees=sight(chain(), parameters))
    own = chain().arrays.asset["owner"] == chain().owner_number[DESK]
    for tick in range(60):
        before = belief.evidence["last"].copy()
        worlds.roll(1)
        update_beliefs(np.arange(6), chain().arrays, effects(), parameters, worlds.state, belief)
        for b in range(6):
            now, late = findings(worlds, b)
            expected = {row[0] for row in now if own[row[0]]} | {row[0] for row in late if not own[row[0]]}
            assert set(np.flatnonzero(belief.evidence["last"][b] != before[b])) == expected, tick
    assert (belief.evidence["count"] > 0).any()


def test_an_owner_elsewhere_answers_after_a_call() -> None:
    """What its table grants at once the desk's own owner grants at once; another after an hour in the mean."""
    parameters = numbers(phone=calling())
    parameters.consent["mode"] = ConsentMode.AT_ONCE
    playbook = load_library().index_of("isolate-asset")
    for owner, least, most in ((DESK, 0.0, 0.0), ("energy", 45.0, 75.0)):
        target = next(a.id for a in chain().twin.assets if a.owner == owner and a.kind.word in ("container", "host"))
        action = encode(playbook, chain().target_number[target], chain().targets)
        worlds, since = worlds_of(parameters, 200), np.full(200, np.nan)
        worlds.tick(np.full((200, 1), action, np.int32))
        for tick in range(300):
            for b in np.flatnonzero(np.isnan(since)):
                if any(kind == OccurrenceKind.CONSENTED for kind, *_ in worlds.trace(int(b))):
                    since[b] = tick
            worlds.tick(waiting(worlds))
        assert least <= np.nanmean(since) <= most


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"phone": Phone(desk="moon")}, "desk 'moon' is no owner of the chain; take one of"),
        ({"phone": Phone(part=1.5)}, "part within 0..1"),
        ({"phone": Phone(call_h=-1.0)}, "call_h"),
        ({"load_amplitude": 1.5}, "load_amplitude"),
        ({"load_peak_hour": 24.0}, "load_peak_hour"),
    ],
)
def test_habits_out_of_range_are_refused(settings: dict[str, object], fault: str) -> None:
    """One line that names the number."""
    with pytest.raises(GameError, match=fault):
        numbers(NOBODY, **settings)
