"""Parser, linter, interpreter under random inputs; `TOCSIN_FUZZ_INPUTS` sets how many (20,000 by default)."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter

import pytest
from tocsin.playbooks.cacao import PlaybookError, Variable, read_playbook
from tocsin.playbooks.cacao_reading import LONGEST_LINE
from tocsin.playbooks.conditions import ConditionFault, parse_condition
from tocsin.playbooks.effects import EXTENSION_ID
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
from tocsin.tests.playbooks.full import IDENTITY, STAMP, Object, b64, uid
from tocsin.tests.playbooks.judging import SLOW_S, judge
from tocsin.tests.playbooks.spoiling import LIBRARY, small_seeds, spoilt, spoilt_bytes

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
DECLARATION: Object = json.loads((LIBRARY / "isolate-asset.json").read_text())["playbook_extensions"][EXTENSION_ID]
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


def test_random_playbooks_keep_the_laws() -> None:
    """Real playbooks spoilt by bytes and as JSON: read or refused by name, then linted; of each kind many."""
    chance = random.Random(1)
    came: Counter[str] = Counter()
    slowest = 0.0
    for _ in range(INPUTS):
        data = spoilt(chance.choice(small_seeds()), chance)
        if chance.random() < 0.3:
            data = spoilt(data, chance)
        began = time.process_time()
        came[judge(data)] += 1
        slowest = max(slowest, time.process_time() - began)
    assert min(came[one] for one in ("no JSON", "refused", "read")) > INPUTS // 20, came
    assert slowest < SLOW_S


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"playbook_extensions": {EXTENSION_ID: {**DECLARATION, "work_s": 9e15}}}, "effect-form"),
        ({"playbook_extensions": {EXTENSION_ID: {**DECLARATION, "hold_s": 1e300}}}, "effect-form"),
        ({"playbook_extensions": {EXTENSION_ID: {**DECLARATION, "labour_h": 1e300}}}, "effect-form"),
        ({"external_references": [{"name": "\ud800", "source": "x"}]}, "effect-missing"),
        ({"workflow": {**SMALL["workflow"], ACTION: {"type": "error $.x: forged\nerror"}}}, "type-known"),
        ({"agent_definitions": {TEAM: {"type": "forged\n\u001b[31m", "name": "t"}}}, "id-kind"),
    ],
)
def test_what_fuzzing_found_stays_mended(change: Object, rule: str) -> None:
    """Numbers beyond the twin's, text without UTF-8, words that forge a line or steer a terminal."""
    data = json.dumps({**SMALL, **change}).encode()
    judge(data)
    assert rule in {one.rule for one in lint_contents([json.loads(data)])[0]}


def test_a_refusal_repeats_little_of_a_hostile_file() -> None:
    """A word of a megabyte does not fill the log; the mend is still told."""
    hostile = {**SMALL, "workflow": {ACTION: {"type": "x" * 1_000_000}}}
    with pytest.raises(PlaybookError, match="mend it as CACAO v2.0 asks") as refused:
        read_playbook(json.dumps(hostile).encode(), "f")
    assert len(str(refused.value)) <= LONGEST_LINE


def test_random_objects_are_run() -> None:
    """What is read runs to its end when every command succeeds, or is refused by name: nothing else comes of it."""
    chance = random.Random(3)
    plain = json.dumps(RUNNABLE).encode()
    ended: Counter[str] = Counter()
    for number in range(INPUTS):
        data = spoilt_bytes(plain, chance)
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
            "t'2026-01-01T00:00:00Z'", "('a', '1')", "'10.0.0.0/8'", "''")  # fmt: skip
OPERATORS = ("=", "<", "IN", "LIKE", "MATCHES", "ISSUBSET")
CONDITION_WORDS = (*OPERANDS, "AND", "OR", "NOT", "(", ")", "EXISTS", "=", "!=", "IN", ",", "[", "]", "LIKE", "x", "'")
