"""The walk through a workflow: what one event makes of a state.

Flows in: a program, a copy of a state, the time. Flows out: the state as it is then, and facts of what happened. One
step is under way at a time; branches of a parallel step are walked one after the other, which CACAO v2.0 (4.7) allows.

Where a step fails (its command, its time, a value, a branch of it):

    1. its `on_failure` is taken, if it has one;
    2. else the step around it fails (a parallel step when all its branches have ended);
    3. at the top of a playbook its `workflow_exception` is taken, once;
    4. then that playbook's run has failed, and what was done is taken back.

`on_completion` and `on_success` are taken only where all commands succeeded. A playbook one of whose steps failed has
failed, whatever the branch for it did: an `on_failure` says what else to do, it does not make a success.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..cacao import ActionStep, AnyStep, Playbook, PlaybookError
from ..cacao_steps import PlaybookActionStep
from .commanding import deadline_of, playbook_of, scope_of, undo_command, undo_count, wake_of
from .program import Program
from .state import Answered, Command, Done, Fact, Failure, Frame, Phase, ScopeState, State
from .values import TOLD, Scope, StepFault, initial_own, names_in


class Walker:
    """One event's work on a state of its own; it lives for one call of `advance`."""

    def __init__(self, program: Program, state: State, at: int) -> None:
        self.program = program
        self.state = state
        self.facts: list[Fact] = []
        self.command: Command | None = None  # asked for by this event
        self.at = at  # of the event

    def walk(self, behaviours: Mapping[str, Behaviour]) -> None:
        """Go on until something must be waited for, or the run has ended.

        Args:
            behaviours: what each type of step does when it is its turn, see `stepping`.
        """
        state = self.state
        while state.phase is Phase.RUNNING:
            frame = state.frames[-1]
            step = self.step(frame)
            if step is None:
                self.fail(frame, Failure("STEP_FAULT", frame.step, "is not in the workflow; mend the reference"))
            elif frame.phase == "arrived":
                self._arrive(frame, step)
            elif frame.phase == "delayed":
                if state.now < frame.since:
                    return
                self._begin(frame, step)
            else:
                try:
                    if not behaviours[step.type](self, frame, step):
                        return
                except StepFault as fault:
                    self.fail(frame, Failure("STEP_FAULT", frame.step, str(fault)))

    def pass_time(self, behaviours: Mapping[str, Behaviour]) -> None:
        """Let happen what happens by itself until the event, each thing at its own time.

        So delays that follow each other end when they should, however seldom somebody says what time it is; and time
        in which nothing happens changes nothing.
        """
        while (wake := wake_of(self.program, self.state)) is not None and wake <= self.at:
            self.state.now = max(self.state.now, wake)
            self.expire()
            self.over()
            self.walk(behaviours)

    def begin_now(self, frame: Frame) -> bool:
        """Let a step begin at the time of the event; False if the time of one around it was over by then."""
        frame.since = max(self.state.now, self.at)
        over = wake_of(self.program, self.state)
        if over is None or over > frame.since:
            self.state.now = frame.since
            return True
        self.state.now = max(self.state.now, over)
        self.expire()
        return False

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
        self.facts.append(Fact(self.state.now, what, frame.step, frame.path, text, self.playbook(frame).id))

    def enter(self, frame: Frame, first: str, label: str | int) -> None:
        """Begin a branch of the step where a frame stands.

        Raises:
            StepFault: too deep.
        """
        self._check_depth()
        self.state.frames.append(Frame(f"{frame.path}{frame.step}[{label}]/", first, frame.scope))

    def _check_depth(self) -> None:
        most = self.program.bounds.frames
        if len(self.state.frames) >= most:
            raise StepFault(f"branches and calls in each other deeper than {most}; flatten them")

    def call(self, frame: Frame, first: str) -> None:
        """Begin the workflow of the playbook whose scope was put on top.

        Raises:
            StepFault: too deep.
        """
        self._check_depth()
        path = f"{frame.path}{frame.step}[call]/"
        self.state.frames.append(Frame(path, first, len(self.state.scopes) - 1, is_root=True))

    def succeed(self, frame: Frame, step: AnyStep) -> None:
        """The step has succeeded: go on after it."""
        self.tell("succeeded", frame)
        after = step.on_completion or step.on_success
        if after is None:
            self.leave(frame, None)
        else:
            _go(frame, after)

    def fail(self, frame: Frame, failure: Failure) -> None:
        """The step where a frame stands has failed; what runs inside it is given up."""
        step = self.step(frame)
        self._give_up(frame)
        scope = self.state.scopes[frame.scope]
        scope.failure = scope.failure or failure
        declared = self.playbook(frame).playbook_variables
        for name, text in zip(TOLD, (failure.code, failure.step), strict=True):
            if name in declared and declared[name].type == "string" and not declared[name].constant:
                scope.values[name] = text
        where = "" if failure.step == frame.step else f" at {failure.step}"
        self.tell("failed", frame, f"{failure.code}{where}: {failure.text}")
        if step is not None and step.on_failure is not None:
            _go(frame, step.on_failure)
        else:
            self.leave(frame, failure)

    def expire(self) -> bool:
        """Fail the outermost step whose time is over, and say whether there was one."""
        state = self.state
        if state.phase is not Phase.RUNNING:
            return False
        if state.now - state.began > self.program.bounds.run_s * 1000:
            self.abort(Failure("LIMIT", state.frames[-1].step, f"the run took more than {self.program.bounds.run_s} s"))
            return True
        for frame in state.frames:
            step = self.step(frame)
            deadline = None if step is None else deadline_of(self.program, state, frame, step)
            if deadline is not None and state.now >= deadline:
                told = f"its time of {(deadline - frame.since) / 1000:g} s ran out"
                self.fail(frame, Failure("ACTION_TIMEOUT", frame.step, told))
                return True
        return False

    def answer(self, event: Answered) -> None:
        """Take what became of the command that is under way."""
        self.state.now = max(self.state.now, self.at)
        frame = self.state.frames[-1]
        step = self.step(frame)
        assert isinstance(step, ActionStep)  # only an action is asked
        if event.succeeded or event.perhaps:
            self._note(frame, step)
        frame.is_asked = False
        self.tell("answered", frame, event.text or ("done" if event.succeeded else "not done"))
        if self.expire():
            return
        if not event.succeeded:
            self.fail(frame, Failure("ACTION_FAILED", frame.step, event.text))
            return
        scope = self.scope(frame, step)
        try:
            for name in step.out_args:
                if event.arguments.get(name) is not None:
                    scope.put(name, event.arguments[name])
                    self.tell("returned", frame, name)
        except StepFault as fault:
            self.fail(frame, Failure("STEP_FAULT", frame.step, str(fault)))
            return
        frame.number += 1

    def abort(self, failure: Failure) -> None:
        """Give the whole run up as failed."""
        self._give_up(self.state.frames[0])
        self.state.frames.clear()
        self._end(failure)

    def withdraw(self, why: str) -> None:
        """Take the run back, wherever it stands; after a failed undo try that again."""
        self.state.now = max(self.state.now, self.at)
        self._withdraw(why)

    def _withdraw(self, why: str) -> None:
        state = self.state
        if state.phase is Phase.STUCK:
            state.attempt += 1
            state.phase = Phase.UNDOING
        elif state.phase in (Phase.RUNNING, Phase.HOLDING, Phase.SUCCEEDED):
            if state.frames:
                self.tell("withdrawn", state.frames[-1], why)
                self._give_up(state.frames[0])
            state.frames.clear()
            state.scopes.clear()
            state.withdrawn = why
            self._take_back()

    def undone(self, event: Answered) -> None:
        """Take what became of an undo command."""
        state = self.state
        state.now = max(state.now, self.at)
        command = undo_command(self.program, state, state.undone)
        told = event.text or ("taken back" if event.succeeded else "not taken back")
        self.facts.append(Fact(state.now, "answered", command.step, command.path, told, command.playbook))
        if not event.succeeded:
            state.phase = Phase.STUCK
            return
        state.undone += 1
        if state.undone == undo_count(self.program, state):
            state.phase = self._taken_back()

    def over(self) -> None:
        """Take back what has held for its time."""
        if self.state.phase is Phase.HOLDING and self.state.now >= self.state.until:
            self._withdraw("its time to hold is over")

    def _arrive(self, frame: Frame, step: AnyStep) -> None:
        bound = self.program.bounds.steps
        self.state.walked += 1
        frame.walked += 1
        if self.state.walked > bound:
            told = f"no end within {bound} steps; break the cycle"
            self.abort(Failure("LIMIT", frame.step, told))
            return
        frame.phase, frame.since = "delayed", self.state.now + step.delay
        if step.delay:
            self.tell("waits", frame, f"{step.delay / 1000:g} s")

    def _begin(self, frame: Frame, step: AnyStep) -> None:
        frame.phase, frame.since, frame.number, frame.is_asked = "working", self.state.now, 0, False
        frame.own, frame.targets, frame.noted, frame.failures = {}, [], [], []
        self.tell("entered", frame, step.type)
        try:
            frame.own = initial_own(step.step_variables, self.scope(frame, step))
        except StepFault as fault:
            self.fail(frame, Failure("STEP_FAULT", frame.step, str(fault)))

    def leave(self, frame: Frame, failure: Failure | None) -> None:
        """A sequence of steps has come to its end, well or by a failure that none of them answers."""
        state = self.state
        state.frames.pop()
        if not frame.is_root:
            state.frames[-1].failures += [] if failure is None else [failure]
            return
        scope, playbook = state.scopes[frame.scope], self.playbook(frame)
        if failure is not None and playbook.workflow_exception is not None and not scope.is_excepted:
            scope.is_excepted = True
            state.frames.append(
                Frame(f"{frame.path}exception/", playbook.workflow_exception, frame.scope, is_root=True)
            )
            return
        if not state.frames:
            self._end(scope.failure)
            return
        failed = scope.failure or self._bring_back(state.frames[-1], scope)
        state.frames[-1].failures += [] if failed is None else [failed]
        state.scopes.pop()

    def _bring_back(self, frame: Frame, called: ScopeState) -> Failure | None:
        """Take over the out_args of a playbook that has succeeded; give a failure where one does not fit."""
        step = self.step(frame)
        assert isinstance(step, PlaybookActionStep)  # only it calls
        scope = self.scope(frame, step)
        try:
            for name in step.out_args:
                if (value := called.values.get(name)) is not None:
                    scope.put(name, value)
                    self.tell("returned", frame, name)
        except StepFault as fault:
            return Failure("STEP_FAULT", frame.step, str(fault))
        return None

    def _give_up(self, frame: Frame) -> None:
        """End what runs inside a step; a command under way may have taken effect."""
        state = self.state
        while True:
            top = state.frames[-1]
            step = self.step(top)
            if top.is_asked and isinstance(step, ActionStep):
                self._note(top, step)
                top.is_asked = False
            if top is frame:
                return
            state.frames.pop()
            if top.is_root:
                state.scopes.pop()

    def _note(self, frame: Frame, step: ActionStep) -> None:
        """Remember how to take back a step on one target, with the variables as they are now."""
        playbook, slot = self.playbook(frame), frame.number % len(frame.targets)
        try:
            has_undo = bool(self.program.undo(playbook, frame.step))
        except PlaybookError:
            return
        if slot in frame.noted or not has_undo:
            return
        frame.noted.append(slot)
        scope, target = self.scope(frame, step), frame.targets[slot] or None
        parties = [playbook.agent_definitions.get(step.agent)]
        parties += [playbook.target_definitions.get(target["id"])] if target else []
        secrets = [getattr(party, "authentication_info", None) for party in parties]
        authentications = [playbook.authentication_info_definitions.get(name) for name in secrets if name]
        content = [one.model_dump(by_alias=True) for one in (*parties, *authentications) if one is not None]
        names = sorted({*names_in([dict(step.step_extensions), *content]), *step.in_args})
        values = {
            name: value
            for name in names
            if scope.declared(name) is not None and (value := scope.find(name)) is not None
        }
        number = self.state.scopes[frame.scope].playbook
        self.state.done.append(Done(number, frame.step, frame.path, target, values))

    def _end(self, failure: Failure | None) -> None:
        state = self.state
        state.failure = failure
        state.scopes.clear()
        if failure is not None:
            self._take_back()
        elif self.program.hold_s > 0 and state.done:
            state.phase, state.until = Phase.HOLDING, state.now + round(self.program.hold_s * 1000)
        else:
            state.phase = Phase.SUCCEEDED

    def _take_back(self) -> None:
        self.state.phase = Phase.UNDOING if self.state.done else self._taken_back()

    def _taken_back(self) -> Phase:
        return Phase.UNDONE if self.state.withdrawn else Phase.FAILED


def _go(frame: Frame, step: str) -> None:
    frame.step, frame.phase = step, "arrived"


Behaviour = Callable[[Walker, Frame, Any], bool]  # of a type of step: False where something must be waited for
