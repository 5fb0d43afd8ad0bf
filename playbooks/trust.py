"""Where an owner keeps whom it trusts, and where signatures lie: files in, signatories and signature objects out.

Flows in: paths of a trust file and of a folder of detached signatures. Flows out: `Signatory` by key thumbprint, and
signature objects as they were read. It checks shapes only; whether a signature counts is said in `vetting`.

A trust file: {"owner": "shop", "keys": [{"person": "ada", "roles": ["author"], "jwk": {public Ed25519 key}}]}.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from .cacao import MAX_BYTES, Playbook, PlaybookError, digest, read_json, read_playbook
from .given_file import read_given
from .signatures import thumbprint
from .vetting import Signatory, VettingRole

MAX_SIGNATURES = 10_000  # files in a folder: a thousand playbooks with some signatures each; assumed
MAX_FILE_BYTES = 65_536  # of a trust file or signature; one of ours has under a thousand bytes
SIGNATURE_ID = re.compile(r"jss--[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]


class _Jwk(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str | None = None
    use: Literal["sig"] | None = None
    alg: Literal["EdDSA", "Ed25519"] | None = None


class _Trusted(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    person: Name
    roles: Annotated[list[VettingRole], Field(min_length=1)]
    jwk: _Jwk


class _TrustFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    owner: Name
    keys: Annotated[list[_Trusted], Field(max_length=1_000)]


def read_trust(path: Path, *, owner: str | None = None) -> Mapping[str, Signatory]:
    """Read whose signatures an owner counts, by key thumbprint, see `read_trust_of`."""
    return read_trust_of(path, owner=owner)[1]


def read_trust_of(path: Path, *, owner: str | None = None) -> tuple[str, Mapping[str, Signatory]]:
    """Read whose trust file it is, and whose signatures that owner counts, by key thumbprint.

    Args:
        path: the owner's trust file.
        owner: whose it must be; any owner's if left out.

    Raises:
        PlaybookError: missing, malformed, of another owner, or a key that stands twice, is private or no Ed25519 key.
    """
    try:
        trust = _TrustFile.model_validate(read_json(_bounded(path, "name the owner's trust file"), str(path)))
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"]) or "top"
        raise PlaybookError(
            f"{path}: {place}: {fault['msg']}; a trust file has owner and keys of person, roles, public jwk"
        ) from None
    if owner is not None and trust.owner != owner:
        raise PlaybookError(f"{path}: is the trust file of owner {trust.owner}; give the one of {owner}")
    signatories: dict[str, Signatory] = {}
    for index, entry in enumerate(trust.keys):
        key = _public_key(entry.jwk, f"{path}: keys.{index}.jwk")
        name = thumbprint(key)
        if name in signatories:
            raise PlaybookError(f"{path}: keys.{index}: the key of {entry.person} stands twice; remove one")
        signatories[name] = Signatory(entry.person, frozenset(entry.roles), key)
    return trust.owner, signatories


def read_key(path: Path) -> Ed25519PrivateKey:
    """Read a private signing key, as `tocsin keys person` writes it.

    Raises:
        PlaybookError: the file is missing or holds no private Ed25519 key.
    """
    content = read_json(_bounded(path, "name the file of your key"), str(path))
    try:
        key = OKPKey.import_key(content).private_key
    except (JoseError, ValueError, TypeError, AttributeError, KeyError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise PlaybookError(f"{path}: is no private Ed25519 key; give a JWK with kty OKP, crv Ed25519, x and d")
    return key


def read_signatures(folder: Path) -> list[dict[str, Any]]:
    """Read every detached signature of a folder, ordered by file name; a folder that is not there holds none.

    Raises:
        PlaybookError: a file is no JSON object or too large, it is no folder, or there are more than MAX_SIGNATURES.
    """
    if folder.exists() and not folder.is_dir():
        raise PlaybookError(f"{folder}: is no folder; name the one that signatures were written into (--out)")
    paths = sorted(path for path in folder.glob("*.json") if path.is_file())
    if len(paths) > MAX_SIGNATURES:
        raise PlaybookError(f"{folder}: {len(paths)} signatures; at most {MAX_SIGNATURES}, move old ones away")
    return [read_signature(path) for path in paths]


def read_signature(path: Path) -> dict[str, Any]:
    """Read one detached signature.

    Raises:
        PlaybookError: it is no JSON object, or too large.
    """
    content = read_json(_bounded(path, "make it readable"), str(path))
    if not isinstance(content, dict):
        raise PlaybookError(f"{path}: is no signature object; move it out of the folder")
    return content


def read_versions(folder: Path) -> list[Playbook]:
    """Read the playbooks of a folder, versions side by side; a folder that is not there holds none.

    Raises:
        PlaybookError: a file is none, or two files say different things under one id and version.
    """
    met: dict[tuple[str, str], tuple[str, Path]] = {}
    playbooks = []
    for path in sorted(one for one in folder.glob("*.json") if one.is_file()):
        playbook = read_playbook(_bounded(path, "make it readable", MAX_BYTES), str(path))
        before = met.setdefault((playbook.id, playbook.modified), (digest(playbook), path))
        if before[0] != digest(playbook):
            told = f"is another {playbook.name} of {playbook.modified} than {before[1].name}"
            raise PlaybookError(f"{path}: {told}; give a changed version a time of its own")
        playbooks.append(playbook)
    return playbooks


def write_signature(folder: Path, signature: Mapping[str, Any]) -> Path:
    """Keep a signature as FOLDER/ID.json, whole or not at all; gives its path.

    Raises:
        PlaybookError: its id is no jss id, or the folder cannot be written.
    """
    name = str(signature.get("id"))
    if not SIGNATURE_ID.fullmatch(name):
        raise PlaybookError(f"signature id {name[:80]!r}: expected jss--UUID in lower case; sign anew")
    path = folder / f"{name}.json"
    part = folder / f".{name}.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            file.write(json.dumps(signature, indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):  # nor can it be removed, e.g. where the folder is a file
            part.unlink(missing_ok=True)
        raise PlaybookError(f"{path}: {error.strerror or error}; choose a folder that you may write") from None
    return path


def _bounded(path: Path, mend: str, most: int = MAX_FILE_BYTES) -> bytes:
    try:
        content = read_given(path, most)
    except OSError as error:
        raise PlaybookError(f"{path}: {error.strerror or error}; {mend}") from None
    if len(content) > most:
        raise PlaybookError(f"{path}: more than {most} bytes; this is no trust file, key or signature")
    return content


def _public_key(jwk: _Jwk, place: str) -> Ed25519PublicKey:
    try:
        key = OKPKey.import_key(jwk.model_dump(include={"kty", "crv", "x"})).public_key
    except (JoseError, ValueError) as error:
        raise PlaybookError(f"{place}: {str(error) or 'x is no base64url'}; give a public Ed25519 key as JWK") from None
    if not isinstance(key, Ed25519PublicKey):
        raise PlaybookError(f"{place}: is no Ed25519 key; give a public Ed25519 key as JWK")
    return key
