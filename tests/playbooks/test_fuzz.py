"""The parser and the linter under random inputs; `TOCSIN_FUZZ_INPUTS` sets how many (20,000 by default)."""

from __future__ import annotations

import json
import os
import random
import time

from tocsin.playbooks.cacao import PlaybookError, read_playbook
from tocsin.playbooks.lint import lint_contents
from tocsin.playbooks.lint_rules import RULES
from tocsin.tests.playbooks.full import IDENTITY, STAMP, Object, uid

INPUTS = int(os.environ.get("TOCSIN_FUZZ_INPUTS", "20000"))
LINTED = INPUTS // 20  # a lint takes some twenty times as long as a reading
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
    for _ in range(LINTED):
        try:
            content = json.loads(_spoilt(plain, chance))
        except ValueError:
            continue
        if isinstance(content, dict):
            linted += 1
            assert all(one.rule in RULES for one in lint_contents([content])[0])
    assert linted > LINTED // 100
