"""What an advisor says and what is asked of it: proposals, forecasts, findings, and the Advisor seam.

Flows in: nothing. Flows out: values that the node, the guard and the API handle, and the Protocol that
`orchestrator/advise.py` fulfils (and a small fake in the tests). Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from ..twin.sensing.events import Event

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Proposal:
    """One playbook for given targets, with what speaks for it.

    A target is an asset id, the name of a boundary link (`twin.facts.key_of(link)`) or an owner id.
    """

    playbook: str  # playbook id, playbook--...
    playbook_index: int  # its number in the library lock file
    targets: tuple[str, ...]
    owners: tuple[str, ...]  # owners touched, sorted; their consent is needed
    reason: str  # one sentence for people
    evidence: tuple[str, ...] = ()  # uids of findings
    confidence: float = 0.0  # 0..1: belief that the targets are held, or the policy's own measure
    sources: int = 0  # independent sources behind the evidence, see `findings.independent_sources`


@dataclass(frozen=True, slots=True)
class Estimate:
    """Expected loss of one option over the horizon, with a 95 % interval, in the chain's unit of loss."""

    name: str
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a rehearsal expects of lost service over the horizon, which the node can see come; see `watching`.

    Quantiles 0.05, 0.25, 0.5, 0.75, 0.95 over worlds, in the chain's unit of loss.
    """

    horizon_s: float
    nothing: tuple[float, ...]
    this: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a rehearsal showed: the loss of doing nothing, of this response and of the best alternative."""

    horizon_s: float  # seconds looked ahead
    worlds: int  # worlds drawn from the belief, shared by all options
    nothing: Estimate
    this: Estimate
    alternative: Estimate | None = None
    later: Forecast | None = None  # the same options over the same worlds, looked at further ahead
    outlook: Outlook | None = None  # not shown to owners

    @property
    def options(self) -> tuple[Estimate, ...]:
        """All options, doing nothing first."""
        return (self.nothing, self.this) + ((self.alternative,) if self.alternative else ())


@dataclass(frozen=True, slots=True)
class SeenFinding:
    """A finding as the node keeps and serves it; `body` is the OCSF Detection Finding."""

    uid: str
    time: datetime  # UTC
    asset: str
    body: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BeliefRow:
    """Probability, 0..1, that an attacker holds an asset at user access or more, and as admin."""

    asset: str
    user: float
    admin: float


class Verification(StrEnum):
    """What later telemetry says about a response that was carried out."""

    CONFIRMED = "confirmed"  # it took effect
    CONTRADICTED = "contradicted"  # telemetry shows that it did not
    PENDING = "pending"  # nothing says either way yet


class Advisor(Protocol):
    """Detectors, evidence, belief, policy and forecasts behind one seam; lives as long as its node.

    All times are UTC and come from the node's clock: an advisor reads no clock of its own.
    """

    def observe(self, events: Sequence[Event], now: datetime) -> Sequence[SeenFinding]:
        """Take events in, bring evidence and belief up to `now`, give the findings concluded from them.

        Each event was checked to be about its sender's own asset. An empty list comes at every tick without events.
        """
        ...

    def propose(self) -> Sequence[Proposal]:
        """Give the responses worth a rehearsal at this moment, best first; none is the usual answer."""
        ...

    def rehearse(self, proposal: Proposal) -> Forecast:
        """Forecast the proposal on worlds drawn from the present belief."""
        ...

    def verify(self, proposal: Proposal, since: datetime) -> Verification:
        """Say whether telemetry since `since` shows that the response took effect."""
        ...

    def applied(self, proposal: Proposal, *, holds: bool, since: datetime) -> None:
        """Learn that the response was sent at `since` (or, False, was undone), so that belief and mask follow."""
        ...

    def recalled(self, proposal: Proposal, *, until: datetime | None) -> None:
        """Learn, after a start, that the response took effect before and holds until then (None: until undone)."""
        ...

    def belief(self, viewer: str) -> Sequence[BeliefRow]:
        """Give the belief of the view of owner `viewer`, over the assets it may see."""
        ...
