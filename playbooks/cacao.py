"""The CACAO v2.0 playbook as we read it: hostile bytes in, a checked typed model out.

Flows in: the bytes of one JSON file. Flows out: a `Playbook` that keeps the original object, so that canonical form and
signatures cover every field, also those of extensions we do not know. Rules that need the whole workflow are the
linter's. Source: OASIS CACAO Security Playbooks v2.0, Committee Specification 01 (sections in the linter). The objects
are modelled in `cacao_steps`, `cacao_commands`, `cacao_parties`, `cacao_marks` and `cacao_data`; other rooms take them
from here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationError

from .cacao_commands import AnyCommand, Command, HttpCommand, OpenC2Command, TextCommand
from .cacao_data import ExternalReference, ProcessingSummary, Variable
from .cacao_marks import AnyMarking, ExtensionDefinition, Signature
from .cacao_parties import AnyAuthentication, AnyParty, Party
from .cacao_reading import MAX_BYTES, MAX_DEPTH, PlaybookError, canonical, read_canonical, read_json
from .cacao_steps import ActionStep, AnyStep, Step
from .cacao_words import Identifier, Model, Timestamp, VariableName, VariableType

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "ActionStep",
    "AnyCommand",
    "AnyStep",
    "Command",
    "HttpCommand",
    "Identifier",
    "OpenC2Command",
    "Party",
    "Playbook",
    "PlaybookError",
    "Signature",
    "Step",
    "TextCommand",
    "Timestamp",
    "Variable",
    "VariableType",
    "as_json",
    "canonical",
    "digest",
    "read_canonical",
    "read_json",
    "read_playbook",
]

Score = Annotated[int, Field(ge=0, le=100)]  # 0: undefined on purpose


class Playbook(Model):
    """A CACAO v2.0 playbook (section 3)."""

    type: Literal["playbook"]
    spec_version: Literal["cacao-2.0"]
    id: Identifier
    name: str
    description: str = ""
    playbook_types: list[str] = Field(default_factory=list)
    playbook_activities: list[str] = Field(default_factory=list)
    playbook_processing_summary: ProcessingSummary | None = None
    created_by: Identifier
    created: Timestamp
    modified: Timestamp
    revoked: bool = False
    valid_from: Timestamp | None = None
    valid_until: Timestamp | None = None
    derived_from: list[Identifier] = Field(default_factory=list)
    related_to: list[Identifier] = Field(default_factory=list)
    priority: Score = 0  # 1 is the highest
    severity: Score = 0  # 100 is the highest
    impact: Score = 0  # 100 is the highest
    industry_sectors: list[str] = Field(default_factory=list)
    labels: list[str] = Field(default_factory=list)
    external_references: list[ExternalReference] = Field(default_factory=list)
    markings: list[Identifier] = Field(default_factory=list)
    playbook_variables: Mapping[VariableName, Variable] = Field(default_factory=dict)
    workflow_start: Identifier
    workflow_exception: Identifier | None = None
    workflow: Mapping[Identifier, AnyStep]
    playbook_extensions: Mapping[Identifier, Any] = Field(default_factory=dict)
    authentication_info_definitions: Mapping[Identifier, AnyAuthentication] = Field(default_factory=dict)
    agent_definitions: Mapping[Identifier, AnyParty] = Field(default_factory=dict)
    target_definitions: Mapping[Identifier, AnyParty] = Field(default_factory=dict)
    extension_definitions: Mapping[Identifier, ExtensionDefinition] = Field(default_factory=dict)
    data_marking_definitions: Mapping[Identifier, AnyMarking] = Field(default_factory=dict)
    signatures: list[Signature] = Field(default_factory=list)
    _raw: Mapping[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def raw(self) -> Mapping[str, Any]:
        """The object as it was read."""
        return self._raw


def read_playbook(data: bytes, place: str) -> Playbook:
    """Read one playbook from untrusted bytes.

    Args:
        data: the file's content.
        place: its name, for messages.

    Raises:
        PlaybookError: too large or deep, not JSON, a duplicate key, NaN, or not of CACAO's shape.
    """
    content = read_canonical(data, place)
    try:
        playbook = Playbook.model_validate(content)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in fault["loc"]) or "top"
        raise PlaybookError(f"{place}: {path}: {fault['msg']}; mend it as CACAO v2.0 asks") from None
    playbook._raw = content
    return playbook


def as_json(playbook: Playbook) -> dict[str, Any]:
    """The playbook as a JSON object again, out of the model alone: what was not written stays unwritten."""
    return playbook.model_dump(by_alias=True, exclude_unset=True)


def digest(playbook: Playbook) -> str:
    """SHA-256 of the canonical content without signatures, 64 hex digits: what consents and signatures bind."""
    return hashlib.sha256(canonical(playbook.raw)).hexdigest()
