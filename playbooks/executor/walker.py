"""One event's work on a state: what every part of the walk needs, and the frames that it makes.

Flows in: a program, a copy of a state, the time. Flows out: the same state, changed by `walking`, `asking`, `ending`,
`giving_up` and `taking_back`, and facts of what happened.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..cacao import AnyStep, Playbook
from .commanding import playbook_of, scope_of
from .program import Program
from .state import Answered, Fact, Frame, Pinned, ScopeState, State
from .values import Scope, StepFault, Value


class Walker:
    """One event's work on a state of its own; it lives for one call of `advance`."""

    def __init__(self, program: Program, state: State, at: int) -> None:
        self.program = program
        self.state = state
        self.facts: list[Fact] = []
        self.at = at  # of the event
        self.answered: Answered | None = None  # the event, where it is an answer
        self.turns: list[Frame] = []  # frames that may go on, the next one last
        self.due: list[Frame] = []  # actions that begin at the time of the event

    def has_turn(self, frame: Frame) -> None:
        """Let a frame go on at the next walk, before those that were told earlier."""
        self.turns.append(frame)

    def playbook(self, frame: Frame) -> Playbook:
        """The playbook whose steps a frame walks."""
        return playbook_of(self.program, self.state, frame)

    def step(self, frame: Frame) -> AnyStep | None:
        """The step where a frame stands; None if the workflow has none of that name."""
        return self.playbook(frame).workflow.get(frame.step)

    def scope(self, frame: Frame, step: AnyStep) -> Scope:
        """What names mean in that step."""
        return scope_of(self.playbook(frame), self.state, frame, step)

    def tell(self, what: str, frame: Frame, text: str = "") -> None:
        """Add to the facts."""
        playbook = self.playbook(frame)
        self.facts.append(Fact(self.state.now, what, frame.step, frame.path, text, playbook.id, playbook.modified))

    def enter(self, frame: Frame, branches: Sequence[tuple[str, str | int]]) -> None:
        """Begin branches of the step where a frame stands.

        Args:
            frame: it has its turn again when all of them have ended.
            branches: the first step of each, and what tells it from the others.

        Raises:
            StepFault: too deep.
        """
        self._check_depth(frame)
        begun = [
            self._frame(f"{frame.path}{frame.step}[{label}]/", first, frame.scope, around=frame)
            for first, label in branches
        ]
        frame.open = len(begun)
        self.turns += begun[::-1]

    def call(self, frame: Frame, asked: str, pin: Pinned, values: dict[str, Value], first: str) -> None:
        """Begin the workflow of another playbook, with its values; what was asked for is answered by it from now on.

        Raises:
            StepFault: too deep.
        """
        self._check_depth(frame)
        state = self.state
        if pin not in state.playbooks:
            state.playbooks.append(pin)
        state.called[asked] = state.playbooks.index(pin)
        scope = self._new_id()
        state.scopes[scope] = ScopeState(state.playbooks.index(pin), values)
        frame.open = 1
        self.has_turn(self._frame(f"{frame.path}{frame.step}[call]/", first, scope, around=frame, is_root=True))

    def _frame(self, path: str, first: str, scope: int, *, around: Frame | None, is_root: bool = False) -> Frame:
        parent, depth = (None, 1) if around is None else (around.id, around.depth + 1)
        frame = Frame(self._new_id(), path, first, scope, parent, depth, is_root)
        self.state.frames[frame.id] = frame
        return frame

    def _new_id(self) -> int:
        self.state.made += 1
        return self.state.made - 1

    def _check_depth(self, frame: Frame) -> None:
        most = self.program.bounds.frames
        if frame.depth >= most:
            raise StepFault(f"branches and calls in each other deeper than {most}; flatten them")
