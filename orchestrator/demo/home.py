"""A home for the demonstration: keys, tokens, terms and a vetted library, in a folder of its own.

Flows in: an empty folder, the owners, the library. Flows out: files that `tocsin serve` and `tocsin plant` read. The
persons who sign are made up here and their keys lie in the folder: fine for a demonstration, never for production.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey

from ...playbooks.actions import Library
from ...playbooks.signatures import sign
from ...playbooks.trust import write_signature
from ...playbooks.vetting import VettingRole
from ..keys import make_home, read_token

SIGNED = "2026-01-01T00:00:00.000Z"  # before the plant's first day
AUTHOR, REVIEWER = "ada@library.example", "grace@library.example"
BUDGET = {"max_responses": 30, "max_criticality": 3.0}  # per owner and hour; assumed, wide enough for one incident


def make_demo_home(folder: Path, owners: Iterable[str], library: Library, *, operator: str) -> None:
    """Write everything that node and plant need into an empty folder.

    Raises:
        IdentityError: the folder holds a home already.
    """
    names = sorted(owners)
    make_home(folder, names, operator=operator)
    _vet(folder, names, library)
    _write_plant_tokens(folder, names, operator)


def write_terms(folder: Path, owners: Iterable[str], plant: str) -> None:
    """Write the node's terms, once the plant's address is known."""
    names = sorted(owners)
    terms = {
        "budgets": dict.fromkeys(names, BUDGET),
        "openc2": {
            name: {"url": f"{plant}/.well-known/openc2", "token_file": f"tokens/{name}.actuator.token"}
            for name in names
        },
        "verify_s": 3600.0,
    }
    (folder / "terms.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(terms)), sort_keys=True), encoding="utf-8")


def _vet(folder: Path, owners: list[str], library: Library) -> None:
    """Author, reviewer and an approver of every owner sign every playbook of the library."""
    signatures, trust = folder / "vetting" / "signatures", folder / "vetting" / "trust"
    signatures.mkdir(parents=True)
    trust.mkdir()
    common = {VettingRole.AUTHOR: AUTHOR, VettingRole.REVIEWER: REVIEWER}
    keys = {person: OKPKey.generate_key("Ed25519") for person in common.values()}
    rows = {person: _row(person, role, keys[person]) for role, person in common.items()}
    for owner in owners:
        person = f"approver@{owner}"
        keys[person] = OKPKey.generate_key("Ed25519")
        trusted = [*rows.values(), _row(person, VettingRole.APPROVER, keys[person])]
        (trust / f"{owner}.json").write_text(json.dumps({"owner": owner, "keys": trusted}, indent=1), encoding="utf-8")
    for playbook in library.playbooks:
        for person, key in keys.items():
            private = key.private_key
            assert isinstance(private, Ed25519PrivateKey)  # as generated above
            write_signature(signatures, sign(playbook.raw, private, signee=person, created=SIGNED))


def _row(person: str, role: VettingRole, key: OKPKey) -> dict[str, object]:
    public = key.as_dict(private=False)
    return {"person": person, "roles": [role.value], "jwk": {name: public[name] for name in ("kty", "crv", "x")}}


def _write_plant_tokens(folder: Path, owners: list[str], operator: str) -> None:
    actuators = {owner: secrets.token_urlsafe(32) for owner in owners}
    for owner, token in actuators.items():
        _write_private(folder / "tokens" / f"{owner}.actuator.token", token)
    tokens = {
        "operator": read_token(folder / "tokens" / f"{operator}.operator.token"),
        "owners": {
            owner: {
                "actuator": token,
                "sensor": [read_token(folder / "tokens" / f"{owner}.{name}.token") for name in ("sensor", "sensor-2")],
            }
            for owner, token in actuators.items()
        },
    }
    _write_private(folder / "plant.json", json.dumps(tokens, indent=1))


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
