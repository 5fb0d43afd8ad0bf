"""Tokens and trust stores: hashes only, roles as given, bad files named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.orchestrator.identity import IdentityError, Role, TokenEntry, TokenStore, TrustStore, token_hash
from tocsin.orchestrator.keys import load_key, make_home, read_token

ENTRY = {"owner": "edge", "roles": ["viewer"], "sha256": token_hash("tocsin_x")}
STORE = TokenStore((TokenEntry.model_validate(ENTRY),))


def test_token_stands_for_owner_and_roles(tmp_path: Path) -> None:
    """Each token made stands for its owner and roles; only the operator's token may run the node."""
    make_home(tmp_path, ["edge", "shop"], operator="shop")
    store = TokenStore.load(tmp_path / "tokens.json")
    caller = store.caller(read_token(tmp_path / "tokens" / "edge.approver.token"))
    assert caller is not None and (caller.owner, caller.roles) == ("edge", {Role.APPROVER, Role.VIEWER})
    assert [entry.owner for entry in store.entries if Role.OPERATOR in entry.roles] == ["shop"]


def test_tokens_are_random_and_distinct(tmp_path: Path) -> None:
    """No two tokens are equal, and each has 32 bytes of randomness."""
    make_home(tmp_path, ["edge", "shop"], operator="shop")
    tokens = [read_token(path) for path in (tmp_path / "tokens").iterdir()]
    assert len(set(tokens)) == 9 and all(len(token) >= 43 for token in tokens)


@given(st.text(max_size=80).filter(lambda text: text != "tocsin_x"))
def test_any_other_token_is_nobody(token: str) -> None:
    """Only the very token counts, whatever else is sent."""
    assert STORE.caller(token) is None


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[" * 100_000,
        "{}",
        '["x"]',
        json.dumps([{**ENTRY, "roles": ["king"]}]),
        json.dumps([{**ENTRY, "sha256": "x"}]),
        json.dumps([{**ENTRY, "owner": "../x"}]),
        json.dumps([ENTRY, ENTRY]),
    ],
)
def test_bad_token_file_is_named(tmp_path: Path, content: str) -> None:
    """A token file that cannot be used is refused by its name."""
    path = tmp_path / "tokens.json"
    path.write_text(content)
    with pytest.raises(IdentityError, match=r"tokens\.json"):
        TokenStore.load(path)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"owner": "shop", "keys": []}', '{"owner": "edge"}', '{"owner": "edge", "keys": [{}]}']
)
def test_bad_trust_store_is_named(tmp_path: Path, content: str) -> None:
    """A trust store that cannot be used is refused by its name."""
    (tmp_path / "edge.json").write_text(content)
    with pytest.raises(IdentityError, match=r"edge\.json"):
        TrustStore.load(tmp_path)


@pytest.mark.parametrize(
    "content", ["", "{}", "[" * 100_000, '{"kty": "OKP", "crv": "Ed25519", "x": "AA"}', '{"kty": "oct", "k": "AA"}']
)
def test_what_is_no_signing_key_is_named(tmp_path: Path, content: str) -> None:
    """A file that holds no private Ed25519 key is refused by its name, and its content is not shown."""
    path = tmp_path / "edge.jwk"
    path.write_text(content)
    with pytest.raises(IdentityError, match=r"edge\.jwk"):
        load_key(path)
