"""A consent counts only as the owner's approver signed it, for what it was shown, in its time."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey
from tocsin.orchestrator import consent
from tocsin.orchestrator.clock import ClockError, parse_iso
from tocsin.orchestrator.consent import Binding, ConsentRefused, Decision
from tocsin.orchestrator.identity import IdentityError, Role, TrustedKey, TrustFile, TrustStore
from tocsin.tests.orchestrator.fakes import START

BINDING = Binding("response--1", "a" * 64, ("edge/host/gateway",), "b" * 64, "c" * 64)
EDGE, SHOP = OKPKey.generate_key("Ed25519"), OKPKey.generate_key("Ed25519")


def public(key: OKPKey) -> dict[str, str]:
    """Give a public JWK."""
    content = key.as_dict(private=False)
    return {name: str(content[name]) for name in ("kty", "crv", "x")}


def trust_file(owner: str, key: OKPKey, role: Role = Role.APPROVER) -> TrustFile:
    """Give an owner's trust store with one key."""
    return TrustFile(owner=owner, keys=(TrustedKey(person=f"p@{owner}", role=role, jwk=public(key)),))


TRUST = TrustStore.build([trust_file("edge", EDGE), trust_file("shop", SHOP)])


def signed(key: OKPKey = EDGE, owner: str = "edge", binding: Binding = BINDING, **times: float) -> str:
    """Sign a yes; times are minutes from the start."""
    given, expiry = (START + timedelta(minutes=times.get(name, m)) for name, m in (("time", 0), ("expiry", 60)))
    person = f"p@{owner}"
    return consent.sign(binding, Decision.APPROVE, key, owner=owner, person=person, time=given, expiry=expiry)


def reason(text: str, *, trust: TrustStore = TRUST, binding: Binding = BINDING, minutes: float = 1) -> str:
    """Give why the consent is refused."""
    with pytest.raises(ConsentRefused) as refused:
        consent.verify(text, trust, binding, ("edge",), now=START + timedelta(minutes=minutes))
    return refused.value.reason


def test_owner_consents() -> None:
    """The owner's approver signs, and the consent says so."""
    given = consent.verify(signed(), TRUST, BINDING, ("edge",), now=START)
    assert (given.owner, given.decision, given.binding) == ("edge", "approve", BINDING)


def test_nobody_else_can_give_it() -> None:
    """Another owner's key, an unknown key, or another's name under one's own key count for nothing."""
    assert reason(signed(SHOP, "shop")) == "not_an_owner_of_targets"
    assert reason(signed(OKPKey.generate_key("Ed25519"))) == "unknown_signer"
    assert reason(signed(SHOP, "edge")) == "wrong_signer"


def test_signature_of_another_key_under_the_owners_kid_is_refused() -> None:
    """Naming the owner's key in the header does not help whoever lacks it."""
    payload = jws.extract_compact(signed().encode()).payload
    header = {"alg": "Ed25519", "kid": EDGE.thumbprint(), "typ": consent.TYPE}
    assert reason(jws.serialize_compact(header, payload, SHOP, algorithms=["Ed25519"])) == "bad_signature"


def test_changed_content_is_refused() -> None:
    """A no cannot be turned into a yes."""
    header, _, signature = signed().split(".")
    content = json.loads(jws.extract_compact(signed().encode()).payload)
    content["decision"] = "deny"
    payload = base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
    assert reason(f"{header}.{payload}.{signature}") == "bad_signature"


@pytest.mark.parametrize("alg", ["none", "HS256", "EdDSA"])
def test_other_algorithms_are_refused(alg: str) -> None:
    """Only Ed25519 counts: not `none`, not the public key used as an HMAC secret."""
    payload = jws.extract_compact(signed().encode()).payload or b""
    header: dict[str, Any] = {"alg": alg, "kid": EDGE.thumbprint(), "typ": consent.TYPE}
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (json.dumps(header).encode(), payload)]
    text = ".".join([*parts, ""])
    if alg == "HS256":
        secret = OctKey.import_key(base64.urlsafe_b64decode(public(EDGE)["x"] + "="))
        text = jws.serialize_compact(header, payload, secret, algorithms=[alg])
    assert reason(text) == "malformed"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("response", "response--2"),
        ("playbook_digest", "0" * 64),
        ("targets", ("edge/host/other",)),
        ("twin_part", "0" * 64),
        ("forecast", "0" * 64),
    ],
)
def test_consent_lapses_when_what_it_binds_changes(field: str, value: Any) -> None:
    """A consent to another response, playbook, target, twin or forecast is refused."""
    assert reason(signed(), binding=replace(BINDING, **{field: value})) == "wrong_binding"


def test_time_matters() -> None:
    """An expired consent and one from the future count for nothing."""
    assert reason(signed(), minutes=60) == "expired"
    assert reason(signed(time=5, expiry=9)) == "from_the_future"


def test_key_without_the_approver_role_is_refused() -> None:
    """A sensor's key cannot consent."""
    assert reason(signed(), trust=TrustStore.build([trust_file("edge", EDGE, Role.SENSOR)])) == "not_an_approver"


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "a" * 70_000, "e30.e30.", "\udcff"])
def test_rubbish_is_refused_not_a_crash(text: str) -> None:
    """Whatever comes over the wire, the answer is a named refusal."""
    assert reason(text) == "malformed"


def test_payload_must_be_canonical() -> None:
    """The same content in another spelling is refused, so that one consent has one form."""
    payload = json.dumps(json.loads(jws.extract_compact(signed().encode()).payload or b""), indent=1)
    header = {"alg": "Ed25519", "kid": EDGE.thumbprint(), "typ": consent.TYPE}
    assert reason(jws.serialize_compact(header, payload, EDGE, algorithms=["Ed25519"])) == "malformed"


def test_a_key_that_two_owners_claim_counts_for_neither_and_others_count(caplog: pytest.LogCaptureFixture) -> None:
    """Who lists a foreign key in its trust store gains nothing by it and takes no other key away; the log says so."""
    meter = TrustedKey(person="m", role=Role.APPROVER, jwk=trust_file("edge", EDGE).keys[0].jwk)
    files = [trust_file("edge", EDGE), trust_file("shop", SHOP), TrustFile(owner="meter", keys=(meter,))]
    trust = TrustStore.build(files)
    assert reason(signed(), trust=trust) == "unknown_signer"
    assert set(trust.signers) == {SHOP.thumbprint()}
    assert EDGE.thumbprint() in caplog.text and "'edge', 'meter'" in caplog.text


def test_a_trust_store_holds_no_private_key() -> None:
    """A key with its private part is refused when the store is read."""
    private = {name: str(value) for name, value in EDGE.as_dict(private=True).items()}
    entry = TrustedKey(person="p", role=Role.APPROVER, jwk=private)
    with pytest.raises(IdentityError, match="private part"):
        TrustStore.build([TrustFile(owner="edge", keys=(entry,))])


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-01T12:00:00", "soon"]
)
def test_times_that_are_no_time_in_utc_are_refused(text: str) -> None:
    """Also those that leave the calendar on their way to UTC."""
    with pytest.raises(ClockError):
        parse_iso(text)
