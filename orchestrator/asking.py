"""What a response is judged by: its case for the guard, and the answers that owners' consent tables give by rule.

Flows in: a response, its owners' answers, the twin and the terms. Flows out: a `Case` for the guard, rule-based
consents, and whether all owners have answered. Pure; the store is read and written by `starting.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from ..twin.graph import ConsentRule, Twin
from ..twin.vocabulary import ConsentClass, ConsentMode, Proposer
from .clock import parse_iso
from .competing import is_own, started_already
from .consent import Binding, Decision, forecast_digest
from .guard import MIN_SOURCES, Basis, Case, GivenConsent, Spent
from .records import Response
from .shelf import IsActive, Shelf
from .targets import TargetError, resolve
from .terms import Terms

BY_TABLE = "consent table"  # the "person" of a consent that rests on a rule


def rule_for(twin: Twin, owner: str, consent_class: ConsentClass, proposer: str) -> ConsentRule:
    """Give the owner's rule for a request; where its table says nothing, a person is asked.

    A proposal by the node counts as the owner's own: the node serves it. A person of another owner is `other`.
    """
    side = Proposer.OWN if is_own(proposer, owner) else Proposer.OTHER
    for rule in twin.consent:
        if (rule.owner, rule.consent_class, rule.proposer) == (owner, consent_class, side):
            return rule
    return ConsentRule(owner, consent_class, side, ConsentMode.ASK)


def quorums(twin: Twin, response: Response) -> dict[str, int]:
    """Give per owner how many persons must approve."""
    return {
        owner: max(1, rule_for(twin, owner, response.consent_class, response.proposer).quorum)
        for owner in response.owners
    }


def rule_consents(
    twin: Twin, shelf: Shelf, response: Response, given: Iterable[GivenConsent], *, asked: str, now: datetime
) -> list[GivenConsent]:
    """Give the answers that consent tables give by themselves at `now`, for owners who have not answered.

    Never gives an automatic yes for the safety class, for what stops a physical process, or on evidence of a single
    source: there a person is asked.

    Args:
        twin: holds the tables.
        shelf: says what the playbook does.
        response: what is asked for.
        given: answers so far.
        asked: when consent was asked for, UTC.
        now: UTC.
    """
    answered = {consent.owner for consent in given}
    may_be_automatic = response.sources >= MIN_SOURCES and not _is_safety(twin, shelf, response)
    answers = []
    for owner in response.owners:
        rule = rule_for(twin, owner, response.consent_class, response.proposer)
        waited_s = (now - parse_iso(asked)).total_seconds()
        is_due = rule.mode is ConsentMode.AT_ONCE or (
            rule.mode is ConsentMode.VETO_WINDOW and waited_s >= rule.latency_s
        )
        if owner in answered:
            continue
        if rule.mode is ConsentMode.NEVER:
            answers.append(_by_table(owner, Decision.DENY, response))
        elif is_due and may_be_automatic:
            answers.append(_by_table(owner, Decision.APPROVE, response))
    return answers


def _is_safety(twin: Twin, shelf: Shelf, response: Response) -> bool:
    """Whether it may touch or stop a physical process, whatever class its playbook has; yes where nobody can tell."""
    shelved = shelf.get(response.playbook)
    if shelved is None or ConsentClass.SAFETY in (response.consent_class, shelved.effect.consent_class):
        return True
    try:
        return resolve(twin, response.targets, shelved.effect).is_physical
    except TargetError:
        return True


def _by_table(owner: str, decision: Decision, response: Response) -> GivenConsent:
    return GivenConsent(owner, BY_TABLE, decision, Basis.RULE, response.binding, parse_iso(response.expires))


def case_of(
    response: Response,
    consents: Iterable[GivenConsent],
    *,
    twin: Twin,
    shelf: Shelf,
    terms: Terms,
    is_active: IsActive,
    spent: Mapping[str, Spent],
    kill_switch: bool,
    now: datetime,
    living: Iterable[Response] = (),
) -> Case:
    """Put together all that the guard wants to know, with targets and playbook as they are now, not as proposed."""
    shelved = shelf.get(response.playbook)
    targets, owners, twin_part = response.targets, response.owners, "the targets are no longer in the twin"
    criticality, is_physical = response.criticality, True  # until shown otherwise
    double = started_already(response, living)
    touched = frozenset(part for name in targets for part in name.split(" "))  # the ends of a link too
    if shelved is not None:
        try:
            resolved = resolve(twin, response.targets, shelved.effect)
            owners, twin_part, criticality = resolved.owners, resolved.twin_part, resolved.criticality
            touched, is_physical = touched | resolved.stopped, resolved.is_physical
        except TargetError:
            pass  # the binding below differs from what was consented to, so the guard refuses
    digest = shelved.digest if shelved else "the playbook is no longer on the shelf"
    return Case(
        binding=Binding(response.id, digest, targets, twin_part, forecast_digest(response.forecast)),
        playbook=response.playbook,
        consent_class=shelved.effect.consent_class if shelved else response.consent_class,
        owners=owners,
        criticality=criticality,
        sources=response.sources,
        consents=tuple(consents),
        is_active=is_active if shelved else lambda _playbook, _owner: False,
        now=now,
        quorum=quorums(twin, response),
        kill_switch=kill_switch,
        never_touch=terms.never_touch,
        touched=touched,
        is_physical=is_physical,
        budgets=terms.budgets,
        spent=spent,
        done_by=double.id if double else "",
    )
