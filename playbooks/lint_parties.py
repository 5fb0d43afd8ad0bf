"""Lint of agents, targets and how they are authenticated to (CACAO v2.0, sections 6 and 7).

Flows in: a `Playbook`. Flows out: findings. A string that holds a variable is judged when the variable has its value.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from .cacao import AnyStep, Playbook
from .cacao_parties import (
    AddressedParty,
    AnyAuthentication,
    AnyParty,
    Group,
    Individual,
    LocationParty,
    Organization,
    SecurityCategoryParty,
)
from .cacao_words import CATEGORIES, AuthenticationType, CommandType, PartyType, VariableType
from .lint_identity import entries
from .lint_words import Finding, Place, found, shown
from .variable_values import MAC

KNOWN = {
    word: frozenset(literal.__args__)  # type: ignore[attr-defined]
    for word, literal in (
        ("command", CommandType),
        ("party", PartyType),
        ("authentication", AuthenticationType),
        ("variable", VariableType),
    )
}
LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")  # RFC 5322, unquoted


def party_findings(playbook: Playbook) -> Iterator[Finding]:
    """Findings about agents, targets, authentication, and types beyond the vocabularies."""
    yield from _open_types(playbook)
    for part in ("agent_definitions", "target_definitions"):
        for key, party in getattr(playbook, part).items():
            yield from _party(playbook, party, (part, key))
    for key, one in playbook.authentication_info_definitions.items():
        yield from _kms(one, ("authentication_info_definitions", key))


def _open_types(playbook: Playbook) -> Iterator[Finding]:
    typed: list[tuple[str, Place, str]] = []
    for part, word in (
        ("agent_definitions", "party"),
        ("target_definitions", "party"),
        ("authentication_info_definitions", "authentication"),
        ("playbook_variables", "variable"),
    ):
        typed += [(word, (part, key), thing.type) for key, thing in getattr(playbook, part).items()]
    for name, step in playbook.workflow.items():
        typed += _step_types(name, step)
    for word, place, kind in typed:
        if kind and kind not in KNOWN[word]:
            yield found(
                "type-open", (*place, "type"), f"{shown(kind)} is no type of the standard", "use one of its types"
            )


def _step_types(name: str, step: AnyStep) -> list[tuple[str, Place, str]]:
    place: Place = ("workflow", name)
    typed = [("variable", (*place, "step_variables", key), one.type) for key, one in step.step_variables.items()]
    if step.type == "action":
        typed += [("command", (*place, "commands", index), one.type) for index, one in enumerate(step.commands)]
    return typed


def _party(playbook: Playbook, party: AnyParty, place: Place) -> Iterator[Finding]:
    if isinstance(party, AddressedParty):
        yield from _addresses(party, place)
        name = party.authentication_info
        if name and name not in entries(playbook, "authentication_info_definitions"):
            said, mend = f"{shown(name)} is not defined", "define it in authentication_info_definitions"
            yield found("authentication-missing", (*place, "authentication_info"), said, mend)
    if isinstance(party, Group | Individual | Organization):
        yield from _emails(party, place)
    port = getattr(party, "port", None)  # of types unknown to us it may be anything
    if (
        isinstance(port, str)
        and port
        and ":value" not in port
        and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536)
    ):
        yield found("port-range", (*place, "port"), f"{shown(port)} is no port", "write 1 to 65535 as a string")
    words = party.category if isinstance(party, AddressedParty | SecurityCategoryParty) else []
    for index, word in enumerate(words):
        if word not in CATEGORIES and ":value" not in word:
            said = f"{shown(word)} is not in the vocabulary"
            yield found("vocabulary", (*place, "category", index), said, "use a word of 7.11.1")
    if isinstance(party, LocationParty) and not (party.location or party.logical):
        yield found("target-abstract", place, "a location says not where", "give logical or location")


def _emails(party: Group | Individual | Organization, place: Place) -> Iterator[Finding]:
    for key, email in (party.contact.email or {}).items() if party.contact else ():
        if ":value" not in email and EMAIL.fullmatch(email) is None:
            said = f"{shown(email)} is no e-mail address"
            yield found("contact-email", (*place, "contact", "email", key), said, "write name@domain")


def _addresses(party: AddressedParty, place: Place) -> Iterator[Finding]:
    if not any(party.address.values()) and "address" in party.model_fields_set:
        yield found("address-missing", (*place, "address"), "holds no address", "give one, e.g. ipv4 or url")
    for kind, addresses in party.address.items():
        for index, address in enumerate(addresses):
            if not is_address(kind, address):
                said = f"{shown(address)} is no {kind}"
                mend = "write one, or a variable such as __name__:value"
                yield found("address-form", (*place, "address", kind, index), said, mend)


def is_address(kind: str, address: str | int) -> bool:
    """Whether an address has the form of its kind, or holds a variable."""
    if isinstance(address, int) or kind == "vlan":
        text = str(address)
        return kind == "vlan" and (":value" in text or (text.isascii() and text.isdigit() and int(text[:6]) < 4096))
    if ":value" in address:
        return True
    if kind == "l2mac":
        return MAC.fullmatch(address) is not None
    if kind == "dname":
        labels = address.removesuffix(".").split(".")
        return len(address) < 254 and all(LABEL.fullmatch(label) for label in labels)
    try:
        if kind == "url":
            parts = urlsplit(address)
            return bool(parts.scheme and parts.hostname) and " " not in address and parts.port != 0
        network = ipaddress.IPv4Interface if kind == "ipv4" else ipaddress.IPv6Interface
        network(address)
    except ValueError:
        return False
    return True


def _kms(one: AnyAuthentication, place: Place) -> Iterator[Finding]:
    kms, identifier = getattr(one, "kms", False), getattr(one, "kms_key_identifier", None)
    if bool(kms) != bool(identifier):
        yield found("kms-pair", place, "kms and kms_key_identifier do not go together", "give both, or neither")
    written = [name for name in ("user_id", "username", "password", "token") if getattr(one, name, None)]
    if kms and written:
        yield found("kms-secret", place, f"{', '.join(written)} stands beside kms", "remove it: the store has it")
    if one.type == "oauth2" and not kms and getattr(one, "token", None) is None:
        yield found("required", (*place, "token"), "token is missing", "give it by a variable, or kms", section="6.4")
