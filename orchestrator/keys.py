"""Make a home: owners' signing keys, trust stores and tokens, readable by their user only.

Flows in: a folder and owner ids; or a file, and a person who signs playbooks or policies, for that person's key. Flows
out: files with mode 0600 in folders with mode 0700:

    HOME/keys/OWNER.jwk            private Ed25519 key of the owner's approver (give it to that person, then delete it)
    HOME/trust/OWNER.json          the owner's trust store: public keys
    HOME/tokens/OWNER.NAME.token   plain tokens, to be handed out, then deleted; NAME is a role, or `sensor-2`
    HOME/tokens.json               the same tokens as the node keeps them: hashes

Each owner gets two sensor tokens, for two collectors that share nothing: what comes by one token counts as one source.
It never overwrites anything.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import TypeAdapter, ValidationError

from ..playbooks.vetting import VettingRole
from .identity import IdentityError, OwnerId, Role, token_hash

ROLES_OF_TOKEN = {
    "sensor": (Role.SENSOR,),
    "sensor-2": (Role.SENSOR,),
    "viewer": (Role.VIEWER,),
    "approver": (Role.APPROVER, Role.VIEWER),
}
ROLES_OF_OPERATOR = (Role.OPERATOR, Role.VIEWER)
MAX_NAME = 200  # characters of a person's name, as a trust file takes them
TOKEN_BYTES = 32  # of randomness: beyond guessing (NIST SP 800-63B asks 64 bits of a look-up secret)


def make_home(home: Path, owners: Iterable[str], *, operator: str) -> None:
    """Write keys, trust stores and tokens for `owners`; `operator` is the owner who runs the node.

    Raises:
        IdentityError: an owner id unfit for a file name, an operator who is no owner, or a home already made.
    """
    names = sorted(set(owners))
    for name in names:
        _check_owner(name)
    if operator not in names:
        raise IdentityError(f"operator {operator!r} is none of the owners ({', '.join(names)}); name one of them")
    if (home / "tokens.json").exists():
        raise IdentityError(f"{home}: holds tokens already; choose another --home or remove it first")
    for folder in (home, home / "keys", home / "trust", home / "tokens"):
        _make_folder(folder)
    entries = [entry for name in names for entry in _make_owner(home, name, is_operator=name == operator)]
    _write_private(home / "tokens.json", json.dumps(entries, indent=1))


def make_person(path: Path, person: str, roles: Iterable[VettingRole]) -> dict[str, object]:
    """Write a private key for who signs playbooks or policies; give the entry for an owner's trust file.

    Raises:
        IdentityError: nobody's name, or a file that is there or cannot be written.
    """
    if not person.strip() or not person.isprintable() or len(person) > MAX_NAME:
        raise IdentityError(f"person {person[:40]!r}: is no name; say whose key it is in at most {MAX_NAME} characters")
    key = OKPKey.generate_key("Ed25519")
    _write_private(path, json.dumps(key.as_dict(private=True)))
    return {"person": person.strip(), "roles": [role.value for role in dict.fromkeys(roles)], "jwk": _public(key)}


def load_key(path: Path) -> OKPKey:
    """Read a private signing key.

    Raises:
        IdentityError: the file is missing or holds no private Ed25519 key.
    """
    try:
        key = OKPKey.import_key(json.loads(path.read_text("utf-8")))
    except OSError as error:
        raise IdentityError(f"{path}: {error.strerror or error}; tocsin keys new makes signing keys") from None
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
        raise IdentityError(f"{path}: is no signing key; give a private JWK (kty OKP, crv Ed25519)") from None
    if not key.is_private or key.as_dict(private=False).get("crv") != "Ed25519":
        raise IdentityError(f"{path}: is no private Ed25519 key; consents are signed with those only")
    return key


def read_token(path: Path) -> str:
    """Read a plain token.

    Raises:
        IdentityError: the file is missing or empty.
    """
    try:
        token = path.read_text("utf-8").strip()
    except OSError as error:
        raise IdentityError(f"{path}: {error.strerror or error}; name the file of your token") from None
    except UnicodeDecodeError:
        raise IdentityError(f"{path}: holds no text; name the file of your token") from None
    if not token:
        raise IdentityError(f"{path}: holds no token; ask the node's operator for one")
    return token


def _make_owner(home: Path, owner: str, *, is_operator: bool) -> list[dict[str, object]]:
    key = OKPKey.generate_key("Ed25519")
    _write_private(home / "keys" / f"{owner}.jwk", json.dumps(key.as_dict(private=True)))
    person = f"approver@{owner}"
    trusted = {"person": person, "role": Role.APPROVER.value, "jwk": _public(key)}
    _write_private(home / "trust" / f"{owner}.json", json.dumps({"owner": owner, "keys": [trusted]}, indent=1))
    tokens = ROLES_OF_TOKEN | ({"operator": ROLES_OF_OPERATOR} if is_operator else {})
    entries: list[dict[str, object]] = []
    for name, roles in tokens.items():
        token = f"tocsin_{secrets.token_urlsafe(TOKEN_BYTES)}"
        _write_private(home / "tokens" / f"{owner}.{name}.token", token + "\n")
        entries.append({"owner": owner, "roles": [role.value for role in roles], "sha256": token_hash(token)})
    return entries


def _public(key: OKPKey) -> dict[str, str]:
    content = key.as_dict(private=False)
    return {name: str(content[name]) for name in ("kty", "crv", "x")}


def _check_owner(name: str) -> None:
    try:
        TypeAdapter(OwnerId).validate_python(name)
    except ValidationError:
        raise IdentityError(
            f"owner {name!r}: ids are letters, digits, '.', '_' and '-', at most 64; rename it in the chain"
        ) from None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise IdentityError(f"{folder}: {error.strerror or error}; choose another --home") from None


def _write_private(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise IdentityError(f"{path}: {error.strerror or error}; keys are never overwritten, move it away") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        path.unlink()  # half a key is none
        raise IdentityError(f"{path}: {error.strerror or error}; make room, or choose another place") from None
