"""Responses, consents and findings as rows of the store, read and written.

Flows in: a connection and values. Flows out: `Response` values. State is never written here: that is
`lifecycle.record_transition`'s alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import sqlalchemy as sa

from ..twin.vocabulary import ConsentClass
from . import audit
from .attest import proposal_digest
from .clock import iso, parse_iso
from .consent import Binding, ConsentRefused, Decision, forecast_digest, read_signed
from .guard import Basis, GivenConsent, Spent
from .identity import Signers
from .lifecycle import Event, State, UnknownResponse
from .proposals import Proposal, SeenFinding
from .store import consents, event_counts, findings, responses, switches, transitions

BY_NODE = "node"
RENEWAL_S = 60.0  # by which a renewed answer must hold longer to be kept; assumed


@dataclass(frozen=True, slots=True)
class Response:
    """One response as the store holds it; times are UTC, ISO 8601. See `store.responses` for the fields."""

    id: str
    state: State
    playbook: str
    playbook_index: int
    playbook_digest: str
    consent_class: ConsentClass
    targets: tuple[str, ...]
    owners: tuple[str, ...]
    notified: tuple[str, ...]
    criticality: Mapping[str, float]
    twin_part: str
    proposer: str
    person: str
    reason: str
    evidence: tuple[str, ...]
    confidence: float
    sources: int
    forecast: Mapping[str, Any]
    run: Mapping[str, Any]
    blocked: str
    undo_wanted: str
    holds_until: str
    created: str
    updated: str
    expires: str

    @property
    def binding(self) -> Binding:
        """What consents to it are bound to."""
        return Binding(self.id, self.playbook_digest, self.targets, self.twin_part, forecast_digest(self.forecast))

    @property
    def proposal(self) -> Proposal:
        """The proposal it came from."""
        return Proposal(
            playbook=self.playbook,
            playbook_index=self.playbook_index,
            targets=self.targets,
            owners=self.owners,
            reason=self.reason,
            evidence=self.evidence,
            confidence=self.confidence,
            sources=self.sources,
        )


def new_id() -> str:
    """Give an id for a new response."""
    return f"response--{uuid.uuid4()}"


def insert_response(conn: sa.Connection, response: Response) -> None:
    """Write a new response with its audit record."""
    row = {**{field.name: getattr(response, field.name) for field in fields(response)}}
    row |= {name: list(row[name]) for name in ("targets", "owners", "notified", "evidence")}
    row |= {name: dict(row[name]) for name in ("criticality", "forecast", "run")}
    row |= {"state": response.state.value, "consent_class": response.consent_class.word}
    conn.execute(sa.insert(responses).values(row))
    body = {
        "response": response.id,
        "playbook": response.playbook,
        "digest": response.playbook_digest,
        "targets": list(response.targets),
        "proposer": response.proposer,
        "person": response.person,
        "reason": response.reason,
        "evidence": list(response.evidence),
        "sources": response.sources,
        "proposal": proposal_digest(conn, response.id),
    }
    audit.append_about(conn, response.id, time=response.created, kind="proposed", owners=response.owners, body=body)


def update_response(conn: sa.Connection, response: str, **values: Any) -> None:
    """Change fields other than the state (forecast, run, blocked, undo_wanted, holds_until)."""
    assert "state" not in values, "the state is written by lifecycle.record_transition"
    conn.execute(sa.update(responses).where(responses.c.id == response).values(**values))


def read_response(conn: sa.Connection, response: str) -> Response:
    """Give a response.

    Raises:
        UnknownResponse: there is none of that id.
    """
    row = conn.execute(sa.select(responses).where(responses.c.id == response)).first()
    if row is None:
        raise UnknownResponse(f"response {response!r} is not in the store; list responses and mend the id")
    return _response(row)


def list_responses(conn: sa.Connection, *states: State) -> list[Response]:
    """Give responses in the given states (none: in any), oldest first."""
    query = sa.select(responses).order_by(responses.c.created, responses.c.id)
    if states:
        query = query.where(responses.c.state.in_([state.value for state in states]))
    return [_response(row) for row in conn.execute(query)]


def record_consent(conn: sa.Connection, given: GivenConsent, trust: Signers, *, time: str, jws: str) -> bool:
    """Write an owner's answer with its audit record.

    The same answer of the same person takes the place of the one before, if that counts no more, or it holds
    `RENEWAL_S` longer while the response lives: so that nobody fills the log with renewals.

    Returns:
        False: nothing was written, the one before holds about as long.
    """
    response = given.binding.response
    asked = read_response(conn, response)
    row = {
        "response": response,
        "owner": given.owner,
        "person": given.person,
        "decision": given.decision.value,
    }
    same = [consents.c[name] == value for name, value in row.items()]
    before = conn.execute(sa.select(consents).where(*same)).first()
    held = _given(before, trust) if before is not None else None
    useful = min(given.expiry, parse_iso(asked.expires))
    if held is not None and (useful - held.expiry).total_seconds() < RENEWAL_S:
        return False
    row |= {"basis": given.basis.value, "expiry": iso(given.expiry), "jws": jws}
    conn.execute(sa.delete(consents).where(*same))
    conn.execute(sa.insert(consents).values({**row, "time": time, "binding": asdict(given.binding)}))
    body = {**row, "binding": _lists(asdict(given.binding))}
    audit.append_about(conn, response, time=time, kind="consent", owners=asked.owners, body=body)
    return True


def list_consents(conn: sa.Connection, response: str, trust: Signers) -> list[GivenConsent]:
    """Give the owners' answers to a response, in the order they came.

    What a signed one says is read from its signature anew: a row that nobody signed, or whose key its owner took back
    meanwhile, counts for nothing.
    """
    rows = conn.execute(sa.select(consents).where(consents.c.response == response).order_by(consents.c.id))
    return [given for given in (_given(row, trust) for row in rows) if given is not None]


def _given(row: Any, trust: Signers) -> GivenConsent | None:
    if row.basis == Basis.RULE.value:
        binding = Binding(**{**row.binding, "targets": tuple(row.binding["targets"])})
        return GivenConsent(row.owner, row.person, Decision(row.decision), Basis.RULE, binding, parse_iso(row.expiry))
    try:
        signed = read_signed(row.jws, trust)
    except ConsentRefused:
        return None
    decision, expiry = Decision(signed.decision), parse_iso(signed.expiry)
    return GivenConsent(signed.owner, signed.person, decision, Basis.SIGNED, signed.binding, expiry)


def list_transitions(conn: sa.Connection, response: str) -> list[dict[str, Any]]:
    """Give what happened to a response, in order."""
    rows = conn.execute(sa.select(transitions).where(transitions.c.response == response).order_by(transitions.c.id))
    return [
        {"event": row.event, "attempt": row.attempt, "from": row.before, "to": row.after, "time": row.time}
        for row in rows
    ]


def time_of(conn: sa.Connection, response: str, event: Event) -> str:
    """Give when an event last happened to a response, UTC; empty if never."""
    where = (transitions.c.response == response, transitions.c.event == event.value)
    return conn.execute(sa.select(sa.func.max(transitions.c.time)).where(*where)).scalar() or ""


def attempts(conn: sa.Connection, response: str, event: Event) -> int:
    """Give how often an event happened to a response."""
    where = (transitions.c.response == response, transitions.c.event == event.value)
    return int(conn.execute(sa.select(sa.func.count()).select_from(transitions).where(*where)).scalar() or 0)


def spent_since(conn: sa.Connection, since: str, *, but: str) -> dict[str, Spent]:
    """Give per owner what responses started since `since` (UTC) cost it, response `but` left out."""
    query = (
        sa.select(responses.c.owners, responses.c.criticality)
        .join(transitions, transitions.c.response == responses.c.id)
        .where(transitions.c.event == Event.EXECUTE.value, transitions.c.time > since, responses.c.id != but)
    )
    spent: dict[str, Spent] = {}
    for owners, criticality in conn.execute(query):
        for owner, share in criticality.items():
            was = spent.get(owner, Spent())
            if owner in owners:
                spent[owner] = replace(was, responses=was.responses + 1, criticality=was.criticality + share)
            else:
                spent[owner] = replace(was, suffered=was.suffered + share)
    return spent


def insert_findings(conn: sa.Connection, seen: Iterable[SeenFinding], owner_of: Mapping[str, str], time: str) -> int:
    """Write findings not written before, one audit record per owner; give how many were new."""
    new: dict[str, list[str]] = {}
    for finding in seen:
        if conn.execute(sa.select(findings.c.uid).where(findings.c.uid == finding.uid)).first() is None:
            row = {"uid": finding.uid, "time": iso(finding.time), "asset": finding.asset, "body": dict(finding.body)}
            conn.execute(sa.insert(findings).values(row))
            new.setdefault(owner_of.get(finding.asset, ""), []).append(finding.uid)
    for owner, uids in sorted(new.items()):
        body = {"count": len(uids), "uids": uids[:20]}
        audit.append(conn, time=time, kind="findings", owners=[owner], body=body)
    return sum(len(uids) for uids in new.values())


def list_findings(conn: sa.Connection, assets: frozenset[str], *, limit: int) -> list[SeenFinding]:
    """Give the newest findings on the given assets, newest first."""
    owners = sorted({asset.split("/")[0] for asset in assets})  # leaves most of a long table to the database
    theirs = sa.or_(sa.false(), *(findings.c.asset.startswith(f"{owner}/", autoescape=True) for owner in owners))
    query = sa.select(findings).where(theirs).order_by(findings.c.time.desc(), findings.c.uid)
    query = query.execution_options(yield_per=500)
    seen: list[SeenFinding] = []
    for row in conn.execute(query):
        if row.asset in assets:
            seen.append(SeenFinding(row.uid, parse_iso(row.time), row.asset, row.body))
            if len(seen) >= limit:
                break
    return seen


def count_events(conn: sa.Connection, owner: str, number: int) -> None:
    """Add to the number of events an owner's sensors sent."""
    where = event_counts.c.owner == owner
    updated = conn.execute(sa.update(event_counts).where(where).values(received=event_counts.c.received + number))
    if updated.rowcount == 0:
        conn.execute(sa.insert(event_counts).values(owner=owner, received=number))


def events_received(conn: sa.Connection, owner: str) -> int:
    """Give how many events an owner's sensors sent."""
    return conn.execute(sa.select(event_counts.c.received).where(event_counts.c.owner == owner)).scalar() or 0


def kill_switch(conn: sa.Connection) -> bool:
    """Say whether the kill switch is on."""
    return conn.execute(sa.select(switches.c.value).where(switches.c.name == "kill")).scalar() == "on"


def set_kill_switch(conn: sa.Connection, *, on: bool, owner: str, owners: Sequence[str], time: str) -> None:
    """Turn the kill switch, with its audit record, which all `owners` may read."""
    value = "on" if on else "off"
    updated = conn.execute(sa.update(switches).where(switches.c.name == "kill").values(value=value))
    if updated.rowcount == 0:
        conn.execute(sa.insert(switches).values(name="kill", value=value))
    audit.append(conn, time=time, kind="kill_switch", owners=owners, body={"value": value, "by": owner})


def _response(row: Any) -> Response:
    values = dict(row._mapping)
    values |= {name: tuple(values[name]) for name in ("targets", "owners", "notified", "evidence")}
    values |= {"state": State(row.state), "consent_class": ConsentClass[row.consent_class.upper()]}
    return Response(**values)


def _lists(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
