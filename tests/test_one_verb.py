"""The thread to follow: `isolate` from the word to the command that an actuator carries out.

One verb is a word of the vocabulary, an effect of the rulebook, a playbook of the library, an action of the learner and
an order to a real system. Whoever adds a verb walks the same way.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from tocsin.orchestrator.actuators.base import Order
from tocsin.orchestrator.actuators.openc2_http import Endpoint, OpenC2Http
from tocsin.orchestrator.plant.openc2 import read_command
from tocsin.playbooks.actions import Library, decode, encode, load_library
from tocsin.playbooks.effects import declaration_of
from tocsin.playbooks.execute import Answered, Command, Phase, Program, advance, begin, undo_commands
from tocsin.tests.orchestrator.openc2_consumer import Consumer, running
from tocsin.tests.twin.random_twins import one_thread, random_game  # noqa: F401  (a fixture of the module)
from tocsin.twin.rulebook.mask import is_legal
from tocsin.twin.rulebook.rules import is_blocked
from tocsin.twin.rulebook.worlds import STREAM_ENVIRONMENT, Worlds
from tocsin.twin.vocabulary import AssetKind, ConsentMode, Mode, TargetType

VERB, PLAYBOOK, UNDONE_BY, HOST = "isolated", "isolate-asset", "release-asset", "o0/host/h"
RESPONSE = "response--1"


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library()


def worlds_of(library: Library) -> Worlds:
    """A quiet world played with the shipped library, whose owners consent at once."""
    game = random_game(11, attackers=1)
    consent, attacker = game.parameters.consent.copy(), game.parameters.attacker.copy()
    consent["mode"], attacker["absent"] = ConsentMode.AT_ONCE, 1.0
    effects = library.effect_table()
    effects.playbook["success"] = 1.0
    return Worlds.make(
        game.compiled,
        effects,
        game.parameters._replace(consent=consent, attacker=attacker),
        world_ids=[0],
        stream=STREAM_ENVIRONMENT,
    )


def order_of(library: Library, *, undo: bool = False) -> Order:
    """The order that the playbook gives for one host, or the one that takes it back."""
    playbook = library.playbooks[library.index_of(PLAYBOOK)]
    variables = {"__target__": HOST, "__response__": RESPONSE, "__actuator__": "urn:tocsin:actuator:o0"}
    program = Program(playbook)
    begun = begin(program, variables, 0)
    due = begun.orders[0]
    if undo:
        done = advance(program, begun.state, Answered(1, begun.orders[0].key, True))  # type: ignore[union-attr]
        assert done.state.phase is Phase.SUCCEEDED
        [due] = undo_commands(program, done.state)
    assert isinstance(due, Command)
    return Order(f"{RESPONSE}/{'undo' if undo else 'do'}/{due.step}/1", "o0", due.command)


def test_it_is_a_word_of_the_vocabulary() -> None:
    """A mode that assets can be in, written the same in files."""
    assert Mode.parse(VERB) is Mode.ISOLATED and Mode.ISOLATED.word == VERB


def test_it_is_an_effect_that_a_playbook_declares(library: Library) -> None:
    """The library's playbook says in its extension that it sets the mode; the effect table says the same in numbers."""
    index = library.index_of(PLAYBOOK)
    assert declaration_of(library.playbooks[index])["verbs"]["set_mode"] == VERB
    effect, row = library.effects[index], library.effect_table().playbook[index]
    assert effect.mode is Mode.ISOLATED and effect.target_type is TargetType.ASSET and effect.undoable
    assert row.mode == Mode.ISOLATED and row.applies >> AssetKind.HOST & 1
    assert library.effects[library.index_of(UNDONE_BY)].clear_mode is Mode.ISOLATED


def test_it_is_an_action_of_the_learner(library: Library) -> None:
    """Numbered by the place in the library and the target; the mask allows it, and the rulebook takes it."""
    worlds = worlds_of(library)
    compiled, arrays = worlds.compiled, worlds.compiled.arrays
    targets, host = compiled.targets, compiled.target_number[HOST]
    isolate = encode(library.index_of(PLAYBOOK), host, targets)
    release = encode(library.index_of(UNDONE_BY), host, targets)
    assert decode(isolate, targets) == (library.index_of(PLAYBOOK), host)

    def legal(action: int) -> bool:
        one = bool(is_legal(0, action, arrays, worlds.effects, worlds.state))
        assert one == worlds.masks()[0, action]
        return one

    def isolated() -> bool:
        return bool(is_blocked(int(worlds.state.asset[0]["modes"][host])))

    assert legal(isolate) and not legal(release) and not isolated()
    worlds.tick(np.array([[isolate]], np.int32))
    worlds.roll(3)
    assert isolated() and legal(release) and not legal(isolate)
    worlds.tick(np.array([[release]], np.int32))
    worlds.roll(3)
    assert not isolated() and legal(isolate)


def test_it_is_a_command_that_an_actuator_carries_out(library: Library) -> None:
    """The playbook's order and its undo reach an OpenC2 consumer over HTTP, each once."""
    with running(Consumer(understood=frozenset({"contain", "allow"}))) as consumer:
        actuator = OpenC2Http({"o0": Endpoint(consumer.url, consumer.token)})
        for order in (order_of(library), order_of(library, undo=True)):
            assert actuator.carry_out(order).status == actuator.carry_out(order).status == 200
    assert [command["action"] for command in consumer.done] == ["contain", "allow"]
    assert {command["target"]["x-tocsin:asset"] for command in consumer.done} == {HOST}


def test_it_is_what_the_plant_understands(library: Library) -> None:
    """The simulated plant reads playbook, target, response and undo out of the same commands."""
    playbook = library.playbooks[library.index_of(PLAYBOOK)].id
    for undo in (False, True):
        order = order_of(library, undo=undo)
        message = {"headers": {"request_id": order.key}, "body": {"openc2": {"request": dict(order.command)}}}
        command = read_command(json.dumps(message).encode())
        assert (command.playbook, command.target, command.response) == (playbook, HOST, RESPONSE)
        assert command.undo is undo
