"""Workflows that grow at random: every type of step in each other, failures, times, loops, calls; some are broken."""

from __future__ import annotations

import random
from typing import Any

from tocsin.playbooks.cacao import Playbook
from tocsin.playbooks.execute import Answered, Command, Event, Time, Withdrawn
from tocsin.tests.playbooks.flows import KINDS, Steps, act, ref, sends
from tocsin.tests.playbooks.makers import content, read, step_id

CALLED = step_id("playbook", 501)
BLOCKS = ("a", "a", "a", "p", "i", "w", "x", "c")
CONDITIONS = (
    "__count__:value < 3", "__count__:value > 0 AND __word__:value LIKE 'a%'", "__word__:value NOT IN ('a', 'b')",
    "NOT EXISTS __nothing__:value", "__word__:value MATCHES '^[ab]'", "__count__:value = __word__:value",
)  # fmt: skip
VARIABLES = {
    "__count__": {"type": "integer", "value": "0"}, "__word__": {"type": "string", "value": "a"},
    "__nothing__": {"type": "string"}, "__failure__": {"type": "string"}, "__failed_step__": {"type": "string"},
}  # fmt: skip


class Growth:
    """Steps of one playbook, numbered as they come; it lives for one playbook."""

    def __init__(self, chance: random.Random, *, broken: bool = False, apart: bool = False) -> None:
        """Begin one.

        Args:
            chance: what it grows by.
            broken: some steps lead nowhere, or back.
            apart: every branch of a parallel step has a variable of its own, and uses no other.
        """
        self.chance = chance
        self.broken = broken
        self.apart = apart
        self.times = True
        self.own = ("__count__", "__word__")  # variables of the branch that grows
        self.branches = 0
        self.steps: Steps = {}

    def playbook(self, depth: int = 3, *, times: bool = True, **fields: Any) -> Playbook:
        """A whole one; without `times` no step has a timeout of its own."""
        self.times = times
        end = self._step("e", {"type": "end"})
        if self.apart:
            end = self._step("a", act(2, on_completion=end))
        first = self._sequence(end, depth)
        start = self._step("s", {"type": "start", "on_completion": ref(first)})
        base = content()
        named = [f"__b{number}__" for number in range(1, self.branches + 1)]
        base["playbook_variables"] |= VARIABLES | {name: {"type": "string", "value": "0"} for name in named}
        if self.apart:
            for name in ("__failure__", "__failed_step__"):  # they tell which step failed first
                del base["playbook_variables"][name]
            told = " ".join(f"{name}:value" for name in ("__word__", *named))
            self.steps["a2"]["commands"] = [sends(told, "do")]  # the last step tells every value
        if self.chance.random() < 0.3:
            base["workflow_exception"] = ref(self._sequence(self._step("e", {"type": "end"}), 0))
        steps = {ref(name): step for name, step in self.steps.items()}
        return read({**base, "workflow": steps, "workflow_start": ref(start), **fields})

    def _step(self, kind: str, step: dict[str, Any]) -> str:
        name = f"{kind}{len(self.steps) + 1}"
        self.steps[name] = step
        return name

    def _sequence(self, after: str, depth: int) -> str:
        for _ in range(self.chance.randint(1, 3)):
            after = self._block(after, depth)
        return after

    def _branch(self, depth: int) -> str:
        return ref(self._sequence(self._step("e", {"type": "end"}), depth))

    def _branch_of_parallel(self, depth: int) -> str:
        around = self.own
        if self.apart:
            self.branches += 1
            self.own = (f"__b{self.branches}__",)
        grown = self._branch(depth)
        self.own = around
        return grown

    def _block(self, after: str, depth: int) -> str:
        chance = self.chance
        kind = chance.choice(BLOCKS if depth > 0 else BLOCKS[:3])
        then = self._then(after, depth)
        if kind == "a":
            step = self._action()
        elif kind == "c":
            step = {"playbook_id": CALLED, "in_args": ["__count__"], "out_args": ["__count__"]}
            if self.apart:
                step = {"playbook_id": CALLED}
        elif kind == "p":
            step = {"next_steps": [self._branch_of_parallel(depth - 1) for _ in range(chance.randint(2, 3))]}
        elif kind == "x":
            step = {
                "switch": f"{self.own[-1]}:value",
                "cases": {one: self._branch(depth - 1) for one in ("a", "default")},
            }
        else:
            step = {"condition": self._condition(), "on_true": self._branch(depth - 1)}
            if kind == "i" and chance.random() < 0.5:
                step["on_false"] = self._branch(depth - 1)
        times: dict[str, int] = {}
        if chance.random() < 0.2:
            times["delay"] = chance.choice((0, 1, 700))
        if self.times and chance.random() < 0.3:
            times["timeout"] = chance.choice((1, 900, 5_000))
        return self._step(kind, {**step, "type": KINDS[kind], **then, **times})

    def _condition(self) -> str:
        if self.apart and len(self.own) == 1:
            return f"{self.own[0]}:value IN ('0', 'a', '1')"
        return self.chance.choice(CONDITIONS)

    def _then(self, after: str, depth: int) -> dict[str, str]:
        chance = self.chance
        if self.broken and chance.random() < 0.1:
            after = chance.choice([*self.steps, "a999"])  # back, into a branch, or nowhere
        if chance.random() < 0.6:
            return {"on_completion": ref(after)}
        then = {"on_success": ref(after)}
        if chance.random() < 0.7:
            then["on_failure"] = self._branch(0) if depth and chance.random() < 0.5 else ref(after)
        return then

    def _action(self) -> dict[str, Any]:
        chance, number = self.chance, len(self.steps) + 1
        step: dict[str, Any] = act(
            number, undo=chance.random() < 0.6, commands=[sends(number, "do")] * chance.choice((1, 1, 2))
        )
        if chance.random() < 0.5:
            step["out_args"] = [chance.choice(self.own)]
        if self.broken and chance.random() < 0.1:
            step["commands"] = [sends("__nothing__:value", "do")]
        return step


def called(chance: random.Random, *, apart: bool = False, times: bool = True) -> Playbook:
    """A playbook for others to call; see `Growth`."""
    growth = Growth(chance, apart=apart)
    base = {"__count__": {"type": "integer", "external": True, "value": "0"}}
    playbook = growth.playbook(depth=1, times=times, id=CALLED)
    return read({**playbook.raw, "playbook_variables": {**playbook.raw["playbook_variables"], **_outside(), **base}})


def _outside() -> dict[str, Any]:
    """What the caller does not hand over."""
    return {
        "__target__": {"type": "string", "value": "t"}, "__response__": {"type": "string", "value": "r"},
        "__actuator__": {"type": "uri", "value": "urn:x:y"},
    }  # fmt: skip


def answer_by(chance: random.Random, command: Command, now: int) -> Answered:
    """What becomes of a command, at random: done, refused, lost; it may bring values, good and bad."""
    brought = {name: chance.choice(("0", "1", "2", "3", "7", "a", "b", "")) for name in command.returns}
    fate = chance.random()
    late = now + chance.choice((0, 0, 1, 500, 2_000))
    return Answered(late, command.key, fate < 0.85, "", fate > 0.95, brought)


def event_by(chance: random.Random, orders: Any, now: int) -> Event:
    """What comes next, at random: the time, an answer to any of the commands under way, rarely a withdrawal."""
    commands = [one for one in orders if isinstance(one, Command)]
    if commands:
        if chance.random() < 0.02:
            return Withdrawn(now)
        if chance.random() < 0.1:
            return Time(now + chance.choice((0, 1, 1_000)))
        return answer_by(chance, chance.choice(commands), now)
    return Time(max(now, orders[0].until) + chance.choice((0, 0, 3)))
