"""One rulebook: a Mesa model and a lane of the kernel with equal keys and decisions are the same world."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tocsin.agents.attacker import AttackerAgent
from tocsin.agents.defender import DefenderAgent
from tocsin.agents.model import ChainModel
from tocsin.agents.owner import Answer, OwnerAgent, Request
from tocsin.tests.twin.random_twins import (
    FEW,
    RandomGame,
    busy_actions,
    one_thread,  # noqa: F401  (a fixture of the module)
    random_game,
    random_games,
)
from tocsin.tests.twin.world_checks import live
from tocsin.twin.rulebook.attacking import NO_STEP
from tocsin.twin.rulebook.settle import settle
from tocsin.twin.rulebook.worlds import STREAM_ENVIRONMENT
from tocsin.twin.vocabulary import OccurrenceKind

TICKS = 40
Trace = list[tuple[int, int, int, int]]


class Recorded(DefenderAgent):
    """Plays a list of actions."""

    actions: list[int]

    def choose(self) -> int:
        """The action of this tick."""
        return self.actions[self.model.tick]


def kernel_run(game: RandomGame, world: int) -> tuple[list[int], list[Trace], dict[str, object]]:
    """A lane beside others: its random actions, its trace per tick and how it ended."""
    worlds, rng = game.worlds([world + 1, world, world + 2]), np.random.default_rng(game.seed)
    actions, traces = [], []
    for _ in range(TICKS):
        decision = busy_actions(worlds, rng)
        worlds.tick(decision)
        actions.append(int(decision[1, 0]))
        traces.append(worlds.trace(1))
    return actions, traces, live(worlds.state, 1)


def mesa_model(game: RandomGame, world: int, actions: list[int], **more: object) -> ChainModel:
    """A model of the same world whose defender plays the actions."""

    def recorded(model: ChainModel, seat: int) -> Recorded:
        agent = Recorded(model, seat)
        agent.actions = actions
        return agent

    return ChainModel(
        game.compiled,
        game.effects,
        game.parameters,
        world_id=world,
        stream=STREAM_ENVIRONMENT,
        defenders=[recorded],
        **more,  # type: ignore[arg-type]
    )


def mesa_run(game: RandomGame, world: int, actions: list[int], **more: object) -> tuple[list[Trace], dict[str, object]]:
    """Its trace per tick and how it ended."""
    model, traces = mesa_model(game, world, actions, **more), []
    for _ in range(TICKS):
        model.step()
        traces.append(model.trace)
    return traces, live(model.worlds.state, 0)


@given(random_games(), st.integers(0, 2**31))
@FEW
def test_mesa_and_kernel_agree_occurrence_by_occurrence(game: RandomGame, world: int) -> None:
    """Equal key and decisions: the same occurrences in the same order, and the same world at the end."""
    actions, traces, end = kernel_run(game, world)
    mesa_traces, mesa_end = mesa_run(game, world, actions)
    assert mesa_traces == traces
    assert mesa_end == end


@given(random_games())
@FEW
def test_a_recorded_run_replays(game: RandomGame) -> None:
    """The attackers' recorded steps and the actions, played by agents that decide nothing, give the same run."""
    actions, traces, _ = kernel_run(game, 5)
    model, chosen = mesa_model(game, 5, actions), []
    for _ in range(TICKS):
        model.step()
        chosen.append([attacker.decision for attacker in model.attackers])

    class Replayed(AttackerAgent):
        def choose(self) -> int:
            return chosen[self.model.tick][self.number]

    assert mesa_run(game, 5, actions, attacker=Replayed)[0] == traces


class Wilful(AttackerAgent):
    """An attacker of a user's own: half the time any step at all, else what the built-in one would take."""

    def choose(self) -> int:
        """Most of what it draws is not open, and is then not tried."""
        rng = np.random.default_rng([self.model.tick, self.number])
        return int(rng.integers(len(self.model.worlds.compiled.steps))) if rng.random() < 0.5 else super().choose()


class Moody(OwnerAgent):
    """An owner of a user's own, who answers by mood."""

    def answer(self, request: Request) -> Answer:
        """One in three: none yet, yes, no."""
        return Answer(int(np.random.default_rng([self.model.tick, self.number, request.slot]).integers(3)))


class Restless(DefenderAgent):
    """A defender of a user's own, who does anything that is legal."""

    def choose(self) -> int:
        """Every other tick on average."""
        rng = np.random.default_rng(self.model.tick)
        return int(rng.choice(np.flatnonzero(self.model.legal()))) if rng.random() < 0.5 else 0


@given(random_games(), st.integers(0, 2**31))
@FEW
def test_any_agents_recorded_decisions_replay_in_a_lane_of_the_kernel(game: RandomGame, world: int) -> None:
    """Attackers, owners and defender of a user's own: their decisions, settled in a lane beside others, are the run."""
    model = ChainModel(
        game.compiled,
        game.effects,
        game.parameters,
        world_id=world,
        stream=STREAM_ENVIRONMENT,
        attacker=Wilful,
        owner=Moody,
        defenders=[Restless],
    )
    lanes = game.worlds([world + 1, world, world + 2])
    for _ in range(TICKS):
        model.step()
        lanes.state.attacker["choice"][1] = [attacker.decision for attacker in model.attackers]
        lanes.state.answer[1] = model.worlds.state.answer[0]
        decision = np.array([model.defenders[0].decision], np.int32)
        settle(1, decision, game.compiled.arrays, game.effects, game.parameters, lanes.state)
        assert lanes.trace(1) == model.trace
    assert live(lanes.state, 1) == live(model.worlds.state, 0)
    assert lanes.state.world["tick"].tolist() == [0, TICKS, 0]


def test_a_poked_decision_shows_at_exactly_its_tick() -> None:
    """The control: one other decision, and the traces part there and not before."""
    game = random_game(8)
    actions, traces, _ = kernel_run(game, 5)
    at = next(tick for tick, trace in enumerate(traces) if any(k == OccurrenceKind.TRIED for k, *_ in trace))

    class Poked(AttackerAgent):
        def choose(self) -> int:
            return NO_STEP if self.model.tick == at else super().choose()

    poked, _ = mesa_run(game, 5, actions, attacker=Poked)
    assert poked[:at] == traces[:at] and poked[at] != traces[at]


def test_a_poked_action_shows_at_exactly_its_tick() -> None:
    """The same for a defender: a proposal left out is missing from that tick on."""
    game = random_game(7)
    actions, traces, _ = kernel_run(game, 5)
    at = next(tick for tick, action in enumerate(actions) if action != 0 and tick > 5)
    poked, _ = mesa_run(game, 5, [0 if tick == at else action for tick, action in enumerate(actions)])
    assert poked[:at] == traces[:at] and poked[at] != traces[at]
