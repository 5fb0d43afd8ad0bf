"""The consent object: an owner's signed yes or no to one response, bound to what it was shown.

Flows in: what a response is bound to, and a person's key; or a JWS from the wire and the trust store. Flows out: a JWS
(compact, Ed25519, canonical JSON inside), or the consent it carries, or a named refusal. No store, no clock.
The algorithm is written `Ed25519` (RFC 9864), the fully specified name of what RFC 8037 called EdDSA.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

import rfc8785
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, ValidationError

from .clock import ClockError, iso, parse_iso
from .identity import Role, Signer, Signers

ALGORITHM = "Ed25519"  # RFC 9864; the only one ever accepted
TYPE = "tocsin-consent+jws"
MAX_JWS = 64_000  # characters; a consent is about 1,500


class Decision(StrEnum):
    """An owner's answer."""

    APPROVE = "approve"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Binding:
    """What a consent is about; if any of it changes, the consent lapses."""

    response: str
    playbook_digest: str  # SHA-256 of the signed playbook, 64 hex digits
    targets: tuple[str, ...]  # resolved, sorted
    twin_part: str  # digest of the targets' part of the twin
    forecast: str  # SHA-256 of the forecast shown, canonical JSON


class Consent(BaseModel):
    """The signed content, as it stands inside the JWS."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    kind: Literal["tocsin-consent"] = "tocsin-consent"
    version: Literal[1] = 1
    response: str
    playbook_digest: str
    targets: list[str]
    twin_part: str
    forecast: str
    decision: Literal["approve", "deny"]
    owner: str
    person: str
    time: str
    expiry: str

    @property
    def binding(self) -> Binding:
        """What it is about."""
        return Binding(self.response, self.playbook_digest, tuple(self.targets), self.twin_part, self.forecast)


class ConsentRefused(ValueError):  # noqa: N818  (a refusal, with its name in `reason`)
    """A consent that counts for nothing; `reason` is its name on the wire, the message the mend."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def forecast_digest(forecast: Mapping[str, Any]) -> str:
    """SHA-256 of a forecast as it is shown, 64 hex digits."""
    return hashlib.sha256(rfc8785.dumps(dict(forecast))).hexdigest()


def sign(
    binding: Binding, decision: Decision, key: OKPKey, *, owner: str, person: str, time: datetime, expiry: datetime
) -> str:
    """Give the consent as a compact JWS signed with `key`; times are UTC."""
    consent = Consent(
        response=binding.response,
        playbook_digest=binding.playbook_digest,
        targets=list(binding.targets),
        twin_part=binding.twin_part,
        forecast=binding.forecast,
        decision=decision.value,
        owner=owner,
        person=person,
        time=iso(time),
        expiry=iso(expiry),
    )
    header = {"alg": ALGORITHM, "kid": key.thumbprint(), "typ": TYPE}
    return jws.serialize_compact(header, rfc8785.dumps(consent.model_dump()), key, algorithms=[ALGORITHM])


def verify(text: str, trust: Signers, binding: Binding, owners: tuple[str, ...], *, now: datetime) -> Consent:
    """Give the consent that `text` carries, if it counts for a response bound by `binding`.

    Checks, in this order: form, signer known, signature, signer's role and owner, ownership of targets, binding, time.

    Args:
        text: compact JWS.
        trust: the owners' keys.
        binding: what the response is bound to now.
        owners: owners whose consent the response needs.
        now: UTC.

    Raises:
        ConsentRefused: with the name of the first check that failed.
    """
    consent = read_signed(text, trust)
    if consent.owner not in owners:
        raise ConsentRefused(
            "not_an_owner_of_targets", f"{consent.owner!r} owns no target; needed: {', '.join(owners)}"
        )
    _check_binding(consent.binding, binding)
    _check_time(consent, now)
    return consent


def read_signed(text: str, trust: Signers) -> Consent:
    """Give the consent that `text` carries, if one of the signer's own approvers signed it, whatever it is about.

    Raises:
        ConsentRefused: malformed, unknown_signer, bad_signature, not_an_approver or wrong_signer.
    """
    signer = _signer_of(text, trust)
    consent = _read(text, signer)
    if signer.role is not Role.APPROVER:
        raise ConsentRefused(
            "not_an_approver", f"key {signer.kid} of {signer.owner!r} may not consent; use an approver's"
        )
    if consent.owner != signer.owner or consent.person != signer.person:
        said = f"{consent.person!r} of {consent.owner!r}"
        raise ConsentRefused("wrong_signer", f"the consent speaks for {said}, its key is {signer.person!r}'s")
    return consent


def _signer_of(text: str, trust: Signers) -> Signer:
    if len(text) > MAX_JWS:
        raise ConsentRefused("malformed", f"a consent of {len(text)} characters; at most {MAX_JWS}")
    try:
        header = jws.extract_compact(text.encode()).headers()
    except (JoseError, ValueError, TypeError):
        raise ConsentRefused("malformed", "it is no compact JWS; sign with tocsin response consent") from None
    if header.get("alg") != ALGORITHM or header.get("typ") != TYPE:
        raise ConsentRefused("malformed", f"its header must say alg {ALGORITHM} and typ {TYPE}")
    signer = trust.signer(str(header.get("kid", "")))
    if signer is None:
        raise ConsentRefused("unknown_signer", "its key is in no owner's trust store; the owner must add it")
    return signer


def _read(text: str, signer: Signer) -> Consent:
    try:
        payload = jws.deserialize_compact(text, signer.key, algorithms=[ALGORITHM]).payload
    except (JoseError, ValueError, TypeError):
        raise ConsentRefused("bad_signature", f"it was not signed by key {signer.kid}, or changed since") from None
    try:
        consent = Consent.model_validate_json(payload)
        canonical: bytes = rfc8785.dumps(consent.model_dump())
    except (ValidationError, rfc8785.CanonicalizationError):
        raise ConsentRefused("malformed", "its content is no consent; sign with tocsin response consent") from None
    if canonical != payload:
        raise ConsentRefused("malformed", "its content is not canonical JSON (RFC 8785)")
    return consent


def _check_binding(said: Binding, is_now: Binding) -> None:
    for name in Binding.__dataclass_fields__:
        if getattr(said, name) != getattr(is_now, name):
            raise ConsentRefused(
                "wrong_binding",
                f"its {name} is not that of response {is_now.response}; read the response again and sign it",
            )


def _check_time(consent: Consent, now: datetime) -> None:
    try:
        given, expiry = parse_iso(consent.time), parse_iso(consent.expiry)
    except ClockError as error:
        raise ConsentRefused("malformed", str(error)) from None
    if given > now:
        raise ConsentRefused("from_the_future", f"it was signed at {consent.time}, it is {iso(now)}; set the clock")
    if expiry <= now:
        raise ConsentRefused("expired", f"it ended at {consent.expiry}; sign anew")
