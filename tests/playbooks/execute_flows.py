"""Variables and workflows that several tests of the interpreter walk."""

from __future__ import annotations

from typing import Any

from tocsin.tests.playbooks.flows import act

COUNT = {"__count__": {"type": "integer", "value": "0"}}


KIND = {"__kind__": {"type": "string", "value": "host"}}


CHAIN = {
    "a1": act(1, undo=True, on_completion="a2"),
    "a2": act(2, undo=True, on_completion="a3"),
    "a3": act(3, undo=True, on_completion="e0"),
}


FORK = {
    "p1": {"type": "parallel", "next_steps": ["a1", "a2", "a3"], "on_success": "a4", "on_failure": "a5"},
    "a1": act(1, undo=True, on_completion="e1"),
    "a2": act(2, undo=True, on_completion="e2"),
    "a3": act(3, undo=True, on_completion="e3"),
    "a4": act(4, on_completion="e0"),
    "a5": act(5, on_completion="e0"),
}


def _linux(name: str) -> dict[str, Any]:
    return {"type": "linux", "name": name, "address": {"dname": [f"{name}.shop.example"]}}


LOOP = {
    "w1": {"type": "while-condition", "condition": "__count__:value < 3", "on_true": "a1", "on_completion": "a2"},
    "a1": act(1, undo=True, on_completion="e1", out_args=["__count__"]),
    "a2": act(2, on_completion="e0"),
}
