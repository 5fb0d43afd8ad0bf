"""One caller at a time at an advisor, for as long as one question takes and no longer.

Flows in: an advisor, questions from several threads. Flows out: its answers. So belief waits for at most one rehearsal,
and never for the systems that a tick sends orders to.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ..twin.sensing.events import Event
from .proposals import Advisor, BeliefRow, Forecast, Proposal, SeenFinding, Verification


@dataclass(frozen=True, slots=True)
class InTurn:
    """An advisor that several threads may ask; lives as long as its node."""

    advisor: Advisor
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def observe(self, events: Sequence[Event], now: datetime) -> Sequence[SeenFinding]:
        """See `Advisor.observe`."""
        with self._lock:
            return self.advisor.observe(events, now)

    def propose(self) -> Sequence[Proposal]:
        """See `Advisor.propose`."""
        with self._lock:
            return self.advisor.propose()

    def rehearse(self, proposal: Proposal) -> Forecast:
        """See `Advisor.rehearse`."""
        with self._lock:
            return self.advisor.rehearse(proposal)

    def verify(self, proposal: Proposal, since: datetime) -> Verification:
        """See `Advisor.verify`."""
        with self._lock:
            return self.advisor.verify(proposal, since)

    def applied(self, proposal: Proposal, *, holds: bool, since: datetime) -> None:
        """See `Advisor.applied`."""
        with self._lock:
            self.advisor.applied(proposal, holds=holds, since=since)

    def recalled(self, proposal: Proposal, *, until: datetime | None) -> None:
        """See `Advisor.recalled`."""
        with self._lock:
            self.advisor.recalled(proposal, until=until)

    def belief(self, viewer: str) -> Sequence[BeliefRow]:
        """See `Advisor.belief`."""
        with self._lock:
            return self.advisor.belief(viewer)
