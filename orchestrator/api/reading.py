"""Routes that read: assets, findings, belief, responses, audit, health. The caller's view applies to each.

Flows in: a caller. Flows out: what it may see. Nothing is changed here.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from ... import __version__
from .. import audit
from ..clock import iso
from ..records import kill_switch, list_consents, list_findings, list_transitions
from ..store import reading
from .bodies import (
    AssetBody,
    AuditBody,
    BeliefBody,
    ConsentShown,
    FindingBody,
    HealthBody,
    ResponseBody,
    ResponseDetail,
)
from .callers import TheNode, Viewer

router = APIRouter(prefix="/v1")
Limit = Annotated[int, Query(ge=1, le=1000)]


@router.get("/health", summary="Whether the node works", tags=["node"])
def health(node: TheNode) -> HealthBody:
    """Needs no token; says nothing of the chain."""
    with reading(node.engine) as conn:
        head, is_stopped = audit.read_head(conn), kill_switch(conn)
    return HealthBody(
        status="ok",
        version=__version__,
        time=iso(node.clock.now()),
        audit_seq=head.seq,
        audit_hash=head.hash,
        kill_switch=is_stopped,
    )


@router.get("/assets", summary="Your assets and those shared with you", tags=["twin"])
def assets(node: TheNode, caller: Viewer) -> list[AssetBody]:
    """Sorted by id."""
    visible = node.view(caller).assets
    return [
        AssetBody(
            id=asset.id,
            kind=asset.kind.word,
            owner=asset.owner,
            name=asset.name,
            criticality=asset.criticality,
            crown_jewel=asset.crown_jewel,
            sensors=[sensor.word for sensor in asset.sensors],
            attributes=dict(asset.attributes),
        )
        for asset in node.twin.assets
        if asset.id in visible
    ]


@router.get("/findings", summary="Findings on your assets and those shared with you", tags=["detection"])
def findings(node: TheNode, caller: Viewer, limit: Limit = 100) -> list[FindingBody]:
    """Newest first."""
    with reading(node.engine) as conn:
        seen = list_findings(conn, node.view(caller).findings, limit=limit)
    return [FindingBody(uid=one.uid, time=one.time, asset=one.asset, body=dict(one.body)) for one in seen]


@router.get("/belief", summary="What is believed held, from what you may see", tags=["detection"])
def belief(node: TheNode, caller: Viewer) -> list[BeliefBody]:
    """Evidence of others that they do not share with you does not enter it."""
    return [BeliefBody(asset=row.asset, user=row.user, admin=row.admin) for row in node.belief(caller)]


@router.get("/responses", summary="Responses in your view", tags=["responses"], response_model_exclude_none=True)
def responses(node: TheNode, caller: Viewer) -> list[ResponseBody]:
    """Oldest first."""
    view = node.view(caller)
    return [ResponseBody(**view.response(row)) for row in node.responses(caller)]


@router.get(
    "/responses/{response}",
    summary="One response and its history",
    tags=["responses"],
    response_model_exclude_none=True,
)
def response(node: TheNode, caller: Viewer, response: str) -> ResponseDetail:
    """404 also where there is one that you may not see."""
    row, view = node.response(caller, response), node.view(caller)
    with reading(node.engine) as conn:
        history, given = list_transitions(conn, row.id), list_consents(conn, row.id, node.trust)
    is_asked = caller.owner in row.owners
    shown = [
        ConsentShown(
            owner=one.owner,
            decision=one.decision.value,
            basis=one.basis.value,
            person=one.person if is_asked else None,
        )
        for one in given
    ]
    values: dict[str, Any] = view.response(row)
    return ResponseDetail(**values, transitions=history, consents=shown)


@router.get("/audit", summary="Audit records that are your business", tags=["audit"])
def audit_records(
    node: TheNode, caller: Viewer, after: Annotated[int, Query(ge=0, lt=2**63)] = 0, limit: Limit = 100
) -> list[AuditBody]:
    """In order; `after` is the last `seq` you have."""
    with reading(node.engine) as conn:
        own = audit.read_of(conn, caller.owner, after=after, limit=limit)
    return [
        AuditBody(seq=one.seq, time=one.time, kind=one.kind, body=one.content, previous=one.previous, hash=one.hash)
        for one in own
    ]
