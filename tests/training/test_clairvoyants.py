"""Scripts that see the truth: they act on what is held alone, and the best of them bounds the baselines."""

from __future__ import annotations

import numpy as np
from tocsin.envs.scripted import ISOLATE, RELEASE, Clairvoyant, is_blind, nothing
from tocsin.envs.vector import UnseenWorlds
from tocsin.playbooks.actions import decode
from tocsin.tests.envs.games import short_game
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.training.clairvoyants import TrueWorth, seers
from tocsin.training.contenders import CLAIRVOYANT, NOTHING, THRESHOLD, Contender
from tocsin.training.costs import held
from tocsin.training.evaluate import evaluate, play_field
from tocsin.training.playing import play
from tocsin.twin.rulebook.state import IMPACTED
from tocsin.twin.rulebook.worlds import STREAM_EVALUATION


def test_what_sees_the_truth_needs_no_belief() -> None:
    """All scripts are blind to belief and observation, so they play fast."""
    assert all(is_blind(script) for script in seers(short_game()).values())


def test_evictions_are_of_what_is_held_or_stopped() -> None:
    """And only what is held is cut off, only what is clean released; all legal."""
    game, worlds = short_game(), UnseenWorlds(short_game(), range(40), stream=STREAM_EVALUATION)
    policy = TrueWorth(game, cut_off=1.0)
    worlds.reset()
    seen = set()
    for _ in range(game.decisions - 1):
        actions, state = policy(worlds), worlds.worlds.state
        due = held(state) | ((np.asarray(state.asset)["modes"] & IMPACTED) != 0)
        for world, action in enumerate(actions):
            pair = decode(int(action), game.compiled.targets)
            if pair is None:
                assert not (due[world] & worlds.legal[world, policy._rule[2]]).any(), "it waits while it could evict"
                continue
            name = game.library.names[pair[0]]
            seen.add(name)
            assert held(state)[world, pair[1]] == (name != RELEASE) or due[world, pair[1]]
        worlds.step(actions)
    assert {"restore-asset", ISOLATE} <= seen


def test_it_loses_less_than_the_greedy_script_or_nothing() -> None:
    """On the shipped chain, over the same attacks."""
    losses = {
        name: play(short_game(), policy, range(60), stream=STREAM_EVALUATION).total.mean()
        for name, policy in {"nothing": nothing, **seers(short_game())}.items()
    }
    assert min(losses, key=lambda name: losses[name]) != "nothing"


def test_the_bound_is_the_best_script_or_baseline_in_hindsight() -> None:
    """A baseline that is better than every script is the bound; a learned policy never is."""
    game = short_game()
    best = TrueWorth(game)
    field = {
        NOTHING: Contender(game, nothing),
        "mine": Contender(game, best),
        THRESHOLD: Contender(game, nothing),
        CLAIRVOYANT: Contender(game, nothing, {"waits": nothing}),
    }
    played, chosen = play_field(field, 20)
    assert chosen == "waits" and (played[CLAIRVOYANT].total == played[NOTHING].total).all()
    field[THRESHOLD] = Contender(game, best)
    played, chosen = play_field(field, 20)
    assert chosen == THRESHOLD and (played[CLAIRVOYANT].total == played["mine"].total).all()
    field[CLAIRVOYANT] = Contender(game, Clairvoyant(game), seers(game))
    found = evaluate({"short": field}, episodes=20)
    means = {score.name: score.mean for score in found.scores}
    assert means[CLAIRVOYANT] <= min(means.values()) and found.bound["short"] in {*seers(game), THRESHOLD}
