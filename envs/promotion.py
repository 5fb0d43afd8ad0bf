"""Promoted policies: a card that says what was shown of a policy, signed by somebody whom the node's owner trusts.

Flows in: a policy, what its evaluation showed, a key; later the same file, the owner's trust file, a time. Flows out: a
policy with its signature; or a named refusal. Signed is the card, which holds the digest of every array, in the form of
playbooks' signatures (RFC 8785, SHA-256, Ed25519). A key inside the file proves nothing: keys come from the trust file,
with the role `policy-promoter`. Whether the figures suffice is decided in `training.promote`.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ..playbooks.actions import Library
from ..playbooks.signatures import SignatureFault, sign, verify
from ..playbooks.vetting import Signatory, VettingRole
from .policy_file import NumpyPolicy, card_digest

PROMOTION = "promotion"  # the part of the card that promotion adds
VERSION = 2  # of that part; 1 did not say how the card is written
WRITTEN = "card_sha256"  # in that part: digest of the rest of the card as it is written
_SIGNED = {
    *("type", "id", "created", "modified", "signee", "valid_from", "related_to", "related_version"),
    *("hash_algorithm", "algorithm", "thumbprint", "value"),
}  # all that a signature of a promotion has, texts; `valid_until` may be there too


class PromotionRefused(ValueError):  # noqa: N818  (a refusal, with its name in `reason`)
    """A policy that does not count as promoted; `reason` is the refusal's name, the message says what mends it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason  # unsigned, no_promotion, untrusted, not_promoter, retired, changed, expired


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A playbook with which a policy was evaluated."""

    id: str
    name: str
    digest: str  # SHA-256 of its content, 64 hex digits


def listed(library: Library) -> list[dict[str, str]]:
    """The playbooks of a library, as promotions list them."""
    rows = zip(library.playbooks, library.digests, strict=True)
    return [{"id": one.id, "name": one.name, "digest": digest} for one, digest in rows]


def promoted(
    policy: NumpyPolicy,
    shown: Mapping[str, Any],
    key: Ed25519PrivateKey,
    *,
    person: str,
    now: datetime,
    valid_until: datetime | None = None,
) -> NumpyPolicy:
    """The policy with a card that holds what was shown, signed.

    Args:
        policy: as it was evaluated.
        shown: suite, figures, limits, playbooks; plain JSON values.
        key: the promoter's.
        person: the promoter, as trust files spell the name.
        now: UTC.
        valid_until: when the promotion ends; None: never.
    """
    stamp = _stamp(now)
    card = {
        **policy.card,
        "id": f"policy--{uuid.uuid4()}",
        "modified": stamp,
        PROMOTION: {**shown, "version": VERSION, "by": person},
    }
    card[PROMOTION][WRITTEN] = _written(card)
    until = None if valid_until is None else _stamp(valid_until)
    signature = sign(card, key, signee=person, created=stamp, valid_until=until)
    return replace(policy, card=card, signature=signature)


def check_promoted(policy: NumpyPolicy, trusted: Mapping[str, Signatory], now: datetime, *, where: str) -> Signatory:
    """Who promoted a policy; everything is refused that is not proven.

    Args:
        policy: as it was loaded.
        trusted: the owner's signatories by key thumbprint.
        now: UTC.
        where: the file's name, for messages.

    Raises:
        PromotionRefused: with the refusal's name.
    """
    signature = policy.signature
    if signature is None:
        raise PromotionRefused("unsigned", f"{where}: is not promoted; promote it: tocsin policy promote")
    if not isinstance(policy.card.get(PROMOTION), dict) or policy.card[PROMOTION].get("version") != VERSION:
        raise PromotionRefused(
            "no_promotion", f"{where}: its card holds no promotion of version {VERSION}; promote it again"
        )
    signatory = trusted.get(str(signature.get("thumbprint")))
    if signatory is None:
        raise PromotionRefused(
            "untrusted",
            f"{where}: signed by a key that is not trusted (it calls itself {str(signature.get('signee'))[:60]!r}, "
            f"thumbprint {str(signature.get('thumbprint'))[:60]}); have it promoted by a key of the trust file",
        )
    if VettingRole.PROMOTER not in signatory.roles:
        raise PromotionRefused(
            "not_promoter", f"{where}: {signatory.person} signed it, who is no {VettingRole.PROMOTER} in the trust file"
        )
    if signature.get("revoked") or signature.get("retires"):
        raise PromotionRefused(
            "retired", f"{where}: {signatory.person} signed that it is taken out of use; use another policy"
        )
    try:
        verify(policy.card, signature, signatory.key)
        _check_written(policy, signature)
    except SignatureFault as fault:
        message = f"{where}: the signature of {signatory.person} {fault}; copy it again"
        raise PromotionRefused("changed", message) from None
    if not holds(policy, now):
        raise PromotionRefused("expired", f"{where}: its promotion does not hold at {_stamp(now)}; promote it again")
    return signatory


def evaluated_with(policy: NumpyPolicy) -> tuple[Evaluated, ...]:
    """The playbooks that a promoted policy may propose.

    Raises:
        PromotionRefused: its card lists none.
    """
    try:
        return tuple(Evaluated(**one) for one in policy.card[PROMOTION]["playbooks"])
    except (KeyError, TypeError):
        raise PromotionRefused("no_promotion", "the card lists no playbooks; promote the policy again") from None


def may_propose(policy: NumpyPolicy, library: Library) -> frozenset[str]:
    """Ids of the library's playbooks that the policy was evaluated with, by id and content."""
    known = {(one.id, one.digest) for one in evaluated_with(policy)}
    rows = zip(library.playbooks, library.digests, strict=True)
    return frozenset(playbook.id for playbook, digest in rows if (playbook.id, digest) in known)


def holds(policy: NumpyPolicy, now: datetime) -> bool:
    """Whether the time lies within what the signature says; whose it is does not matter here."""
    signature = policy.signature or {}
    try:
        until = signature.get("valid_until")
        return datetime.fromisoformat(signature["valid_from"]) <= now and (
            until is None or now < datetime.fromisoformat(until)
        )
    except (KeyError, TypeError, ValueError):
        return False


def _check_written(policy: NumpyPolicy, signature: Mapping[str, Any]) -> None:
    """Refuse what a verified signature does not cover: other properties, other ways to write the same.

    Raises:
        SignatureFault: naming it.
    """
    for name in sorted((set(signature) ^ _SIGNED) - {"valid_until"}):
        raise SignatureFault(f"{'has' if name in signature else 'lacks'} {name[:60]!r}")
    if not all(isinstance(one, str) for one in signature.values()):
        raise SignatureFault("has a property that is no text")
    value = signature["value"]
    decoded = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))  # lenient, so compared
    if base64.urlsafe_b64encode(decoded).decode().rstrip("=") != value:
        raise SignatureFault("has a value that is written otherwise than signing writes it")
    if policy.card[PROMOTION].get(WRITTEN) != _written(policy.card):
        raise SignatureFault("is of a card whose numbers were written otherwise")


def _written(card: Mapping[str, Any]) -> str:
    shown = {name: one for name, one in card[PROMOTION].items() if name != WRITTEN}
    return card_digest({**card, PROMOTION: shown})


def _stamp(time: datetime) -> str:
    """As CACAO writes times: UTC, milliseconds."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"
