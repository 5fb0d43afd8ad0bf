"""One running orchestrator: its twin, library, store, keys and clock, and what may be asked of it.

Flows in: events, proposals, consents and wishes of callers already known by their token; ticks. Flows out: what became
of them. HTTP is `api/`, the life cycle is `workflow.py`, whose view applies is `views.py`. A node serves one owner, or
several that trust one operator.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import sqlalchemy as sa

from ..playbooks.cacao import Playbook
from ..twin.graph import Twin
from ..twin.sensing.events import Event, read_events
from . import audit, inbox
from .actuators.base import Actuator
from .clock import Clock, ClockError, LockstepClock, iso, parse_iso
from .consent import Decision, verify
from .guard import Basis, GivenConsent
from .identity import Caller, Callers, Signers
from .interpreting import Script
from .lease import Lease
from .lifecycle import IllegalTransition, State, UnknownResponse
from .naming import check_ids
from .office import Office
from .pinned import Pinned
from .proposals import Advisor, BeliefRow, Proposal, SeenFinding
from .proposing import ProposalRefused, Repeats, note_refusal, propose
from .records import (
    Response,
    count_events,
    insert_findings,
    kill_switch,
    list_responses,
    read_response,
    record_consent,
    set_kill_switch,
    update_response,
)
from .run import hears_of_wish
from .shelf import IsActive, Shelf, find
from .store import reading
from .targets import TargetError
from .terms import Terms
from .timely import check_times, not_after
from .turns import InTurn
from .versions import Versions
from .views import View
from .watching import Watcher
from .workflow import Workflow
from .writing import writing

MAX_PENDING = 20_000  # events of one owner kept for the next tick; assumed, about 20 MB
UNDOABLE = (State.EXECUTING, State.VERIFYING, State.SUCCEEDED, State.FAILED)


class NotInView(LookupError):  # noqa: N818  (told to callers as 404, so that nothing leaks)
    """There is no such thing, or the caller may not see it; both read the same."""


class ForeignAsset(ValueError):  # noqa: N818
    """An event about an asset that is not the sender's."""


class Overloaded(RuntimeError):  # noqa: N818
    """More events wait for the next tick than the node keeps."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """What one tick did."""

    time: str  # UTC
    events: int
    findings: int  # new ones
    proposed: tuple[str, ...]  # ids of new responses


@dataclass(slots=True)
class Node:
    """A running orchestrator. Thread-safe: callers in many threads, one tick at a time."""

    twin: Twin
    shelf: Shelf
    is_active: IsActive
    engine: sa.Engine
    tokens: Callers
    trust: Signers
    clock: Clock
    advisor: Advisor
    actuator: Actuator
    script: Script
    lease: Lease  # the right to act on the store
    terms: Terms = field(default_factory=Terms)
    versions: Versions = field(default_factory=Versions)  # of playbooks, also of those that left the shelf
    may_propose: Callable[[str], bool] = lambda playbook: True  # whether the policy in use was evaluated with it
    watcher: Watcher | None = None
    pinned: Pinned = field(init=False, repr=False)  # the playbooks of responses, as they were proposed
    _advisor: InTurn = field(init=False, repr=False)
    _ticking: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)  # of callers that write
    _waiting: Counter[str] = field(init=False, repr=False)  # events per owner that wait for the next tick
    _observed: int = field(default=0, init=False, repr=False)  # last row of the inbox that the advisor was told
    _unstored: list[SeenFinding] = field(default_factory=list, init=False, repr=False)
    _intake: dict[str, threading.Lock] = field(init=False, repr=False)  # per owner
    _pending_lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _workflow: Workflow = field(init=False, repr=False)
    _repeats: Repeats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_ids(self.twin)
        on_shelf = [one.document for one in self.shelf.values()]
        self.versions.keep(self.engine, [one for one in on_shelf if isinstance(one, Playbook)])
        self._advisor = InTurn(self.advisor)
        self._intake = {owner.id: threading.Lock() for owner in self.twin.owners}
        with reading(self.engine) as conn:
            self._waiting = inbox.count(conn)
        self.pinned = Pinned(self.shelf, self.versions)
        self._workflow = Workflow(
            Office(
                twin=self.twin,
                shelf=self.shelf,
                pinned=self.pinned,
                is_active=self.is_active,
                terms=self.terms,
                trust=self.trust,
                engine=self.engine,
                clock=self.clock,
                advisor=self._advisor,
                actuator=self.actuator,
                script=self.script,
                lease=self.lease,
                watcher=self.watcher,
            )
        )
        self._repeats = Repeats(self.terms.repropose_s)
        self._workflow.recall()

    def take_payload(self, caller: Caller, payload: bytes) -> int:
        """Read and keep an owner's events, one payload of it at a time, so that its flood leaves time for others.

        Raises:
            EventError: it holds no valid events.
            ForeignAsset, Overloaded: see `take_events`.
        """
        with self._intake[caller.owner]:
            if self._waiting[caller.owner] >= MAX_PENDING:  # not even read
                raise _overloaded(self._waiting[caller.owner], caller.owner)
            return self.take_events(caller, read_events(payload))

    def take_events(self, caller: Caller, events: Sequence[Event]) -> int:
        """Keep an owner's events for the next tick; give how many.

        Raises:
            ForeignAsset: an event is about no asset of the caller's owner; none of them is kept.
            FromTheFuture: an event is dated later than the node's clock allows; none of them is kept.
            Overloaded: too many of its events wait already.
        """
        for position, event in enumerate(events):
            asset = self.twin.asset_by_id.get(event.asset)
            if asset is None or asset.owner != caller.owner or event.owner != caller.owner:
                who = f"{event.asset!r} of {event.owner!r}"
                raise ForeignAsset(f"event {position}: {who} is no asset of {caller.owner!r}; send your own only")
        check_times(events, self.clock.latest())
        payload = inbox.packed([replace(event, credential=caller.credential) for event in events])
        with self._pending_lock:
            waiting = self._waiting[caller.owner]
            if waiting + len(events) > MAX_PENDING:
                raise _overloaded(waiting, caller.owner)
            with self.engine.begin() as conn:  # what is not stored is not acknowledged, so that it is sent again
                count_events(conn, caller.owner, len(events))
                inbox.keep(conn, caller.owner, len(events), payload)
            self._waiting[caller.owner] += len(events)
        return len(events)

    def tick(self, time: datetime | None = None) -> Ticked:
        """Observe what came in, propose, and bring every response on; `time` sets a clock in lockstep first.

        Raises:
            ClockError: a time for a clock that runs by itself, or one that lies in the past.
            LeaseLost: another node may act on the store now.
        """
        with self._ticking:
            self.lease.check()
            if time is not None:
                if not isinstance(self.clock, LockstepClock):
                    raise ClockError("this node's clock runs by itself; start it with --clock lockstep to set the time")
                self.clock.set(time)
            now = self.clock.now()
            events = self._take_waiting()
            try:
                new = self._observe(not_after(events, now), now)
                proposed = self._take_proposals(self._advisor.propose(), now)
                self._watch(now)
            finally:  # a fault of the advisor must not hold up what owners have consented to
                self._workflow.advance()
            return Ticked(iso(now), len(events), new, tuple(proposed))

    def propose(self, caller: Caller, *, playbook: str, targets: Iterable[str], reason: str) -> Response:
        """Make a person's proposal a response.

        Raises:
            NotInView: a target that the caller may not see or that is not there.
            ProposalRefused: with its name.
        """
        shelved = find(self.shelf, playbook)
        names = tuple(targets)
        if not self.view(caller).sees_targets(names):
            raise NotInView("no such target in your view; list your assets and mend the names")
        index = shelved.index if shelved else 0
        proposal = Proposal(shelved.id if shelved else playbook, index, names, (caller.owner,), reason)
        with self._lock, self.engine.begin() as conn:
            return propose(
                conn,
                proposal,
                twin=self.twin,
                shelf=self.shelf,
                pinned=self.pinned.of,
                terms=self.terms,
                is_active=self.is_active,
                now=self.clock.now(),
                proposer=caller.owner,
            )

    def consent(self, caller: Caller, response: str, jws: str) -> Response:
        """Take an owner's signed answer to a response.

        Raises:
            NotInView: the caller may not see the response.
            ConsentRefused: the signature does not count, with the name of the reason.
            IllegalTransition: consent is not asked for at this state.
            ChangedByHand: what the store says of it is not what the node wrote.
        """
        self.response(caller, response)  # what the caller may not see is not there, whatever became of it
        with self._lock, writing(self.engine, response, self.clock) as conn:
            row = self._visible(conn, caller, response)
            now = self.clock.now()
            given = verify(jws, self.trust, row.binding, row.owners, now=now)
            decision = Decision(given.decision)
            if row.state not in (State.AWAITING_CONSENT, State.APPROVED):
                raise IllegalTransition(f"response {response} is {row.state}; consent is taken until it is started")
            answer = GivenConsent(
                owner=given.owner,
                person=given.person,
                decision=decision,
                basis=Basis.SIGNED,
                binding=given.binding,
                expiry=parse_iso(given.expiry),
            )
            record_consent(conn, answer, self.trust, time=iso(now), jws=jws)
            return row

    def want_undo(self, caller: Caller, response: str) -> Response:
        """Note that an owner of the targets wants a response undone; the next tick does it.

        Raises:
            NotInView: the caller may not see the response.
            PermissionError: the caller owns none of its targets.
            IllegalTransition: there is nothing to undo, or the playbook cannot be undone.
            ChangedByHand: what the store says of it is not what the node wrote.
        """
        self.response(caller, response)  # what the caller may not see is not there, whatever became of it
        with self._lock, writing(self.engine, response, self.clock) as conn:
            row = self._visible(conn, caller, response)
            if caller.owner not in row.owners:
                raise PermissionError(f"{caller.owner!r} owns no target of it; its owners are {', '.join(row.owners)}")
            if row.state not in UNDOABLE:
                raise IllegalTransition(f"response {response} is {row.state}; only what was carried out can be undone")
            shelved = self.pinned.of(row) or self.shelf.get(row.playbook)
            if shelved is None:
                raise IllegalTransition(self.pinned.why_not(row))
            if not shelved.effect.undoable:
                raise IllegalTransition(f"playbook {row.playbook} cannot be undone; propose one that mends its effect")
            if not row.undo_wanted or hears_of_wish(conn, row):
                update_response(conn, response, undo_wanted=caller.owner)
                body, time = {"by": caller.owner}, iso(self.clock.now())
                audit.append_about(conn, response, time=time, kind="undo_wanted", owners=row.owners, body=body)
            return row

    def set_kill_switch(self, caller: Caller, *, on: bool) -> None:
        """Stop (or allow again) that any order goes out but undoing ones; it does not wait for a tick under way."""
        owners = [owner.id for owner in self.twin.owners]
        with self.engine.begin() as conn:
            set_kill_switch(conn, on=on, owner=caller.owner, owners=owners, time=iso(self.clock.now()))

    def kill_switch_is_on(self) -> bool:
        """Say whether the kill switch is on."""
        with reading(self.engine) as conn:
            return kill_switch(conn)

    def responses(self, caller: Caller) -> list[Response]:
        """Give the responses that the caller may see, oldest first."""
        view = self.view(caller)
        with reading(self.engine) as conn:
            return [row for row in list_responses(conn) if view.sees_response(row)]

    def response(self, caller: Caller, response: str) -> Response:
        """Give one response.

        Raises:
            NotInView: there is none, or the caller may not see it.
        """
        with reading(self.engine) as conn:
            return self._visible(conn, caller, response)

    def belief(self, caller: Caller) -> list[BeliefRow]:
        """Give the belief of the caller's view, over the assets it may see."""
        visible = self.twin.visible_assets(caller.owner)
        return [row for row in self._advisor.belief(caller.owner) if row.asset in visible]

    def view(self, caller: Caller) -> View:
        """Give what the caller may see."""
        return View.of(self.twin, caller.owner)

    def _visible(self, conn: sa.Connection, caller: Caller, response: str) -> Response:
        missing = NotInView(f"no response {response!r} in your view; list responses and mend the id")
        if "\0" in response:  # some databases cannot even look for it
            raise missing
        try:
            row = read_response(conn, response)
        except UnknownResponse:
            raise missing from None
        if not self.view(caller).sees_response(row):
            raise missing
        return row

    def _take_waiting(self) -> list[Event]:
        """Give the events not observed yet; they stay in the store until what is concluded from them is there."""
        with self._pending_lock, reading(self.engine) as conn:
            self._observed, events = inbox.waiting(conn, self._observed)
            self._waiting.clear()
        return events

    def _observe(self, events: Sequence[Event], now: datetime) -> int:
        self._unstored += self._advisor.observe(events, now)  # kept until stored: the advisor will not say them again
        owner_of = {asset.id: asset.owner for asset in self.twin.assets}
        with self.engine.begin() as conn:
            new = insert_findings(conn, self._unstored, owner_of, iso(now))
            inbox.drop(conn, self._observed)
        self._unstored.clear()
        return new

    def _watch(self, now: datetime) -> None:
        if self.watcher is not None:
            with self.engine.begin() as conn:
                self.watcher.look(conn, now)

    def _take_proposals(self, proposals: Sequence[Proposal], now: datetime) -> list[str]:
        taken = []
        for proposal in proposals:
            if not self._repeats.is_due(proposal, now):
                continue
            try:
                if not self.may_propose(proposal.playbook):
                    raise _not_evaluated(proposal, self.shelf)
                with self.engine.begin() as conn:
                    response = propose(
                        conn,
                        proposal,
                        twin=self.twin,
                        shelf=self.shelf,
                        pinned=self.pinned.of,
                        terms=self.terms,
                        is_active=self.is_active,
                        now=now,
                    )
                taken.append(response.id)
            except (ProposalRefused, TargetError) as error:
                reason = getattr(error, "reason", "unknown_target")
                if reason == "already_there":
                    continue
                with self.engine.begin() as conn:
                    note_refusal(conn, proposal, reason, str(error), now=now)
            self._repeats.note(proposal, now)
        return taken


def _not_evaluated(proposal: Proposal, shelf: Shelf) -> ProposalRefused:
    shelved = shelf.get(proposal.playbook)
    name = proposal.playbook if shelved is None else shelved.name
    message = (
        f"the policy was not evaluated with playbook {name!r}; evaluate and promote it with it, or propose yourself"
    )
    return ProposalRefused("not_evaluated", message)


def _overloaded(waiting: int, owner: str) -> Overloaded:
    return Overloaded(f"{waiting} events of {owner!r} wait for the next tick; send again later")
