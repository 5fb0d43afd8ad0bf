"""Laws of the interpreter over workflows grown at random: it ends, it can be replayed, it takes back what it did."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tocsin.playbooks.cacao import Playbook, PlaybookError
from tocsin.playbooks.execute import (
    Advance,
    Answered,
    Command,
    Event,
    Phase,
    Program,
    State,
    Time,
    advance,
    among,
    begin,
    has_ended,
    orders,
    state_from_json,
)
from tocsin.tests.playbooks.flows import PROGRAMS, SMALL
from tocsin.tests.playbooks.grown_flows import Growth, answer_by, called, event_by
from tocsin.tests.playbooks.makers import VALUES

INPUTS = int(os.environ.get("TOCSIN_FUZZ_INPUTS", "20000")) // 20  # a run takes some twenty times as long as a reading
SEEDS = st.integers(0, 2**32)


def _program(seed: int, *, broken: bool = False) -> tuple[Program, random.Random]:
    chance = random.Random(seed)
    playbook = Growth(chance, broken=broken).playbook()
    return Program(playbook, among([called(chance)]), supported=PROGRAMS, bounds=SMALL), chance


def _walk(program: Program, chance: random.Random) -> tuple[list[Advance], list[Event]]:
    """To the end, whatever comes."""
    steps, events = [begin(program, VALUES, 0)], []
    while not has_ended(steps[-1].state):
        events.append(event_by(chance, steps[-1].orders, steps[-1].state.now))
        steps.append(advance(program, steps[-1].state, events[-1]))
        assert len(steps) < 5_000
    return steps, events


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_a_run_is_its_beginning_and_its_events_replayed(seed: int) -> None:
    """The state carried, written as JSON and read at every step, is that of the replay: a crash loses nothing."""
    program, chance = _program(seed)
    steps, events = _walk(program, chance)
    again, _ = _program(seed)  # another process: nothing of the first is there
    state = begin(again, VALUES, 0).state
    for step, event in zip(steps[1:], events, strict=True):
        state = state_from_json(json.loads(json.dumps(state.to_json())))
        state = advance(again, state, event).state
        assert state == step.state
        assert orders(again, state) == step.orders


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.integers(0, 3_000), st.integers(0, 3_000))
def test_it_does_not_matter_how_often_the_time_is_said(seed: int, first: int, more: int) -> None:
    """Until something is to be sent, a time and a later one are the later one."""
    program, chance = _program(seed)
    for step in _walk(program, chance)[0]:
        now = step.state.now
        once = advance(program, step.state, Time(now + first))
        twice = advance(program, once.state, Time(now + first + more))
        if not any(isinstance(one, Command) for one in (*once.orders, *step.orders)):
            assert twice.state == advance(program, step.state, Time(now + first + more)).state


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_an_event_does_not_change_the_state_that_it_is_given(seed: int) -> None:
    """So that a crash between two writes leaves the earlier one."""
    program, chance = _program(seed)
    for step, event in zip(*_walk(program, chance), strict=False):
        before = json.dumps(step.state.to_json())
        advance(program, step.state, event)
        assert json.dumps(step.state.to_json()) == before


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_every_command_has_a_key_of_its_own(seed: int) -> None:
    """Over branches, iterations, calls, targets and undo."""
    program, chance = _program(seed)
    asked: dict[str, Command] = {}
    for step in _walk(program, chance)[0]:
        for one in step.orders:
            if isinstance(one, Command):
                assert asked.setdefault(one.key, one).command == one.command


@settings(max_examples=200, deadline=None)
@given(SEEDS)
@example(908)  # a delay and the time of the step around it end at once: what was never sent is not taken back
def test_what_was_done_is_taken_back_in_reverse_and_nothing_else(seed: int) -> None:
    """Of a run that did not succeed, each step with an undo whose command succeeded or may have, the last first.

    Commands under way that nobody waits for any more may have taken effect: they are the last.
    """
    program, chance = _program(seed)
    steps, events = _walk(program, chance)
    done: list[tuple[str, str]] = []
    undone: list[tuple[str, str]] = []
    for before, event, after in zip(steps, events, steps[1:], strict=False):
        asked = {one.key: one for one in before.orders if isinstance(one, Command)}
        answered = asked.get(event.key) if isinstance(event, Answered) else None
        new = [(one.path, one.step) for one in after.state.done[len(before.state.done) :]]
        if answered is not None and answered.is_undo:
            undone += [(answered.path, answered.step)] if event.succeeded else []  # type: ignore[union-attr]
        may_be_done = {
            (one.path, one.step)
            for one in asked.values()
            if not one.is_undo and (one is not answered or event.succeeded or event.perhaps)  # type: ignore[union-attr]
        }
        assert set(new) <= may_be_done
        for name in may_be_done & {(answered.path, answered.step)} if answered is not None else ():
            assert name in [*done, *new] or not _undo_of(program, answered)  # type: ignore[arg-type]
        left = {key for key in asked if key in after.state.given_up}
        for key in left:  # given up: what has an undo is taken back
            name = (asked[key].path, asked[key].step)
            refused = answered is not None and key == answered.key
            assert name in [*done, *new] or refused or not _undo_of(program, asked[key])
        done += new
    last = steps[-1].state
    assert [(one.path, one.step) for one in last.done] == done
    if last.phase in (Phase.FAILED, Phase.UNDONE):
        assert undone == done[::-1]
    if last.phase is Phase.STUCK:
        assert undone == done[::-1][: len(undone)] and len(undone) < len(done)
    if last.phase is Phase.SUCCEEDED:
        assert undone == [] and last.failure is None


def _undo_of(program: Program, command: Command) -> Any:
    playbook = next(one for one in (program.playbook, *_others(program)) if one.id == command.playbook)
    return program.undo(playbook, command.step)


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.integers(0, 2**32), st.integers(0, 2**32))
def test_it_does_not_matter_which_answer_comes_first(seed: int, one: int, other: int) -> None:
    """Where branches are independent and no time runs out: the same commands, the same end, the same values.

    Independent: no branch uses a variable that another one changes. What a command does and brings is its own.
    """
    chance = random.Random(seed)
    playbook = Growth(chance, apart=True).playbook(times=False)
    program = Program(playbook, among([called(chance, apart=True, times=False)]), supported=PROGRAMS)
    ends = [_end_of(program, random.Random(order), seed) for order in (one, other)]
    assert ends[0] == ends[1]


def _end_of(program: Program, order: random.Random, seed: int) -> Any:
    """Answer what is under way in the given order; what becomes of a command depends on its key alone."""
    at, sent = begin(program, VALUES, 0), {}
    while at.state.phase is Phase.RUNNING:
        commands = [one for one in at.orders if isinstance(one, Command)]
        sent |= {one.key: (one.command, one.target, one.returns) for one in commands}
        if commands:
            chosen = order.choice(commands)
            event: Event = answer_by(random.Random(f"{seed} {chosen.key}"), chosen, at.state.now)
            event = replace(event, at=at.state.now)  # type: ignore[arg-type]
        else:
            event = Time(min(one.until for one in at.orders if not isinstance(one, Command)))
        at = advance(program, at.state, event)
    done = Counter((one.path, one.step, str(one.target), str(one.values)) for one in at.state.done)
    return sent, at.state.phase, at.state.failure is None, done


def _others(program: Program) -> list[Playbook]:
    found = program.resolve("playbook--00000000-0000-4000-8000-0000000001f5", None)
    return [] if found is None else [found]


@settings(max_examples=200, deadline=None)
@given(SEEDS, st.booleans())
def test_every_workflow_comes_to_an_end_or_is_refused(seed: int, broken: bool) -> None:
    """Within the bounds; cycles, dangling steps and missing values too. It succeeds only if no step failed."""
    program, chance = _program(seed, broken=broken)
    try:
        steps, _ = _walk(program, chance)
    except PlaybookError as refused:
        assert broken and program.playbook.name in str(refused)
        return
    last = steps[-1].state
    assert last.walked <= SMALL.steps + 1
    failed = [fact for step in steps for fact in step.facts if fact.what == "failed"]
    assert (last.phase is Phase.SUCCEEDED) == (last.failure is None and not last.withdrawn)
    assert not (failed and last.phase is Phase.SUCCEEDED)


def test_random_workflows_under_random_events() -> None:
    """As many as TOCSIN_FUZZ_INPUTS says (a twentieth of it): none hangs, none raises but by name."""
    seen: Counter[str] = Counter()
    slowest = 0.0
    for seed in range(INPUTS):
        began = time.process_time()
        program, chance = _program(seed, broken=seed % 2 == 1)
        try:
            state: State = _walk(program, chance)[0][-1].state
            seen[state.phase.value] += 1
        except PlaybookError:
            seen["refused"] += 1
        slowest = max(slowest, time.process_time() - began)
    assert {"succeeded", "failed", "undone", "stuck"} <= set(seen), seen
    assert slowest < 5.0


def test_answers_at_random_do_bring_values_of_all_kinds() -> None:
    """The world of these tests is no friend of the interpreter."""
    program, chance = _program(7)
    command = next(one for one in begin(program, VALUES, 0).orders if isinstance(one, Command))
    fates = Counter((one.succeeded, one.perhaps) for one in (answer_by(chance, command, 0) for _ in range(500)))
    assert set(fates) == {(True, False), (False, False), (False, True)}
