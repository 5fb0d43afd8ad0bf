"""Small workflows for tests of the interpreter, and a world that answers their commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tocsin.playbooks.cacao import Playbook
from tocsin.playbooks.effects import EXTENSION_ID
from tocsin.playbooks.execute import (
    Advance,
    Answered,
    Bounds,
    Command,
    Event,
    Fact,
    Program,
    State,
    Time,
    Wait,
    advance,
    begin,
    has_ended,
)
from tocsin.tests.playbooks.makers import VALUES, content, openc2, read, step_id

Steps = dict[str, dict[str, Any]]
PROGRAMS = frozenset({"openc2-http", "bash", "manual", "http-api", "ssh", "powershell"})
KINDS = {
    "a": "action", "e": "end", "s": "start", "p": "parallel", "i": "if-condition", "w": "while-condition",
    "x": "switch-condition", "c": "playbook-action",
}  # fmt: skip


def ref(name: str) -> str:
    """The id of a step by a short name: a letter for its type, and a number, e.g. `a1`."""
    return step_id(KINDS[name[0]], int(name[1:]))


def short(step: str) -> str:
    """And back."""
    kind, _, number = step.partition("--")
    return f"{next(key for key, one in KINDS.items() if one == kind)}{int(number.rpartition('-')[2], 16)}"


def act(number: int, *, undo: bool = False, commands: list[dict[str, Any]] | None = None, **after: Any) -> Any:
    """An action that sends its number; with `undo` one that takes that back."""
    step: dict[str, Any] = {
        "type": "action",
        "agent": next(iter(content()["agent_definitions"])),
        "commands": commands or [sends(number, "do")],
        **_refs(after),
    }
    if undo:
        step["step_extensions"] = {EXTENSION_ID: {"type": "tocsin-undo", "commands": [sends(number, "undo")]}}
    return step


def sends(number: int | str, word: str) -> dict[str, Any]:
    """An OpenC2 command with a number in it."""
    return openc2({"action": "set", "target": {"x-tocsin": {"asset": "__target__:value", word: number}}})


def flow(
    steps: Mapping[str, Any], first: str = "a1", *, variables: Mapping[str, Any] | None = None, **more: Any
) -> Any:
    """A playbook of steps by short names; `s0` leads to the first, ends `e0` to `e9` are there where they are named."""
    whole = {"s0": {"type": "start", "on_completion": first}, **steps}
    named = {name for step in whole.values() for name in _named(step)}
    whole |= {name: {"type": "end"} for name in sorted(named) if name.startswith("e")}
    base = content()
    base["playbook_variables"] |= dict(variables or {})
    if "exception" in more:
        more["workflow_exception"] = ref(more.pop("exception"))
    base |= {"workflow": {ref(name): _refs(step) for name, step in whole.items()}, "workflow_start": ref("s0"), **more}
    return read(base)


def _named(step: Mapping[str, Any]) -> list[str]:
    told: list[Any] = [step.get(key) for key in ("on_completion", "on_success", "on_failure", "on_true", "on_false")]
    told += [*step.get("next_steps", ()), *step.get("cases", {}).values()]
    return [one for one in told if isinstance(one, str) and "--" not in one] + [
        short(one) for one in told if isinstance(one, str) and "--" in one
    ]


def _refs(step: Mapping[str, Any]) -> dict[str, Any]:
    """Short names made ids."""

    def whole(one: Any) -> Any:
        return ref(one) if isinstance(one, str) and one[:1] in KINDS and one[1:].isdigit() else one

    made = dict(step)
    for key in ("on_completion", "on_success", "on_failure", "on_true", "on_false"):
        if key in made:
            made[key] = whole(made[key])
    if "next_steps" in made:
        made["next_steps"] = [whole(one) for one in made["next_steps"]]
    if "cases" in made:
        made["cases"] = {case: whole(one) for case, one in made["cases"].items()}
    return made


@dataclass
class Run:
    """A run to its end: what was sent, the events, the last state, all facts."""

    sent: list[Command] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    state: State = None  # type: ignore[assignment]
    began: Advance = None  # type: ignore[assignment]

    @property
    def words(self) -> list[str]:
        """Short names of the steps whose commands were sent, `-` before an undo."""
        return [("-" if one.is_undo else "") + short(one.step) for one in self.sent]

    def told(self, what: str) -> list[str]:
        """Short names of the steps of one kind of fact."""
        return [short(one.step) for one in self.facts if one.what == what]


Answer = Callable[[Command, int], Answered]  # the command, the time


def good(command: Command, at: int) -> Answered:
    """It succeeded at once."""
    return Answered(at, command.key, True)


def failing(*steps: str, perhaps: bool = False) -> Answer:
    """Commands of these steps fail; of `-a1` the undo of a1."""

    def answer(command: Command, at: int) -> Answered:
        word = ("-" if command.is_undo else "") + short(command.step)
        return Answered(at, command.key, word not in steps, f"{word} says no" * (word in steps), perhaps)

    return answer


def bringing(values: Mapping[str, list[Any]]) -> Answer:
    """Commands that ask for these variables bring their values, one after the other."""
    left = {name: list(items) for name, items in values.items()}

    def answer(command: Command, at: int) -> Answered:
        brought = {name: left[name].pop(0) for name in command.returns if left.get(name)}
        return Answered(at, command.key, True, arguments=brought)

    return answer


def run(
    playbook: Playbook, answer: Answer = good, given: Mapping[str, Any] | None = None, *, took: int = 0, **fixed: Any
) -> Run:
    """Run a playbook to its end in simulated time; each command takes `took` ms, silence passes at once."""
    program = Program(playbook, **{"supported": PROGRAMS, **fixed})
    made = Run()
    at = made.began = begin(program, {**VALUES, **(given or {})}, 0)
    made.facts += at.facts
    now = 0
    for _ in range(100_000):
        made.state = at.state
        if has_ended(at.state):
            return made
        first = at.orders[0]
        event: Event
        if isinstance(first, Wait):
            now = max(now, first.until)
            event = Time(now)
        else:
            made.sent.append(first)
            now += took
            event = answer(first, now)
        made.events.append(event)
        at = advance(program, at.state, event)
        made.facts += at.facts
    raise AssertionError("no end")


SMALL = Bounds(steps=500, iterations=20, frames=12, calls=3, step_s=3_600, run_s=86_400)
