"""The rule that policies begin as: the order of its actions, what moves it, what it never does."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.envs.active import ACTIVE_FEATURES, BUSY, COMING, INPUTS, PRESENT, ActiveSettings
from tocsin.envs.active_worlds import ActiveWorlds
from tocsin.envs.attackers import Attacker
from tocsin.envs.game import Game, load_game
from tocsin.envs.learned import Learned
from tocsin.envs.rule_layer import LEAST_SHIFT, RulePolicy, advice_of, gains_of, roles_of
from tocsin.envs.rule_numbers import NUMBERS, RuleNumbers
from tocsin.envs.scenario import read_scenario
from tocsin.envs.vector import ResponseWorlds
from tocsin.playbooks.actions import load_library
from tocsin.tests.envs.games import short_game
from tocsin.training.rule_file import shipped_numbers
from tocsin.twin.rulebook.worlds import STREAM_EVALUATION

SHIPPED = shipped_numbers()
CUT, EVICT, OPEN, LOOK = range(4)
SIZES = [name for name in SHIPPED.as_dict() if name.endswith("_size")]
HELD, ISOLATED, RESTORING, ASSETS = (
    ACTIVE_FEATURES.index(name) for name in ("held", "isolated", "restoring", "assets")
)


def seen_by(game: Game, count: int = 2, decisions: int = 8) -> ActiveWorlds:
    """Worlds in which the rule has played."""
    seen = ActiveWorlds(ResponseWorlds(game, range(count), stream=STREAM_EVALUATION), ActiveSettings(slots=64))
    seen.reset()
    rule = Learned(game, RulePolicy(SHIPPED, seen.settings))
    for _ in range(decisions):
        seen.advance(rule(seen.worlds))
    return seen


def by_role(game: Game, rows: np.ndarray, numbers: RuleNumbers, legal: np.ndarray | None = None) -> np.ndarray:
    """float32[4, B, K] gains of what the rule does, where all of it is legal unless said."""
    may = np.ones((len(rows), 1 + len(game.effects.playbook) * rows.shape[1]), np.bool_) if legal is None else legal
    pairs = gains_of(rows, may, game.effects, numbers).pairs
    return np.stack([pairs[:, list(playbooks)].max(axis=1) for playbooks in roles_of(game.effects)])


def level_of(game: Game, rows: np.ndarray, numbers: RuleNumbers) -> np.ndarray:
    """float32[B] gain of waiting."""
    may = np.zeros((len(rows), 1 + len(game.effects.playbook) * rows.shape[1]), np.bool_)
    return np.ravel(gains_of(rows, may, game.effects, numbers).level)


def test_all_that_it_takes_is_legal_and_it_waits_below_the_level() -> None:
    """In played worlds its choice is the legal pair with the most gain, from the level on."""
    game = short_game()
    seen, acted = seen_by(game, 6, 2), 0
    rule = RulePolicy(SHIPPED, seen.settings)
    for _ in range(game.decisions - 4):
        actions = rule.act_on(seen.active, game.effects)
        assert seen.masks()[np.arange(seen.count), actions].all()
        gains = gains_of(seen.active.rows, seen.active.legal, game.effects, SHIPPED)
        assert ((gains.pairs.max(axis=(1, 2)) >= np.ravel(gains.level)) == (actions > 0)).all()
        acted += int((actions > 0).sum())
        seen.step(actions)
    assert acted


def test_advice_is_highest_for_what_the_rule_takes_and_never_far_below_for_the_rest() -> None:
    """So a network that adds nothing does what the rule does, and learning can still find the rest."""
    game = short_game()
    seen, rule = seen_by(game, 6, 4), RulePolicy(SHIPPED)
    for _ in range(game.decisions - 6):
        gains = gains_of(seen.active.rows, seen.active.legal, game.effects, SHIPPED)
        advice = advice_of(gains, 10.0)
        actions = rule.act_on(seen.active, game.effects)
        assert (advice.argmax(axis=1) == actions).all()
        assert advice.max() == 0.0 and advice.min() >= LEAST_SHIFT
        seen.step(actions)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**16))
def test_what_is_due_goes_in_order_and_more_belief_never_cuts_off_less(seed: int) -> None:
    """Cutting off before evicting before opening before looking."""
    game = short_game()
    rows, rng = seen_by(game, 2, 3).active.rows.copy(), np.random.default_rng(seed)
    numbers = replace(SHIPPED, clean=float(rng.random()))
    shown = rows[:, :, PRESENT] > 0
    rows[:, :, HELD] = np.where(shown, rng.integers(0, 256, shown.shape) * (rng.random((2, 1)) < 0.8), 0)
    gains, level = by_role(game, rows, numbers), level_of(game, rows, numbers)
    for world in range(2):
        best = gains[:, world].max(axis=1)
        due = np.flatnonzero(best >= level[world])
        if len(due):
            assert best.argmax() == due[0]
    more = rows.copy()
    more[:, :, HELD] = np.where(shown, np.minimum(255, rows[:, :, HELD].astype(int) + 30), 0)
    finite = np.isfinite(gains[CUT])
    assert (by_role(game, more, numbers)[CUT][finite] >= gains[CUT][finite] - 1e-4).all()


def test_what_is_cut_off_is_not_cut_off_again_and_is_opened_once_clean() -> None:
    game = short_game()
    rows = seen_by(game, 1, 1).active.rows.copy()
    rows[0, :, HELD], rows[0, :, COMING], rows[0, :, ISOLATED] = 0, 0, 0
    rows[0, 0, HELD], rows[0, 0, ISOLATED] = 255, 255
    level = level_of(game, rows, SHIPPED)[0]
    sure = by_role(game, rows, SHIPPED)[:, 0]
    assert sure[CUT, 0] == -np.inf and (sure[OPEN] < level).all()
    rows[0, 0, HELD] = 0
    clean = by_role(game, rows, SHIPPED)[:, 0]
    assert np.flatnonzero(clean[OPEN] >= level).tolist() == [0]


def test_who_is_assumed_to_come_decides_how_soon_it_cuts_off() -> None:
    """Where ransomware is assumed, cutting off gains more at equal belief than where a patient group is."""

    def eager(preset: str) -> float:
        attacker = Attacker.model_validate({"preset": preset})
        game = load_game(read_scenario().model_copy(update={"attackers": (attacker,)}))
        rows = seen_by(game, 1, 0).active.rows.copy()
        rows[:, :, HELD] = np.where(rows[:, :, PRESENT] > 0, 168, 0)
        return float(by_role(game, rows, replace(SHIPPED, level_impact=0.0, level_tempo=0.0))[CUT].max())

    assert eager("ransomware") > eager("apt")


def test_what_an_attacker_may_reach_soon_is_cut_off_and_looked_at_before_it_is_held() -> None:
    """Next to a hold cutting off and looking gain more the further the rule looks ahead; evicting does not."""
    game = short_game()
    rows = seen_by(game, 1, 1).active.rows.copy()
    rows[0, :, HELD], rows[0, :, ISOLATED], rows[0, :, BUSY] = 0, 0, 0
    rows[0, 0, COMING] = 200

    def next_to_it(minutes: float) -> np.ndarray:
        numbers = replace(SHIPPED, cut_ahead=minutes, look_ahead=minutes, cut_room=0.0, look_room=0.0, level=1e3)
        return by_role(game, rows, numbers)[:, 0, 0]

    now, soon, later = next_to_it(0.0), next_to_it(5.0), next_to_it(60.0)
    assert now[CUT] < soon[CUT] < later[CUT]
    assert now[LOOK] < soon[LOOK] < later[LOOK]
    assert now[EVICT] == soon[EVICT] == later[EVICT]


def test_rooms_are_left_free_by_cutting_off_and_by_looking() -> None:
    """Where so many responses run that a room is reached, neither is proposed; evicting is."""
    game = short_game()
    rows = seen_by(game, 1, 1).active.rows.copy()
    rows[0, :, HELD], rows[0, :, ISOLATED], rows[0, :, BUSY] = 255, 0, 8 * 24  # 24 of 32 places
    numbers = replace(SHIPPED, cut_room=0.3, look_room=0.2)
    found = by_role(game, rows, numbers)[:, 0].max(axis=1)
    assert found[CUT] == -np.inf and np.isfinite(found[[EVICT, LOOK]]).all()
    found = by_role(game, rows, replace(numbers, cut_room=0.2, look_room=0.3))[:, 0].max(axis=1)
    assert found[LOOK] == -np.inf and np.isfinite(found[[CUT, EVICT]]).all()


@pytest.mark.parametrize(("exponent", "role"), [("cut_size", CUT), ("ahead_size", LOOK), ("watched_size", LOOK)])
def test_the_larger_the_chain_the_less_it_cuts_off_and_looks(exponent: str, role: int) -> None:
    """At equal belief, where its number says so: each asset is a smaller share, and decisions are as many."""
    game = short_game()
    rows = seen_by(game, 1, 1).active.rows.copy()
    rows[0, :, HELD], rows[0, :, ISOLATED], rows[0, :, BUSY], rows[0, :, COMING] = 60, 0, 0, 180
    numbers = replace(SHIPPED, level=1e3, **{**dict.fromkeys(SIZES, 0.0), exponent: 0.5})
    large = rows.copy()
    large[:, :, ASSETS] += 30
    before, after = by_role(game, rows, numbers)[role], by_role(game, large, numbers)[role]
    assert (after[np.isfinite(after)] < before[np.isfinite(before)]).all() and np.isfinite(after).any()


def test_rules_side_by_side_are_the_same_as_each_alone() -> None:
    """Bit by bit, where something may be opened too: a search judges what is played alone later."""
    game = short_game()
    seen = seen_by(game, 4, 6)
    rows, rng = seen.active.rows.copy(), np.random.default_rng(0)
    shown = rows[:, :, PRESENT] > 0
    rows[:, :, HELD] = np.where(shown, rng.integers(0, 60, shown.shape), 0)
    rows[:, :, ISOLATED] = np.where(shown & (rng.random(shown.shape) < 0.5), 255, 0)
    legal = np.ones_like(seen.active.legal)
    rules = [replace(SHIPPED, clean=0.3), replace(SHIPPED, clean=0.07, level=0.2, cut=20.0)]
    together = gains_of(rows, legal, game.effects, RuleNumbers.side_by_side(rules, 2))
    for number, rule in enumerate(rules):
        part = slice(2 * number, 2 * number + 2)
        alone = gains_of(rows[part], legal[part], game.effects, rule)
        np.testing.assert_array_equal(together.pairs[part], alone.pairs)
        np.testing.assert_array_equal(together.level[part], alone.level)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.booleans(), min_size=NUMBERS, max_size=NUMBERS), st.integers(0, 2**16), st.booleans())
def test_numbers_at_the_ends_of_their_ranges_give_finite_advice(high: list[bool], seed: int, empty: bool) -> None:
    """A file may hold any numbers in range, and a view may be empty: waiting is always scored, nothing is no number."""
    metadata = [one.metadata for one in fields(RuleNumbers)]
    numbers = RuleNumbers(*(one["high" if is_high else "low"] for one, is_high in zip(metadata, high, strict=True)))
    _check_finite(numbers, seed, empty=empty)


def test_the_most_that_numbers_come_to_is_finite() -> None:
    """All exponents at their ends, for the slowest attacker with the most taste for impact on the largest chain."""
    free = replace(SHIPPED, cut_room=0.0, look_room=0.0, level=1e3, cut=1e3)
    levels = {"level_impact": -4.0, "level_tempo": 4.0, "level_size": 4.0}
    _check_finite(replace(free, **levels, cut_impact=4.0, cut_tempo=-4.0, cut_size=-4.0), None, empty=False)


def _check_finite(numbers: RuleNumbers, seed: int | None, *, empty: bool) -> None:
    game = short_game()
    slots, playbooks = 4, len(game.effects.playbook)
    rows = np.zeros((2, slots, ActiveSettings().width), np.uint8)
    if not empty:
        values = 255 if seed is None else np.random.default_rng(seed).choice([0, 255], (2, 3, INPUTS))
        rows[:, :3, :INPUTS] = values
        rows[:, :3, PRESENT] = 255
        if seed is None:
            rows[:, :3, [ACTIVE_FEATURES.index("threat_tempo"), ISOLATED, RESTORING, BUSY]] = 0
    legal = np.zeros((2, playbooks, slots), np.bool_)
    legal[:, :, : 0 if empty else 3] = True
    legal = np.concatenate([np.ones((2, 1), np.bool_), legal.reshape(2, -1)], axis=1)
    with np.errstate(over="raise", invalid="raise"):
        gains = gains_of(rows, legal, game.effects, numbers)
        advice = advice_of(gains, 1e3)
    assert np.isfinite(gains.level).all() and not np.isposinf(gains.pairs).any() and not np.isnan(gains.pairs).any()
    assert np.isfinite(advice).all() and (advice.max(axis=1) == 0.0).all()


def test_playbooks_are_known_by_their_effects_and_the_least_labour_goes_first() -> None:
    """Of the whole library: what cuts off, evicts, opens and looks; what stops a process or a link is in no role."""
    library = load_library()
    names = [[library.names[one] for one in role] for role in roles_of(library.effect_table(60.0))]
    assert names[CUT] == ["quarantine-container", "isolate-asset", "preserve-and-isolate"]
    assert set(names[EVICT]) == {"restore-asset", "fail-over-service", "revoke-credentials", "disable-identity"}
    assert names[OPEN] == ["release-asset"]
    assert names[LOOK] == ["raise-monitoring", "deploy-decoy"]


def test_where_the_library_cannot_cut_off_the_rest_of_the_rule_is_left() -> None:
    """No isolate and no release among the playbooks: it evicts and looks, and never proposes what is not there."""
    scenario = read_scenario()
    names = tuple(one for one in scenario.playbooks if one not in ("isolate-asset", "release-asset"))
    game = load_game(scenario.model_copy(update={"playbooks": names}))
    seen, acted = seen_by(game, 3, 0), 0
    rule = RulePolicy(SHIPPED, seen.settings)
    for _ in range(game.decisions - 1):
        actions = rule.act_on(seen.active, game.effects)
        acted += int((actions > 0).sum())
        seen.step(actions)
    assert acted
