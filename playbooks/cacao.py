"""The CACAO v2.0 playbook as we read it: hostile bytes in, a checked typed model out.

Flows in: the bytes of one JSON file. Flows out: a `Playbook` that keeps the original object, so that canonical form and
signatures cover every field, also those of extensions we do not know. Rules that need the whole workflow are the
linter's. Source: OASIS CACAO Security Playbooks v2.0, Committee Specification 01 (sections in the linter).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, StringConstraints, ValidationError

MAX_BYTES = 4_000_000
MAX_DEPTH = 64

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*--[0-9a-f-]{36}$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^__[a-zA-Z_][a-zA-Z0-9_-]{0,199}__$", max_length=250)]
Timestamp = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}Z$")]
VariableType = Literal[
    "bool", "dictionary", "float", "hexstring", "integer", "ipv4-addr", "ipv6-addr", "long", "mac-addr", "hash",
    "md5-hash", "sha256-hash", "string", "uri", "uuid",
]  # fmt: skip
CommandType = Literal[
    "manual", "bash", "powershell", "ssh", "http-api", "openc2-http", "caldera-cmd", "elastic", "jupyter", "kestrel",
    "sigma", "yara",
]  # fmt: skip
StepType = Literal[
    "start", "end", "action", "playbook-action", "parallel", "if-condition", "while-condition", "switch-condition"
]


class PlaybookError(ValueError):
    """A file that is no CACAO v2.0 playbook; the message names file, place and mend."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class Variable(_Model):
    """A playbook or step variable (CACAO v2.0, 10.18)."""

    type: VariableType
    description: str = ""
    value: Any = None
    constant: bool = True
    external: bool = False


class Command(_Model):
    """One command of an action step (section 5)."""

    type: CommandType
    command: str | None = None
    command_b64: str | None = None
    headers: Mapping[str, list[str]] = Field(default_factory=dict)
    content: str | None = None
    content_b64: str | None = None

    def body(self) -> bytes:
        """The content to send, decoded.

        Raises:
            PlaybookError: content_b64 is no base64.
        """
        if self.content_b64 is None:
            return (self.content or "").encode()
        try:
            return base64.b64decode(self.content_b64, validate=True)
        except binascii.Error as error:
            raise PlaybookError(f"content_b64: {error}; encode the body anew") from None


class Step(_Model):
    """One step of the workflow (section 4)."""

    type: StepType
    name: str = ""
    delay: int = 0
    timeout: int = 0
    step_variables: Mapping[VariableName, Variable] = Field(default_factory=dict)
    on_completion: Identifier | None = None
    on_success: Identifier | None = None
    on_failure: Identifier | None = None
    commands: list[Command] = Field(default_factory=list)
    agent: Identifier | None = None
    targets: list[Identifier] = Field(default_factory=list)
    next_steps: list[Identifier] = Field(default_factory=list)
    condition: str | None = None
    on_true: Identifier | None = None
    on_false: Identifier | None = None
    switch: str | None = None
    cases: Mapping[str, Identifier] = Field(default_factory=dict)
    step_extensions: Mapping[Identifier, Any] = Field(default_factory=dict)


class Party(_Model):
    """An agent or target (section 7)."""

    type: Literal[
        "group", "individual", "organization", "location", "sector", "security-category", "http-api", "ssh", "linux",
        "net-address",
    ]  # fmt: skip
    name: str


class Playbook(_Model):
    """A CACAO v2.0 playbook (section 3)."""

    type: Literal["playbook"]
    spec_version: Literal["cacao-2.0"]
    id: Identifier
    name: str
    description: str = ""
    playbook_types: list[str] = Field(default_factory=list)
    created_by: Identifier
    created: Timestamp
    modified: Timestamp
    revoked: bool = False
    valid_from: Timestamp | None = None
    valid_until: Timestamp | None = None
    playbook_variables: Mapping[VariableName, Variable] = Field(default_factory=dict)
    workflow_start: Identifier
    workflow_exception: Identifier | None = None
    workflow: Mapping[Identifier, Step]
    agent_definitions: Mapping[Identifier, Party] = Field(default_factory=dict)
    target_definitions: Mapping[Identifier, Party] = Field(default_factory=dict)
    extension_definitions: Mapping[Identifier, Any] = Field(default_factory=dict)
    playbook_extensions: Mapping[Identifier, Any] = Field(default_factory=dict)
    signatures: list[Mapping[str, Any]] = Field(default_factory=list)
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
    content = read_json(data, place)
    try:
        playbook = Playbook.model_validate(content)
        rfc8785.dumps(content)
    except ValidationError as error:
        fault = error.errors()[0]
        path = ".".join(str(part) for part in fault["loc"]) or "top"
        raise PlaybookError(f"{place}: {path}: {fault['msg']}; mend it as CACAO v2.0 asks") from None
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise PlaybookError(f"{place}: has no canonical form: {error}; write such numbers as strings") from None
    playbook._raw = content
    return playbook


def read_json(data: bytes, place: str) -> Any:
    """Parse JSON strictly: bounded size and depth, no duplicate keys, no NaN.

    Raises:
        PlaybookError: naming file, place and mend.
    """
    if len(data) > MAX_BYTES:
        raise PlaybookError(f"{place}: {len(data)} bytes; a playbook has at most {MAX_BYTES}, split it")
    try:
        content = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite
        )
    except (UnicodeDecodeError, RecursionError) as error:
        raise PlaybookError(f"{place}: not plain UTF-8 JSON ({type(error).__name__}); save it as such") from None
    except json.JSONDecodeError as error:
        raise PlaybookError(f"{place}:{error.lineno}:{error.colno}: {error.msg}; mend the JSON there") from None
    except _Refused as error:
        raise PlaybookError(f"{place}: {error}") from None
    except ValueError as error:  # an integer of thousands of digits
        raise PlaybookError(f"{place}: {error}; write such numbers as strings") from None
    if _is_deeper(content, MAX_DEPTH):
        raise PlaybookError(f"{place}: nested deeper than {MAX_DEPTH}; flatten it")
    return content


def canonical(content: Mapping[str, Any], *, without_signatures: bool = True) -> bytes:
    """The canonical form (RFC 8785) of a playbook object, its signatures left out unless asked for."""
    kept = {key: value for key, value in content.items() if not (without_signatures and key == "signatures")}
    form: bytes = rfc8785.dumps(kept)
    return form


def digest(playbook: Playbook) -> str:
    """SHA-256 of the canonical content without signatures, 64 hex digits: what consents and signatures bind."""
    return hashlib.sha256(canonical(playbook.raw)).hexdigest()


class _Refused(ValueError):  # noqa: N818
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Refused(f"key {twice!r} stands twice in one object; remove one")
    return content


def _refuse(constant: str) -> Any:
    raise _Refused(f"{constant} is no JSON number; write a finite one")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _is_deeper(content: Any, limit: int) -> bool:
    layer = [content]
    for _ in range(limit):
        layer = [
            inner
            for item in layer
            for inner in (item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
        ]
        if not layer:
            return False
    return True
