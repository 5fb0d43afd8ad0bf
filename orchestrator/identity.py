"""Who may speak to a node: tokens with roles, and the public keys by which owners sign.

Flows in: two files of a home, `tokens.json` (hashes only) and `trust/*.json` (public keys). Flows out: the caller
behind a token, the signer behind a key id. Secrets pass through and are never kept, shown or logged; making keys and
tokens is `keys.py`, what is signed is `consent.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Protocol

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

log = logging.getLogger("tocsin.identity")
CREDENTIAL_DIGITS = 16  # of a token's hash: enough to tell tokens apart, and no way back to one


class IdentityError(ValueError):
    """Token or trust files that cannot be used; the message names the file and the mend."""


class Role(StrEnum):
    """What a token or key may do, for its owner."""

    SENSOR = "sensor"  # post events about the owner's assets
    VIEWER = "viewer"  # read the owner's view
    APPROVER = "approver"  # consent, propose, undo
    OPERATOR = "operator"  # run the node: tick, kill switch


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a token stands for."""

    owner: str
    roles: frozenset[Role]
    credential: str = ""  # which token it was, without telling it; empty: not known, what it reports bears out nothing


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose key it is, and what the owner lets it sign."""

    kid: str  # RFC 7638 thumbprint of the public key
    owner: str
    role: Role
    person: str
    key: OKPKey


class Callers(Protocol):
    """Whoever knows what tokens count now."""

    def caller(self, token: str) -> Caller | None:
        """Give who the token stands for."""
        ...


class Signers(Protocol):
    """Whoever knows what keys count now."""

    def signer(self, kid: str) -> Signer | None:
        """Give whose key it is, None for a key nobody vouches for."""
        ...


OWNER_ID = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$"
OwnerId = Annotated[str, StringConstraints(pattern=OWNER_ID)]


class TokenEntry(BaseModel):
    """One token as the node keeps it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    owner: OwnerId
    roles: frozenset[Role]
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class TrustedKey(BaseModel):
    """One public key in an owner's trust store."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    person: str
    role: Role
    jwk: Mapping[str, str]


class TrustFile(BaseModel):
    """An owner's trust store: the keys that may sign for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    owner: OwnerId
    keys: tuple[TrustedKey, ...]


def token_hash(token: str) -> str:
    """SHA-256 of a token, 64 hex digits. Tokens are 32 random bytes, so a slow hash would add nothing."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class TokenStore:
    """The tokens a node takes, as hashes."""

    entries: tuple[TokenEntry, ...]

    def caller(self, token: str) -> Caller | None:
        """Give who the token stands for; the time taken does not tell how near a wrong one came."""
        digest = token_hash(token)
        found: Caller | None = None
        for entry in self.entries:
            if hmac.compare_digest(entry.sha256, digest):
                found = Caller(entry.owner, entry.roles, entry.sha256[:CREDENTIAL_DIGITS])
        return found

    @classmethod
    def load(cls, path: Path) -> TokenStore:
        """Read `tokens.json`.

        Raises:
            IdentityError: the file is missing, is no list of tokens, or says a hash twice.
        """
        content = _read_json(path, "tocsin keys new --home DIR makes one")
        if not isinstance(content, list):
            raise IdentityError(f"{path}: must be a JSON list of tokens; make it anew with tocsin keys new")
        try:
            entries = tuple(TokenEntry.model_validate_json(json.dumps(entry)) for entry in content)
        except ValidationError as error:
            raise IdentityError(f"{path}: {_first_fault(error)}") from None
        if len({entry.sha256 for entry in entries}) != len(entries):
            raise IdentityError(f"{path}: one token is listed twice; remove one of them")
        return cls(entries)


@dataclass(frozen=True, slots=True)
class TrustStore:
    """The owners' trust stores together: key id to signer. A key that two owners claim counts for neither."""

    signers: Mapping[str, Signer]

    def signer(self, kid: str) -> Signer | None:
        """Give whose key it is, None for a key nobody vouches for."""
        return self.signers.get(kid)

    @property
    def owners(self) -> frozenset[str]:
        """Owners with at least one key."""
        return frozenset(signer.owner for signer in self.signers.values())

    @classmethod
    def build(cls, files: Iterable[TrustFile]) -> TrustStore:
        """Index the keys; the log names those that two owners claim.

        Raises:
            IdentityError: a key that is not Ed25519, or holds its private part.
        """
        claims: dict[str, list[Signer]] = {}
        for file in files:
            for entry in file.keys:
                signer = _signer(file.owner, entry)
                claims.setdefault(signer.kid, []).append(signer)
        return cls({kid: claimed[0] for kid, claimed in claims.items() if _is_of_one(kid, claimed)})

    @classmethod
    def load(cls, folder: Path) -> TrustStore:
        """Read every `*.json` in `folder`.

        Raises:
            IdentityError: the folder is missing or empty, or a file in it cannot be used.
        """
        paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
        if not paths:
            raise IdentityError(f"{folder}: no trust stores there; tocsin keys new --home DIR makes them")
        files = []
        for path in paths:
            try:
                file = TrustFile.model_validate_json(json.dumps(_read_json(path, "list the owner's public keys")))
            except ValidationError as error:
                raise IdentityError(f"{path}: {_first_fault(error)}") from None
            if file.owner != path.stem:
                raise IdentityError(f"{path}: speaks for owner {file.owner!r}; name it {file.owner}.json")
            files.append(file)
        return cls.build(files)


def _is_of_one(kid: str, claimed: Sequence[Signer]) -> bool:
    owners = sorted({signer.owner for signer in claimed})
    if len(owners) > 1:
        log.error("key %s counts for nobody: %s all list it in their trust stores; leave it in one", kid, owners)
    return len(owners) == 1


def _signer(owner: str, entry: TrustedKey) -> Signer:
    place = f"trust store of {owner!r}, key of {entry.person!r}"
    if "d" in entry.jwk:
        raise IdentityError(f"{place}: holds the private part; keep only the public one (kty, crv, x)")
    try:
        key = OKPKey.import_key(dict(entry.jwk))
    except (JoseError, ValueError, KeyError, TypeError):
        raise IdentityError(f"{place}: is no public key; give a JWK with kty OKP, crv Ed25519 and x") from None
    if key.as_dict(private=False).get("crv") != "Ed25519":
        raise IdentityError(f"{place}: is not an Ed25519 key; only those sign here")
    return Signer(key.thumbprint(), owner, entry.role, entry.person, key)


def _read_json(path: Path, mend: str) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise IdentityError(f"{path}: {error.strerror or error}; {mend}") from None
    except RecursionError:
        raise IdentityError(f"{path}: nested too deeply; mend or make it anew") from None
    except ValueError as error:
        raise IdentityError(f"{path}: not JSON ({error}); mend or make it anew") from None


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"])
    return f"{place}: {fault['msg']}"
