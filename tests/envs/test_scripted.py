"""Baselines: legal, independent of the batch, and blind to the truth but for the one that is meant to see it."""

from __future__ import annotations

import numpy as np
import pytest
from tocsin.envs.scripted import (
    BOOK,
    ISOLATE,
    ByTheBook,
    Clairvoyant,
    Defender,
    IsolateOnFinding,
    Threshold,
    at_random,
    nothing,
)
from tocsin.envs.vector import ResponseWorlds
from tocsin.playbooks.actions import decode
from tocsin.tests.envs.games import STEPS, short_game
from tocsin.tests.twin.random_twins import one_thread  # noqa: F401  (a fixture of the module)
from tocsin.twin.rulebook.worlds import STREAM_EVALUATION
from tocsin.twin.vocabulary import StepClass

IDS = list(range(12))
LEVEL = 0.05  # low, so that it acts in a short game


def policies() -> dict[str, Defender]:
    game = short_game()
    return {
        "nothing": nothing,
        "random": at_random,
        "isolate": IsolateOnFinding(game),
        "book": ByTheBook(game),
        "cut off": Threshold(game, LEVEL, ISOLATE),
        "threshold": Threshold(game, LEVEL),
        "clairvoyant": Clairvoyant(game),
    }


def worlds_of(ids: list[int]) -> ResponseWorlds:
    worlds = ResponseWorlds(short_game(), ids, stream=STREAM_EVALUATION)
    worlds.reset()
    return worlds


def decisions(policy: Defender, ids: list[int]) -> np.ndarray:
    """int32[STEPS, B]; `step` would raise on an illegal one."""
    worlds, made = worlds_of(ids), []
    for _ in range(STEPS):
        made.append(policy(worlds))
        worlds.step(made[-1])
    return np.array(made)


@pytest.mark.parametrize("name", policies())
def test_decisions_are_legal_and_do_not_depend_on_the_batch(name: str) -> None:
    """World 5 is answered alike among twelve and alone; all but waiting do something."""
    policy = policies()[name]
    many = decisions(policy, IDS)
    assert (many[:, 5] == decisions(policy, [5])[:, 0]).all()
    assert many.any() == (name != "nothing")


@pytest.mark.parametrize("name", [name for name in policies() if name != "clairvoyant"])
def test_only_the_clairvoyant_sees_the_truth(name: str) -> None:
    """With the hidden truth wiped out under it, any other policy decides the same."""
    policy, worlds = policies()[name], worlds_of(IDS)
    for _ in range(STEPS // 2):
        worlds.step(np.zeros(len(IDS), np.int32))
    seeing = policy(worlds)
    for hidden in ("user", "admin", "persist"):
        worlds.worlds.state.asset[hidden] = 0
    worlds.worlds.state.world["held_n"] = 0
    assert (policy(worlds) == seeing).all()


def test_the_clairvoyant_acts_on_the_truth() -> None:
    """It acts where something is held and waits where nothing is."""
    policy, worlds = policies()["clairvoyant"], worlds_of(IDS)
    assert not policy(worlds).any()
    for _ in range(STEPS // 2):
        worlds.step(np.zeros(len(IDS), np.int32))
    assert policy(worlds).any()


def test_isolate_on_finding_isolates_what_a_finding_named() -> None:
    """Its target has a finding of the last step, and its playbook isolates."""
    game, worlds = short_game(), worlds_of(IDS)
    policy, seen = IsolateOnFinding(game), 0
    for _ in range(STEPS):
        actions = policy(worlds)
        for world in np.flatnonzero(actions):
            playbook, target = decode(int(actions[world]), game.compiled.targets) or (-1, -1)
            assert game.library.names[playbook] == "isolate-asset"
            assert worlds.last_finding()[world, target] >= 0
            seen += 1
        worlds.step(actions)
    assert seen


def test_the_threshold_acts_only_where_belief_is_strong() -> None:
    """Its target is the one that belief names, at the level or above; a level above 1 never acts."""
    game, worlds = short_game(), worlds_of(IDS)
    for _ in range(STEPS):
        held, actions = worlds.held(), Threshold(game, LEVEL)(worlds)
        for world in np.flatnonzero(actions):
            _, target = decode(int(actions[world]), game.compiled.targets) or (-1, -1)
            assert held[world, target] >= LEVEL
        assert not Threshold(game, 1.1)(worlds).any()
        worlds.step(actions)


def test_the_book_answers_findings_of_the_last_step_with_the_playbook_of_their_class() -> None:
    """Whatever it proposes is the book's answer to some finding of enough confidence since the last decision."""
    game, worlds = short_game(), worlds_of(IDS)
    policy, seen = ByTheBook(game), 0
    for _ in range(STEPS):
        actions = policy(worlds)
        for world in np.flatnonzero(actions):
            playbook, _ = decode(int(actions[world]), game.compiled.targets) or (-1, -1)
            evidence = worlds.belief.evidence[world]
            fresh = (evidence["last"] >= worlds.worlds.state.world["tick"][world] - 2) & (evidence["confidence"] >= 1)
            assert game.library.names[playbook] in {BOOK[StepClass(int(one))] for one in evidence["step_class"][fresh]}
            seen += 1
        worlds.step(actions)
    assert seen


def test_the_book_has_an_answer_to_every_class_and_every_answer_is_in_the_library() -> None:
    """No technique class is passed over for want of a line."""
    assert set(BOOK) == set(StepClass)
    assert set(BOOK.values()) <= set(short_game().library.names)
