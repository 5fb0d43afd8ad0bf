"""CACAO playbooks as orders: the playbooks room's pure interpreter, once per target of a response.

Flows in: a playbook, a response, what happened so far with its times. Flows out: all orders that are due and the time
to wait for, whether the run succeeded, the orders that take it back. Targets of a response are served one after the
other, in their order; a failure on one ends the run. A run is its beginning and what happened, replayed: what is kept
here of runs saves work and may be lost at any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from ..playbooks.cacao import Playbook, PlaybookError, digest
from ..playbooks.execute import (
    SUPPORTED,
    Advance,
    Answered,
    Command,
    Expand,
    Kept,
    Phase,
    Program,
    Resolve,
    Time,
    advance,
    begin,
    call_name,
    keeps_none,
    knows_none,
    undo_commands,
    without_twin,
)
from .clock import parse_iso
from .interpreting import NO_TIME, Asked, Due, Moment, RunEvent, StepOrder, StepOutcome
from .records import Response

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_KEPT = 64  # playbooks, and runs, whose work is saved; assumed


@dataclass(frozen=True, slots=True)
class _Run:
    """The interpreter on one target, as far as outcomes and time bring it."""

    number: int  # of the target
    target: str
    program: Program
    reached: Advance

    @property
    def is_over(self) -> bool:
        return self.reached.state.phase is not Phase.RUNNING


@dataclass(frozen=True, slots=True)
class CacaoScript:
    """Reads documents as CACAO playbooks; used by one thread at a time, lives as long as anybody wants."""

    resolve: Resolve = knows_none  # playbooks that others call
    expand: Expand = without_twin  # abstract targets
    supported: frozenset[str] = SUPPORTED  # command types that the node's actuators carry out
    kept: Kept = keeps_none  # every version that the node has met
    _programs: dict[tuple[int, tuple[str, ...]], Program] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _kept: dict[tuple[str, int], tuple[Program, int, list[RunEvent], Advance]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def due(self, document: Playbook, response: Response, events: Sequence[RunEvent], moment: Moment = NO_TIME) -> Due:
        """Give the orders due after `events`, and until when nothing else is."""
        run = self._last(document, response, events, moment)
        if run.is_over:
            return Due(is_over=True)
        orders = [_order(run, one) for one in run.reached.orders if isinstance(one, Command)]
        waits = [_time(one.until) for one in run.reached.orders if not isinstance(one, Command)]
        state = run.reached.state
        met = tuple(f"{state.playbooks[number].digest} {asked}" for asked, number in state.called.items())
        return Due(tuple(orders), min(waits, default=None), met)

    def succeeded(
        self, document: Playbook, response: Response, events: Sequence[RunEvent], moment: Moment = NO_TIME
    ) -> bool:
        """Say whether every target's run came to its end by success."""
        runs = list(self._runs(document, response, events, moment))
        done = [run.reached.state.phase is Phase.SUCCEEDED for run in runs]
        return all(done) and len(done) == len(response.targets)

    def undo_orders(
        self, document: Playbook, response: Response, events: Sequence[RunEvent], moment: Moment = NO_TIME
    ) -> Sequence[StepOrder]:
        """Give the orders that take back what was done, the last target and the last step first."""
        orders: list[StepOrder] = []
        still = replace(moment, now=moment.began)  # while it is taken back, no time of a step runs out
        for run in reversed(list(self._runs(document, response, events, still))):
            orders += [_order(run, command) for command in undo_commands(run.program, run.reached.state)]
        return orders

    def why_failed(
        self, document: Playbook, response: Response, events: Sequence[RunEvent], moment: Moment = NO_TIME
    ) -> str:
        """Say by which step a run that ended has failed; empty where it has not."""
        failure = self._last(document, response, events, moment).reached.state.failure
        return "" if failure is None else f"{failure.code} at {failure.step}: {failure.text}"

    def _last(self, document: Playbook, response: Response, events: Sequence[RunEvent], moment: Moment) -> _Run:
        return list(self._runs(document, response, events, moment))[-1]

    def _runs(
        self, document: Playbook, response: Response, events: Sequence[RunEvent], moment: Moment
    ) -> Iterator[_Run]:
        """Runs of the targets in their order, up to the first that goes on or has failed."""
        met = {pin: None for one in events if isinstance(one, Asked) for pin in one.met}
        program, began = self._program(document, tuple(met)), _ms(moment.began)
        for number, target in enumerate(response.targets):
            own = [one for one in events if one.step.startswith(f"{number}.")]
            reached = self._after(program, response, number, target, own, began)
            later = [one.at for one in events if isinstance(one, Asked) and _number(one) > number]
            if reached.state.phase is Phase.RUNNING:
                reached = advance(program, reached.state, Time(_ms(parse_iso(later[0]) if later else moment.now)))
            yield _Run(number, target, program, reached)
            if reached.state.phase is not Phase.SUCCEEDED:
                return
            began = reached.state.now

    def _after(
        self, program: Program, response: Response, number: int, target: str, own: list[RunEvent], began: int
    ) -> Advance:
        """Where what happened on one target brings its run; what it brought it to before is not walked again."""
        kept = self._kept.get((response.id, number))
        if kept is not None and kept[:2] == (program, began) and kept[2] == own[: len(kept[2])]:
            reached, left = kept[3], own[len(kept[2]) :]
        else:
            reached, left = begin(program, _variables(response, target), began), own
        for event in left:
            if isinstance(event, StepOutcome):
                reached = advance(program, reached.state, _answer(event, number, reached))
            elif reached.state.phase is Phase.RUNNING:
                reached = advance(program, reached.state, Time(_ms(parse_iso(event.at))))
        while len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[response.id, number] = (program, began, own, reached)
        return reached

    def _program(self, document: Playbook, met: tuple[str, ...]) -> Program:
        """The fixed part of a run that has met these playbooks: it stays with them, whatever is the latest now."""
        found = self._programs.get((id(document), met))
        if found is None:
            while len(self._programs) >= MAX_KEPT:
                del self._programs[next(iter(self._programs))]
            found = Program(document, self._resolve_as(met), self.expand, self.supported, self.kept)
            self._programs[id(document), met] = found
        return found

    def _resolve_as(self, met: tuple[str, ...]) -> Resolve:
        """Each call finds the content that answered it before, by digest: name and version do not say enough."""
        pins = self._pins(met)

        def resolve(name: str, version: str | None) -> Playbook | None:
            pin = pins.get(call_name(name, version))
            if pin is None:
                return self.resolve(name, version)
            found = self.kept(pin) or self.resolve(name, version)
            if found is None or digest(found) != pin:
                raise PlaybookError(
                    f"playbook {name}: the content that this run has called (SHA-256 {pin}) is not here as it was; "
                    "put its file back into HOME/vetting/playbooks, and start the node again"
                )
            return found

        return resolve

    def _pins(self, met: tuple[str, ...]) -> dict[str, str]:
        pins: dict[str, str] = {}
        for one in met:
            pin, _, asked = one.partition(" ")
            if asked:
                pins.setdefault(asked, pin)
            elif (known := self.kept(pin)) is not None:  # an earlier release began the run, and wrote digests alone
                for asked in (known.id, call_name(known.id, known.modified)):
                    pins.setdefault(asked, pin)
        return pins


def owner_of_target(target: str) -> str:
    """Give whose system carries out an order on a target: an asset's owner; of a link, the owner it leads to."""
    parts = target.split(" ")  # kind source target port, see twin.facts.key_of
    return (parts[2] if len(parts) == 4 else target).split("/")[0]


def actuator_of(owner: str) -> str:
    """Name an owner's own actuator as a URI: where it is, is said by the node's terms, not by playbooks."""
    return f"urn:tocsin:actuator:{quote(owner, safe='')}"


def _answer(outcome: StepOutcome, number: int, reached: Advance) -> Answered:
    at = _ms(parse_iso(outcome.at)) if outcome.at else reached.state.now
    key = outcome.step.removeprefix(f"{number}.")
    return Answered(at, key, outcome.succeeded, outcome.text, outcome.perhaps, outcome.arguments)


def _order(run: _Run, command: Command) -> StepOrder:
    return StepOrder(
        step=f"{run.number}.{command.key}",
        owner=command.target.get("owner") or owner_of_target(run.target),
        command=command.command,
        type=command.type,
        agent=command.agent,
        target=command.target,
        arguments=command.arguments,
        returns=command.returns,
        until=None if command.until is None else _time(command.until),
        is_timed=command.is_timed,
        bound_s=None if command.bound is None else command.bound / 1000,
        playbook="" if command.playbook == run.program.playbook.id else f"{command.playbook} {command.version}",
        digest=command.digest,
    )


def _number(event: RunEvent) -> int:
    return int(event.step.partition(".")[0])


def _ms(time: datetime) -> int:
    return (time - EPOCH) // timedelta(milliseconds=1)


def _time(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


def _variables(response: Response, target: str) -> Mapping[str, Any]:
    owner = owner_of_target(target)
    return {"__target__": target, "__response__": response.id, "__owner__": owner, "__actuator__": actuator_of(owner)}
