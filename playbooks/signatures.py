"""CACAO signatures (`jss`), detached: made and checked.

Flows in: a playbook's object, keys. Flows out: signature objects, or a named fault. Algorithm: all other signatures are
left out, ours stands without `value`; RFC 8785 canonical form; SHA-256; the signature is over the lower-case hex digest
(as the OASIS CACAO v2.0 RSA example computes it). A key inside a signature proves nothing: callers bring the key.

A countersignature stands in the `signature` property of the signature that it signs (10.15). What it covers the
standard leaves open; here: the playbook with that whole signature in it, value included, the countersignature without
its own value. The outer signature does not cover it, so that it can be added later.

Our property `retires` makes a signature its contrary: its signer takes the playbook's version out of use.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc.jwk import OKPKey

PublicKey = Ed25519PublicKey | RSAPublicKey


class SignatureFault(ValueError):  # noqa: N818
    """A signature that does not count; the message says why."""


def thumbprint(key: Ed25519PublicKey) -> str:
    """RFC 7638 thumbprint of a public key, by which trust stores name it."""
    return OKPKey.import_key(key).thumbprint()


def sign(
    content: Mapping[str, Any],
    key: Ed25519PrivateKey,
    *,
    signee: str,
    created: str,
    valid_until: str | None = None,
    retires: bool = False,
    countersigned: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Sign a playbook object, whatever signatures it carries already.

    Args:
        content: the playbook as JSON object.
        key: the signer's private key.
        signee: who signs.
        created: UTC time, CACAO time stamp.
        valid_until: UTC time at which the signature stops to count.
        retires: take this version out of use.
        countersigned: the signature that this one signs with the playbook; put it there by `with_countersignature`.
    """
    signature = {
        "type": "jss",
        "id": f"jss--{uuid.uuid4()}",
        "created": created,
        "modified": created,
        "signee": signee,
        "valid_from": created,
        "related_to": content["id"],
        "related_version": content["modified"],
        "hash_algorithm": "sha-256",
        "algorithm": "Ed25519",
        "thumbprint": thumbprint(key.public_key()),
    }
    if valid_until is not None:
        signature["valid_until"] = valid_until
    if retires:
        signature |= {"revoked": True, "retires": True}  # revoked, so that nobody takes it for an approval
    value = key.sign(_signed_text(content, signature, countersigned))
    return {**signature, "value": base64.urlsafe_b64encode(value).decode().rstrip("=")}


def with_countersignature(signature: Mapping[str, Any], counter: Mapping[str, Any]) -> dict[str, Any]:
    """The signature with a countersignature innermost, under those that it has already."""
    inner = signature.get("signature")
    return {**signature, "signature": dict(counter) if inner is None else with_countersignature(inner, counter)}


def innermost(signature: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the next countersignature signs: the last of a chain."""
    inner = signature.get("signature")
    return innermost(inner) if isinstance(inner, Mapping) else signature


def verify(
    content: Mapping[str, Any],
    signature: Mapping[str, Any],
    key: PublicKey,
    countersigned: Mapping[str, Any] | None = None,
) -> None:
    """Check one signature over a playbook object with a key that the caller trusts.

    Args:
        content: the playbook as JSON object.
        signature: the signature.
        key: its signer's.
        countersigned: the signature that it stands in; None: it is no countersignature.

    Raises:
        SignatureFault: it is of another playbook or version, of an unknown algorithm, or does not fit the content.
    """
    if signature.get("related_to") != content.get("id") or signature.get("related_version") != content.get("modified"):
        raise SignatureFault("is of another playbook or another version")
    if signature.get("type") != "jss" or signature.get("hash_algorithm") != "sha-256":
        raise SignatureFault("is no jss signature over SHA-256")
    value = _decoded(signature.get("value"))
    text = _signed_text(content, signature, countersigned)
    try:
        match signature.get("algorithm"), key:
            case "Ed25519", Ed25519PublicKey():
                key.verify(value, text)
            case "RS256", RSAPublicKey():
                key.verify(value, text, padding.PKCS1v15(), hashes.SHA256())
            case algorithm, _:
                raise SignatureFault(f"algorithm {algorithm!r} does not go with the trusted key")
    except InvalidSignature:
        raise SignatureFault("does not fit the content: playbook or signature was changed") from None


def _signed_text(
    content: Mapping[str, Any], signature: Mapping[str, Any], countersigned: Mapping[str, Any] | None
) -> bytes:
    ours = {key: value for key, value in signature.items() if key not in ("value", "signature")}
    if countersigned is not None:
        ours = {**countersigned, "signature": ours}
    try:
        text = rfc8785.dumps({**content, "signatures": [ours]})
    except ValueError as error:  # rfc8785's own faults, and strings that are no UTF-8
        raise SignatureFault(f"has no canonical form: {error}") from None
    return hashlib.sha256(text).hexdigest().encode()


def _decoded(value: Any) -> bytes:
    try:
        return base64.urlsafe_b64decode(str(value) + "=" * (-len(str(value)) % 4))
    except (binascii.Error, ValueError):
        raise SignatureFault("its value is no base64url") from None
