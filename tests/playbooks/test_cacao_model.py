"""The model: every object of the standard is typed, nothing is lost on the way through, and no input breaks it."""

from __future__ import annotations

import json
import random
from typing import Any, get_args

import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tocsin.playbooks.cacao import PlaybookError, as_json, read_playbook
from tocsin.playbooks.cacao_commands import OtherCommand
from tocsin.playbooks.cacao_parties import OtherParty
from tocsin.playbooks.cacao_words import AuthenticationType, CommandType, PartyType, StepType, VariableType
from tocsin.playbooks.lint import lint_contents
from tocsin.tests.playbooks.full import LAYOUT, Object, full, ref, step
from tocsin.tests.playbooks.grown import playbooks
from tocsin.tests.playbooks.makers import LIBRARY, read, test_data

JUNK: list[Any] = [None, True, -1, 10**9, 1.5, "", "x", "__x__:value", [], [[]], {}, {"type": "x"}, {"a": {"b": [1]}}]


def test_every_type_of_the_standard_stands_in_the_full_playbook_as_its_own_class() -> None:
    """8 steps, 12 commands, 10 agents and targets, 3 authentications, 3 markings, 15 types of variables."""
    playbook = read(full())
    steps = playbook.workflow.values()
    assert {one.type for one in steps} == set(get_args(StepType))
    commands = [command for one in steps if one.type == "action" for command in one.commands]
    assert len({type(command) for command in commands}) == 12
    assert {command.type for command in commands} == set(get_args(CommandType))
    parties = [*playbook.agent_definitions.values(), *playbook.target_definitions.values()]
    assert {party.type for party in parties} == set(get_args(PartyType))
    assert {one.type for one in playbook.authentication_info_definitions.values()} == set(get_args(AuthenticationType))
    assert len({type(one) for one in playbook.data_marking_definitions.values()}) == 3
    assert playbook.signatures[0].signature is not None
    assert len(get_args(VariableType)) == 15
    every = [*steps, *commands, *parties, *playbook.data_marking_definitions.values()]
    assert [one for one in every if one.model_extra] == []


def test_the_full_playbook_comes_back_byte_by_byte() -> None:
    """Out of the typed objects alone, the layout and unknown extensions among them."""
    playbook = read(full())
    assert rfc8785.dumps(as_json(playbook)) == rfc8785.dumps(full())
    assert LAYOUT in step(as_json(playbook), "cut")["step_extensions"]


def test_types_and_properties_of_others_are_kept() -> None:
    """Open vocabularies may be exceeded: such objects are kept whole, and never run."""
    changed = full()
    step(changed, "reset")["commands"] = [{"type": "pong", "force": 5}]
    changed["agent_definitions"][ref("box")] = {"type": "soarca", "name": "x", "own": {"a": None}}
    changed["banana"] = [1.5]
    playbook = read(changed)
    reset = playbook.workflow[ref("reset")]
    assert reset.type == "action"
    assert isinstance(reset.commands[0], OtherCommand)
    assert isinstance(playbook.agent_definitions[ref("box")], OtherParty)
    assert as_json(playbook) == changed


def test_files_of_others_come_back_byte_by_byte() -> None:
    """The library, the examples of the standard, and a peer's files that have CACAO's shape."""
    data = test_data("cacao-v2")
    kept = 0
    for path in [*LIBRARY.glob("*-*.json"), *data.glob("examples-oasis-tcs/*.json"), *data.glob("soarca/*/*.json")]:
        try:
            playbook = read_playbook(path.read_bytes(), path.name)
        except PlaybookError:
            continue  # no playbook, or one that is told by the linter
        assert rfc8785.dumps(as_json(playbook)) == rfc8785.dumps(playbook.raw), path
        kept += 1
    assert kept >= 17


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(playbooks())
def test_every_grown_playbook_comes_back_and_has_no_error(content: Object) -> None:
    """What is valid by construction is read, comes back byte by byte, and is nowhere called an error."""
    playbook = read(content)
    assert rfc8785.dumps(as_json(playbook)) == rfc8785.dumps(content)
    assert [str(one) for one in lint_contents([content])[0] if one.severity == "error"] == []


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(value, key) for key, _ in items] + [place for _, one in items for place in _places(one)]


@settings(max_examples=120, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_playbook_spoilt_anywhere_is_linted_and_read_or_refused(chance: random.Random) -> None:
    """Properties taken away, exchanged or filled with junk: findings or a refusal, never another exception."""
    content = full()
    for _ in range(chance.randint(1, 6)):
        container, key = chance.choice(_places(content))
        if chance.random() < 0.4:
            del container[key]
        else:
            container[key] = chance.choice(JUNK)
    found = lint_contents([content])[0]
    assert all(one.message and one.mend and one.path.startswith("$") for one in found)
    try:
        read_playbook(json.dumps(content).encode(), "spoilt.json")
    except PlaybookError as error:
        assert str(error).startswith("spoilt.json: ")
        assert [one for one in found if one.severity == "error"]
