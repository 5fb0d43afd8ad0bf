"""What must hold of the parser and the linter whatever bytes they are given.

Flows in: bytes. Flows out: what came of them, or an `AssertionError` that says which law is broken; any other exception
is a crash of ours.
"""

from __future__ import annotations

import json
from typing import Literal

from tocsin.playbooks.cacao import PlaybookError, as_json, read_json, read_playbook
from tocsin.playbooks.lint import MAX_FINDINGS, lint_contents
from tocsin.playbooks.lint_rules import RULES

PLACE = "f.json"
SLOW_S = 2.0  # seconds of processor for one input of some kilobytes; the slowest seen took a thirtieth of it
Came = Literal["no JSON", "no object", "refused", "read"]


def judge(data: bytes) -> Came:
    """Read and lint.

    - Bytes are a playbook, or refused by one line that begins with the file's name.
    - What is read is written again as it was.
    - Whatever is a JSON object gets findings of known rules that can be printed; where CACAO's shape was refused, an
      error is among them.
    """
    playbook, refusal = None, ""
    try:
        playbook = read_playbook(data, PLACE)
    except PlaybookError as error:
        refusal = str(error)
        assert refusal.startswith(f"{PLACE}:") and refusal.isprintable(), refusal
    if playbook is not None:
        written = json.dumps(as_json(playbook), sort_keys=True)  # as strict as the canonical form, and cheap
        assert written == json.dumps(playbook.raw, sort_keys=True), "the model loses something"
    try:
        content = read_json(data, PLACE)
    except PlaybookError:
        assert playbook is None
        return "no JSON"
    if not isinstance(content, dict):
        assert playbook is None
        return "no object"
    found = lint_contents([content])[0]
    assert len(found) <= MAX_FINDINGS + 1
    for one in found:
        assert one.severity == RULES[one.rule].severity and one.path.startswith("$")
        assert str(one).isprintable(), str(one)
    if playbook is not None:
        return "read"
    assert any(one.severity == "error" for one in found) or "canonical form" in refusal, "no error is found"
    return "refused"
