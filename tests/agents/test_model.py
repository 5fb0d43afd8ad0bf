"""The Mesa model: deciding writes nothing, agents of one's own, what is collected."""

from __future__ import annotations

import pytest
from tocsin.agents.attacker import AttackerAgent
from tocsin.agents.defender import DefenderAgent
from tocsin.agents.model import ChainModel
from tocsin.agents.owner import Answer, OwnerAgent, Request
from tocsin.tests.twin.random_twins import (
    CALL,
    ISOLATE,
    RandomGame,
    one_thread,  # noqa: F401  (a fixture of the module)
    random_game,
)
from tocsin.twin.rulebook.attacking import NO_STEP
from tocsin.twin.vocabulary import ConsentMode, OccurrenceKind


@pytest.fixture(scope="module")
def game() -> RandomGame:
    """A game in which things happen."""
    return random_game(7, attackers=2)


def model_of(game: RandomGame, **more: object) -> ChainModel:
    return ChainModel(game.compiled, game.effects, game.parameters, **more)  # type: ignore[arg-type]


def kinds_of(model: ChainModel, ticks: int) -> list[int]:
    """Kinds of all occurrences of some ticks, findings left out."""
    found = []
    for _ in range(ticks):
        model.step()
        found += [kind for kind, *_ in model.trace if kind != OccurrenceKind.FINDING]
    return found


def test_deciding_writes_nothing(game: RandomGame) -> None:
    """Every agent decides on the world as it stands: afterwards the world is the same, byte by byte."""
    model = model_of(game)
    for _ in range(20):
        model.step()
        before = [array.tobytes() for array in model.worlds.state]
        model.agents.do("decide")
        assert [array.tobytes() for array in model.worlds.state] == before


def test_order_of_agents_does_not_matter(game: RandomGame) -> None:
    """Agents that decide in another order decide the same."""
    one, other = model_of(game), model_of(game)
    for _ in range(30):
        one.step()
        other.agents.shuffle(inplace=True)
        other.step()
        assert one.trace == other.trace


def test_losses_and_counts_are_collected(game: RandomGame) -> None:
    """After each tick the collector has every owner's loss so far, held and unserved assets."""
    model = model_of(game, horizon=25)
    model.run_model()
    frame = model.datacollector.get_model_vars_dataframe()
    owners = [owner.id for owner in game.compiled.twin.owners]
    assert list(frame.columns) == [*(f"loss {owner}" for owner in owners), "held", "unserved"]
    assert len(frame) == 26 and model.tick == 25
    assert frame.iloc[-1, : len(owners)].tolist() == [owner.loss for owner in model.owners]
    assert frame["held"].iloc[-1] == len(model.held()) > 0


def test_a_defender_of_ones_own_takes_ten_lines(game: RandomGame) -> None:
    """A subclass that isolates one host at tick 2 is obeyed, or asks for consent."""

    class Mine(DefenderAgent):
        def choose(self) -> int:
            action = self.model.action(ISOLATE, "o0/host/h")
            return action if self.model.tick == 2 and self.model.legal()[action] else 0

    model = model_of(game, defenders=[Mine])
    assert OccurrenceKind.PROPOSED not in kinds_of(model, 2)
    model.step()
    target = game.compiled.target_number["o0/host/h"]
    assert (OccurrenceKind.PROPOSED, target, ISOLATE, 0) in model.trace


def test_an_attacker_of_ones_own_takes_ten_lines(game: RandomGame) -> None:
    """A pacifist among the attackers tries nothing; what is not open is not tried either."""

    class Pacifist(AttackerAgent):
        def choose(self) -> int:
            return NO_STEP

    class Impatient(AttackerAgent):
        def choose(self) -> int:
            return len(game.compiled.steps) + 7

    for attacker in (Pacifist, Impatient):
        assert OccurrenceKind.TRIED not in kinds_of(model_of(game, attacker=attacker), 30)


def test_an_owner_of_ones_own_takes_ten_lines(game: RandomGame) -> None:
    """Owners who refuse all are never moved to consent, whatever the table says of asking."""
    consent = game.parameters.consent.copy()
    consent["mode"] = ConsentMode.ASK
    parameters = game.parameters._replace(consent=consent)

    class Refuser(OwnerAgent):
        def answer(self, request: Request) -> Answer:
            return Answer.NO if self.model.tick > request.since + 2 else Answer.NONE_YET

    class Caller(DefenderAgent):
        def choose(self) -> int:
            action = self.model.action(CALL, "o1")
            return action if self.model.legal()[action] else 0

    model = ChainModel(game.compiled, game.effects, parameters, owner=Refuser, defenders=[Caller])
    kinds = kinds_of(model, 12)
    assert kinds.count(OccurrenceKind.DENIED) == 3 and OccurrenceKind.CONSENTED not in kinds


def test_nobody_answers_for_another(game: RandomGame) -> None:
    """An owner that says yes to everything moves only what waits for it."""
    consent = game.parameters.consent.copy()
    consent["mode"], consent["latency"] = ConsentMode.ASK, 100_000
    parameters = game.parameters._replace(consent=consent)

    class Usurper(OwnerAgent):
        def decide(self) -> None:
            self.decision[:] = Answer.YES if self.number == 0 else Answer.NONE_YET

    class Caller(DefenderAgent):
        def choose(self) -> int:
            action = self.model.action(CALL, "o1")
            return action if self.model.legal()[action] else 0

    model = ChainModel(game.compiled, game.effects, parameters, owner=Usurper, defenders=[Caller])
    assert OccurrenceKind.CONSENTED not in kinds_of(model, 12)


def test_eight_attackers_hold_assets_apart() -> None:
    """Each of eight attackers has a bit of its own."""
    game = random_game(7, attackers=8)
    model = model_of(game)
    kinds_of(model, 30)
    users = model.worlds.state.asset[0]["user"]
    assert len(model.attackers) == 8 and max(int(bits).bit_count() for bits in users) >= 4


def test_more_defenders_than_seats_are_refused(game: RandomGame) -> None:
    """The error says how many seats there are."""
    with pytest.raises(ValueError, match="2 defenders for 1 seats"):
        model_of(game, defenders=[DefenderAgent, DefenderAgent])
