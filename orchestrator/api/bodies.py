"""Bodies of requests and answers, as they stand on the wire.

Flows in: JSON from outside, checked by pydantic. Flows out: typed values. Answers are declared so that the OpenAPI page
says what comes back.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ProposalBody(_Request):
    """A response that a person proposes."""

    playbook: Name  # id or name
    targets: list[Name] = Field(min_length=1, max_length=32)  # asset ids, names of boundary links, or owners
    reason: Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")] = ""


class ConsentBody(_Request):
    """An owner's signed answer: a compact JWS, see `docs/api.md`."""

    jws: Annotated[str, StringConstraints(min_length=1, max_length=64_000)]


class TickBody(_Request):
    """The time to set a lockstep clock to; absent: leave the clock."""

    time: datetime | None = None


class KillSwitchBody(_Request):
    """Stop that any response is started, or allow it again."""

    on: bool


class Error(BaseModel):
    """What went wrong: a name for machines, a sentence that says how to mend it."""

    error: str
    mend: str


class Accepted(BaseModel):
    """How many events were taken."""

    accepted: int


class AssetBody(BaseModel):
    """One asset."""

    id: str
    kind: str
    owner: str
    name: str
    criticality: float
    crown_jewel: bool
    sensors: list[str]
    attributes: dict[str, str]


class FindingBody(BaseModel):
    """One finding; `body` is the OCSF Detection Finding."""

    uid: str
    time: datetime
    asset: str
    body: dict[str, Any]


class BeliefBody(BaseModel):
    """Probability that an attacker holds the asset, at user access or more and as admin."""

    asset: str
    user: float
    admin: float


class ConsentShown(BaseModel):
    """One owner's answer; the person is shown to the owners that are asked."""

    owner: str
    decision: str
    basis: str
    person: str | None = None


class ResponseBody(BaseModel):
    """One response as the caller may read it; what is absent is not the caller's to see."""

    id: str
    state: str
    playbook: str
    playbook_digest: str
    consent_class: str
    targets: list[str]
    owners: list[str]
    notified: list[str]
    proposer: str
    created: str
    updated: str
    expires: str
    holds_until: str | None = None
    reason: str | None = None
    evidence: list[str] | None = None
    confidence: float | None = None
    sources: int | None = None
    forecast: dict[str, Any] | None = None
    twin_part: str | None = None
    blocked: str | None = None
    undo_wanted: str | None = None
    undo_overdue: bool | None = None  # true: its undo takes too long, and goes on


class ResponseDetail(ResponseBody):
    """One response with what happened to it."""

    transitions: list[dict[str, Any]]
    consents: list[ConsentShown]


class AuditBody(BaseModel):
    """One audit record; `body` is read from the canonical JSON that the hash covers."""

    seq: int
    time: str
    kind: str
    body: dict[str, Any]
    previous: str
    hash: str


class HealthBody(BaseModel):
    """Whether the node works, and where its audit log ends: keep that elsewhere to detect a replaced log."""

    status: str
    version: str
    time: str
    audit_seq: int
    audit_hash: str
    kill_switch: bool


class TickedBody(BaseModel):
    """What one tick did."""

    time: str
    events: int
    findings: int
    proposed: int
