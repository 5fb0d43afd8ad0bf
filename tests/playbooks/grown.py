"""Playbooks grown at random, valid by construction: for laws about all playbooks."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from tocsin.tests.playbooks.full import FOREIGN, IDENTITY, STAMP, Object, b64, uid

SIGNS = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="_")
TEXT = st.text(SIGNS, min_size=1, max_size=12)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), st.floats(-1e9, 1e9), TEXT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
WORDS = st.text("abcxyz019_", min_size=3, max_size=9)
AGENT = f"group--{uid(1)}"
BLOCKS = ("action", "action", "manual", "called", "parallel", "if", "while", "switch")


@st.composite
def playbooks(draw: st.DrawFn) -> Object:
    """A playbook of up to some dozens of steps, with every kind of step and extensions of anything."""
    grown = _Grown(draw)
    end = grown.step("end", {})
    first = grown.sequence(end, depth=2)
    start = grown.step("start", {"on_completion": first})
    content: Object = {
        "type": "playbook", "spec_version": "cacao-2.0", "id": f"playbook--{uid(2)}", "name": draw(TEXT),
        "created_by": IDENTITY, "created": STAMP, "modified": STAMP, "workflow_start": start, "workflow": grown.steps,
        "agent_definitions": {AGENT: {"type": "group", "name": draw(TEXT)}},
        "playbook_variables": {
            "__count__": {"type": "integer", "value": str(draw(st.integers(-5, 5)))},
            "__kind__": {"type": "string", "external": True, "constant": draw(st.booleans())},
        },
    }  # fmt: skip
    if draw(st.booleans()):
        content["playbook_extensions"] = {FOREIGN: draw(st.dictionaries(WORDS, JSON, max_size=3))}
        content["extension_definitions"] = {
            FOREIGN: {
                "type": "extension-definition", "name": draw(TEXT), "created_by": IDENTITY, "schema": draw(TEXT),
                "version": "1.0.0",
            },
        }  # fmt: skip
    more = {"description": TEXT, "labels": st.lists(TEXT, max_size=3), "priority": st.integers(0, 100)}
    for field, values in more.items():
        if draw(st.booleans()):
            content[field] = draw(values)
    return content


class _Grown:
    """Steps of one playbook, numbered as they come; it lives for one draw."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.steps: Object = {}

    def step(self, kind: str, fields: Object) -> str:
        name = f"{kind}--{uid(100 + len(self.steps))}"
        self.steps[name] = {"type": kind, **fields}
        return name

    def sequence(self, after: str, depth: int) -> str:
        """Steps that lead to `after`; gives the first."""
        for _ in range(self.draw(st.integers(1, 3))):
            after = self.block(after, depth)
        return after

    def branch(self, depth: int) -> str:
        """Steps with an end of their own; gives the first."""
        return self.sequence(self.step("end", {}), depth)

    def block(self, after: str, depth: int) -> str:
        kind = self.draw(st.sampled_from(BLOCKS if depth else BLOCKS[:4]))
        on: Object = {"on_completion": after}
        inner = depth - 1
        if kind in ("action", "manual"):
            return self.step("action", {**self.action(kind), **on})
        if kind == "called":
            pinned = {"playbook_id": f"playbook--{uid(3)}", "playbook_version": STAMP}
            return self.step("playbook-action", {**pinned, **on})
        if kind == "parallel":
            names = [self.branch(inner) for _ in range(self.draw(st.integers(2, 3)))]
            return self.step("parallel", {"next_steps": names, **on})
        if kind == "switch":
            named = self.draw(st.lists(TEXT, max_size=2, unique=True))
            cases = {case: self.branch(inner) for case in [*named, "default"]}
            return self.step("switch-condition", {"switch": "__kind__:value", "cases": cases, **on})
        operator = self.draw(st.sampled_from(["<", ">=", "=", "!="]))
        condition = f"__count__:value {operator} {self.draw(st.integers(0, 9))}"
        fields: Object = {"condition": condition, "on_true": self.branch(inner), **on}
        if kind == "if" and self.draw(st.booleans()):
            fields["on_false"] = self.branch(inner)
        return self.step("while-condition" if kind == "while" else "if-condition", fields)

    def action(self, kind: str) -> Object:
        command: Any = {"type": "manual", "command": f"{self.draw(TEXT)} __kind__:value"}
        if kind == "action":
            command = {"type": "sigma", "command_b64": b64(self.draw(TEXT))}
        fields: Object = {"commands": [command], "agent": AGENT}
        if self.draw(st.booleans()):
            fields |= {"out_args": ["__count__"], "timeout": self.draw(st.integers(0, 10**9))}
        return fields
