"""A run that is taken back: because it failed, was withdrawn, or held for its time; one undo command after the other.

Flows in: the walker. Flows out: its phase, and how many undo commands have succeeded.
"""

from __future__ import annotations

from .commanding import undo_command, undo_count
from .giving_up import give_up_all
from .state import Answered, Fact, Phase
from .walker import Walker


def withdraw(walker: Walker, why: str) -> None:
    """Take the run back, wherever it stands; after a failed undo try that again."""
    walker.state.now = max(walker.state.now, walker.at)
    _withdraw(walker, why)


def _withdraw(walker: Walker, why: str) -> None:
    state = walker.state
    if state.phase is Phase.STUCK:
        state.attempt += 1
        state.phase = Phase.UNDOING
    elif state.phase in (Phase.RUNNING, Phase.HOLDING, Phase.SUCCEEDED):
        if state.frames:
            walker.tell("withdrawn", next(reversed(state.frames.values())), why)
            give_up_all(walker)
        state.scopes.clear()
        state.withdrawn = why
        take_back(walker)


def undone(walker: Walker, event: Answered) -> None:
    """Take what became of an undo command."""
    state = walker.state
    state.now = max(state.now, walker.at)
    command = undo_command(walker.program, state, state.undone)
    told = event.text or ("taken back" if event.succeeded else "not taken back")
    walker.facts.append(
        Fact(state.now, "answered", command.step, command.path, told, command.playbook, command.version)
    )
    if not event.succeeded:
        state.phase = Phase.STUCK
        return
    state.undone += 1
    if state.undone == undo_count(walker.program, state):
        state.phase = _taken_back(walker)


def over(walker: Walker) -> None:
    """Take back what has held for its time."""
    if walker.state.phase is Phase.HOLDING and walker.state.now >= walker.state.until:
        _withdraw(walker, "its time to hold is over")


def take_back(walker: Walker) -> None:
    """Begin to take back what was done; where nothing was, the run is over."""
    walker.state.phase = Phase.UNDOING if walker.state.done else _taken_back(walker)


def _taken_back(walker: Walker) -> Phase:
    return Phase.UNDONE if walker.state.withdrawn else Phase.FAILED
