"""Orders of type `manual`: tasks for people, with a deadline and values to give back.

Flows in: orders whose text is a task. Flows out: Pending until a person answers, then the outcome. Tasks lie in a file
of the node's home, where `tocsin task` lists and answers them.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final, Literal

from pydantic import Field

from ...playbooks.variable_values import fault_of_value
from ...twin.own_file import Kind, NotOurs, only_of
from .base import Malformed, Order, Outcome, Pending, Refused, Unavailable
from .private_file import open_private
from .setup import Part, Setup

FILE: Final = Kind(3, "tasks for people", only_of(tasks="key owner text returns deadline state answer vals person"))
MAX_NAME: Final = 200  # characters
DAY_S: Final = 86_400.0
LONGEST_S: Final = 366 * DAY_S  # that a task may stay open; assumed
MAX_GIVEN_UP: Final = 1_000  # keys remembered; more orders are never under way at once; assumed
State = Literal["open", "done", "declined", "expired", "withdrawn"]


class TaskError(ValueError):
    """A task that is not there or cannot be answered so; the message names it and the mend."""


class ManualSettings(Part):
    """How long people have where the step says nothing."""

    deadline_s: float = Field(default=DAY_S, gt=0, le=LONGEST_S)


@dataclass(frozen=True, slots=True)
class Task:
    """What a person is asked to do."""

    key: str
    owner: str
    text: str
    returns: Mapping[str, str]  # names of values to give back -> their CACAO types
    deadline: float  # seconds since 1970
    state: State = "open"
    answer: str = ""  # what the person said
    values: Mapping[str, str] | None = None
    person: str = ""

    def is_over(self, now: float) -> bool:
        """Whether nobody answered in time."""
        return self.state == "expired" or (self.state == "open" and now >= self.deadline)


class Tasks:
    """The file of tasks; lives as long as its actuator, or one command."""

    def __init__(self, path: Path) -> None:
        """Open the file, make it where it is not.

        Raises:
            TaskError: it cannot be opened as such.
        """
        try:
            self._file = open_private(
                path,
                FILE,
                "CREATE TABLE IF NOT EXISTS tasks (key TEXT PRIMARY KEY, owner TEXT, text TEXT, returns TEXT,"
                " deadline REAL, state TEXT, answer TEXT, vals TEXT, person TEXT)",
            )
        except (sqlite3.Error, OSError, NotOurs) as error:
            raise TaskError(f"{path}: {error}; name the node's home") from None

    def expire(self, key: str) -> None:
        """Say that nobody answered in time; an answer that came before stands."""
        self._file.execute("UPDATE tasks SET state = 'expired' WHERE key = ? AND state = 'open'", (key,))

    def withdraw(self, key: str) -> bool:
        """Say that nobody needs it any more; an answer that came before stands. Whether it is withdrawn then."""
        self._file.execute("UPDATE tasks SET state = 'withdrawn' WHERE key = ? AND state = 'open'", (key,))
        found = self.get(key)
        return found is not None and found.state == "withdrawn"

    def put(self, task: Task) -> None:
        """Add a task; one that is there stays as it is."""
        self._file.execute(
            "INSERT OR IGNORE INTO tasks VALUES (?, ?, ?, ?, ?, 'open', '', NULL, '')",
            (task.key, task.owner, task.text, json.dumps(dict(task.returns)), task.deadline),
        )

    def all(self) -> list[Task]:
        """Every task, the next deadline first."""
        return [_read(row) for row in self._file.execute("SELECT * FROM tasks ORDER BY deadline, key")]

    def get(self, key: str) -> Task | None:
        """One task."""
        row = self._file.execute("SELECT * FROM tasks WHERE key = ?", (key,)).fetchone()
        return _read(row) if row else None

    def answer(
        self,
        key: str,
        state: State,
        *,
        person: str,
        answer: str = "",
        values: Mapping[str, str] | None = None,
        now: float | None = None,
    ) -> Task:
        """Say that a task is done or declined, once, before its deadline.

        Args:
            key: the task's.
            state: "done" or "declined".
            person: who says so.
            answer: what was done, or why not.
            values: what the task asks for, by name.
            now: seconds since 1970; None: by the clock.

        Raises:
            TaskError: no such task, answered before, too late, nobody's name, or values that are missing, not asked
                for or not of their type.
        """
        task = self.get(key)
        if task is None:
            raise TaskError(f"task {key!r}: there is none; see tocsin task list")
        if not person.strip() or not person.isprintable() or len(person) > MAX_NAME:
            raise TaskError(f"task {key!r}: --person {person[:40]!r} is no name; say who answers")
        if task.state == "withdrawn":
            raise TaskError(
                f"task {key!r}: was withdrawn, its run has ended; tell {task.owner}'s operators what was done"
            )
        if task.is_over(time.time() if now is None else now):
            raise TaskError(f"task {key!r}: its deadline is over, the playbook went on; tell {task.owner}'s operators")
        given = dict(values or {})
        strange, missing = sorted(set(given) - set(task.returns)), sorted(set(task.returns) - set(given))
        if strange or (missing and state == "done"):
            name = (strange or missing)[0]
            told = "is not asked for" if strange else "is missing; give --value NAME=VALUE"
            raise TaskError(f"task {key!r}: value {name} {told}")
        for name, value in given.items():
            fault = fault_of_value(task.returns[name], value, literally=True)
            if fault is not None:
                raise TaskError(f"task {key!r}: value {name}: {fault}; give one of type {task.returns[name]}")
        changed = self._file.execute(
            "UPDATE tasks SET state = ?, answer = ?, vals = ?, person = ? WHERE key = ? AND state = 'open'",
            (state, answer[:500], json.dumps(given), person, key),
        ).rowcount
        if not changed:
            raise TaskError(f"task {key!r}: was {task.state} already by {task.person}; an answer stands")
        found = self.get(key)
        assert found is not None
        return found

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


@dataclass(slots=True)
class Manual:
    """Asks people; lives as long as its node."""

    tasks: Tasks
    settings: ManualSettings
    clock: Callable[[], float] = time.time
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)
    _given_up: dict[str, None] = field(default_factory=dict, init=False, repr=False)  # keys, the latest last

    @property
    def is_shared(self) -> bool:
        """True: several threads may use it at once."""
        return True

    @property
    def removes_duplicates(self) -> bool:
        """True: a key is one task."""
        return True

    def carry_out(self, order: Order) -> Outcome:
        """Ask, and give the answer once there is one.

        Raises:
            Pending: nobody has answered yet.
            Refused: the person declined.
            Malformed: nobody answered in time; a person may have done it all the same.
            Unavailable: it was given up before anybody was asked.
        """
        now = self.clock()
        due = now + min(order.timeout_s if order.timeout_s is not None else self.settings.deadline_s, LONGEST_S)
        with self._lock:  # a task that was given up meanwhile must not appear after it
            if order.key in self._given_up:
                raise Unavailable(f"order {order.key}: nobody waits for it any more; nobody was asked")
            self.tasks.put(Task(order.key, order.owner, str(order.command.get("text", "")), order.returns, due))
        task = self.tasks.get(order.key)
        if task is not None and task.is_over(now):
            self.tasks.expire(order.key)
        outcome = self.read(order)
        if outcome is not None:
            return outcome
        raise Pending(f"order {order.key}: a person of {order.owner} is asked; tocsin task answer")

    def read(self, order: Order) -> Outcome | None:
        """Give the answer; None where there is none yet.

        Raises:
            Refused: the person declined.
            Malformed: nobody answered in time, or it was withdrawn.
        """
        task = self.tasks.get(order.key)
        if task is None or task.state == "open":
            return None
        if task.state == "expired":
            raise Malformed(
                f"order {order.key}: nobody answered the task in time; ask {order.owner} whether it was done"
            )
        if task.state == "withdrawn":
            raise Malformed(f"order {order.key}: the task was withdrawn; ask {order.owner} whether it was done")
        if task.state == "declined":
            raise Refused(f"order {order.key}: {task.person} declined: {task.answer or 'no reason given'}")
        return Outcome(200, f"done by {task.person}: {task.answer}".rstrip(": "), arguments=dict(task.values or {}))

    def give_up(self, key: str) -> bool:
        """Withdraw the task: its step or run has ended, and nobody waits for the person."""
        with self._lock:
            while len(self._given_up) >= MAX_GIVEN_UP:
                del self._given_up[next(iter(self._given_up))]
            if self.tasks.get(key) is None:  # the thread that asks may come later
                self._given_up[key] = None
            return self.tasks.withdraw(key)


def _read(row: tuple[str, str, str, str, float, State, str, str | None, str]) -> Task:
    key, owner, text, returns, deadline, state, answer, values, person = row
    return Task(
        key, owner, text, json.loads(returns), deadline, state, answer, json.loads(values) if values else None, person
    )


def make_manual(setup: Setup) -> Manual:
    """Factory of the entry point `manual`."""
    return Manual(Tasks(setup.state), setup.read(ManualSettings))
