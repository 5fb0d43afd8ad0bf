"""Laws of the rulebook, on random games in which defenders act at random and up to three attackers attack."""

from __future__ import annotations

from collections.abc import Iterator

import numba
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.tests.twin.random_twins import (
    FEW,
    RandomGame,
    busy_actions,
    one_thread,  # noqa: F401  (a fixture of the module)
    random_game,
    random_games,
)
from tocsin.tests.twin.world_checks import CHECKS, blocked
from tocsin.twin.compiled import NANO, CompiledTwin
from tocsin.twin.rulebook.attacking import is_passable
from tocsin.twin.rulebook.mask import is_legal
from tocsin.twin.rulebook.state import UNSERVED, WorldState
from tocsin.twin.rulebook.worlds import Worlds
from tocsin.twin.vocabulary import Gain, LossCause, Mode, OccurrenceKind, RunState, StepClass

BLOCKING = (Mode.ISOLATED, Mode.DOWN, Mode.RESTORING)
TICKS = 30


@numba.njit  # type: ignore[untyped-decorator]
def passable(b: int, t: CompiledTwin, s: WorldState) -> npt.NDArray[np.bool_]:
    """bool[E]: which steps public facts leave open."""
    found = np.zeros(len(t.step), np.bool_)
    for step in range(len(t.step)):
        found[step] = is_passable(b, step, t, s)
    return found


def played(game: RandomGame, *, seats: tuple[int, ...] = (-1,), runs: int = 32) -> Iterator[Worlds]:
    """The worlds of a game after each of some ticks with random legal actions."""
    worlds, rng = game.worlds([0, 1], seat_owners=seats, runs=runs), np.random.default_rng(game.seed)
    for _ in range(TICKS):
        worlds.tick(busy_actions(worlds, rng))
        yield worlds


@given(random_games())
@FEW
def test_what_is_kept_up_to_date_equals_what_is_recomputed(game: RandomGame) -> None:
    """Lists, service, rates, segments and counts are true after every tick."""
    for worlds in played(game):
        for b in range(worlds.count):
            for check in CHECKS:
                check(worlds, b)


@given(random_games())
@FEW
def test_loss_is_the_sum_of_rates_and_labour_and_never_negative(game: RandomGame) -> None:
    """Every tick each owner loses its rates, the labour of what started on its side, and what carried out data cost."""
    before = np.zeros((2, len(game.compiled.twin.owners), len(LossCause)), np.int64)
    for worlds in played(game):
        expected = before.copy()
        expected[:, :, LossCause.SERVICE] += worlds.state.rate["service"]
        expected[:, :, LossCause.HARM] += worlds.state.rate["harm"]
        for b in range(worlds.count):
            for kind, target, playbook, value in worlds.trace(b):
                if kind == OccurrenceKind.GAINED and value == Gain.EXFILTRATION:
                    store = game.compiled.arrays.asset[target]
                    expected[b, store.owner, LossCause.HARM] += store.harm * game.parameters.carried_out
                if kind == OccurrenceKind.STARTED:
                    owner = game.compiled.owner_number[game.compiled.owners_of(target)[0]]
                    hours = float(game.effects.playbook[playbook].labour_h)
                    expected[b, owner, LossCause.LABOUR] += int(hours * game.parameters.labour[owner] + 0.5)
        assert worlds.state.loss.tolist() == expected.tolist()
        assert (worlds.state.rate["service"] >= 0).all() and (worlds.state.rate["harm"] >= 0).all()
        np.testing.assert_allclose(worlds.losses().sum(), expected.sum() / NANO)
        before = expected


@given(random_games())
@FEW
def test_an_isolated_asset_neither_attacks_nor_is_attacked_nor_serves(game: RandomGame) -> None:
    """Blocked assets are out of service, and no try starts or ends there."""
    for worlds in played(game):
        for b in range(worlds.count):
            out = blocked(worlds, b)
            assert (worlds.state.asset[b]["modes"][out] & UNSERVED).all()
            for kind, subject, thing, _ in worlds.trace(b):
                if kind == OccurrenceKind.TRIED:
                    step = game.compiled.arrays.step[thing]
                    assert not out[step.src] and not out[step.dst]
                if kind == OccurrenceKind.GAINED:
                    assert not out[subject]


def closed_by_runs(worlds: Worlds, b: int) -> npt.NDArray[np.bool_]:
    """bool[E] steps that some running response closes, from what each declares."""
    step, assets = worlds.compiled.arrays.step, worlds.compiled.sizes[0]
    closed = np.zeros(len(step), np.bool_)
    for run in worlds.state.run[b]:
        playbook = worlds.effects.playbook[run.playbook]
        if run.state == RunState.WORKING and playbook.mode_during in BLOCKING:
            closed |= (step["src"] == run.target) | (step["dst"] == run.target)
        if run.state == RunState.HOLDING and playbook.cut:
            closed |= step["link"] == run.target - assets
        if run.state == RunState.HOLDING and playbook.mode in BLOCKING:
            closed |= (step["src"] == run.target) | (step["dst"] == run.target)
        if run.state == RunState.HOLDING and playbook.mode == Mode.CREDENTIAL_RESET:
            closed |= (step["dst"] == run.target) | (step["identity"] == run.target)
    return closed


@given(random_games())
@FEW
def test_undo_reopens_exactly_what_a_response_alone_had_closed(game: RandomGame) -> None:
    """A step is closed while some running response closes it, so an end opens what that one alone had closed."""
    for worlds in played(game):
        for b in range(worlds.count):
            open_now = passable(b, game.compiled.arrays, worlds.state)
            assert open_now.tolist() == (~closed_by_runs(worlds, b)).tolist()


@given(random_games(), st.integers(0, 2**16))
@FEW
def test_mask_and_rules_agree_on_every_action(game: RandomGame, seed: int) -> None:
    """What the mask allows the rules accept; what it forbids they refuse; busy slots included."""
    worlds, rng = game.worlds([0], runs=4), np.random.default_rng(seed)
    for _ in range(int(rng.integers(0, 15))):
        worlds.tick(busy_actions(worlds, rng, pace=0.8))
    [mask] = worlds.masks()
    tried = worlds.fork([0] * worlds.actions)
    tried.tick(np.arange(worlds.actions, dtype=np.int32)[:, None])
    for action in range(worlds.actions):
        legal = bool(is_legal(0, action, game.compiled.arrays, game.effects, worlds.state))
        assert legal == mask[action]
        refused = (int(OccurrenceKind.REFUSED), action, 0, 0) in tried.trace(action)
        assert refused == (not legal) == bool(tried.state.refused[action, 0])


@given(random_games())
@FEW
def test_of_two_seats_on_one_target_the_first_wins(game: RandomGame) -> None:
    """The second of two proposals for one target in one tick becomes `refused`."""
    worlds = game.worlds([0], seat_owners=(-1, -1))
    [mask] = worlds.masks()
    action = int(np.flatnonzero(mask)[-1])
    worlds.tick(np.array([[action, action]], np.int32))
    kinds = [(kind, value) for kind, _, _, value in worlds.trace(0) if kind <= OccurrenceKind.REFUSED]
    assert [kind for kind, _ in kinds] == [OccurrenceKind.PROPOSED, OccurrenceKind.REFUSED]


def test_everything_the_rules_know_happens_in_these_games() -> None:
    """The laws above are not held by emptiness: every kind of occurrence, gain and class of step comes up."""
    kinds, gains, classes = set(), set(), set()
    for seed in range(24):
        for worlds in played(random_game(seed)):
            for kind, _, thing, value in (one for b in range(worlds.count) for one in worlds.trace(b)):
                kinds.add(kind)
                gains |= {value} if kind == OccurrenceKind.GAINED else set()
                classes |= (
                    {int(worlds.compiled.arrays.step[thing].step_class)} if kind == OccurrenceKind.TRIED else set()
                )
    assert set(OccurrenceKind) - kinds <= {OccurrenceKind.REFUSED}
    assert gains == set(Gain) - {Gain.NONE}
    assert set(StepClass) - classes <= {StepClass.PRESENCE}


@given(random_games())
@FEW
def test_an_outage_larger_than_its_list_costs_what_it_costs(game: RandomGame) -> None:
    """With room for one unserved asset in the list, what serves and what is lost is as with room for all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tocsin.twin.rulebook.state.UNSERVED_LIMIT", 1)
        cramped = list(lived(game))
    assert cramped == list(lived(game))


def lived(game: RandomGame) -> Iterator[tuple[bytes, bytes]]:
    """States and losses of the assets of a game, tick by tick."""
    for worlds in played(game):
        yield worlds.state.asset.tobytes(), worlds.state.loss.tobytes()


def test_every_kind_of_actor_plays_in_these_games() -> None:
    """Nor by the same plain game: scripts advance, findings are forged, owners call, load has a rhythm."""
    seen = set()
    for seed in range(24):
        game = random_game(seed)
        for worlds in played(game):
            if (worlds.state.attacker["stage"] > 0).any():
                seen.add("script")
            if worlds.state.world["late_n"].any():
                seen.add("call")
        if (game.parameters.attacker["forgeries"] > 0).any():
            seen.add("forger")
        if game.parameters.load_amplitude > 0:
            seen.add("rhythm")
    assert seen == {"script", "call", "forger", "rhythm"}
