"""Routes that act: events, proposals, consents, undo, tick, kill switch.

Flows in: a caller and a checked body. Flows out: what the node did. Rules are the node's; errors become answers in
`errors.py`.
"""

from __future__ import annotations

from fastapi import APIRouter

from .bodies import Accepted, ConsentBody, KillSwitchBody, ProposalBody, ResponseBody, TickBody, TickedBody
from .callers import Approver, Operator, Sensor, TheNode, WholeBody

router = APIRouter(prefix="/v1")

_EVENTS_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-ndjson": {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
        },
    }
}


@router.post("/events", status_code=202, summary="Post OCSF events", tags=["detection"], openapi_extra=_EVENTS_BODY)
def events(node: TheNode, body: WholeBody, caller: Sensor) -> Accepted:
    """NDJSON or a JSON list, about assets of your own only; all are taken or none, and observed at the next tick."""
    return Accepted(accepted=node.take_payload(caller, body))


@router.post(
    "/responses", status_code=201, summary="Propose a response", tags=["responses"], response_model_exclude_none=True
)
def propose(node: TheNode, caller: Approver, body: ProposalBody) -> ResponseBody:
    """It is rehearsed at the next tick, then its targets' owners are asked."""
    row = node.propose(caller, playbook=body.playbook, targets=body.targets, reason=body.reason)
    return ResponseBody(**node.view(caller).response(row))


@router.post("/responses/{response}/consent", summary="Consent or deny", tags=["responses"])
def consent(node: TheNode, caller: Approver, response: str, body: ConsentBody) -> Accepted:
    """The signature decides: 403 with a named reason if the signer is no approver of an owner of its targets."""
    node.consent(caller, response, body.jws)
    return Accepted(accepted=1)


@router.post("/responses/{response}/undo", status_code=202, summary="Have a response undone", tags=["responses"])
def undo(node: TheNode, caller: Approver, response: str) -> Accepted:
    """For owners of its targets; done at the next tick."""
    node.want_undo(caller, response)
    return Accepted(accepted=1)


@router.post("/tick", summary="Bring the node on by one tick", tags=["node"])
def tick(node: TheNode, caller: Operator, body: TickBody | None = None) -> TickedBody:
    """In lockstep, `time` sets the node's clock first."""
    done = node.tick(body.time if body else None)
    return TickedBody(time=done.time, events=done.events, findings=done.findings, proposed=len(done.proposed))


@router.post("/kill-switch", summary="Stop or allow that responses are started", tags=["node"])
def kill_switch(node: TheNode, caller: Operator, body: KillSwitchBody) -> KillSwitchBody:
    """Undoing stays possible while it is on."""
    node.set_kill_switch(caller, on=body.on)
    return body
