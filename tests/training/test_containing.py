"""The rule that policies begin as: the order of its actions, what moves it, what it never does, and its file."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.envs.attackers import Attacker
from tocsin.envs.game import Game, load_game
from tocsin.envs.scenario import read_scenario
from tocsin.envs.vector import ResponseWorlds
from tocsin.tests.envs.games import short_game
from tocsin.training.containing import USUAL_ASSETS, Containing, RuleNumbers, read_numbers
from tocsin.training.imitate import FACTORS, teacher
from tocsin.training.settings import TrainError, TrainSettings
from tocsin.twin.rulebook.rules import BLOCKING
from tocsin.twin.rulebook.worlds import STREAM_EVALUATION
from tocsin.twin.vocabulary import Gain

SHIPPED = RuleNumbers.shipped()
CUT, EVICT, OPEN, LOOK = range(4)


def played(game: Game, count: int = 4, decisions: int = 8) -> ResponseWorlds:
    worlds = ResponseWorlds(game, range(count), stream=STREAM_EVALUATION)
    worlds.reset()
    rule = Containing(game, SHIPPED)
    for _ in range(decisions):
        worlds.step(rule(worlds))
    return worlds


def tier(rule: Containing, action: int) -> tuple[int, int]:
    """(tier, asset) of an action that the rule takes."""
    place = int(np.flatnonzero(rule.actions == action)[0])
    return divmod(place, len(rule.actions) // 4)


def test_all_that_it_takes_is_legal_and_the_same_by_gains_as_by_call() -> None:
    """In played worlds its choice is the legal action with the most gain, from the level on."""
    game = short_game()
    worlds, rule = played(game, 6, 2), Containing(game, SHIPPED)
    acted = 0
    for _ in range(game.decisions - 4):
        actions = rule(worlds)
        assert worlds.masks()[np.arange(worlds.count), actions].all()
        gains = rule.gains(worlds)
        assert ((gains.max(axis=1) >= rule.level) == (actions > 0)).all()
        acted += int((actions > 0).sum())
        worlds.step(actions)
    assert acted


def told_gains(rule: Containing, worlds: ResponseWorlds, held: np.ndarray) -> np.ndarray:
    return np.stack(np.split(rule.gains_of(held, worlds.legal, worlds.worlds.state), 4, axis=1))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**16))
def test_what_is_due_goes_in_order_and_more_belief_never_does_less(seed: int) -> None:
    """Cutting off before evicting before opening before looking; more belief never makes it cut off less."""
    game = short_game()
    worlds, rng = played(game, 2, 3), np.random.default_rng(seed)
    rule = Containing(game, replace(SHIPPED, clean=float(rng.random())))
    held = rng.random((2, game.compiled.sizes[0])) * (rng.random((2, 1)) < 0.8)
    gains = told_gains(rule, worlds, held)
    for world in range(2):
        best = gains[:, world].max(axis=1)
        due = np.flatnonzero(best >= rule.level)
        if len(due):
            assert best.argmax() == due[0]
    more = np.minimum(1.0, held + 0.2)
    raised = told_gains(rule, worlds, more)
    finite = np.isfinite(gains[CUT])
    assert (raised[CUT][finite] >= gains[CUT][finite] - 1e-9).all()


def test_what_is_cut_off_is_not_cut_off_again_and_opened_once_clean() -> None:
    """A sure hold is cut off; then not again; where belief falls to nothing, it is opened, and nothing else is."""
    game = short_game()
    worlds, rule = played(game, 1, 1), Containing(game, replace(SHIPPED, cut=50.0, cut_always=0.0, cut_wrong=0.0))
    asset = int(np.flatnonzero(worlds.legal[0, rule.actions[: game.compiled.sizes[0]]])[0])
    held = np.zeros((1, game.compiled.sizes[0]))
    held[0, asset] = 1.0
    gains = rule.gains_of(held, worlds.legal, worlds.worlds.state)
    assert tier(rule, int(rule.actions[gains.argmax()])) == (CUT, asset)
    for _ in range(5):
        worlds.step(np.array([rule.actions[asset] if worlds.legal[0, rule.actions[asset]] else 0]))
    assert np.asarray(worlds.worlds.state.asset["modes"])[0, asset] & BLOCKING
    again = told_gains(rule, worlds, held)
    assert again[CUT, 0, asset] == -np.inf
    clean = told_gains(rule, worlds, np.zeros_like(held))
    assert np.flatnonzero(clean[OPEN, 0] >= rule.level).tolist() == [asset]
    assert (told_gains(rule, worlds, held)[OPEN, 0] < rule.level).all()


def test_who_is_assumed_to_come_decides_how_soon_it_cuts_off() -> None:
    """Where ransomware is assumed, cutting off gains more at equal belief than where a patient group is."""

    def eager(preset: str) -> float:
        attacker = Attacker.model_validate({"preset": preset})
        game = load_game(read_scenario().model_copy(update={"attackers": (attacker,)}))
        rule = Containing(game, replace(SHIPPED, level_impact=0.0, level_tempo=0.0))
        worlds = ResponseWorlds(game, range(1))
        worlds.reset()
        return float(told_gains(rule, worlds, np.full((1, game.compiled.sizes[0]), 0.9))[CUT].max())

    assert eager("ransomware") > eager("apt")


def test_what_an_attacker_may_reach_soon_is_cut_off_and_looked_at_before_it_is_held() -> None:
    """Next to a sure hold cutting off and looking gain more the further the rule looks ahead; evicting does not."""
    game = short_game()
    worlds, held = played(game, 1, 1), np.zeros((1, game.compiled.sizes[0]))
    step, taste = np.asarray(game.compiled.arrays.step), np.asarray(game.assumed.weight)[0]
    source, target = next(
        (int(one["src"]), int(one["dst"]))
        for one in step[(taste > 0) & (step["gain"] == Gain.USER)]
        if worlds.legal[0, Containing(game, SHIPPED).actions[int(one["dst"])]]
    )
    held[0, source] = 1.0

    def next_to_it(minutes: float) -> np.ndarray:
        numbers = replace(SHIPPED, cut_ahead=minutes, look_ahead=minutes, cut_room=0.0, look_room=0.0, level=1e3)
        return told_gains(Containing(game, numbers), worlds, held)[:, 0, target]

    now, soon, later = next_to_it(0.0), next_to_it(5.0), next_to_it(60.0)
    assert now[CUT] < soon[CUT] < later[CUT]
    assert now[LOOK] < soon[LOOK] < later[LOOK]
    assert now[EVICT] == soon[EVICT] == later[EVICT]


def test_the_larger_the_chain_the_less_it_cuts_off() -> None:
    """At equal belief: each asset is a smaller share of its owner, and decisions are as many."""
    game = short_game()
    worlds, held = played(game, 1, 1), np.full((1, game.compiled.sizes[0]), 0.9)
    size = np.log2(game.compiled.sizes[0] / USUAL_ASSETS)
    assert size < 0  # a chain of less than the usual size: cut off more
    some, more = (
        told_gains(Containing(game, replace(SHIPPED, cut_size=one, level=1e3)), worlds, held)[CUT] for one in (0.0, 0.5)
    )
    assert (more[np.isfinite(more)] > some[np.isfinite(some)]).all()


def test_where_the_library_cannot_cut_off_the_rest_of_the_rule_is_left() -> None:
    """No isolate and no release among the playbooks: it evicts and looks, and never proposes what is not there."""
    scenario = read_scenario()
    names = tuple(one for one in scenario.playbooks if one not in ("isolate-asset", "release-asset"))
    game = load_game(scenario.model_copy(update={"playbooks": names}))
    rule, worlds = Containing(game, SHIPPED), ResponseWorlds(game, range(3), stream=STREAM_EVALUATION)
    worlds.reset()
    acted = 0
    for _ in range(game.decisions - 1):
        actions = rule(worlds)
        acted += int((actions > 0).sum())
        worlds.step(actions)
    assert acted


def text(**changed: object) -> str:
    said = {**SHIPPED.as_dict(), **changed}
    return "numbers:\n" + "".join(f"  {name}: {value}\n" for name, value in said.items() if value is not None)


def test_a_file_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "rule.yaml"
    path.write_text(text())
    assert read_numbers(path) == SHIPPED


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (text(toward=-1), "toward"),
        (text(clean=1.5), "clean"),
        (text(cut="much"), "cut"),
        (text(watched=None), "watched"),
        (text(more=1), "more"),
        (text(level=float("nan")), "level"),
        ("numbers: 3\n", "numbers"),
        ("- a\n", "numbers"),
        ("", "numbers"),
    ],
)
def test_numbers_that_cannot_be_are_named(tmp_path: Path, content: str, named: str) -> None:
    path = tmp_path / "rule.yaml"
    path.write_text(content)
    with pytest.raises(TrainError, match=named) as refused:
        read_numbers(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("level", [1e-3, 1e3])
def test_a_level_at_an_end_of_its_range_teaches(level: float, tmp_path: Path) -> None:
    """A search may end there; training tries factors of it, and no factor leads out of the range."""
    path = tmp_path / "rule.yaml"
    path.write_text(text(level=level))
    for factor in FACTORS:
        rule = teacher(short_game(), factor, TrainSettings(rule=str(path)))
        assert isinstance(rule, Containing)
        assert rule.numbers.level == pytest.approx(min(1e3, max(1e-3, level * factor)))
        assert replace(rule.numbers, level=level) == read_numbers(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"none\.yaml.*policy search"):
        read_numbers(tmp_path / "none.yaml")


def test_every_number_has_a_meaning_and_a_range_that_holds_the_shipped_one() -> None:
    for one in fields(RuleNumbers):
        assert one.metadata["meaning"]
        assert one.metadata["low"] <= getattr(SHIPPED, one.name) <= one.metadata["high"]
