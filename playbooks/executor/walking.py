"""The walk through a workflow: what one event makes of a state.

Flows in: a program, a copy of a state, the time. Flows out: the state as it is then, and facts of what happened.
Branches of a parallel step are under way at the same time, each by itself, as CACAO v2.0 (4.7) wants: whichever can go
on does, and the step waits for all. So are the targets of one command; the next command waits for all of them.

Where a step fails (its command, its time, a value, a branch of it):

    1. its `on_failure` is taken, if it has one;
    2. else the step around it fails (a parallel step when all its branches have ended);
    3. at the top of a playbook its `workflow_exception` is taken, once;
    4. then that playbook's run has failed, and what was done is taken back.

`on_completion` and `on_success` are taken only where all commands succeeded. A playbook one of whose steps failed has
failed, whatever the branch for it did: an `on_failure` says what else to do, it does not make a success.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..cacao import ActionStep, AnyStep, Playbook, PlaybookError
from ..cacao_steps import PlaybookActionStep
from .commanding import (
    command_now,
    deadline_of,
    key_now,
    playbook_of,
    scope_of,
    scope_when_asked,
    under_way,
    undo_command,
    undo_count,
    wake_of,
)
from .program import Program
from .state import UNKNOWN, Answered, Done, Fact, Failure, Frame, Phase, Pinned, ScopeState, State
from .values import TOLD, Scope, StepFault, Value, initial_own


class Walker:
    """One event's work on a state of its own; it lives for one call of `advance`."""

    def __init__(self, program: Program, state: State, at: int) -> None:
        self.program = program
        self.state = state
        self.facts: list[Fact] = []
        self.at = at  # of the event
        self._answered: Answered | None = None  # the event, where it is an answer
        self._turns: list[Frame] = []  # frames that may go on, the next one last
        self._due: list[Frame] = []  # actions that begin at the time of the event

    def has_turn(self, frame: Frame) -> None:
        """Let a frame go on at the next walk, before those that were told earlier."""
        self._turns.append(frame)

    def walk(self, behaviours: Mapping[str, Behaviour]) -> None:
        """Go on until all that is left must be waited for, or the run has ended.

        Args:
            behaviours: what each type of step does when it is its turn, see `stepping`.
        """
        state = self.state
        while self._turns and state.phase is Phase.RUNNING:
            frame = self._turns.pop()
            if state.frames.get(frame.id) is frame and not frame.open and not frame.asked:
                self._turn(frame, behaviours)

    def _turn(self, frame: Frame, behaviours: Mapping[str, Behaviour]) -> None:
        step = self.step(frame)
        if step is None:
            self.fail(frame, Failure("STEP_FAULT", frame.step, "is not in the workflow; mend the reference"))
        elif frame.phase == "arrived":
            self._arrive(frame, step)
        elif frame.phase == "delayed" and self.state.now < frame.since:
            return
        elif frame.phase == "delayed" and step.type == "action" and self.state.now < self.at:
            frame.phase = "due"  # what is sent is sent now, however long ago it could have been
            self._due.append(frame)
        elif frame.phase in ("delayed", "due"):
            self._begin(frame, step)
        else:
            try:
                behaviours[step.type](self, frame, step)
            except StepFault as fault:
                self.fail(frame, Failure("STEP_FAULT", frame.step, str(fault)))

    def pass_time(self, behaviours: Mapping[str, Behaviour]) -> None:
        """Let happen what happens by itself until the event, each thing at its own time.

        So delays that follow each other end when they should, however seldom somebody says what time it is; and time
        in which nothing happens changes nothing.
        """
        state = self.state
        if state.wakes > self.at:  # nothing has changed since it was looked up
            state.wakes = UNKNOWN
            return
        state.wakes = UNKNOWN
        while True:
            wake = wake_of(self.program, state)
            if wake is not None and wake <= self.at:
                state.now = max(state.now, wake)
                self.expire()
                self.over()
                self._turns += [one for one in state.frames.values() if one.phase == "delayed"][::-1]
            else:
                due = [one for one in self._due if state.frames.get(one.id) is one]
                self._due = []
                if not due:
                    return
                state.now = max(state.now, self.at)
                self._turns += due[::-1]
            self.walk(behaviours)

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
        self._turns += begun[::-1]

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

    def ask(self, frame: Frame, step: ActionStep) -> None:
        """Ask for the command that is due, on every target at once.

        Raises:
            StepFault: one of them cannot be made, or has no actuator; then none is asked for.
        """
        playbook, scope = self.playbook(frame), self.scope(frame, step)
        frame.values = {
            name: value
            for name in self.program.names(playbook, frame.step).asking
            if name not in step.step_variables and name in playbook.playbook_variables
            if (value := scope.find(name)) is not None
        }
        slots = range(len(frame.targets))
        commands = [command_now(self.program, self.state, frame, step, slot) for slot in slots]
        for command in commands:
            if command.type not in self.program.supported:
                raise StepFault(f"no actuator for {command.type} commands is installed; install one")
        frame.asked = list(slots)
        for command in commands:
            self.state.commands[command.key] = command
            on = command.target.get("asset") or command.target.get("name") or ""
            self.tell("sends", frame, command.type + (f" on {on}" if on else ""))

    def take_answers(self, frame: Frame, step: ActionStep) -> bool:
        """Take what a command brought, in the order of its targets; False: it failed on one, and so the step has.

        In that order, and not in that of the answers, so that it does not matter who was faster.
        """
        answers = sorted(frame.answers, key=lambda one: int(one[0]))
        frame.answers = []
        for _, succeeded, text, _ in answers:
            if not succeeded:
                self.fail(frame, Failure("ACTION_FAILED", frame.step, text))
                return False
        scope = self.scope(frame, step)
        for *_, arguments in answers:
            for name in step.out_args:
                if arguments.get(name) is not None:
                    scope.put(name, arguments[name])
                    self.tell("returned", frame, name)
        return True

    def succeed(self, frame: Frame, step: AnyStep) -> None:
        """The step has succeeded: go on after it."""
        self.tell("succeeded", frame)
        after = step.on_completion or step.on_success
        if after is None:
            self.leave(frame, None)
        else:
            self._go(frame, after)

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
            self._go(frame, step.on_failure)
        else:
            self.leave(frame, failure)

    def expire(self) -> bool:
        """Fail the outermost step whose time is over, and say whether there was one."""
        state = self.state
        if state.phase is not Phase.RUNNING:
            return False
        if state.now - state.began > self.program.bounds.run_s * 1000:
            last = next(reversed(state.frames.values())).step
            self.abort(Failure("LIMIT", last, f"the run took more than {self.program.bounds.run_s} s"))
            return True
        for frame in state.frames.values():
            step = self.step(frame)
            deadline = None if step is None else deadline_of(self.program, state, frame, step)
            if deadline is not None and state.now >= deadline:
                told = f"its time of {(deadline - frame.since) / 1000:g} s ran out"
                self.fail(frame, Failure("ACTION_TIMEOUT", frame.step, told))
                return True
        return False

    def answer(self, event: Answered, behaviours: Mapping[str, Behaviour]) -> None:
        """Take what became of a command that is under way, or of one that nobody waits for any more."""
        state, found = self.state, under_way(self.state, event.key)
        self._answered = event
        self.pass_time(behaviours)
        state.now = max(state.now, self.at)
        told = event.text or ("done" if event.succeeded else "not done")
        if found is None or event.key in state.given_up:  # too late: it was given up with its step
            self.facts.append(Fact(state.now, "answered", state.given_up.pop(event.key), "", f"too late: {told}"))
            return
        frame, slot = found
        step = self.step(frame)
        assert isinstance(step, ActionStep)  # only an action is asked
        if event.succeeded or event.perhaps:
            self._note(frame, step, slot)
        frame.asked.remove(slot)
        state.commands.pop(event.key, None)
        self.tell("answered", frame, told)
        brought = {name: event.arguments[name] for name in step.out_args if name in event.arguments}
        frame.answers.append([slot, event.succeeded, event.text, brought])
        if not frame.asked:
            self.has_turn(frame)

    def abort(self, failure: Failure) -> None:
        """Give the whole run up as failed."""
        self._give_up_all()
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
                self.tell("withdrawn", next(reversed(state.frames.values())), why)
                self._give_up_all()
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
        self.has_turn(frame)

    def _begin(self, frame: Frame, step: AnyStep) -> None:
        frame.phase, frame.since, frame.number = "working", self.state.now, 0
        frame.own, frame.targets, frame.noted, frame.failures, frame.answers = {}, [], [], [], []
        self.tell("entered", frame, step.type)
        try:
            frame.own = initial_own(step.step_variables, self.scope(frame, step))
        except StepFault as fault:
            self.fail(frame, Failure("STEP_FAULT", frame.step, str(fault)))
        else:
            self.has_turn(frame)

    def leave(self, frame: Frame, failure: Failure | None) -> None:
        """A sequence of steps has come to its end, well or by a failure that none of them answers."""
        state = self.state
        del state.frames[frame.id]
        parent = None if frame.parent is None else state.frames[frame.parent]
        if not frame.is_root:
            assert parent is not None  # a branch is one of a step
            self._closed(parent, failure)
            return
        scope, playbook = state.scopes[frame.scope], self.playbook(frame)
        if failure is not None and playbook.workflow_exception is not None and not scope.is_excepted:
            scope.is_excepted = True
            path, first = f"{frame.path}exception/", playbook.workflow_exception
            self.has_turn(self._frame(path, first, frame.scope, around=parent, is_root=True))
            return
        if parent is None:
            self._end(scope.failure)
            return
        failed = scope.failure or self._bring_back(parent, scope)
        del state.scopes[frame.scope]
        self._closed(parent, failed)

    def _closed(self, frame: Frame, failure: Failure | None) -> None:
        """One branch of a step has ended."""
        frame.failures += [] if failure is None else [failure]
        frame.open -= 1
        if not frame.open:
            self.has_turn(frame)

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

    def _give_up_all(self) -> None:
        if self.state.frames:
            self._give_up(next(iter(self.state.frames.values())))
        self.state.frames.clear()

    def _give_up(self, frame: Frame) -> None:
        """End what runs inside a step; commands under way may have taken effect."""
        state, inside = self.state, {frame.id: frame}
        for one in state.frames.values():  # what is around a frame stands before it
            if one.parent in inside:
                inside[one.id] = one
        for one in inside.values():
            self._give_up_commands(one)
        del inside[frame.id]
        for one in inside.values():
            del state.frames[one.id]
            if one.is_root:
                del state.scopes[one.scope]
        frame.open = 0

    def _give_up_commands(self, frame: Frame) -> None:
        step, event = self.step(frame), self._answered
        for slot in frame.asked:
            assert isinstance(step, ActionStep)  # only an action is asked
            key = key_now(frame, slot)
            if event is None or event.key != key or event.succeeded or event.perhaps:
                self._note(frame, step, slot)
            self.state.given_up[key] = frame.step
            self.state.commands.pop(key, None)
        frame.asked = []

    def _note(self, frame: Frame, step: ActionStep, slot: int) -> None:
        """Remember how to take back a step on one target, with the variables as they were when it was asked for."""
        playbook = self.playbook(frame)
        try:
            has_undo = bool(self.program.undo(playbook, frame.step))
        except PlaybookError:
            return
        if slot in frame.noted or not has_undo:
            return
        frame.noted.append(slot)
        scope, target = scope_when_asked(playbook, frame, step), frame.targets[slot] or None
        values = {
            name: value
            for name in self.program.names(playbook, frame.step).undoing
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

    def _go(self, frame: Frame, step: str) -> None:
        frame.step, frame.phase = step, "arrived"
        self.has_turn(frame)


Behaviour = Callable[[Walker, Frame, Any], None]  # of a type of step
