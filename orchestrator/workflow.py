"""Bring every response one step further: rehearse, ask, approve, carry out, verify, undo, expire.

Flows in: the store, the advisor, the clock. Flows out: transitions in the store, orders through `run.py`. Each step
reads the store anew and is safe to repeat, so a crash loses nothing. Proposals come in through `proposing.py`; it knows
neither callers nor HTTP. The steps themselves are in `starting`, `executing`, `verifying` and `undoing`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from .clock import parse_iso
from .competing import WAITING, in_turn
from .executing import execute
from .holding import holds
from .lifecycle import Event, State
from .office import Office
from .records import Response, list_responses, time_of
from .starting import ask, decide, expire, rehearse, start
from .store import reading
from .undoing import undo
from .verifying import verify
from .writing import ChangedByHand

HOLDING = (State.VERIFYING, State.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class Workflow:
    """The life of responses; lives as long as its node and is used by one thread at a time."""

    office: Office

    def advance(self) -> None:
        """Bring every response as far as it can go at this time.

        Raises:
            ExceptionGroup: faults of single responses, after all others were brought on.
        """
        faults: list[Exception] = []
        for states, step in self._steps():
            with reading(self.office.engine) as conn:
                found = list_responses(conn, *states)
            for response in in_turn(found) if states == (State.PROPOSED,) else found:
                try:
                    step(response)
                except ChangedByHand:
                    continue  # it has failed, and the log says so
                except Exception as fault:  # noqa: BLE001  (one response's fault must not hold up another's; raised below)
                    faults.append(fault)
        if faults:
            raise ExceptionGroup("responses that could not be brought on", faults)

    def recall(self) -> None:
        """After a start, tell the advisor which responses were sent and are not verified yet, and which hold."""
        with reading(self.office.engine) as conn:
            sent = [(row, time_of(conn, row.id, Event.EXECUTE)) for row in list_responses(conn, State.VERIFYING)]
            succeeded = list_responses(conn, State.SUCCEEDED)
        for response, since in sent:
            self.office.advisor.applied(response.proposal, holds=True, since=parse_iso(since))
        for response in succeeded:
            if holds(response, self.office.pinned.of, self.office.now()):
                until = parse_iso(response.holds_until) if response.holds_until else None
                self.office.advisor.recalled(response.proposal, until=until)

    def _steps(self) -> tuple[tuple[tuple[State, ...], Callable[[Response], None]], ...]:
        looked: set[str] = set()  # proposers one of whose responses was rehearsed anew at this tick
        return (
            (WAITING, partial(expire, self.office)),
            ((State.PROPOSED,), partial(rehearse, self.office)),
            ((State.REHEARSED,), partial(ask, self.office)),
            ((State.AWAITING_CONSENT,), partial(decide, self.office)),
            ((State.APPROVED,), partial(start, self.office, looked=looked)),
            ((State.EXECUTING,), partial(execute, self.office)),
            ((State.VERIFYING,), partial(verify, self.office)),
            ((State.EXECUTING, *HOLDING, State.FAILED), partial(undo, self.office)),
        )
