"""What a promoted policy meets and what became of forecasts, kept small in the node's store for `tocsin policy watch`.

Flows in: active views that the policy saw, forecasts, starts and undoings of responses, service lost as owners report
it. Flows out: rows of counts and of outlooks in the store, bounded in number; no observation is kept. It decides
nothing.

An outlook is a rehearsal's expectation of the service that is lost over its horizon (harm cannot be seen, service can).
Until its response is started it stands for doing nothing, from then on for the response. It is *disturbed*, and says
nothing, when another response is started or undone meanwhile, or the node did not watch all the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ..envs.profile import Window, counted
from ..twin.compiled import UInt8
from .clock import iso
from .proposals import Outlook
from .store import outlooks, policy_windows

MOST_WINDOWS = 120  # kept, the newest: 40 days of windows of eight hours; about 10 kB each
MOST_OUTLOOKS = 2_000  # kept, those due last
EVERY = 15  # counted decisions between writings: so many are lost when a node dies
GAP = timedelta(minutes=10)  # longest time between two looks over which lost service is taken to be known; assumed
OPEN, CAME, DISTURBED = "open", "came", "disturbed"
NOTHING, THIS = "nothing", "this"


@dataclass
class Counts:
    """Counts what a policy sees, window by window; lives as long as its node, used by the thread that ticks."""

    policy: str = ""  # SHA-256 of the file of the policy in use
    length: int = 0  # decisions of a window; 0: nothing is counted
    window: Window = field(default_factory=Window.empty)
    _tick: int = -1

    def change(self, policy: str, length: int) -> None:
        """Another policy is in use: a new window begins."""
        if policy != self.policy:
            self.policy, self.length, self.window = policy, length, Window.empty()

    def note(self, rows: UInt8, tick: int) -> None:
        """Count what is seen, once for each tick of the twin, however often a node looks."""
        if self.length and tick != self._tick:
            self._tick = tick
            self.window = self.window + counted(rows)

    @property
    def decisions(self) -> int:
        """Counted in this window."""
        return int(self.window.decisions.sum())


@dataclass
class Watcher:
    """Keeps windows and outlooks of one node; lives as long as it, used by the thread that ticks."""

    met: Counts
    service_lost: Callable[[], float]  # per hour now, in the chain's unit of loss
    _lost: float = field(default=0.0, init=False)  # so far
    _rate: float = field(default=0.0, init=False)  # per hour, since the last look
    _looked: datetime | None = field(default=None, init=False)
    _row: int | None = field(default=None, init=False)  # of the window that grows
    _row_of: str = field(default="", init=False)
    _written: int = field(default=0, init=False)  # decisions of it that are in the store

    def look(self, conn: sa.Connection, now: datetime) -> None:
        """Book lost service up to now, settle outlooks that are due, write counts now and then."""
        if self._looked is None or now - self._looked > GAP:
            self._disturb(conn)
        else:
            self._lost += self._rate * (now - self._looked).total_seconds() / 3600.0
        self._looked, self._rate = now, self.service_lost()
        due = (outlooks.c.state == OPEN) & (outlooks.c.due <= iso(now))
        conn.execute(sa.update(outlooks).where(due).values(state=CAME, came=self._lost - outlooks.c.before))
        self._keep(conn, now)

    def rehearsed(self, conn: sa.Connection, response: str, outlook: Outlook | None, now: datetime) -> None:
        """A response has its forecast: until it is started, nothing is done."""
        if outlook is not None:
            due = iso(now + timedelta(seconds=outlook.horizon_s))
            row: dict[str, Any] = {"response": response, "policy": self.met.policy, "option": NOTHING, "state": OPEN}
            row |= {"due": due, "before": self._lost, "came": 0.0, "body": asdict(outlook)}
            conn.execute(sa.insert(outlooks).values(row))
            _bound(conn, outlooks, outlooks.c.response, outlooks.c.due, MOST_OUTLOOKS)

    def started(self, conn: sa.Connection, response: str, now: datetime) -> None:
        """A response was started: its outlook begins, all others are disturbed."""
        self._disturb(conn)
        row = conn.execute(sa.select(outlooks.c.body).where(outlooks.c.response == response)).first()
        if row is not None:
            due = iso(now + timedelta(seconds=float(row.body["horizon_s"])))
            values: dict[str, Any] = {"option": THIS, "state": OPEN, "due": due, "before": self._lost, "came": 0.0}
            conn.execute(sa.update(outlooks).where(outlooks.c.response == response).values(values))

    def undone(self, conn: sa.Connection) -> None:
        """A response was taken back."""
        self._disturb(conn)

    def _disturb(self, conn: sa.Connection) -> None:
        conn.execute(sa.update(outlooks).where(outlooks.c.state == OPEN).values(state=DISTURBED))

    def _keep(self, conn: sa.Connection, now: datetime) -> None:
        met = self.met
        if met.policy != self._row_of:
            self._row, self._row_of, self._written = None, met.policy, 0
        is_full = bool(met.length) and met.decisions >= met.length
        if met.decisions < self._written + EVERY and not is_full:
            return
        body = met.window.as_object()
        if self._row is None:
            row = {"policy": met.policy, "begun": iso(now), "body": body}
            (self._row,) = conn.execute(sa.insert(policy_windows).values(row)).inserted_primary_key or (None,)
            _bound(conn, policy_windows, policy_windows.c.id, policy_windows.c.id, MOST_WINDOWS)
        else:
            conn.execute(sa.update(policy_windows).where(policy_windows.c.id == self._row).values(body=body))
        self._written = met.decisions
        if is_full:
            met.window, self._row, self._written = Window.empty(), None, 0


def _bound(conn: sa.Connection, table: sa.Table, key: sa.Column[Any], order: sa.Column[Any], most: int) -> None:
    """Keep the `most` last rows of a table."""
    last = sa.select(key).order_by(order.desc(), key.desc()).limit(most).subquery()
    conn.execute(sa.delete(table).where(key.not_in(sa.select(last.c[key.name]))))
