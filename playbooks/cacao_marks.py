"""What CACAO v2.0 puts upon a playbook: extension definitions (section 8), data markings (9), signatures (10.15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from .cacao_data import ExternalReference
from .cacao_words import Identifier, Model, Timestamp


class ExtensionDefinition(Model):
    """Who defined an extension, and where its schema is (8.1)."""

    type: Literal["extension-definition"]
    name: str
    description: str = ""
    created_by: Identifier
    schema_: Annotated[str, Field(alias="schema")]  # a URL, or the definition as text
    version: str
    external_references: list[ExternalReference] = Field(default_factory=list)


class Marking(Model):
    """What every data marking has (9.1); markings have no versions."""

    type: Literal["marking-statement", "marking-tlp", "marking-iep"]
    id: Identifier
    name: str | None = None
    description: str | None = None
    created_by: Identifier
    created: Timestamp
    revoked: bool = False
    valid_from: Timestamp | None = None
    valid_until: Timestamp | None = None
    labels: list[str] = Field(default_factory=list)
    marking_extensions: Mapping[Identifier, Any] = Field(default_factory=dict)


class StatementMarking(Marking):
    """A statement, e.g. a copyright (9.3)."""

    type: Literal["marking-statement"]
    statement: str
    external_references: list[ExternalReference] = Field(default_factory=list)


class TlpMarking(Marking):
    """A level of the Traffic Light Protocol, version 2 (9.4)."""

    type: Literal["marking-tlp"]
    tlpv2_level: Literal["TLP:RED", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:GREEN", "TLP:CLEAR"]
    external_references: list[ExternalReference] = Field(default_factory=list)


class IepMarking(Marking):
    """A policy of FIRST's Information Exchange Policy (9.5); all of its twelve properties are needed."""

    type: Literal["marking-iep"]
    name: str
    description: str
    tlp: str
    iep_version: int
    start_date: Timestamp
    end_date: Timestamp | None
    encrypt_in_transit: str
    permitted_actions: str
    affected_party_notifications: str
    attribution: str
    unmodified_resale: str
    external_references: list[str]


AnyMarking = Annotated[StatementMarking | TlpMarking | IepMarking, Field(discriminator="type")]


class Signature(Model):
    """A signature of a playbook (10.15); one of the four key properties says which key made it."""

    type: Literal["jss"]
    id: Identifier
    created_by: Identifier | None = None
    created: Timestamp
    modified: Timestamp
    revoked: bool = False
    signee: str
    valid_from: Timestamp | None = None
    valid_until: Timestamp | None = None
    related_to: Identifier
    related_version: Timestamp
    hash_algorithm: str
    algorithm: str
    public_key: str | None = None
    public_cert_chain: Annotated[list[str], Field(min_length=1)] | None = None
    cert_url: str | None = None
    thumbprint: str | None = None
    value: str
    signature: Signature | None = None  # a countersignature
