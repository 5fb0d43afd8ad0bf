"""Recordings: whatever the agents of a model decide by, a lane of the kernel replays it occurrence by occurrence."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from tocsin.agents.attacker import AttackerAgent
from tocsin.agents.decisions import Decisions
from tocsin.agents.defender import DefenderAgent
from tocsin.agents.model import ChainModel, Occurrence
from tocsin.agents.owner import Answer, OwnerAgent, Request
from tocsin.agents.recording import Recording, record, replay
from tocsin.tests.twin.random_twins import (
    FEW,
    RandomGame,
    one_thread,  # noqa: F401  (a fixture of the module)
    random_game,
    random_games,
)
from tocsin.tests.twin.world_checks import live
from tocsin.twin.rulebook.worlds import STREAM_ENVIRONMENT
from tocsin.twin.vocabulary import OccurrenceKind

TICKS = 40


class Fickle(AttackerAgent):
    """Tries any step of the twin, or what the rulebook would."""

    def choose(self) -> int:
        """By the throw of Python's own dice."""
        steps = len(self.model.worlds.compiled.steps)
        return random.randrange(steps) if steps and random.random() < 0.5 else super().choose()


class Moody(OwnerAgent):
    """Answers as it likes, late or never."""

    def answer(self, request: Request) -> Answer:
        """By the throw of Python's own dice."""
        return random.choice(list(Answer))


class Rash(DefenderAgent):
    """Proposes anything, legal or not."""

    def choose(self) -> int:
        """By the throw of Python's own dice."""
        legal = np.flatnonzero(self.model.legal())
        return int(random.choice(legal)) if random.random() < 0.9 else random.randrange(self.model.worlds.actions)


def moody_model(game: RandomGame, world: int = 5) -> ChainModel:
    return ChainModel(
        game.compiled,
        game.effects,
        game.parameters,
        world_id=world,
        stream=STREAM_ENVIRONMENT,
        seat_owners=(-1, 1),
        attacker=Fickle,
        owner=Moody,
        defenders=[Rash, Rash],
    )


def traced(model: ChainModel, ticks: int) -> tuple[Recording, list[list[Occurrence]]]:
    """A recording and the traces that the model itself saw."""
    traces: list[list[Occurrence]] = []
    step = model.step

    def watched() -> None:
        step()
        traces.append(model.trace)

    model.step = watched  # type: ignore[method-assign]
    return record(model, ticks), traces


@given(random_games())
@FEW
def test_any_agents_are_replayed_by_the_kernel(game: RandomGame) -> None:
    """Subclassed agents that throw Python's own dice: the replayed lane has the same trace and the same end."""
    model = moody_model(game)
    recording, traces = traced(model, TICKS)
    worlds = game.worlds([4, 5, 6], seat_owners=(-1, 1))
    assert list(replay(recording, worlds, lane=1)) == traces
    assert live(worlds.state, 1) == live(model.worlds.state, 0)
    assert worlds.state.world["tick"].tolist() == [0, TICKS, 0]


def test_the_replayed_runs_have_everything_in_them() -> None:
    """The control: in such runs agents try, propose, consent and deny; and another seed of the dice gives another."""
    seen, runs = set(), []
    for seed in (1, 2):
        random.seed(seed)
        _, traces = traced(moody_model(random_game(7)), TICKS)
        seen |= {kind for trace in traces for kind, *_ in trace}
        runs.append(traces)
    kinds = OccurrenceKind
    assert {kinds.TRIED, kinds.GAINED, kinds.PROPOSED, kinds.CONSENTED, kinds.DENIED, kinds.REFUSED} <= seen
    assert runs[0] != runs[1]


def test_one_altered_decision_shows_at_exactly_its_tick() -> None:
    """A replay with one proposal left out parts from the run at that tick and not before."""
    game = random_game(7)
    random.seed(3)
    recording, traces = traced(moody_model(game), TICKS)
    proposed = [any(kind == OccurrenceKind.PROPOSED for kind, *_ in trace) for trace in traces]
    at = next(tick for tick in range(5, TICKS) if proposed[tick])
    ticks = list(recording.ticks)
    ticks[at] = Decisions(ticks[at].steps, ticks[at].answers, np.zeros(2, np.int32))
    altered = Recording(recording.twin, 5, recording.stream, 0, (-1, 1), tuple(ticks))
    replayed = list(replay(altered, game.worlds([5], seat_owners=(-1, 1))))
    assert replayed[:at] == traces[:at] and replayed[at] != traces[at]


def test_a_recording_makes_the_worlds_it_needs() -> None:
    """Key and seats come from the recording; its end is where the model stopped."""
    game = random_game(7)
    model = ChainModel(game.compiled, game.effects, game.parameters, world_id=9, episode=2, horizon=6)
    recording = record(model, 100)
    worlds = recording.worlds(game.compiled, game.effects, game.parameters)
    assert len(list(replay(recording, worlds))) == 6
    assert live(worlds.state, 0) == live(model.worlds.state, 0)


def test_mesas_random_numbers_are_not_used() -> None:
    """After a run with built-in agents `model.random` and `model.rng` stand where they stood."""
    game = random_game(7)
    model = ChainModel(game.compiled, game.effects, game.parameters)
    before = model.random.getstate(), model.rng.bit_generator.state
    for _ in range(TICKS):
        model.step()
    assert (model.random.getstate(), model.rng.bit_generator.state) == before


@pytest.mark.parametrize(
    ("ids", "seats", "mend"),
    [([4], (-1, 1), "another world"), ([5], (-1,), "other seats"), ([5], (-1, 1), "at tick 1")],
)
def test_a_lane_that_does_not_fit_is_refused(ids: list[int], seats: tuple[int, ...], mend: str) -> None:
    """Another world, other seats or a lane under way: refused before anything has changed."""
    game = random_game(7)
    recording = record(moody_model(game), 3)
    worlds = game.worlds(ids, seat_owners=seats)
    if "tick" in mend:
        worlds.roll(1)
    before = live(worlds.state, 0)
    with pytest.raises(ValueError, match=mend):
        next(replay(recording, worlds))
    assert live(worlds.state, 0) == before


def test_a_model_under_way_is_not_recorded() -> None:
    """A recording begins at the first tick."""
    model = moody_model(random_game(7))
    model.step()
    with pytest.raises(ValueError, match="at tick 1"):
        record(model, 3)
