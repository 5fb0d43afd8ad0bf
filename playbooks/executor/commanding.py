"""Commands out of a state: those that steps ask for now, and those that take back what was done.

Flows in: program, state. Flows out: `Command` values. Equal states give equal commands under equal keys, so that a
command whose answer is lost is asked for again and not doubled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ..cacao import ActionStep, AnyStep, Playbook
from .checking import step_of
from .filling import Filled, fill_command, fill_party
from .program import ABSTRACT, Program
from .state import Ask, Command, Frame, Phase, State
from .values import Scope, StepFault

TIMED = ("action", "playbook-action", "while-condition")  # have a time of ours where they state none


def playbook_of(program: Program, state: State, frame: Frame) -> Playbook:
    """The playbook whose steps a frame walks."""
    return program.pinned(state.playbooks[state.scopes[frame.scope].playbook])


def scope_of(playbook: Playbook, state: State, frame: Frame, step: AnyStep) -> Scope:
    """What names mean in the step where a frame stands; changes of it are changes of the state."""
    return Scope(playbook, state.scopes[frame.scope].values, frame.own, step.step_variables)


def scope_when_asked(playbook: Playbook, frame: Frame, step: ActionStep) -> Scope:
    """What names meant when an action asked for its command: what other branches did since changes no command."""
    return Scope(playbook, frame.values, frame.own, step.step_variables)


def around(state: State, frame: Frame) -> list[Frame]:
    """A frame and those that lead to it, the outermost last."""
    found = [frame]
    while (parent := found[-1].parent) is not None:
        found.append(state.frames[parent])
    return found


def deadline_of(program: Program, state: State, frame: Frame, step: AnyStep) -> int | None:
    """When the time of a step that is working is over, ms; None: it has no bound of its own. Never after the run's."""
    if frame.phase != "working" or step.type in ("start", "end"):
        return None
    if step.timeout:  # 0, as editors write it, says nothing: no step could end within it
        return min(frame.since + step.timeout, _end_of_run(program, state))
    return frame.since + program.bounds.step_s * 1000 if step.type in TIMED else None


def _end_of_run(program: Program, state: State) -> int:
    """The first ms at which the whole run has taken too long."""
    return state.began + program.bounds.run_s * 1000 + 1


def wake_of(program: Program, state: State) -> int | None:
    """When the next thing happens by itself, ms; None: never."""
    if state.phase is Phase.HOLDING:
        return state.until
    if state.phase is not Phase.RUNNING:
        return None
    times = [_end_of_run(program, state)]
    for frame in state.frames.values():
        if frame.phase == "delayed":
            times.append(frame.since)
        elif frame.phase == "working":
            deadline = deadline_of(program, state, frame, step_of(playbook_of(program, state, frame), frame.step))
            times += [] if deadline is None else [deadline]
    return min(times)


def command_now(program: Program, state: State, frame: Frame, step: ActionStep, slot: int) -> Command:
    """The command of an action that is due, on one of its targets.

    Raises:
        StepFault: it cannot be made.
    """
    playbook = playbook_of(program, state, frame)
    scope = scope_when_asked(playbook, frame, step)
    filled = fill_command(step.commands[frame.number], scope, tuple(step.in_args))
    steps = [(one, step_of(playbook_of(program, state, one), one.step)) for one in around(state, frame)]
    until = [found for one, of in steps if (found := deadline_of(program, state, one, of)) is not None]
    returns = {name: one.type for name in step.out_args if (one := scope.declared(name)) is not None}
    return _command(
        program, playbook, step, filled, scope, frame.targets[slot] or None,
        key=key_now(frame, slot), step_id=frame.step, path=frame.path,
        returns=returns, until=min(until, default=None), is_timed=any(one.timeout for _, one in steps),
    )  # fmt: skip


def key_now(frame: Frame, slot: int) -> str:
    """The key of the command that is due on a target: of path, step, visit, command and target."""
    return f"{_prefix(frame.path)}{frame.step}.{frame.walked}.{frame.number}.{slot}"


@lru_cache(maxsize=1024)
def _prefix(path: str) -> str:
    return f"{hashlib.sha256(path.encode()).hexdigest()[:12]}." if path else ""


def commands_under_way(program: Program, state: State) -> list[Command]:
    """Every command of a running run that is asked for and not answered, in the order of its branches and targets.

    Raises:
        StepFault: one cannot be made any more.
    """
    found = []
    for frame in state.frames.values():
        for slot in frame.asked:
            command = state.commands.get(key_now(frame, slot))
            if command is None:
                step = step_of(playbook_of(program, state, frame), frame.step)
                assert isinstance(step, ActionStep)  # only it asks
                command = command_now(program, state, frame, step, slot)
            found.append(command)
    return found


def under_way(state: State, key: str) -> tuple[Frame, int] | None:
    """Where a command that is asked for stands: frame and number of the target; None where it is not asked for."""
    for frame in state.frames.values():
        for slot in frame.asked:
            if key_now(frame, slot) == key:
                return frame, slot
    return None


def undo_commands(program: Program, state: State) -> list[Command]:
    """Commands that take back what a run did, last first; steps that declare no undo are passed over.

    Raises:
        StepFault: one cannot be made.
    """
    return [undo_command(program, state, index) for index in range(undo_count(program, state))]


def undo_count(program: Program, state: State) -> int:
    """How many commands take back what a run did."""
    return len(_undo_plan(program, state))


def undo_key(program: Program, state: State, index: int) -> str:
    """The key of an undo command, the same at every attempt."""
    number, place = _undo_plan(program, state)[index]
    return f"{state.done[number].step}.undo.{number}.{place}"


def undo_command(program: Program, state: State, index: int) -> Command:
    """One of them, by its number.

    Raises:
        StepFault: it cannot be made.
    """
    number, place = _undo_plan(program, state)[index]
    done = state.done[number]
    playbook = program.pinned(state.playbooks[done.playbook])
    step = step_of(playbook, done.step)
    assert isinstance(step, ActionStep)  # only of actions something is done
    own = {name: value for name, value in done.values.items() if name in step.step_variables}
    values = {name: value for name, value in done.values.items() if name not in own}
    scope = Scope(playbook, values, own, step.step_variables)
    bound = min(step.timeout or 0, program.bounds.run_s * 1000) or None
    return _command(
        program, playbook, step, fill_command(program.undo(playbook, done.step)[place], scope), scope, done.target,
        key=undo_key(program, state, index), step_id=done.step, path=done.path, returns={}, until=None,
        attempt=state.attempt, is_undo=True, bound=bound,
    )  # fmt: skip


def _undo_plan(program: Program, state: State) -> list[tuple[int, int]]:
    """(number in `done`, number of its undo command), in the order of undoing."""
    return [
        (number, place)
        for number, done in reversed(list(enumerate(state.done)))
        for place in range(len(program.undo(program.pinned(state.playbooks[done.playbook]), done.step)))
    ]


def _command(
    program: Program,
    playbook: Playbook,
    step: ActionStep,
    filled: Filled,
    scope: Scope,
    target: Mapping[str, Any] | None,
    *,
    key: str,
    step_id: str,
    path: str,
    returns: Mapping[str, str],
    until: int | None,
    is_timed: bool = False,
    attempt: int = 1,
    is_undo: bool = False,
    bound: int | None = None,
) -> Command:
    handed = frozenset(step.in_args) if "in_args" in step.model_fields_set else None
    agent = fill_party(playbook, "agent_definitions", step.agent, scope, handed)
    if agent["type"] in ABSTRACT and filled.type != "manual":
        agent = _one_agent(program, agent)
    whole: Mapping[str, Any] = {}
    if target is not None:
        whole = {**fill_party(playbook, "target_definitions", target["id"], scope, handed), **target}
    kind = Ask if filled.type == "manual" else Command
    return kind(
        key=key, attempt=attempt, step=step_id, path=path, type=filled.type, command=filled.command, agent=agent,
        target=whole, arguments=filled.arguments, returns=returns, until=until, is_timed=is_timed, is_undo=is_undo,
        bound=bound, playbook=playbook.id, version=playbook.modified, digest=program.pin(playbook).digest,
    )  # fmt: skip


def _one_agent(program: Program, agent: Mapping[str, Any]) -> dict[str, Any]:
    found = program.expand(agent)
    if len(found) != 1:
        raise StepFault(f"agent {agent['id']} names {len(found)} systems; name one, or make the category a target")
    return {**agent, **found[0]}
