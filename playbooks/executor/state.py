"""A run as plain values: where it stands, its variables, what it did. JSON and back without loss.

Flows in: nothing. Flows out: `State` and what happens to it (`Event`), what it asks for (`Order`), what it tells
(`Fact`). Times are milliseconds since 1970, UTC, and come from outside. It does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from .values import Value


class Phase(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    HOLDING = "holding"  # succeeded; its effect ends by itself later
    UNDOING = "undoing"  # takes back what it did
    STUCK = "stuck"  # an undo failed: a person is needed, or another `Withdrawn`
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # and taken back, so far as its steps say how
    UNDONE = "undone"  # withdrawn, or its time to hold is over


ENDED = frozenset({Phase.STUCK, Phase.SUCCEEDED, Phase.FAILED, Phase.UNDONE})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a step failed; told to the branch that answers it."""

    code: str  # ACTION_TIMEOUT, ACTION_FAILED, STEP_FAULT, BRANCH_FAILED, PLAYBOOK_FAILED, LIMIT
    step: str  # id of the step
    text: str = ""


@dataclass(slots=True)
class Frame:
    """One sequence of steps under way: the workflow, a branch, or the workflow of a called playbook."""

    path: str  # what leads to it: steps with the number of branch, iteration or call; "" for the workflow
    step: str  # where it stands
    scope: int  # whose variables it uses: number of the playbook's run
    is_root: bool = False  # the workflow of a playbook, not a branch in it
    phase: str = "arrived"  # arrived, delayed, working
    since: int = 0  # arrived: -, delayed: when the delay is over, working: since when; ms
    walked: int = 0  # steps so far, this one counted
    number: int = 0  # of the next command and target, branch, iteration
    is_asked: bool = False  # that command is under way
    own: dict[str, Value] = field(default_factory=dict)  # variables of the step
    targets: list[dict[str, Any]] = field(default_factory=list)  # of the step: id, and asset and owner where resolved
    noted: list[int] = field(default_factory=list)  # targets whose undo is noted
    failures: list[Failure] = field(default_factory=list)  # of its branches


@dataclass(slots=True)
class ScopeState:
    """One run of a playbook: the first, or one that a step called."""

    playbook: int  # number among the state's playbooks
    values: dict[str, Value]
    failure: Failure | None = None  # the first of its steps that failed: then it has failed, whatever came after
    is_excepted: bool = False  # workflow_exception was taken


@dataclass(frozen=True, slots=True)
class Pinned:
    """A playbook as it was when the run met it."""

    id: str
    modified: str
    digest: str


@dataclass(frozen=True, slots=True)
class Done:
    """Something to take back: a step's work on one target."""

    playbook: int
    step: str
    path: str
    target: dict[str, Any] | None
    values: dict[str, Value]  # of the variables that its undo uses, as they were


@dataclass(slots=True)
class State:
    """A run. The machine gives a new one for every event; whoever holds one does not change it."""

    phase: Phase
    began: int
    now: int  # of the last event
    playbooks: list[Pinned]
    scopes: list[ScopeState]
    frames: list[Frame]  # the innermost last
    done: list[Done] = field(default_factory=list)
    walked: int = 0  # steps in all
    failure: Failure | None = None  # of the run
    withdrawn: str = ""  # why it is taken back
    undone: int = 0  # undo commands that succeeded, from the last on
    attempt: int = 1  # of undoing; the fence in the keys of undo commands
    until: int = 0  # holding: when it ends

    def copied(self) -> State:
        """A copy that may be changed."""
        frames = [
            replace(
                frame, own=dict(frame.own), targets=frame.targets[:], noted=frame.noted[:], failures=frame.failures[:]
            )
            for frame in self.frames
        ]
        scopes = [replace(scope, values=dict(scope.values)) for scope in self.scopes]
        return replace(self, playbooks=self.playbooks[:], scopes=scopes, frames=frames, done=self.done[:])

    def to_json(self) -> dict[str, Any]:
        """The state as a JSON object."""
        return asdict(self)


def state_from_json(content: Mapping[str, Any]) -> State:
    """The state that `to_json` gave.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    fields = dict(content)
    fields["phase"] = Phase(fields["phase"])
    fields["playbooks"] = [Pinned(**one) for one in fields["playbooks"]]
    fields["scopes"] = [ScopeState(**{**one, "failure": _failure(one["failure"])}) for one in fields["scopes"]]
    fields["frames"] = [
        Frame(**{**one, "failures": [Failure(**failure) for failure in one["failures"]]}) for one in fields["frames"]
    ]
    fields["done"] = [Done(**one) for one in fields["done"]]
    fields["failure"] = _failure(fields["failure"])
    return State(**fields)


def _failure(content: Mapping[str, Any] | None) -> Failure | None:
    return None if content is None else Failure(**content)


@dataclass(frozen=True, slots=True)
class Time:
    """It is so late."""

    at: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a command."""

    at: int
    key: str  # the command's
    succeeded: bool
    text: str = ""
    perhaps: bool = False  # it failed, but may have taken effect: its answer was lost
    arguments: Mapping[str, Any] = field(default_factory=dict)  # values of out_args by name


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Somebody wants the run taken back; a command under way may have taken effect."""

    at: int
    why: str = "withdrawn"


Event = Time | Answered | Withdrawn


@dataclass(frozen=True, slots=True)
class Command:
    """A command to carry out now; equal states ask for it under the equal key."""

    key: str  # of step, path, visit, command, target; unique in the run
    attempt: int  # 1 and up: the fence of undo commands that are tried again
    step: str
    path: str
    type: str  # CACAO command type
    command: Mapping[str, Any]
    agent: Mapping[str, Any]
    target: Mapping[str, Any]
    arguments: Mapping[str, str]
    returns: Mapping[str, str]  # out_args asked back: name -> type
    until: int | None  # when its step's time is over, ms
    playbook: str = ""  # id of the playbook that asks for it
    version: str = ""  # its `modified`
    is_undo: bool = False


@dataclass(frozen=True, slots=True)
class Ask(Command):
    """A task for a person."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Say what time it is then, or later."""

    until: int


Order = Command | Wait


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened in a run, for its trace."""

    at: int
    what: str  # entered, waits, sends, answered, chose, returned, succeeded, failed, withdrawn
    step: str
    path: str = ""
    text: str = ""
    playbook: str = ""  # id
