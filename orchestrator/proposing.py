"""Make a proposal a response in the store: resolve its targets, refuse what may not be done, write it.

Flows in: a proposal of the advisor or of a person. Flows out: a `Response` in state `proposed`, or a named refusal. It
asks nobody and rehearses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from ..twin.graph import Twin
from . import audit
from .asking import case_of
from .clock import iso
from .competing import MAX_PROPOSED, WAITING, in_the_way, living, proposed_lately
from .guard import refusal_before_asking
from .holding import PinnedOf
from .lifecycle import State
from .proposals import Proposal
from .records import BY_NODE, Response, insert_response, new_id
from .shelf import IsActive, Shelf, Shelved
from .targets import Resolved, resolve
from .terms import Terms


class ProposalRefused(ValueError):  # noqa: N818  (a refusal, with its name in `reason`)
    """A proposal that must not become a response; `reason` is its name on the wire, the message the mend."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def propose(
    conn: sa.Connection,
    proposal: Proposal,
    *,
    twin: Twin,
    shelf: Shelf,
    pinned: PinnedOf,
    terms: Terms,
    is_active: IsActive,
    now: datetime,
    proposer: str = BY_NODE,
    person: str = "",
) -> Response:
    """Write the proposal as a new response in the transaction of `conn`.

    Owners are resolved from the twin; what the proposal says of them is not taken on trust.

    Raises:
        ProposalRefused: unknown playbook, a response to the same effect lives on terms at least as good, too many
            proposals of one owner, or the guard's named refusal.
        TargetError: a target that is not there or that the playbook does not act on.
    """
    shelved = shelf.get(proposal.playbook)
    if shelved is None:
        known = ", ".join(sorted(one.name for one in shelf.values()))
        raise ProposalRefused(
            "unknown_playbook", f"playbook {proposal.playbook!r} is not in the library; it has {known}"
        )
    resolved = resolve(twin, proposal.targets, shelved.effect)
    _check_kinds(twin, shelved, resolved)
    response = response_of(proposal, shelved, resolved, terms=terms, now=now, proposer=proposer, person=person)
    _refuse_needless(conn, response, pinned, now)
    case = case_of(
        response, (), twin=twin, shelf=shelf, terms=terms, is_active=is_active, spent={}, kill_switch=False, now=now
    )
    refused = refusal_before_asking(case)
    if refused is not None:
        raise ProposalRefused(refused.name, refused.reason)
    insert_response(conn, response)
    return response


class Repeats:
    """Remembers what the node proposed lately to no end, so that it does not repeat it; lives as long as its node."""

    def __init__(self, pause_s: float) -> None:
        self._pause = timedelta(seconds=pause_s)
        self._last: dict[tuple[str, tuple[str, ...]], datetime] = {}

    def is_due(self, proposal: Proposal, now: datetime) -> bool:
        """Whether the same was not proposed within the pause."""
        last = self._last.get(_key(proposal))
        return last is None or now - last >= self._pause

    def note(self, proposal: Proposal, now: datetime) -> None:
        """Remember that it was proposed now."""
        self._last[_key(proposal)] = now


def note_refusal(conn: sa.Connection, proposal: Proposal, reason: str, message: str, *, now: datetime) -> None:
    """Write that a proposal of the node was refused."""
    body = {"playbook": proposal.playbook, "targets": list(proposal.targets), "refusal": reason, "reason": message}
    audit.append(conn, time=iso(now), kind="proposal_refused", owners=proposal.owners, body=body)


def _key(proposal: Proposal) -> tuple[str, tuple[str, ...]]:
    return (proposal.playbook, tuple(sorted(proposal.targets)))


def _check_kinds(twin: Twin, shelved: Shelved, resolved: Resolved) -> None:
    kinds: Mapping[str, str] = {kind.word: kind.word for kind in shelved.effect.kinds}
    for name in resolved.targets:
        asset = twin.asset_by_id.get(name)
        if asset is not None and asset.kind.word not in kinds:
            raise ProposalRefused(
                "wrong_kind", f"playbook {shelved.name!r} acts on {', '.join(kinds)}; {name!r} is a {asset.kind.word}"
            )


def _refuse_needless(conn: sa.Connection, response: Response, pinned: PinnedOf, now: datetime) -> None:
    other = in_the_way(response, living(conn, pinned, now, *WAITING))
    if other is not None:
        raise ProposalRefused("already_there", f"response {other.id} does the same to the same; see it or undo it")
    if response.proposer != BY_NODE and proposed_lately(conn, response.proposer, now) >= MAX_PROPOSED:
        raise ProposalRefused(
            "too_many_proposals",
            f"{MAX_PROPOSED} proposals of {response.proposer!r} within an hour; wait, or see what became of them",
        )


def response_of(
    proposal: Proposal,
    shelved: Shelved,
    resolved: Resolved,
    *,
    terms: Terms,
    now: datetime,
    proposer: str,
    person: str,
) -> Response:
    """Give the response that a proposal becomes, not yet written."""
    return Response(
        id=new_id(),
        state=State.PROPOSED,
        playbook=shelved.id,
        playbook_index=shelved.index,
        playbook_digest=shelved.digest,
        consent_class=shelved.effect.consent_class,
        targets=resolved.targets,
        owners=resolved.owners,
        notified=resolved.notified,
        criticality=resolved.criticality,
        twin_part=resolved.twin_part,
        proposer=proposer,
        person=person,
        reason=proposal.reason,
        evidence=tuple(proposal.evidence),
        confidence=proposal.confidence,
        sources=proposal.sources,
        forecast={},
        run={},
        blocked="",
        undo_wanted="",
        holds_until="",
        created=iso(now),
        updated=iso(now),
        expires=iso(now + timedelta(seconds=terms.response_s)),
    )
