"""How many steps the interpreter walks a second of processor time; with a bound far below what is measured."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tocsin.playbooks.cacao import Playbook
from tocsin.playbooks.execute import Answered, Command, Phase, Program, advance, begin, has_ended, state_from_json
from tocsin.tests.benchmarks.figures import Figures
from tocsin.tests.playbooks.flows import PROGRAMS, act, flow
from tocsin.tests.playbooks.makers import VALUES

COUNT = {"__count__": {"type": "integer", "value": "0"}}


def _loop() -> Playbook:
    """A condition, an action, an end, a thousand times."""
    steps = {
        "w1": {"type": "while-condition", "condition": "__count__:value < 1000", "on_true": "a1"},
        "a1": act(1, on_completion="e1", out_args=["__count__"]),
    }
    return flow(steps, "w1", variables=COUNT)


def _branches() -> Playbook:
    """Conditions alone: nothing is sent."""
    steps = {
        f"i{number}": {"type": "if-condition", "condition": "__count__:value = 0", "on_true": f"e{100 + number}",
                       "on_completion": f"i{number + 1}" if number < 400 else "e0"}
        for number in range(1, 401)
    }  # fmt: skip
    return flow(steps, "i1", variables=COUNT)


@pytest.mark.parametrize("durable", [False, True], ids=["in memory", "state written and read at every event"])
def test_steps_per_second_with_commands(durable: bool, figures: Figures) -> None:
    """One command every two steps; the least that is accepted is far below what is measured."""
    program = Program(_loop(), supported=PROGRAMS)
    began = time.process_time()
    at = begin(program, VALUES, 0)
    commands = 0
    while not has_ended(at.state):
        command = at.orders[0]
        assert isinstance(command, Command)
        commands += 1
        state = state_from_json(json.loads(json.dumps(at.state.to_json()))) if durable else at.state
        at = advance(program, state, Answered(commands, command.key, True, arguments={"__count__": commands}))
    took = time.process_time() - began
    assert at.state.phase is Phase.SUCCEEDED
    how = "written and read" if durable else "in memory"
    told = f"{at.state.walked / took:,.0f} steps/s, {commands / took:,.0f} commands/s"
    figures.add(f"playbooks: a loop of 1,000 commands, state {how}", told)
    assert at.state.walked / took > 200


def test_steps_per_second_without_commands(figures: Figures) -> None:
    """Pure walking: conditions and branches."""
    program = Program(_branches(), supported=PROGRAMS)
    began, walked = time.process_time(), 0
    for _ in range(10):
        walked += begin(program, VALUES, 0).state.walked
    took = time.process_time() - began
    figures.add("playbooks: conditions alone", f"{walked / took:,.0f} steps/s")
    assert walked / took > 1_000


def test_steps_per_second_with_many_commands_under_way(figures: Figures) -> None:
    """A hundred branches at once, ten commands each: the state is copied at every answer."""
    steps: dict[str, Any] = {"p1": {"type": "parallel", "next_steps": [f"a{10 * n + 1}" for n in range(1, 101)]}}
    for number in range(11, 1_011):
        after = f"a{number + 1}" if number % 10 else f"e{number // 10}"
        steps[f"a{number}"] = act(number, on_completion=after)
    program = Program(flow({**steps, "p1": {**steps["p1"], "on_completion": "e0"}}, "p1"), supported=PROGRAMS)
    began, most = time.process_time(), 0
    at = begin(program, VALUES, 0)
    while not has_ended(at.state):
        commands = [one for one in at.orders if isinstance(one, Command)]
        most = max(most, len(commands))
        at = advance(program, at.state, Answered(at.state.now + 1, commands[-1].key, True))
    took = time.process_time() - began
    assert (at.state.phase, most, at.state.walked) == (Phase.SUCCEEDED, 100, 1_103)
    figures.add("playbooks: 100 branches, 1,000 commands, in memory", f"{at.state.walked / took:,.0f} steps/s")
    assert at.state.walked / took > 50
