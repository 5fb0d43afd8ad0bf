"""Parser, linter, interpreter under random inputs; `TOCSIN_FUZZ_INPUTS` sets how many (20,000 by default)."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter

from tocsin.playbooks.cacao import PlaybookError, Variable, read_playbook
from tocsin.playbooks.conditions import ConditionFault, parse_condition
from tocsin.playbooks.execute import (
    Answered,
    Bounds,
    Command,
    Program,
    StepFault,
    Time,
    advance,
    begin,
    has_ended,
)
from tocsin.playbooks.executor.evaluating import is_true
from tocsin.playbooks.executor.values import Scope
from tocsin.playbooks.lint import lint_contents
from tocsin.playbooks.lint_rules import RULES
from tocsin.tests.playbooks.full import IDENTITY, STAMP, Object, b64, uid

INPUTS = int(os.environ.get("TOCSIN_FUZZ_INPUTS", "20000"))
START, ACTION, END, TEAM = (f"{kind}--{uid(number)}" for number, kind in enumerate(("start", "action", "end", "group")))
SMALL: Object = {
    "type": "playbook", "spec_version": "cacao-2.0", "id": f"playbook--{uid(9)}", "name": "n", "created_by": IDENTITY,
    "created": STAMP, "modified": STAMP, "workflow_start": START, "priority": 1,
    "workflow": {
        START: {"type": "start", "on_completion": ACTION},
        ACTION: {"type": "action", "agent": TEAM, "on_completion": END,
                 "commands": [{"type": "manual", "command": "x"}]},
        END: {"type": "end"},
    },
    "agent_definitions": {TEAM: {"type": "group", "name": "t"}},
}  # fmt: skip
AGENT, SECOND, BRANCH = f"http-api--{uid(7)}", f"if-condition--{uid(8)}", f"end--{uid(10)}"
COMMAND: Object = {
    "type": "openc2-http",
    "command": "POST /openc2 HTTP/1.1",
    "content_b64": b64({"action": "deny", "target": {"x": "__target__:value"}}),
}
RUNNABLE: Object = {
    **SMALL, "workflow": {
        START: {"type": "start", "on_completion": ACTION},
        ACTION: {"type": "action", "agent": AGENT, "commands": [COMMAND], "on_success": SECOND, "timeout": 5000},
        SECOND: {"type": "if-condition", "condition": "__n__:value = 1", "on_true": BRANCH, "on_completion": END},
        BRANCH: {"type": "end"}, END: {"type": "end"},
    },
    "playbook_variables": {
        "__target__": {"type": "string", "external": True}, "__n__": {"type": "integer", "value": "1"},
    },
    "agent_definitions": {AGENT: {"type": "http-api", "name": "a", "address": {"url": ["https://a.example"]}}},
}  # fmt: skip
SMALL_BOUNDS = Bounds(steps=200, frames=12)
DECLARED = {"__n__": "integer", "__s__": "string", "__a__": "ipv4-addr", "__no__": "string"}
SCOPE = Scope(
    read_playbook(json.dumps(SMALL).encode(), "f"), {}, {"__n__": "5", "__s__": "abc", "__a__": "10.0.0.1"},
    {name: Variable(type=kind) for name, kind in DECLARED.items()},
)  # fmt: skip
WORDS = [b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b"null", b"1e999", b"-0", b"9" * 30, b"\\ud800", b"\xff",
         b"\x00", b"NaN", b'"type"', b"--", b"__x__:value", b"true"]  # fmt: skip


def _spoilt(data: bytes, chance: random.Random) -> bytes:
    """Some bytes cut out, doubled, exchanged or put in."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        length = chance.choice((0, 1, 2, 8, 40))
        put = chance.choice((b"", chance.choice(WORDS), bytes([chance.randrange(256)]), data[at : at + 2 * length]))
        data = data[:at] + put + data[at + length :]
    return data


def test_random_inputs_are_read_or_refused_by_name() -> None:
    """Nothing but a playbook or a PlaybookError comes of any bytes, and both do come."""
    chance = random.Random(1)
    plain = json.dumps(SMALL).encode()
    read = 0
    slowest = 0.0
    for number in range(INPUTS):
        data = _spoilt(plain, chance)
        began = time.process_time()
        try:
            read_playbook(data, "f")
            read += 1
        except PlaybookError as error:
            assert str(error).startswith("f:"), (number, data)
        slowest = max(slowest, time.process_time() - began)
    assert INPUTS // 1000 < read < INPUTS
    assert slowest < 1.0


def test_random_objects_are_linted() -> None:
    """Whatever still is JSON gets findings of known rules, never another exception."""
    chance = random.Random(2)
    plain = json.dumps(SMALL).encode()
    linted = 0
    for _ in range(INPUTS):
        try:
            content = json.loads(_spoilt(plain, chance))
        except ValueError:
            continue
        if isinstance(content, dict):
            linted += 1
            assert all(one.rule in RULES for one in lint_contents([content])[0])
    assert linted > INPUTS // 100


def test_random_objects_are_run() -> None:
    """What is read runs to its end when every command succeeds, or is refused by name: nothing else comes of it."""
    chance = random.Random(3)
    plain = json.dumps(RUNNABLE).encode()
    ended: Counter[str] = Counter()
    for number in range(INPUTS):
        data = _spoilt(plain, chance)
        try:
            program = Program(read_playbook(data, "f"), bounds=SMALL_BOUNDS)
            at = begin(program, {"__target__": "t"}, 0)
            while not has_ended(at.state):
                first = at.orders[0]
                is_command = isinstance(first, Command)
                event = Answered(at.state.now, first.key, True) if is_command else Time(first.until)
                at = advance(program, at.state, event)
            ended[at.state.phase.value] += 1
        except PlaybookError as error:
            ended["refused"] += 1
            assert str(error), (number, data)
    assert ended["succeeded"] > INPUTS // 1000 and ended["refused"] > INPUTS // 2


def test_random_conditions_are_evaluated() -> None:
    """Any words in any order are a truth, no condition, or a fault of their step."""
    chance = random.Random(4)
    came: Counter[str] = Counter()
    for _ in range(INPUTS):
        text = " ".join(chance.choice(CONDITION_WORDS) for _ in range(chance.randint(1, 7)))
        if chance.random() < 0.5:
            three = [
                chance.choice(part) for part in (OPERANDS, ("=", "<", "IN", "LIKE", "MATCHES", "ISSUBSET"), OPERANDS)
            ]
            text = " ".join(three)
        try:
            came[str(is_true(parse_condition(text), SCOPE))] += 1
        except (ConditionFault, StepFault) as error:
            came[type(error).__name__] += 1
    assert set(came) == {"True", "False", "ConditionFault", "StepFault"}


OPERANDS = ("__n__:value", "__s__:value", "__a__:value", "__no__:value", "'a%'", "'('", "5", "-1.5", "true", "h'ff'",
            "t'2026'", "('a', '1')", "'10.0.0.0/8'", "''")  # fmt: skip
OPERATORS = ("=", "<", "IN", "LIKE", "MATCHES", "ISSUBSET")
CONDITION_WORDS = (*OPERANDS, "AND", "OR", "NOT", "(", ")", "EXISTS", "=", "!=", "IN", ",", "[", "]", "LIKE", "x", "'")
