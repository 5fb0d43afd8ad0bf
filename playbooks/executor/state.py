"""A run as plain values: where it stands, its variables, what it did. JSON and back without loss.

Flows in: nothing. Flows out: `State` and what happens to it (`Event`), what it asks for (`Order`), what it tells
(`Fact`). Times are milliseconds since 1970, UTC, and come from outside. It does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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


UNKNOWN = -1  # in place of a time
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

    id: int  # later ones have larger ids
    path: str  # what leads to it: steps with the number of branch, iteration or call; "" for the workflow
    step: str  # where it stands
    scope: int  # whose variables it uses: id of the playbook's run
    parent: int | None = None  # id of the frame whose step it is inside of
    depth: int = 1  # how many frames lead to it, itself counted
    is_root: bool = False  # the workflow of a playbook, not a branch in it
    phase: str = "arrived"  # arrived, delayed, due (an action that waits for the time of the event), working
    since: int = 0  # arrived: -, delayed: when the delay is over, working: since when; ms
    walked: int = 0  # steps so far, this one counted
    number: int = 0  # of the command, branch, iteration
    open: int = 0  # branches under way; it has its turn again when all have ended
    asked: list[int] = field(default_factory=list)  # targets for which that command is under way
    answers: list[list[Any]] = field(default_factory=list)  # taken: target, whether it succeeded, text, arguments
    own: dict[str, Value] = field(default_factory=dict)  # variables of the step
    values: dict[str, Value] = field(default_factory=dict)  # of the playbook's variables that it uses, when it asked
    targets: list[dict[str, Any]] = field(default_factory=list)  # of the step: id, and asset and owner where resolved
    noted: list[int] = field(default_factory=list)  # targets whose undo is noted
    failures: list[Failure] = field(default_factory=list)  # of its branches

    def copied(self) -> Frame:
        """A copy that may be changed; every event makes one, so it is written out."""
        return Frame(
            self.id, self.path, self.step, self.scope, self.parent, self.depth, self.is_root, self.phase, self.since,
            self.walked, self.number, self.open, self.asked[:], self.answers[:], dict(self.own), dict(self.values),
            self.targets[:], self.noted[:], self.failures[:],
        )  # fmt: skip


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


def call_name(name: str, version: str | None) -> str:
    """What a call asks for: a version of a playbook, or the latest of its id; it is answered once in a run."""
    return name if version is None else f"{name} {version}"


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
    scopes: dict[int, ScopeState]  # by id
    frames: dict[int, Frame]  # by id, in their order: what is around a frame stands before it
    made: int = 1  # ids given so far, to frames and scopes
    done: list[Done] = field(default_factory=list)
    walked: int = 0  # steps in all
    failure: Failure | None = None  # of the run
    withdrawn: str = ""  # why it is taken back
    undone: int = 0  # undo commands that succeeded, from the last on
    attempt: int = 1  # of undoing; the fence in the keys of undo commands
    until: int = 0  # holding: when it ends
    given_up: dict[str, str] = field(default_factory=dict)  # keys of commands that nobody waits for -> their steps
    called: dict[str, int] = field(default_factory=dict)  # what calls ask for, see `call_name` -> number of a playbook
    commands: dict[str, Command] = field(default_factory=dict, compare=False, repr=False)  # under way, made before
    wakes: int = field(default=UNKNOWN, compare=False, repr=False)  # when something happens by itself, once looked up

    def copied(self) -> State:
        """A copy that may be changed."""
        frames = {number: frame.copied() for number, frame in self.frames.items()}
        scopes = {number: replace(scope, values=dict(scope.values)) for number, scope in self.scopes.items()}
        return replace(
            self, playbooks=self.playbooks[:], scopes=scopes, frames=frames, done=self.done[:],
            given_up=dict(self.given_up), called=dict(self.called), commands=dict(self.commands),
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """The state as a JSON object, to be written and not changed; what can be made again is left out."""
        content = _plain(self)
        for name in _MADE_AGAIN:
            del content[name]
        content["playbooks"] = [_plain(one) for one in self.playbooks]
        content["done"] = [_plain(one) for one in self.done]
        content["failure"] = None if self.failure is None else _plain(self.failure)
        content["scopes"] = {
            str(number): {**_plain(one), "failure": None if one.failure is None else _plain(one.failure)}
            for number, one in self.scopes.items()
        }
        content["frames"] = {
            str(number): {**_plain(one), "failures": [_plain(failure) for failure in one.failures]}
            for number, one in self.frames.items()
        }
        return content


_MADE_AGAIN = ("commands", "wakes")


def _plain(one: State | Frame | ScopeState | Pinned | Done | Failure) -> dict[str, Any]:
    return {name: getattr(one, name) for name in type(one).__slots__}


def state_from_json(content: Mapping[str, Any]) -> State:
    """The state that `to_json` gave.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    fields = dict(content)
    fields["phase"] = Phase(fields["phase"])
    fields["playbooks"] = [Pinned(**one) for one in fields["playbooks"]]
    fields["scopes"] = {
        number: ScopeState(**{**one, "failure": _failure(one["failure"])})
        for number, one in _numbered(fields["scopes"])
    }
    fields["frames"] = {
        number: Frame(**{**one, "failures": [Failure(**failure) for failure in one["failures"]]})
        for number, one in _numbered(fields["frames"])
    }
    fields["done"] = [Done(**one) for one in fields["done"]]
    fields["failure"] = _failure(fields["failure"])
    return State(**fields)


def _numbered(content: Mapping[str, Any]) -> list[tuple[int, Any]]:
    return sorted((int(number), one) for number, one in content.items())


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
    digest: str = ""  # SHA-256 of its content
    is_timed: bool = False  # whether its step, or one around it, names a time; else `until` is a bound of ours
    is_undo: bool = False
    bound: int | None = None  # ms that an undo may take from when it is sent, as its step names them


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
    version: str = ""  # its `modified`
