"""Scripted defenders: what each does, in Mesa and in batches alike."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from tocsin.agents.defender import (
    BookDefender,
    ClairvoyantDefender,
    DefenderAgent,
    IsolateOnFinding,
    RandomDefender,
    ThresholdDefender,
)
from tocsin.agents.model import ChainModel
from tocsin.tests.twin.random_twins import (
    BLOCK,
    EXAMPLES,
    ISOLATE,
    RELEASE,
    RESTORE,
    REVOKE,
    RandomGame,
    one_thread,  # noqa: F401  (a fixture of the module)
    random_game,
)
from tocsin.twin.rulebook.defenders import (
    WAITS,
    decide_book,
    decide_books,
    decide_clairvoyants,
    decide_isolates_on_finding,
    decide_nothing,
    decide_randoms,
    decide_thresholds,
    service_at_stake,
)
from tocsin.twin.rulebook.worlds import STREAM_ENVIRONMENT, Worlds
from tocsin.twin.sensing.evidence import EVIDENCE, NO_FINDING, told_in_last_tick
from tocsin.twin.vocabulary import Confidence, ConsentMode, StepClass

IDS = [3, 4, 5]
BOOK = dict.fromkeys(StepClass, RESTORE) | {StepClass.VALID_ACCOUNT: REVOKE, StepClass.TRUST: BLOCK}


@pytest.fixture(scope="module")
def game() -> RandomGame:
    """A game in which things happen."""
    return random_game(7, attackers=1)


def truth(worlds: Worlds) -> np.ndarray:
    """float32[B, N]: 1 where an asset is held."""
    asset = worlds.state.asset
    return ((asset["user"] | asset["admin"]) != 0).astype(np.float32)


def batch_rule(name: str, game: RandomGame, worlds: Worlds, actions: np.ndarray) -> None:
    t, e, s = game.compiled.arrays, game.effects, worlds.state
    if name == "random":
        decide_randoms(worlds.legal, t, e, s, actions)
    elif name == "isolate":
        decide_isolates_on_finding(ISOLATE, t, e, game.parameters, s, actions)
    elif name == "book":
        seen = np.stack([told_in_last_tick(b, 0, game.compiled, game.parameters, s) for b in range(worlds.count)])
        decide_books(seen.view(np.recarray), 1, book_row(), int(Confidence.MEDIUM), t, e, s, actions)
    elif name in ("threshold", "cut off"):
        playbook = RESTORE if name == "threshold" else ISOLATE
        decide_thresholds(truth(worlds), 0.5, playbook, REVOKE, t, e, s, actions)
    else:
        playbooks = np.array([RESTORE, REVOKE, ISOLATE, RELEASE], np.int32)
        decide_clairvoyants(playbooks, service_at_stake(t), t, e, game.parameters, s, actions)


def book_row() -> np.ndarray:
    """int32[StepClass] of `BOOK`."""
    return np.array([BOOK[one] for one in StepClass], np.int32)


AGENTS = {
    "random": RandomDefender,
    "isolate": partial(IsolateOnFinding, isolate=ISOLATE),
    "threshold": partial(
        ThresholdDefender, belief=lambda model: truth(model.worlds)[0], threshold=0.5, restore=RESTORE, revoke=REVOKE
    ),
    "book": partial(BookDefender, book=BOOK, least=Confidence.MEDIUM),
    "cut off": partial(
        ThresholdDefender, belief=lambda model: truth(model.worlds)[0], threshold=0.5, restore=ISOLATE, revoke=REVOKE
    ),
    "clairvoyant": partial(ClairvoyantDefender, restore=RESTORE, revoke=REVOKE, isolate=ISOLATE, release=RELEASE),
}


@pytest.mark.parametrize("name", AGENTS)
def test_agent_and_batch_decide_alike_and_legally(name: str, game: RandomGame) -> None:
    """Played in a batch and by an agent the defender proposes the same, and only what is legal."""
    worlds, actions = game.worlds(IDS), np.zeros(len(IDS), np.int32)
    model = ChainModel(
        game.compiled,
        game.effects,
        game.parameters,
        world_id=IDS[1],
        stream=STREAM_ENVIRONMENT,
        defenders=[AGENTS[name]],  # type: ignore[list-item]
    )
    proposed = 0
    for _ in range(60):
        batch_rule(name, game, worlds, actions)
        assert worlds.masks()[np.arange(len(IDS)), actions].all()
        worlds.tick(actions[:, None])
        model.step()
        assert model.defenders[0].decision == actions[1] and model.trace == worlds.trace(1)
        proposed += int((actions != 0).sum())
    assert proposed > 0


def test_doing_nothing_waits(game: RandomGame) -> None:
    """It never proposes."""
    worlds = game.worlds(IDS)
    assert decide_nothing(0, game.compiled.arrays, game.effects, worlds.state) == 0
    assert DefenderAgent(ChainModel(game.compiled, game.effects, game.parameters)).choose() == 0


def test_random_waits_as_often_as_it_says(game: RandomGame) -> None:
    """The share of waits over many worlds is near `WAITS`."""
    worlds = game.worlds(list(range(200)))
    actions, waits = np.zeros(200, np.int32), 0.0
    for _ in range(5):
        batch_rule("random", game, worlds, actions)
        waits += float((actions == 0).mean()) / 5
        worlds.roll(1)
    assert abs(waits - WAITS) < 0.04  # 1,000 draws: four standard errors


def test_isolation_follows_a_finding(game: RandomGame) -> None:
    """It acts only in ticks with a finding, on an asset that a finding names."""
    worlds, actions, acted = game.worlds(IDS), np.zeros(len(IDS), np.int32), 0
    for _ in range(40):
        batch_rule("isolate", game, worlds, actions)
        for b, action in enumerate(actions):
            named = worlds.state.finding[b, : worlds.state.world["finding_n"][b], 0]
            assert action == 0 or (action - 1) % game.compiled.targets in named
        acted += int((actions != 0).sum())
        worlds.tick(actions[:, None])
    assert acted > 0


def test_threshold_acts_on_the_strongest_belief_above_it(game: RandomGame) -> None:
    """Of two hosts the more believed is restored; below the threshold it waits; identities are revoked."""
    worlds, actions = game.worlds([0]), np.zeros(1, np.int32)
    t, e, number = game.compiled.arrays, game.effects, game.compiled.asset_number
    belief = np.zeros((1, len(number)), np.float32)
    belief[0, number["o0/host/h"]], belief[0, number["o1/host/h"]] = 0.6, 0.7

    def chosen(threshold: float) -> int:
        decide_thresholds(belief, threshold, RESTORE, REVOKE, t, e, worlds.state, actions)
        return int(actions[0])

    assert chosen(0.8) == 0
    assert chosen(0.5) == game.action(RESTORE, number["o1/host/h"])
    belief[0, number["o1/identity/user"]] = 0.9
    assert chosen(0.5) == game.action(REVOKE, number["o1/identity/user"])


def test_what_is_at_stake_is_what_isolation_costs() -> None:
    """Nano loss per tick of a host equals the service lost while it alone is isolated, dependents included."""
    game = random_game(7, attackers=1)
    game.parameters.consent["mode"], game.parameters.attacker["absent"] = ConsentMode.AT_ONCE, 1.0
    game.effects.playbook["success"], game.effects.playbook["hold"] = 1.0, 0
    stake, lost = service_at_stake(game.compiled.arrays), []
    hosts = [number for asset, number in game.compiled.asset_number.items() if asset.endswith("/host/h")]
    for host in hosts:
        worlds = game.worlds([0])
        worlds.tick(np.array([[game.action(ISOLATE, host)]], np.int32))
        worlds.roll(6)
        lost.append(int(worlds.state.rate["service"].sum()))
    assert stake[hosts].tolist() == lost and max(lost) > 0


def test_the_clairvoyant_loses_less_than_doing_nothing(game: RandomGame) -> None:
    """Seeing the truth is worth something: mean loss over some worlds."""
    losses, count = [], 3 * EXAMPLES
    for name in ("clairvoyant", None):
        worlds, actions = game.worlds(list(range(count))), np.zeros(count, np.int32)
        for _ in range(60):
            if name:
                batch_rule(name, game, worlds, actions)
            worlds.tick(actions[:, None])
            actions[:] = 0
        losses.append(worlds.losses().sum(axis=(1, 2)).mean())
    assert losses[0] < losses[1]


def test_the_book_answers_by_class_and_passes_low_confidence_over(game: RandomGame) -> None:
    """The playbook of the finding's class, the earliest finding first; nothing below its confidence or of before."""
    worlds, number = game.worlds([0]), game.compiled.asset_number
    evidence = np.zeros(len(number), EVIDENCE).view(np.recarray)
    evidence["last"] = NO_FINDING
    one, other = number["o0/host/h"], number["o1/host/h"]

    def chosen(since: int = 0, book: np.ndarray | None = None) -> int:
        row = book_row() if book is None else book
        arrays = game.compiled.arrays
        return int(decide_book(0, evidence, since, row, int(Confidence.MEDIUM), arrays, game.effects, worlds.state))

    def found(asset: int, tick: int, step_class: StepClass, confidence: Confidence) -> None:
        evidence[asset] = (1.0, tick, 1, confidence + 1, 1, step_class, confidence)

    assert chosen() == 0
    found(one, 5, StepClass.EXPLOIT, Confidence.MEDIUM)
    found(other, 4, StepClass.EXPLOIT, Confidence.LOW)
    assert chosen() == game.action(RESTORE, one)
    found(other, 4, StepClass.EXPLOIT, Confidence.HIGH)
    assert chosen() == game.action(RESTORE, other) and chosen(since=5) == game.action(RESTORE, one)
    assert chosen(since=6) == 0 and chosen(book=np.full(len(StepClass), -1, np.int32)) == 0


def test_the_book_goes_from_the_asset_to_what_the_class_is_about(game: RandomGame) -> None:
    """Secrets read on a machine: an identity whose secret lies there is revoked, as the machine itself cannot be."""
    worlds, arrays = game.worlds([0]), game.compiled.arrays
    dumping = [step for step in game.compiled.steps if step.step_class is StepClass.CREDENTIAL_ACCESS]
    machine = game.compiled.asset_number[dumping[0].source]
    evidence = np.zeros(len(arrays.asset), EVIDENCE).view(np.recarray)
    evidence["last"] = NO_FINDING
    evidence[machine] = (1.0, 0, 1, 3, 1, StepClass.CREDENTIAL_ACCESS, Confidence.HIGH)
    book = np.full(len(StepClass), REVOKE, np.int32)
    action = int(decide_book(0, evidence, 0, book, 0, arrays, game.effects, worlds.state))
    secrets = {game.action(REVOKE, game.compiled.asset_number[step.target]) for step in dumping}
    assert action in secrets
