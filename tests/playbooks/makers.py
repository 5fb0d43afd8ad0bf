"""Playbooks, keys and signatures for tests, made from the shipped library by the real code."""

from __future__ import annotations

import base64
import copy
import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey
from tocsin.playbooks.cacao import Playbook, read_playbook
from tocsin.playbooks.signatures import sign, thumbprint
from tocsin.playbooks.vetting import Signatory, VettingRole

LIBRARY = Path(str(files("tocsin.playbooks").joinpath("library")))
NOW = datetime(2026, 12, 1, tzinfo=UTC)
STAMP = "2026-11-24T00:00:00.000Z"
VALUES = {"__target__": "gateway", "__response__": "r-1", "__actuator__": "https://shop.example/openc2"}


def test_data(*parts: str) -> Path:
    """A file of the shared test data; skips where there is none, but fails in CI."""
    root = Path(os.environ.get("TOCSIN_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
    path = root.joinpath(*parts)
    if not path.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{path} is missing; set TOCSIN_TEST_DATA")
        pytest.skip(f"{path} is missing; set TOCSIN_TEST_DATA")
    return path


test_data.__test__ = False  # type: ignore[attr-defined]


def content(name: str = "isolate-asset") -> dict[str, Any]:
    """A library playbook as an object of the test's own."""
    found: dict[str, Any] = json.loads((LIBRARY / f"{name}.json").read_bytes())
    return found


def read(changed: Mapping[str, Any]) -> Playbook:
    """Through bytes, as a file would be."""
    return read_playbook(json.dumps(changed).encode(), "test.json")


def step_id(kind: str, number: int) -> str:
    """A step's id by kind and number."""
    return f"{kind}--00000000-0000-4000-8000-{number:012x}"


def openc2(body: Any) -> dict[str, Any]:
    """An OpenC2 command with this body."""
    return {
        "type": "openc2-http",
        "command": "POST /.well-known/openc2 HTTP/1.1",
        "headers": {"Content-Type": ["application/openc2+json;version=1.0"]},
        "content_b64": base64.b64encode(json.dumps(body).encode()).decode(),
    }


def workflow(steps: Mapping[str, Any], start: str, **fields: Any) -> Playbook:
    """The isolate playbook with another workflow."""
    return read({**content(), "workflow": copy.deepcopy(dict(steps)), "workflow_start": start, **fields})


def action_of(changed: Mapping[str, Any]) -> dict[str, Any]:
    """The action step of a library playbook."""
    found: dict[str, Any] = next(step for step in changed["workflow"].values() if step["type"] == "action")
    return found


class Person:
    """Somebody with a key of their own."""

    def __init__(self, name: str, *roles: str) -> None:
        self.name = name
        self.roles = frozenset(VettingRole(role) for role in roles)
        self.jwk = OKPKey.generate_key("Ed25519")
        key = self.jwk.private_key
        assert isinstance(key, Ed25519PrivateKey)
        self.key = key

    def signs(self, playbook: Playbook, **fields: Any) -> dict[str, Any]:
        """This person's signature."""
        return sign(playbook.raw, self.key, signee=self.name, created=STAMP, **fields)

    def public(self) -> dict[str, str]:
        """The public key as JWK."""
        found = self.jwk.as_dict(private=False)
        return {name: str(found[name]) for name in ("kty", "crv", "x")}


def trust(people: Iterable[Person]) -> dict[str, Signatory]:
    """Signatories by thumbprint."""
    return {thumbprint(one.key.public_key()): Signatory(one.name, one.roles, one.key.public_key()) for one in people}


def write_trust(path: Path, owner: str, people: Iterable[Person]) -> Path:
    """A trust file of an owner."""
    keys = [{"person": one.name, "roles": sorted(one.roles), "jwk": one.public()} for one in people]
    path.write_text(json.dumps({"owner": owner, "keys": keys}))
    return path
