"""A scenario as a Mesa model of plain parameters: batch runs, every choice a page offers, refusals."""

from __future__ import annotations

from pathlib import Path

import mesa
import pytest
from tocsin.agents.drawing import draw_chain, draw_course
from tocsin.envs import scripted
from tocsin.envs.attackers import PRESETS
from tocsin.envs.scenario import EXAMPLE, ScenarioError
from tocsin.envs.scenario_model import COALITION, DEFENDERS, OWNERS, ScenarioModel

SHORT = "name: short\nhorizon_ticks: 40\nattackers: [{tries_per_hour: 300, onset_s: [0, 0], absent: 0}]\n"


@pytest.fixture
def short(tmp_path: Path) -> str:
    """A scenario file of forty ticks with an attacker who comes at once."""
    file = tmp_path / "short.yaml"
    file.write_text(SHORT)
    return str(file)


def last_losses(model: ScenarioModel) -> float:
    model.run_model()
    return sum(owner.loss for owner in model.owners)


def test_mesa_runs_a_batch_of_it(short: str) -> None:
    """`mesa.batch_run` plays every combination of parameters and collects losses; equal parameters give equal rows."""
    parameters = {"scenario": short, "world": range(2), "defender": ["nothing", "clairvoyant"]}
    rows = mesa.batch_run(ScenarioModel, parameters, iterations=2, max_steps=40, display_progress=False)
    assert len(rows) == 8 and {row["defender"] for row in rows} == {"nothing", "clairvoyant"}
    assert all({"loss energy", "held", "unserved", "believed"} <= set(row) for row in rows)

    def held(iteration: int, defender: str) -> list[int]:
        return [row["held"] for row in rows if (row["iteration"], row["defender"]) == (iteration, defender)]

    assert held(0, "nothing") == held(1, "nothing")
    assert sum(held(0, "clairvoyant")) < sum(held(0, "nothing"))


@pytest.mark.parametrize("seats", [COALITION, OWNERS])
@pytest.mark.parametrize("defender", DEFENDERS)
def test_every_defender_plays_on_every_seat(short: str, defender: str, seats: str) -> None:
    """What the page offers runs to the horizon, and its pictures can be drawn."""
    model = ScenarioModel(short, defender=defender, seats=seats)
    model.run_model()
    assert model.tick == 40 and not model.running
    assert len(model.defenders) == (1 if seats == COALITION else len(model.owners))
    for figure in (draw_chain(model), draw_chain(model, shows_truth=False), draw_course(model)):
        assert figure.axes


def test_defenders_have_the_same_names_everywhere() -> None:
    """What an environment, a replay or a model calls a defender is one word, and all seven are there."""
    assert list(DEFENDERS) == list(scripted.DEFENDERS) and len(DEFENDERS) == 7


def test_the_book_answers_findings(short: str) -> None:
    """An agent by the book proposes what the book says, and only after a finding."""
    model, proposed = ScenarioModel(short, defender="book"), set[str]()
    for _ in range(40):
        had_findings = len(model.findings) > 0
        model.step()
        action = model.defenders[0].decision
        if action:
            assert had_findings
            proposed.add(model.game.library.names[(action - 1) // model.game.compiled.targets])
    assert proposed and proposed <= set(scripted.BOOK.values())


@pytest.mark.parametrize("attacker", PRESETS)
def test_every_attacker_comes(attacker: str) -> None:
    """Each preset is played by name; an insider sits where a credential is."""
    model = ScenarioModel(attacker=attacker)
    profile = model.game.scenario.attackers[0].profile
    assert profile.name == attacker and bool(profile.entry) == (attacker == "insider")


def test_an_owners_seat_believes_what_that_owner_sees(short: str) -> None:
    """Seats of owners hold beliefs of their own; only an owner who sees all believes what the coalition does."""
    model = ScenarioModel(short, seats=OWNERS)
    for _ in range(30):
        model.step()
    assert model.sight is not None
    beliefs = {model.sight.held(seat).tobytes() for seat in range(len(model.owners))}
    assert len(beliefs) > 1


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        ({"defender": "book-keeper"}, "defender 'book-keeper' is unknown; take one of nothing"),
        ({"attacker": "nobody"}, "attacker 'nobody' is unknown"),
        ({"seats": "both"}, "seats 'both' is unknown; take one of coalition, owners"),
        ({"scenario": "not-there.yaml"}, "not-there.yaml"),
    ],
)
def test_unknown_names_are_refused(wrong: dict[str, str], mend: str) -> None:
    """The error says what there is."""
    with pytest.raises(ScenarioError, match=mend):
        ScenarioModel(**wrong)  # type: ignore[arg-type]


def test_the_truth_is_drawn_as_truth_and_can_be_hidden(short: str) -> None:
    """Rings and counts of what is held say TRUTH; without it no text tells."""
    model = ScenarioModel(short)
    for _ in range(20):
        model.step()
    assert len(model.held()) > 0

    def words(shows: bool) -> str:
        axes = draw_chain(model, shows_truth=shows).axes[0]
        legends = [text.get_text() for artist in axes.artists for text in getattr(artist, "texts", [])]
        return " ".join([*(text.get_text() for text in axes.texts), *legends])

    assert f"TRUTH, hidden from defenders: {len(model.held())} assets held" in words(True)
    assert "TRUTH" not in words(False)


def test_it_is_the_world_that_the_scenario_names() -> None:
    """World ids and episodes key the draws: another id is another world, the same id the same."""
    runs = [ScenarioModel(EXAMPLE, world=world, episode=episode) for world, episode in ((1, 0), (1, 0), (2, 0), (1, 1))]
    losses = [last_losses(model) for model in runs]
    assert losses[0] == losses[1] and len(set(losses)) == 3
