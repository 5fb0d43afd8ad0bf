"""The guard: what every response must prove before anything reaches an actuator.

Flows in: one `Case`, all that is known of a response at this moment. Flows out: the first refusal in a fixed order, or
none. Pure, and it refuses by default: a condition that cannot be shown counts as unmet. It does not ask, wait or act.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ..twin.vocabulary import ConsentClass
from .consent import Binding, Decision

MIN_SOURCES = (
    2  # automatic consent is never given on evidence of a single source (design, "must not become the weapon")
)


class Basis(StrEnum):
    """What a consent rests on."""

    SIGNED = "signed"  # a person's key
    RULE = "rule"  # the owner's consent table: at once, or a veto window that passed


@dataclass(frozen=True, slots=True)
class GivenConsent:
    """One owner's answer as the guard sees it. A signed one was verified when it came in, and is bound."""

    owner: str
    person: str
    decision: Decision
    basis: Basis
    binding: Binding
    expiry: datetime


@dataclass(frozen=True, slots=True)
class Budget:
    """What responses may cost one owner per hour, whatever the telemetry says: its blast radius."""

    max_responses: int = 6  # assumed; the owner sets it in the terms file
    max_criticality: float = 1.0  # assumed: all its services once; sum of shares 0..1 of criticality interrupted


@dataclass(frozen=True, slots=True)
class Spent:
    """What responses cost one owner within the last hour, this one not included."""

    responses: int = 0  # on its own targets
    criticality: float = 0.0  # by responses on its own targets
    suffered: float = 0.0  # criticality too, by responses on other owners' targets that its services depend on


@dataclass(frozen=True, slots=True)
class Case:
    """All that speaks for or against one response."""

    binding: Binding  # as resolved now, not as it was proposed
    playbook: str
    consent_class: ConsentClass
    owners: tuple[str, ...]  # whose consent is needed
    criticality: Mapping[str, float]  # per owner, share 0..1 that stops serving; also owners that are only notified
    sources: int  # independent sources behind the evidence
    consents: tuple[GivenConsent, ...]
    is_active: Callable[[str, str], bool]  # (playbook id, owner): signed and active for that owner
    now: datetime
    quorum: Mapping[str, int] = field(default_factory=dict)  # per owner, persons who must approve; 1 where absent
    kill_switch: bool = False
    never_touch: frozenset[str] = frozenset()
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    spent: Mapping[str, Spent] = field(default_factory=dict)
    touched: frozenset[str] = frozenset()  # ids beside the targets: ends of links, and all that stops serving
    is_physical: bool = False  # a physical process is among the targets, or stops with them
    done_by: str = ""  # id of another response, started already, that does the same to the same


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a response must not be carried out: a name for machines, a sentence for people."""

    name: str
    reason: str


def refusal(case: Case) -> Refusal | None:
    """Give the first condition, in the order of `CHECKS`, that the case does not meet; None: it may act."""
    for check in CHECKS:
        reason = check(case)
        if reason:
            return Refusal(check.__name__.removeprefix("_"), reason)
    return None


def refusal_before_asking(case: Case) -> Refusal | None:
    """Give the first condition that no consent could mend: do not ask owners for what may not be done anyway."""
    for check in _BEFORE_ASKING:
        reason = check(case)
        if reason:
            return Refusal(check.__name__.removeprefix("_"), reason)
    return None


def _kill_switch(case: Case) -> str:
    return "the kill switch is on; the operator turns it off" if case.kill_switch else ""


def _no_owner(case: Case) -> str:
    return "" if case.owners and case.binding.targets else "it names no target or no owner; propose it anew"


def _playbook_not_active(case: Case) -> str:
    for owner in case.owners:
        if not case.is_active(case.playbook, owner):
            return f"playbook {case.playbook} is not active for owner {owner!r}; vet and sign it there"
    return ""


def _never_touch(case: Case) -> str:
    named = sorted(case.never_touch.intersection(case.binding.targets))
    if named:
        return f"target {named[0]!r} is on the never-touch list; its owner must take it off"
    for asset in sorted(case.never_touch & case.touched):  # not named: the caller may not see it
        owner = asset.split("/")[0]
        return f"it touches or stops an asset of {owner!r} that is on the never-touch list; {owner!r} must take it off"
    return ""


def _budget_spent(case: Case) -> str:
    for owner in case.owners:
        budget, spent = case.budgets.get(owner, Budget()), case.spent.get(owner, Spent())
        if spent.responses + 1 > budget.max_responses:
            return f"owner {owner!r} allows {budget.max_responses} responses an hour; wait, or let it raise its budget"
        touched = spent.criticality + case.criticality.get(owner, 1.0)  # unknown counts as everything
        if touched > budget.max_criticality + 1e-9:
            return (
                f"owner {owner!r} allows responses on {budget.max_criticality:.0%} of its criticality an hour, "
                f"this makes {touched:.0%}; wait, or let it raise its budget"
            )
    return _dependents_budget_spent(case)


def _dependents_budget_spent(case: Case) -> str:
    """Owners whose services stop with another's target: what others cost them has the same bound, on its own account.

    Else others could use up what an owner may do itself, and an owner, by its own responses, what others may do.
    """
    for owner in sorted(set(case.criticality).difference(case.owners)):
        share, spent = case.criticality[owner], case.spent.get(owner, Spent())
        most = case.budgets.get(owner, Budget()).max_criticality
        if share > 0 and spent.suffered + share > most + 1e-9:
            return (
                f"it stops more services of owner {owner!r} than that allows an hour; wait, or let it raise its budget"
            )
    return ""


def _already_there(case: Case) -> str:
    return f"response {case.done_by} does the same to the same; see it or undo it" if case.done_by else ""


def _denied(case: Case) -> str:
    for consent in case.consents:
        if consent.decision is Decision.DENY:
            return f"{consent.person!r} of owner {consent.owner!r} said no"
    return ""


def _consent_lapsed(case: Case) -> str:
    for consent in _approvals(case):
        if consent.binding != case.binding:
            return f"what owner {consent.owner!r} consented to has changed since; propose it anew"
    return ""


def _consent_expired(case: Case) -> str:
    for consent in _approvals(case):
        if consent.expiry <= case.now:
            return f"the consent of owner {consent.owner!r} has expired; ask again"
    return ""


def _consent_missing(case: Case) -> str:
    for owner in case.owners:
        approvals = [consent for consent in _approvals(case) if consent.owner == owner]
        if any(consent.basis is Basis.RULE for consent in approvals):
            continue
        persons, needed = len({consent.person for consent in approvals}), max(1, case.quorum.get(owner, 1))
        if persons < needed:
            return f"owner {owner!r} has given {persons} of {needed} consents; ask its approvers"
    return ""


def _single_source(case: Case) -> str:
    if case.sources >= MIN_SOURCES or not _rests_on_rules(case):
        return ""
    return f"its evidence has {case.sources} source(s), automatic consent needs {MIN_SOURCES}; let a person sign"


def _safety(case: Case) -> str:
    if (case.is_physical or case.consent_class is ConsentClass.SAFETY) and _rests_on_rules(case):
        return "it touches or stops a physical process, which is never automatic; let a person sign for every owner"
    return ""


CHECKS = (
    _kill_switch,
    _no_owner,
    _playbook_not_active,
    _never_touch,
    _already_there,
    _denied,
    _consent_lapsed,
    _consent_expired,
    _consent_missing,
    _single_source,
    _safety,
    _budget_spent,
)

_BEFORE_ASKING = (_no_owner, _playbook_not_active, _never_touch)


def _approvals(case: Case) -> list[GivenConsent]:
    return [consent for consent in case.consents if consent.decision is Decision.APPROVE]


def _rests_on_rules(case: Case) -> bool:
    """Whether an owner's part rests on its rule and not on enough signatures."""
    for owner in case.owners:
        persons = {c.person for c in _approvals(case) if c.owner == owner and c.basis is Basis.SIGNED}
        if len(persons) < max(1, case.quorum.get(owner, 1)):
            return True
    return False
