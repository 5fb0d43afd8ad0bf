"""A response from its proposal to its start: rehearse, ask, decide, let the guard judge, start; or expire.

Flows in: the office, a response as the store has it. Flows out: transitions. Each step is safe to repeat.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from . import audit, forecasts
from .asking import case_of, quorums, rule_consents
from .clock import iso, parse_iso
from .competing import living
from .consent import Decision
from .guard import Basis, GivenConsent, Refusal, refusal
from .lifecycle import Event, State
from .office import Office
from .records import Response, kill_switch, list_consents, record_consent, spent_since, time_of, update_response
from .shelf import IsActive, Shelf
from .store import reading
from .writing import writing

ENDS = {
    "consent_lapsed": Event.EXPIRE,
    "consent_expired": Event.EXPIRE,
    "already_there": Event.EXPIRE,
    "denied": Event.DENY,
}


def expire(office: Office, response: Response) -> None:
    """End a response whose time ran out before it was started."""
    if response.expires <= iso(office.now()):
        office.record(response, Event.EXPIRE, reason="its time ran out")


def rehearse(office: Office, response: Response) -> None:
    """Let the advisor play the response in the twin, and keep what comes of it."""
    forecast = office.advisor.rehearse(response.proposal)
    shown = forecasts.shown(forecast)
    with writing(office.engine, response.id, office.clock) as conn:
        update_response(conn, response.id, forecast=shown)
        if office.watcher is not None:
            office.watcher.rehearsed(conn, response.id, forecast.outlook, office.now())
        office.record_in(conn, response, Event.REHEARSE, {"forecast": shown})


def ask(office: Office, response: Response) -> None:
    """Ask for consent. The rehearsal informs owners; it does not veto: an hour is shorter than most attacks."""
    office.record(response, Event.REQUEST_CONSENT, asked=list(response.owners), notified=list(response.notified))


def decide(office: Office, response: Response) -> None:
    """Add what consent tables say, then approve or deny if every owner has answered."""
    now = office.now()
    with writing(office.engine, response.id, office.clock) as conn:
        asked = time_of(conn, response.id, Event.REQUEST_CONSENT)
        given = list_consents(conn, response.id, office.trust)
        for answer in rule_consents(office.twin, office.shelf, response, given, asked=asked, now=now):
            record_consent(conn, answer, office.trust, time=iso(now), jws="")
            given.append(answer)
        denials = [consent for consent in given if consent.decision is Decision.DENY]
        if denials:
            body = {"owner": denials[0].owner, "person": denials[0].person}
            office.record_in(conn, response, Event.DENY, body)
        elif not _owners_missing(office, response, given):
            office.record_in(conn, response, Event.APPROVE, {})


def _owners_missing(office: Office, response: Response, given: list[GivenConsent]) -> list[str]:
    needed = quorums(office.twin, response)
    missing = []
    for owner in response.owners:
        theirs = [consent for consent in given if consent.owner == owner]
        by_rule = any(consent.basis is Basis.RULE for consent in theirs)
        if not by_rule and len({consent.person for consent in theirs}) < needed[owner]:
            missing.append(owner)
    return missing


def start(office: Office, response: Response, looked: set[str]) -> None:
    """Let the guard judge an approved response; start it, end it, or leave it blocked until its time runs out.

    What is blocked is not rehearsed: a forecast that grew old is made anew for what would start, one per proposer
    and tick (those in `looked` had theirs), and the guard judges again after.
    """
    if _forecast_is_old(office, response):
        if not _judge(office, response, starts=False) or response.proposer in looked:
            return
        new = office.advisor.rehearse(response.proposal)
        looked.add(response.proposer)
        if not forecasts.meets(new, forecasts.read(response.forecast)):
            office.record(response, Event.EXPIRE, reason="a new forecast no longer meets the one consented to")
            return
    _judge(office, response, starts=True)


def _judge(office: Office, response: Response, *, starts: bool) -> bool:
    """Say whether the guard lets it start, and start it if it is to; else end it, or note what blocks it."""
    now = office.now()
    with writing(office.engine, response.id, office.clock) as conn:
        refused = refusal_of(office, conn, response, now)
        if refused is None and starts:
            shares = {owner: response.criticality.get(owner, 0.0) for owner in response.owners}
            update_response(conn, response.id, blocked="")
            office.record_in(conn, response, Event.EXECUTE, {"criticality": shares})
        elif refused is not None and refused.name in ENDS:
            body = {"refusal": refused.name, "reason": refused.reason}
            office.record_in(conn, response, ENDS[refused.name], body)
        elif refused is not None and response.blocked != refused.name:
            update_response(conn, response.id, blocked=refused.name)
            body = {"refusal": refused.name, "reason": refused.reason}
            audit.append_about(
                conn, response.id, time=iso(now), kind="guard_refused", owners=response.owners, body=body
            )
    return refused is None


def refusal_of(office: Office, conn: sa.Connection, response: Response, now: datetime) -> Refusal | None:
    """Why it may not start or go on; what goes on is judged by the version that it began with."""
    shelf: Shelf = office.shelf
    is_active: IsActive = office.is_active
    pinned = office.pinned.of(response) if response.state is State.EXECUTING else None
    if pinned is not None and pinned is not shelf.get(response.playbook):
        shelf, began_with = {**shelf, response.playbook: pinned}, pinned.digest

        def is_active(_id: str, owner: str) -> bool:
            return office.is_active(began_with, owner)

    case = case_of(
        response,
        list_consents(conn, response.id, office.trust),
        twin=office.twin,
        shelf=shelf,
        terms=office.terms,
        is_active=is_active,
        spent=spent_since(conn, iso(now - timedelta(hours=1)), but=response.id),
        kill_switch=kill_switch(conn),
        now=now,
        living=living(conn, office.pinned.of, now),
    )
    return refusal(case)


def _forecast_is_old(office: Office, response: Response) -> bool:
    with reading(office.engine) as conn:
        rehearsed = parse_iso(time_of(conn, response.id, Event.REHEARSE))
    return (office.now() - rehearsed).total_seconds() > office.terms.fresh_s
