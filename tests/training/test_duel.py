"""Duels: the same worlds as elsewhere, an attacker that sees what it discovered, a tempo that binds it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tocsin.envs.attack import AttackEnv
from tocsin.envs.game import load_game
from tocsin.envs.scripted import Threshold, nothing
from tocsin.tests.training.duels import STREAM, TICKS, some_attacker, the_game, the_scenario
from tocsin.training.attack_network import AttackNetwork, NumpyAttacker, numpy_weights
from tocsin.training.duel import ROW_FEATURES, ROWS, SLOTS, UNBOUND, Duel, pace_of, play_duel, rows_of
from tocsin.training.playing import play
from tocsin.twin.rulebook.attacking import NO_STEP


def test_a_duel_of_scripts_is_the_same_world() -> None:
    """Without a learned side a duel loses what the plain worlds of the same ids lose."""
    rule = Threshold(the_game())
    expected = play(the_game(), rule, range(6), stream=STREAM).loss.sum(axis=(1, 2))
    np.testing.assert_allclose(play_duel(the_game(), rule, None, range(6), stream=STREAM), expected, rtol=1e-12)


def test_the_attackers_seat_sees_what_its_environment_shows() -> None:
    """Rows, legal actions, rewards of a learned attacker are those of `AttackEnv` in the same world and episode."""
    env, attacker = AttackEnv(game=the_game(), world=5, defender="threshold", slots=SLOTS, rows=ROWS), some_attacker()
    duel, rule = Duel(the_game(), [5], stream=1), Threshold(the_game())
    seen, _ = env.reset(seed=5)
    duel.play(rule(duel.worlds), duel.steps_of(np.array([0])))  # the environment starts when it has come
    tried = 0
    while not duel.is_over:
        view = duel.look()
        np.testing.assert_array_equal(view.rows[0], rows_of(seen, duel.tick / TICKS))
        np.testing.assert_array_equal(view.legal[0], env.action_masks())
        action = attacker(view)
        tried += int(action[0] > 0)
        defence = rule(duel.worlds) if duel.decides else np.zeros(1, np.int32)
        done = duel.play(defence, duel.steps_of(action))
        seen, reward, _, _, _ = env.step(int(action[0]))
        assert done[0] == pytest.approx(reward)
    assert tried > 5


def test_worlds_of_a_duel_do_not_depend_on_each_other() -> None:
    """A world gives the same beside others as alone, so discoveries and times to try are each world's own."""
    for pace in (UNBOUND, 0.7):
        together = play_duel(the_game(), nothing, some_attacker(), range(4), stream=STREAM, pace=pace)
        apart = [
            play_duel(the_game(), nothing, some_attacker(), [world], stream=STREAM, pace=pace)[0] for world in range(4)
        ]
        np.testing.assert_array_equal(together, apart)
        assert together.any()


def test_a_learned_attacker_may_try_when_the_script_of_its_tempo_would() -> None:
    """In every world and tick the built-in rule chooses a step only where `may_try` says so, and hardly less often."""
    slow = the_scenario().attackers[0].model_copy(update={"tries_per_hour": 20.0})
    game = load_game(the_scenario().model_copy(update={"attackers": (slow,)}))
    pace = pace_of(20.0, game.compiled.tick_s)
    assert pace == pytest.approx(float(game.parameters.attacker[0].try_p))
    duel, may, tries = Duel(game, range(16), stream=STREAM), 0, 0
    while not duel.is_over:
        allowed = duel.may_try(pace)
        duel.play(np.zeros(16, np.int32), None)
        tried = np.asarray(duel.worlds.worlds.state.attacker)["choice"][:, 0] != NO_STEP
        assert not (tried & ~allowed).any()
        may, tries = may + int(allowed.sum()), tries + int(tried.sum())
    assert 0.8 * may < tries <= may and may == pytest.approx(pace * 16 * TICKS, rel=0.2)


def test_a_bound_attacker_tries_less() -> None:
    """Steps of a learned attacker are none in ticks that its tempo does not give it; unbound it tries in all."""
    for pace, least, most in ((0.3, 0.15, 0.45), (UNBOUND, 0.9, 1.0)):
        duel, steps = Duel(the_game(), range(8), stream=STREAM), []
        while not duel.is_over:
            chosen = duel.attack(eager, pace)
            assert (chosen[~duel.may_try(pace), 0] == NO_STEP).all()
            steps.append((chosen[:, 0] >= 0).mean())
            duel.play(np.zeros(8, np.int32), chosen)
        assert least < np.mean(steps) < most


def eager(view: Any) -> Any:
    """Takes the first step that is open."""
    return view.legal[:, 1].astype(np.int64)


def test_numpy_attacks_as_torch_does() -> None:
    """Equal logits to 1e-5 on what is met in play; what is not legal is never taken."""
    torch.manual_seed(3)
    network, duel = AttackNetwork(), Duel(the_game(), range(5), stream=STREAM)
    attacker = NumpyAttacker(numpy_weights(network), {})
    for _ in range(TICKS // 2):
        view = duel.look()
        logits, _ = network(torch.from_numpy(view.rows))
        found = attacker.logits(view)
        np.testing.assert_allclose(found[view.legal], logits.detach().numpy()[view.legal], atol=1e-5)
        assert np.isneginf(found[~view.legal]).all()
        duel.play(np.zeros(5, np.int32), duel.steps_of(attacker(view)))
    assert view.legal[:, 1:].any() and view.rows.shape == (5, ROWS, ROW_FEATURES)


def test_a_duel_goes_on_from_its_snapshot() -> None:
    """Restored in other worlds' place it plays on as the first; of another number of worlds it is refused."""
    first, other = (Duel(the_game(), range(3), stream=STREAM) for _ in range(2))
    attacker = some_attacker()
    for _ in range(TICKS // 2):
        first.play(np.zeros(3, np.int32), first.attack(attacker, 0.5))
    other.begin(9)
    other.restore(first.snapshot())
    while not first.is_over:
        for ours, theirs in zip(first.look(), other.look(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        for duel in (first, other):
            duel.play(np.zeros(3, np.int32), duel.attack(attacker, 0.5))
    np.testing.assert_array_equal(first.losses, other.losses)
    with pytest.raises(ValueError, match="of 3 worlds, here are 2"):
        Duel(the_game(), range(2), stream=STREAM).restore(first.snapshot())


def test_what_was_discovered_of_another_chain_is_refused() -> None:
    """A snapshot of other sizes changes nothing."""
    discovery: Any = Duel(the_game(), [0], stream=STREAM)._discoveries[0]
    kept = discovery.snapshot()
    with pytest.raises(ValueError, match="slot is"):
        discovery.restore({**kept, "slot": kept["slot"][:-1]})
    assert discovery.snapshot().keys() == kept.keys()
