"""What runs inside a step, or in the whole run, given up: nobody waits for it, and what it may have done is noted.

Flows in: the walker, a frame. Flows out: the state without it, with keys of commands that nobody waits for.
"""

from __future__ import annotations

from ..cacao import ActionStep, PlaybookError
from .commanding import key_now, scope_when_asked
from .state import Done, Frame
from .walker import Walker


def give_up_all(walker: Walker) -> None:
    """End all that is under way."""
    if walker.state.frames:
        give_up(walker, next(iter(walker.state.frames.values())))
    walker.state.frames.clear()


def give_up(walker: Walker, frame: Frame) -> None:
    """End what runs inside a step; commands under way may have taken effect."""
    state, inside = walker.state, {frame.id: frame}
    for one in state.frames.values():  # what is around a frame stands before it
        if one.parent in inside:
            inside[one.id] = one
    for one in inside.values():
        _give_up_commands(walker, one)
    del inside[frame.id]
    for one in inside.values():
        del state.frames[one.id]
        if one.is_root:
            del state.scopes[one.scope]
    frame.open = 0


def _give_up_commands(walker: Walker, frame: Frame) -> None:
    step, event = walker.step(frame), walker.answered
    for slot in frame.asked:
        assert isinstance(step, ActionStep)  # only an action is asked
        key = key_now(frame, slot)
        if event is None or event.key != key or event.succeeded or event.perhaps:
            note(walker, frame, step, slot)
        walker.state.given_up[key] = frame.step
        walker.state.commands.pop(key, None)
    frame.asked = []


def note(walker: Walker, frame: Frame, step: ActionStep, slot: int) -> None:
    """Remember how to take back a step on one target, with the variables as they were when it was asked for."""
    playbook = walker.playbook(frame)
    try:
        has_undo = bool(walker.program.undo(playbook, frame.step))
    except PlaybookError:
        return
    if slot in frame.noted or not has_undo:
        return
    frame.noted.append(slot)
    scope, target = scope_when_asked(playbook, frame, step), frame.targets[slot] or None
    values = {
        name: value
        for name in walker.program.names(playbook, frame.step).undoing
        if scope.declared(name) is not None and (value := scope.find(name)) is not None
    }
    number = walker.state.scopes[frame.scope].playbook
    walker.state.done.append(Done(number, frame.step, frame.path, target, values))
