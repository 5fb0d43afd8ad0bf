"""A run in which nothing is sent: commands succeed unless told otherwise, delays pass at once; what happened is told.

Flows in: a program, values, which steps fail, what is brought back. Flows out: one record a step, in the order in which
they were entered; records of undo at the end. It shows what a playbook would do, not whether systems would obey.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .program import Program
from .running import Advance, advance, begin, has_ended
from .state import Answered, Command, Event, Fact, Phase, State, Time, Withdrawn

MAX_EVENTS = 200_000  # of one dry run; a run of the bounds' most steps has fewer


@dataclass(slots=True)
class StepRecord:
    """What became of one step."""

    step: str  # id
    type: str
    name: str
    playbook: str  # id
    version: str  # its `modified`
    path: str  # branches, iterations and calls that lead to it
    begin_s: float  # seconds since the run began
    end_s: float | None = None
    outcome: str = "given up"  # succeeded, failed, given up, taken back, not taken back
    text: str = ""  # why it failed
    chose: list[str] = field(default_factory=list)  # what conditions, cases and calls came to
    commands: list[dict[str, Any]] = field(default_factory=list)
    undo: bool = False


@dataclass(frozen=True, slots=True)
class DryRun:
    """A run to its end."""

    state: State
    records: list[StepRecord]


def dry_run(
    program: Program,
    given: Mapping[str, Any],
    at: int,
    *,
    fails: frozenset[str] = frozenset(),
    brings: Mapping[str, Sequence[str]] | None = None,
    undoes: bool = False,
) -> DryRun:
    """Run a playbook without sending anything.

    Args:
        program: what to run.
        given: values of external variables by name.
        at: the time at which it begins, ms since 1970, UTC.
        fails: steps, by id or name, whose commands fail.
        brings: values of out_args by name, one after the other; the last is brought again and again.
        undoes: take a success back at the end, so that the undo is seen.

    Raises:
        PlaybookError: it cannot begin, see `begin`.
    """
    teller = _Teller(program, at)
    now, left = at, {name: list(values) for name, values in (brings or {}).items()}
    reached = begin(program, given, at)
    teller.take(None, reached)
    for _ in range(MAX_EVENTS):
        event: Event
        answered: Command | None = None
        if has_ended(reached.state):
            if reached.state.phase is not Phase.SUCCEEDED or not undoes:
                break
            event, undoes = Withdrawn(now, "to show the undo"), False
        else:
            first = reached.orders[0]
            if isinstance(first, Command):
                answered = first
                fail = bool({first.step, teller.name_of(first)} & fails)
                event = Answered(
                    now, first.key, not fail, "it was told to fail" if fail else "", False, _brought(first, left)
                )
            else:
                now = max(now, first.until)
                event = Time(now)
        reached = advance(program, reached.state, event)
        teller.take(answered, reached)
    return DryRun(reached.state, teller.records)


def _brought(command: Command, left: dict[str, list[str]]) -> dict[str, str]:
    found = {}
    for name in command.returns:
        values = left.get(name)
        if values:
            found[name] = values.pop(0) if len(values) > 1 else values[0]
    return found


class _Teller:
    """Facts and commands made records; it lives for one dry run."""

    def __init__(self, program: Program, began: int) -> None:
        self.program = program
        self.began = began
        self.records: list[StepRecord] = []
        self._open: dict[tuple[str, str], StepRecord] = {}
        self._asked: set[str] = set()  # keys

    def take(self, answered: Command | None, after: Advance) -> None:
        """Tell one event's facts, and the commands that it led to.

        Args:
            answered: the command that the event answers; None: it answers none.
            after: what it led to.
        """
        for fact in after.facts:
            if answered is not None and answered.is_undo and fact.what == "answered":
                self._undone(answered, fact, after.state)
            else:
                self._tell(fact, answered)
        for due in after.orders:
            if not isinstance(due, Command) or due.is_undo or due.key in self._asked:
                continue
            self._asked.add(due.key)
            record = self._open.get((due.path, due.step))
            if record is not None:
                record.commands.append(_shown(due))

    def name_of(self, command: Command) -> str:
        """The name of a command's step."""
        return self._step(command.playbook, command.version, command.step)[1]

    def _tell(self, fact: Fact, answered: Command | None) -> None:
        key, seconds = (fact.path, fact.step), (fact.at - self.began) / 1000
        if fact.what == "entered":
            kind, name = self._step(fact.playbook, fact.version, fact.step)
            record = StepRecord(fact.step, kind, name, fact.playbook, fact.version, fact.path, seconds)
            self._open[key] = record
            self.records.append(record)
        record_open = self._open.get(key)
        if record_open is None:
            return
        if fact.what == "chose":
            record_open.chose.append(fact.text)
        elif fact.what == "answered" and answered is not None:
            for command in record_open.commands:
                if command["key"] == answered.key:
                    command["answer"] = fact.text
        elif fact.what in ("succeeded", "failed"):
            record_open.outcome, record_open.text, record_open.end_s = fact.what, fact.text, seconds
            del self._open[key]

    def _undone(self, command: Command, fact: Fact, state: State) -> None:
        seconds = (fact.at - self.began) / 1000
        kind, name = self._step(command.playbook, command.version, command.step)
        record = StepRecord(
            command.step, kind, name, command.playbook, command.version, command.path, seconds, seconds, undo=True
        )
        record.outcome = "not taken back" if state.phase is Phase.STUCK else "taken back"
        record.commands.append({**_shown(command), "answer": fact.text})
        self.records.append(record)

    def _step(self, playbook: str, version: str, step: str) -> tuple[str, str]:
        mine = self.program.playbook
        is_mine = (playbook, version) == (mine.id, mine.modified)
        found = (mine if is_mine else self.program.met(playbook, version)).workflow.get(step)
        return ("missing", "") if found is None else (found.type, found.name)


def _shown(command: Command) -> dict[str, Any]:
    """A command as it would go out; secrets stay out, agents and targets are named."""
    return {
        "type": command.type,
        "key": command.key,
        "command": dict(command.command),
        "arguments": dict(command.arguments),
        "agent": command.agent.get("name", ""),
        "target": command.target.get("asset") or command.target.get("name") or "",
        "owner": command.target.get("owner", ""),
    }
