"""Belief and observation: functions of what a view may know, and of nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.tests.twin.random_twins import random_game
from tocsin.twin.attack.step import AttackStep
from tocsin.twin.compiled import Compiled, compile_twin
from tocsin.twin.graph import Asset, ConsentRule, Link, Owner, Twin
from tocsin.twin.rulebook.effects import Effect, EffectTable, build_effect_table
from tocsin.twin.rulebook.parameters import OPPORTUNIST, Parameters, build_parameters
from tocsin.twin.rulebook.state import WorldState
from tocsin.twin.rulebook.worlds import Worlds
from tocsin.twin.sensing.belief import BeliefState, new_belief, reset_belief, update_beliefs
from tocsin.twin.sensing.confusion import shipped_confusion
from tocsin.twin.sensing.observe import (
    FEATURES,
    OBSERVATION_VERSION,
    STATIC_FEATURES,
    new_observation,
    observe_all,
    static_observation,
)
from tocsin.twin.vocabulary import (
    Access,
    AssetKind,
    Confidence,
    ConsentClass,
    ConsentMode,
    Gain,
    LinkKind,
    Mode,
    Proposer,
    SensorClass,
    StepClass,
    TargetType,
)

OUTSIDE, WEB, DB, LAN = "net/external/internet", "a/host/web", "b/host/db", "a/segment/lan"
DBA, DATA = "b/identity/dba", "b/data_store/data"
PRESENCE, EXPLOIT = int(StepClass.PRESENCE), int(StepClass.EXPLOIT)


@dataclass(frozen=True)
class Game:
    """Two owners, six assets, all kinds of steps, two playbooks."""

    compiled: Compiled
    effects: EffectTable
    parameters: Parameters

    def worlds(self, ids: range) -> Worlds:
        """Fresh worlds."""
        return Worlds.make(self.compiled, self.effects, self.parameters, world_ids=ids, stream=3)

    def update(self, worlds: WorldState, belief: BeliefState) -> None:
        """One view per world."""
        rows = np.arange(len(worlds.world))
        update_beliefs(rows, self.compiled.arrays, self.effects, self.parameters, worlds, belief)

    def observation(self, worlds: WorldState, belief: BeliefState) -> npt.NDArray[np.uint8]:
        """What each view sees."""
        out = new_observation(self.compiled, len(worlds.world))
        observe_all(np.arange(len(out.rows)), self.compiled.arrays, worlds, belief, out)
        return out.rows


@pytest.fixture(scope="module")
def game() -> Game:
    """The small chain of this file."""
    watched = (SensorClass.NETWORK, SensorClass.HOST)
    twin = Twin.build(
        owners=[Owner("a"), Owner("b"), Owner("net", value_per_hour=0.0)],
        assets=[
            Asset(OUTSIDE, AssetKind.EXTERNAL, "net", "internet"),
            Asset(WEB, AssetKind.HOST, "a", "web", criticality=1.0, sensors=watched),
            Asset(DB, AssetKind.HOST, "b", "db", criticality=1.0, sensors=watched),
            Asset(DBA, AssetKind.IDENTITY, "b", "dba", sensors=(SensorClass.AUTHENTICATION,)),
            Asset(DATA, AssetKind.DATA_STORE, "b", "data", harm_per_hour=3.0, crown_jewel=True),
            Asset(LAN, AssetKind.SEGMENT, "a", "lan"),
        ],
        links=[Link(LinkKind.REACHES, WEB, LAN), Link(LinkKind.REACHES, LAN, DB, 22)],
        consent=[ConsentRule(o, c, p, ConsentMode.AT_ONCE) for o in ("a", "b") for c in ConsentClass for p in Proposer],
    )
    user, admin = Access.USER, Access.ADMIN
    steps = [
        AttackStep("T1190", StepClass.EXPLOIT, OUTSIDE, WEB, user, Gain.USER, 0.4),
        AttackStep("T1068", StepClass.PRIVILEGE_ESCALATION, WEB, WEB, user, Gain.ADMIN, 0.3),
        AttackStep("T1547", StepClass.PERSISTENCE, WEB, WEB, admin, Gain.PERSISTENCE, 0.9),
        AttackStep("T1003", StepClass.CREDENTIAL_ACCESS, WEB, DBA, admin, Gain.USER, 0.7),
        AttackStep("T1021", StepClass.VALID_ACCOUNT, LAN, DB, user, Gain.ADMIN, 0.8, identity=DBA),
        AttackStep("T1213", StepClass.COLLECTION, DB, DATA, user, Gain.USER, 0.9),
        AttackStep("T1486", StepClass.IMPACT, DB, DATA, admin, Gain.IMPACT, 0.9),
    ]
    host, contain, recover = (AssetKind.HOST,), ConsentClass.CONTAIN, ConsentClass.RECOVER
    isolate = Effect("isolate", TargetType.ASSET, host, contain, 60, 900, 0.2, 0.95, True, mode=Mode.ISOLATED)
    restore = Effect(
        "restore", TargetType.ASSET, host, recover, 300, 0, 1.0, 0.95, False, ceiling=Access.NONE,
        mode_during=Mode.RESTORING, clears_persistence=True,
    )  # fmt: skip
    compiled = compile_twin(twin, steps)
    parameters = build_parameters(compiled, [OPPORTUNIST], shipped_confusion())
    return Game(compiled, build_effect_table([isolate, restore]), parameters)


def random_actions(worlds: Worlds, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Now and then a legal action."""
    masks = worlds.masks()
    return np.array([[rng.choice(np.flatnonzero(row)) if rng.random() < 0.03 else 0] for row in masks], np.int32)


def told(game: Game, asset: str, step_class: int, *, confidence: Confidence = Confidence.HIGH) -> WorldState:
    """One world's tick 50 with one host finding, or none where `asset` is empty."""
    state = game.worlds(range(1)).state
    state.world["tick"] = 50
    if asset:
        state.finding[0, 0] = (game.compiled.asset_number[asset], SensorClass.HOST, step_class, confidence)
        state.world["finding_n"] = 1
    return state


def quiet(game: Game, *, blind: str = "") -> BeliefState:
    """A belief after 40 silent ticks."""
    sees = np.array([asset.id != blind for asset in game.compiled.twin.assets])
    belief = new_belief(game.compiled, 1, sees=sees)
    state = told(game, "", 0)
    for tick in range(1, 41):
        state.world["tick"] = tick
        game.update(state, belief)
    return belief


def suspicious(game: Game, *, blind: str = "") -> BeliefState:
    """The same, and then a try at the web host."""
    belief = quiet(game, blind=blind)
    game.update(told(game, WEB, EXPLOIT, confidence=Confidence.MEDIUM), belief)
    return belief


def held(game: Game, belief: BeliefState, asset: str) -> float:
    """P(any access)."""
    row = belief.asset[0, game.compiled.asset_number[asset]]
    return float(row.user + row.admin)


def test_probabilities_stay_probabilities(game: Game) -> None:
    """In games with responses: user, admin and threat within 0..1, user and admin together at most 1."""
    worlds, rng = game.worlds(range(64)), np.random.default_rng(2)
    belief = new_belief(game.compiled, 64)
    for _ in range(200):
        worlds.tick(random_actions(worlds, rng))
        game.update(worlds.state, belief)
        for name in ("user", "admin", "threat"):
            assert belief.asset[name].min() >= 0.0 and belief.asset[name].max() <= 1.0
        assert (belief.asset["user"] + belief.asset["admin"]).max() <= 1.0 + 1e-6


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_hidden_truth_is_never_read(game: Game, seed: int) -> None:
    """Scrambled access, persistence, onsets and choices leave belief and observation as they were, byte by byte."""
    rng, worlds = np.random.default_rng(seed), game.worlds(range(8))
    belief, blindfolded = new_belief(game.compiled, 8), new_belief(game.compiled, 8)
    for _ in range(40):
        worlds.tick(random_actions(worlds, rng))
        other = worlds.fork(range(8)).state
        for name in ("user", "admin", "persist"):
            other.asset[name] = rng.integers(0, 2, other.asset.shape)
        other.attacker["onset"] = rng.integers(0, 100, other.attacker.shape)
        other.attacker["choice"] = rng.integers(-1, 7, other.attacker.shape)
        other.held[:] = rng.integers(0, 6, other.held.shape)
        other.world["held_n"] = rng.integers(0, 6, 8)
        game.update(worlds.state, belief)
        game.update(other, blindfolded)
    assert belief.asset.tobytes() == blindfolded.asset.tobytes()
    assert belief.evidence.tobytes() == blindfolded.evidence.tobytes()
    assert game.observation(worlds.state, belief).tobytes() == game.observation(other, blindfolded).tobytes()


@pytest.mark.parametrize("step_class", [EXPLOIT, PRESENCE, int(StepClass.PRIVILEGE_ESCALATION)])
def test_findings_out_of_sight_change_nothing(game: Game, step_class: int) -> None:
    """A view that does not see the findings of an asset is the same with and without them."""
    with_it, without = suspicious(game, blind=WEB), suspicious(game, blind=WEB)
    found, silent = told(game, WEB, step_class), told(game, "", 0)
    game.update(found, with_it)
    game.update(silent, without)
    assert with_it.asset.tobytes() == without.asset.tobytes()
    assert with_it.evidence.tobytes() == without.evidence.tobytes()
    assert game.observation(found, with_it).tobytes() == game.observation(silent, without).tobytes()


@pytest.mark.parametrize(("asset", "step_class"), [(WEB, EXPLOIT), (WEB, PRESENCE), (DB, PRESENCE)])
def test_finding_raises_belief(game: Game, asset: str, step_class: int) -> None:
    """An asset with a finding is believed held more than the same asset with none."""
    with_it, without = quiet(game), quiet(game)
    game.update(told(game, asset, step_class), with_it)
    game.update(told(game, "", 0), without)
    assert held(game, with_it, asset) > held(game, without, asset) + 0.05
    assert held(game, with_it, OUTSIDE) > held(game, without, OUTSIDE)


def test_finding_deep_inside_is_not_lost(game: Game) -> None:
    """A finding where nobody was believed to be yet is still news there."""
    belief = new_belief(game.compiled, 1)
    first = told(game, "", 0)
    first.world["tick"] = 1
    game.update(first, belief)
    game.update(told(game, DB, PRESENCE), belief)
    assert held(game, belief, DB) > 1e-4


def test_silence_lowers_belief(game: Game) -> None:
    """One finding, then nothing for hours: it was false, or the attacker is gone; asset and outside fade alike."""
    belief, state = suspicious(game), told(game, "", 0)
    before = held(game, belief, WEB), held(game, belief, OUTSIDE)
    for tick in range(51, 551):
        state.world["tick"] = tick
        game.update(state, belief)
    assert held(game, belief, WEB) < 0.2 * before[0]
    assert held(game, belief, OUTSIDE) < 0.2 * before[1]


def test_results_do_not_depend_on_the_batch(game: Game) -> None:
    """A world and its view alone give the bytes they give among thirty-one others."""
    many, alone = game.worlds(range(32)), game.worlds(range(17, 18))
    belief, single = new_belief(game.compiled, 32), new_belief(game.compiled, 1)
    for _ in range(90):
        many.tick(np.zeros((32, 1), np.int32))
        alone.tick(np.zeros((1, 1), np.int32))
        game.update(many.state, belief)
        game.update(alone.state, single)
    assert belief.asset[17].tobytes() == single.asset[0].tobytes()
    assert game.observation(many.state, belief)[17].tobytes() == game.observation(alone.state, single)[0].tobytes()


def test_reset_forgets(game: Game) -> None:
    """A reset lane is as new."""
    belief = suspicious(game)
    reset_belief(np.arange(1), belief)
    fresh = new_belief(game.compiled, 1)
    assert belief.asset.tobytes() == fresh.asset.tobytes()
    assert belief.evidence.tobytes() == fresh.evidence.tobytes()


def test_evidence_shows_and_fades(game: Game) -> None:
    """The evidence feature falls with age, the age feature grows to 255, other targets show none."""
    belief, column = suspicious(game), FEATURES.index("evidence")
    web = game.compiled.asset_number[WEB]
    shown = []
    for tick in (50, 80, 400):
        state = told(game, "", 0)
        state.world["tick"] = tick
        shown.append(game.observation(state, belief)[0])
    assert shown[0][web, column] > shown[1][web, column] > shown[2][web, column]
    assert shown[2][web, FEATURES.index("age")] == 255
    assert shown[0][:, column].sum() == shown[0][web, column]


def test_version_names_the_feature_lists() -> None:
    """The version is the digest of both lists in order: a changed, moved or added feature is another version."""

    def version(features: tuple[str, ...], static: tuple[str, ...]) -> str:
        return hashlib.sha256("|".join((*features, "/", *static)).encode()).hexdigest()[:16]

    assert version(FEATURES, STATIC_FEATURES) == OBSERVATION_VERSION
    others = [(FEATURES[::-1], STATIC_FEATURES), ((*FEATURES, "new"), STATIC_FEATURES), (FEATURES, STATIC_FEATURES[1:])]
    assert len({OBSERVATION_VERSION, *(version(*lists) for lists in others)}) == 4


def test_static_part_has_a_row_per_target(game: Game) -> None:
    """float32[T, STATIC_FEATURES], finite, each asset of one kind."""
    static = static_observation(game.compiled)
    assert static.shape == (game.compiled.targets, len(STATIC_FEATURES))
    assert np.isfinite(static).all()
    assert (static[: len(game.compiled.twin.assets), : len(AssetKind)].sum(axis=1) == 1.0).all()


@pytest.mark.parametrize("every", [1, 3])
def test_rows_written_where_something_changed_equal_rows_written_afresh(every: int) -> None:
    """In random games with responses, over hundreds of ticks: the kept observation is that of a fresh reading."""
    for seed in range(6):
        random = random_game(seed)
        worlds, rng = random.worlds(list(range(8))), np.random.default_rng(seed)
        lanes, arrays = np.arange(8), random.compiled.arrays
        belief, kept = new_belief(random.compiled, 8), new_observation(random.compiled, 8)
        for tick in range(300):
            worlds.tick(random_actions(worlds, rng))
            update_beliefs(lanes, arrays, random.effects, random.parameters, worlds.state, belief)
            if tick % every == 0:
                fresh = new_observation(random.compiled, 8)
                observe_all(lanes, arrays, worlds.state, belief, kept)
                observe_all(lanes, arrays, worlds.state, belief, fresh)
                assert kept.rows.tobytes() == fresh.rows.tobytes()
