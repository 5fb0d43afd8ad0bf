"""One policy plays: nothing depends on batches, and conduct is judged by the truth."""

from __future__ import annotations

import numpy as np
import pytest
from tocsin.envs.scripted import Clairvoyant, at_random, nothing
from tocsin.envs.vector import ResponseWorlds
from tocsin.playbooks.actions import encode
from tocsin.tests.envs.games import EVERY, TICKS, short_game
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.training import playing as module
from tocsin.training.playing import lost, play
from tocsin.twin.rulebook.worlds import STREAM_ENVIRONMENT, STREAM_EVALUATION


def test_results_do_not_depend_on_how_many_play_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven lanes or all at once: the same figures for every attack."""
    at_once = play(short_game(), Clairvoyant(short_game()), range(10), stream=STREAM_EVALUATION)
    monkeypatch.setattr(module, "LANES", 7)
    parts = play(short_game(), Clairvoyant(short_game()), range(10), stream=STREAM_EVALUATION)
    for name in ("loss", "proposed", "false", "breached", "contained", "minutes", "downtime", "consents"):
        assert (getattr(parts, name) == getattr(at_once, name)).all()


def test_losses_alone_are_those_of_a_play_that_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last bit, however many play side by side."""
    whole = play(short_game(), Clairvoyant(short_game()), range(10), stream=STREAM_EVALUATION)
    monkeypatch.setattr(module, "LANES", 4)
    assert (lost(short_game(), Clairvoyant(short_game()), range(10), stream=STREAM_EVALUATION) == whole.total).all()


@pytest.mark.parametrize("name", ["nothing", "random", "clairvoyant"])
def test_blind_policies_play_the_same_without_belief(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left out for them changes no loss."""
    policy = {"nothing": nothing, "random": at_random, "clairvoyant": Clairvoyant(short_game())}[name]
    fast = play(short_game(), policy, range(6), stream=STREAM_EVALUATION)
    monkeypatch.setattr(module, "is_blind", lambda _: False)
    slow = play(short_game(), policy, range(6), stream=STREAM_EVALUATION)
    assert (fast.loss == slow.loss).all() and (fast.proposed == slow.proposed).all()


def test_evaluation_plays_other_attacks_than_training() -> None:
    """The stream makes the worlds: equal ids in both streams are different attacks."""
    trained, evaluated = (
        play(short_game(), nothing, range(8), stream=stream).loss.sum(axis=(1, 2))
        for stream in (STREAM_ENVIRONMENT, STREAM_EVALUATION)
    )
    assert (trained != evaluated).any()


def once(playbook: str, *, on_held: bool) -> module.Defender:
    """A policy that acts once in each world: as soon as it may on something held, or on something not held."""
    game = short_game()
    number = game.library.index_of(playbook)
    first = encode(number, 0, game.compiled.targets)
    spent: dict[int, bool] = {}

    def policy(worlds: ResponseWorlds) -> np.ndarray:
        asset = np.asarray(worlds.worlds.state.asset)
        held = (asset["user"] | asset["admin"] | asset["persist"]) != 0
        may = worlds.masks()[:, first : first + held.shape[1]] & (held == on_held)
        actions = np.zeros(worlds.count, np.int32)
        for world in range(worlds.count):
            if may[world].any() and not spent.get(world):
                spent[world] = True
                actions[world] = first + int(np.flatnonzero(may[world])[0])
        return actions

    return policy


def test_proposals_are_counted_by_playbook() -> None:
    """A policy that proposes one thing once per episode is counted as one of that playbook."""
    number = short_game().library.index_of("raise-monitoring")
    counted = play(short_game(), once("raise-monitoring", on_held=False), range(5), stream=STREAM_EVALUATION).proposed
    assert counted[number] == 1 and counted.sum() == 1


def test_containing_what_nobody_holds_is_false() -> None:
    """Isolating an asset that is free counts, isolating one that is held does not, nor does looking closer."""
    for playbook, on_held, expected in (
        ("isolate-asset", False, 1.0),
        ("isolate-asset", True, 0.0),
        ("restore-asset", False, 1.0),
        ("raise-monitoring", False, 0.0),
    ):
        played = play(short_game(), once(playbook, on_held=on_held), range(5), stream=STREAM_EVALUATION)
        assert played.proposed.sum() > 0 and (played.false == expected).all(), playbook


def test_an_attack_that_nobody_answers_is_not_contained() -> None:
    """It is held from the first foothold to the horizon; who sees the truth is rid of more of them, and sooner."""
    left = play(short_game(), nothing, range(20), stream=STREAM_EVALUATION)
    assert left.breached.any() and not left.contained.any()
    assert (left.minutes <= TICKS).all() and (left.minutes[left.breached] >= EVERY).all()
    assert (left.minutes[~left.breached] == 0).all()
    seen = play(short_game(), Clairvoyant(short_game()), range(20), stream=STREAM_EVALUATION)
    assert seen.minutes.sum() < left.minutes.sum()
