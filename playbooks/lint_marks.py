"""Lint of extensions, data markings and signatures (CACAO v2.0, sections 8, 9 and 10.15).

Flows in: a `Playbook`. Flows out: findings about their form. Whether a signature counts is said in `vetting`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .cacao import Playbook, Signature
from .cacao_marks import IepMarking, TlpMarking
from .cacao_words import ALGORITHMS
from .lint_identity import dated, entries, kind_finding, moment
from .lint_steps import extensions_of
from .lint_words import Finding, Place, found, shown

KEYS = ("public_key", "public_cert_chain", "cert_url", "thumbprint")
NAME = re.compile(r"[a-z0-9_]{3,250}")
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)([-+][0-9A-Za-z.+-]+)?", re.ASCII)  # SemVer 2.0.0
BASE64URL = re.compile(r"[A-Za-z0-9_-]+={0,2}")
SYMMETRIC = ("HS256", "HS384", "HS512")
IEP_VALUES = {
    "tlp": {"red", "amber", "green", "white"},
    "encrypt_in_transit": {"must", "may"},
    "permitted_actions": {
        "none", "contact for instruction", "internally visible actions", "externally visible indirect actions",
        "externally visible direct actions",
    },
    "affected_party_notifications": {"may", "must not"},
    "attribution": {"may", "must", "must not"},
    "unmodified_resale": {"may", "must not"},
}  # FIRST, Information Exchange Policy 2.0  # fmt: skip


def mark_findings(playbook: Playbook) -> Iterator[Finding]:
    """Findings about extension definitions, markings and signatures."""
    yield from _extensions(playbook)
    yield from _markings(playbook)
    for index, signature in enumerate(playbook.signatures):
        yield from _signature(playbook, signature, ("signatures", index))


def _extensions(playbook: Playbook) -> Iterator[Finding]:
    defined = entries(playbook, "extension_definitions")
    for place, name in extensions_of(playbook):
        if name not in defined:
            said = f"extension {name} is not defined"
            yield found("extension-undefined", place, said, "define it in extension_definitions")
        content: object = playbook.raw
        for part in place:
            content = content.get(str(part)) if isinstance(content, dict) else None
        for key in content if isinstance(content, dict) else ():
            if NAME.fullmatch(key) is None:
                said = f"property {shown(key)} of an extension"
                yield found("extension-names", (*place, key), said, "use a-z, 0-9 and _, 3 to 250 signs")
    for key, one in playbook.extension_definitions.items():
        place = ("extension_definitions", key)
        yield from kind_finding(one.created_by, ("identity",), (*place, "created_by"))
        if one.version and VERSION.fullmatch(one.version) is None:
            said = f"{shown(one.version)} is no MAJOR.MINOR.PATCH"
            yield found("extension-version", (*place, "version"), said, "write e.g. 1.0.0")


def _markings(playbook: Playbook) -> Iterator[Finding]:
    defined = entries(playbook, "data_marking_definitions")
    for index, name in enumerate(playbook.markings):
        if name not in defined:
            said = f"marking {name} is not defined"
            yield found("marking-undefined", ("markings", index), said, "define it in data_marking_definitions")
    levels, used = set(), set(playbook.markings)
    for key, one in playbook.data_marking_definitions.items():
        place: Place = ("data_marking_definitions", key)
        if one.id and one.id != key:
            yield found("marking-id", (*place, "id"), f"{one.id} stands under {key}", "make them equal")
        if isinstance(defined[key], dict) and "modified" in defined[key]:
            said = "a marking has no versions"
            yield found("marking-versioned", (*place, "modified"), said, "remove it; make a new marking instead")
        yield from kind_finding(one.created_by, ("identity",), (*place, "created_by"))
        yield from dated(one, place, ("created", "valid_from", "valid_until"), "9.1")
        if isinstance(one, IepMarking):
            yield from _iep(one, place)
        if isinstance(one, TlpMarking) and key in used:
            levels.add(one.tlpv2_level)
    if len(levels) > 1:
        said = f"is marked {' and '.join(sorted(levels))}"
        yield found("marking-tlp-many", ("markings",), said, "keep one level of TLP")


def _iep(one: IepMarking, place: Place) -> Iterator[Finding]:
    for field, known in IEP_VALUES.items():
        value = getattr(one, field)
        if value and re.sub(r"[-_]", " ", value).lower().removeprefix("tlp:") not in known:
            said = f"{shown(value)} is no value of IEP"
            yield found("marking-iep-value", (*place, field), said, f"write one of {', '.join(sorted(known))}")
    start = moment(one.start_date) if one.start_date else None
    end = moment(one.end_date) if one.end_date else None
    if start is not None and end is not None and end < start:
        yield found(
            "validity-order", (*place, "end_date"), "end_date is before start_date", "put it later", section="9.5"
        )


def _signature(playbook: Playbook, one: Signature, place: Place) -> Iterator[Finding]:
    yield from kind_finding(one.id, ("jss",), (*place, "id"))
    yield from kind_finding(one.created_by, ("identity",), (*place, "created_by"))
    yield from dated(one, place, ("created", "modified", "valid_from", "valid_until"), "10.15")
    keys = [name for name in KEYS if getattr(one, name) is not None]
    if len(keys) != 1:
        said = f"says {len(keys)} of {', '.join(KEYS)}"
        yield found("signature-key", place, said, "say exactly one")
    if (one.related_to and one.related_to != playbook.id) or (
        one.related_version and one.related_version != playbook.modified
    ):
        said = "the signature is of another playbook or version"
        yield found("signature-related", place, said, "sign anew: tocsin playbook sign, or remove it")
    if one.value and (BASE64URL.fullmatch(one.value) is None or len(one.value.rstrip("=")) % 4 == 1):
        yield found("signature-value", (*place, "value"), "is no base64url", "sign anew: tocsin playbook sign")
    if one.algorithm in SYMMETRIC or (one.hash_algorithm and one.hash_algorithm not in ("sha-256", "sha-512")):
        said = f"is made with {shown(one.hash_algorithm)} and {shown(one.algorithm)}"
        yield found("signature-hash", place, said, "use sha-256 and e.g. Ed25519")
    elif one.algorithm and one.algorithm not in ALGORITHMS:
        said = f"{shown(one.algorithm)} is not in the vocabulary"
        yield found("vocabulary", (*place, "algorithm"), said, "use an algorithm of 10.15")
    if one.revoked:
        yield found("signature-revoked", (*place, "revoked"), "the signature is revoked", "sign anew, or remove it")
    if one.signature is not None:
        yield from _signature(playbook, one.signature, (*place, "signature"))
