"""Signatures: made and checked as OASIS computes them, and bound to every byte of meaning."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin.playbooks.signatures import SignatureFault, sign, thumbprint, verify
from tocsin.tests.playbooks.makers import STAMP, Person, content, read, test_data

ADA = Person("ada", "author")
SIGNED = ADA.signs(read(content()))
PUBLIC = ADA.key.public_key()


def _oasis() -> tuple[dict[str, Any], dict[str, Any], RSAPublicKey]:
    vector = json.loads(test_data("cacao-v2", "examples-oasis-tcs", "signature-vector.json").read_bytes())
    playbook = vector["signed_playbook"]
    signature = playbook["signatures"][0]
    key = load_der_public_key(base64.b64decode(signature["public_key"]))
    assert isinstance(key, RSAPublicKey)
    return playbook, signature, key


def test_verifies_the_example_of_the_standard() -> None:
    """The RSA example that OASIS publishes fits."""
    verify(*_oasis())


def test_the_example_changed_does_not_fit() -> None:
    """One letter of its name, or of the signature's own fields."""
    playbook, signature, key = _oasis()
    with pytest.raises(SignatureFault, match="changed"):
        verify({**playbook, "name": "Playbook 2"}, signature, key)
    with pytest.raises(SignatureFault, match="changed"):
        verify(playbook, {**signature, "signee": "ACME"}, key)


def test_a_signature_fits_its_playbook_whatever_other_signatures_stand_in_it() -> None:
    """Detached or embedded, alone or among others."""
    verify(content(), SIGNED, PUBLIC)
    verify({**content(), "signatures": [SIGNED, {"type": "jss"}]}, SIGNED, PUBLIC)


def test_thumbprints_are_rfc_7638() -> None:
    """As the library for keys computes them; the example key of RFC 8037, appendix A.3, gives its own."""
    assert thumbprint(PUBLIC) == ADA.jwk.thumbprint()
    from joserfc.jwk import OKPKey

    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    key = OKPKey.import_key(jwk).public_key
    assert thumbprint(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("related_to", "playbook--11111111-1111-4111-8111-111111111111", "another"),
        ("related_version", "2027-01-01T00:00:00.000Z", "another"),
        ("type", "xmldsig", "no jss"),
        ("hash_algorithm", "md5", "no jss"),
        ("algorithm", "none", "none"),
        ("algorithm", "RS256", "RS256"),
        ("value", "AAAA", "changed"),
        ("value", "A", "base64url"),
        ("value", None, "changed|base64url"),
        ("signee", "bob", "changed"),
        ("valid_until", "2999-01-01T00:00:00.000Z", "changed"),
        ("extra", 2**60, "canonical"),
        ("extra", "\ud800", "canonical"),
    ],
)
def test_a_changed_signature_does_not_count(field: str, value: Any, said: str) -> None:
    """Every field of it is signed; what cannot be checked is a fault, not a crash."""
    with pytest.raises(SignatureFault, match=said):
        verify(content(), {**SIGNED, field: value}, PUBLIC)


def test_a_foreign_key_does_not_fit() -> None:
    """A key that a signature brings along proves nothing."""
    with pytest.raises(SignatureFault, match="changed"):
        verify(content(), SIGNED, Person("eve").key.public_key())


@settings(max_examples=40)
@given(st.data())
def test_any_one_changed_value_breaks_the_signature(data: st.DataObject) -> None:
    """Walk to any string or number of the playbook, change it, and no signature fits."""
    changed: Any = copy.deepcopy(content())
    place: Any = changed
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key]:
            break
        place = place[key]
    place[key] = f"{place[key]}!"
    with pytest.raises(SignatureFault):
        verify(changed, SIGNED, PUBLIC)


def test_says_until_when_it_counts_only_if_told() -> None:
    """valid_until stands in the signature where it was given."""
    assert "valid_until" not in SIGNED
    told = sign(content(), ADA.key, signee="ada", created=STAMP, valid_until="2027-01-01T00:00:00.000Z")
    assert told["valid_until"] == "2027-01-01T00:00:00.000Z"
    verify(content(), told, PUBLIC)
