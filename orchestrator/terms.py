"""The terms on which owners let the node act: budgets, never-touch list, times, addresses. One YAML file.

Flows in: the terms file. Flows out: `Terms`. Tokens for actuators are named by file, never written in it. Consent
rules are the twin's (`ConsentRule`), not this file's.

    never_touch: [customer/service/pos]
    budgets: {edge: {max_responses: 4, max_criticality: 0.3}}
    openc2: {edge: {url: "http://127.0.0.1:8400/openc2", token_file: tokens/edge.openc2}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .guard import Budget

MAX_FILE = 1_000_000  # bytes


class TermsError(ValueError):
    """A terms file that cannot be used; the message names file, place and mend."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an owner takes OpenC2 orders."""

    url: str
    token_file: str  # relative to the home


@dataclass(frozen=True, slots=True)
class Terms:
    """What the owners allow. Times in seconds."""

    budgets: Mapping[str, Budget] = field(default_factory=dict)  # per owner; Budget() where absent
    never_touch: frozenset[str] = frozenset()
    openc2: Mapping[str, Address] = field(default_factory=dict)  # per owner
    ca_file: str | None = None  # certificates to trust for https addresses
    response_s: float = 3600.0  # a response not carried out by then expires; assumed
    verify_s: float = 900.0  # no telemetry confirms by then, after the playbook's own work: failed; assumed, 15 ticks
    fresh_s: float = 300.0  # a forecast older than this is made anew before acting; assumed
    undo_s: float = 3600.0  # an undo that takes longer is overdue, and a person is called; assumed
    order_s: float = 300.0  # a call of an actuator, where no step around it names a time; not of a person; assumed
    in_flight: int = 8  # orders of one response that are sent at the same time; assumed
    repropose_s: float = 600.0  # the node does not repeat a proposal that came to nothing before; assumed


class _Budget(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    max_responses: int = Field(Budget().max_responses, ge=0)
    max_criticality: float = Field(Budget().max_criticality, ge=0, le=1_000)


class _Address(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    url: str
    token_file: str


class _TermsFile(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    budgets: dict[str, _Budget] = Field(default_factory=dict)
    never_touch: list[str] = Field(default_factory=list)
    openc2: dict[str, _Address] = Field(default_factory=dict)
    ca_file: str | None = None
    response_s: float = Field(Terms().response_s, gt=0)
    verify_s: float = Field(Terms().verify_s, gt=0)
    fresh_s: float = Field(Terms().fresh_s, gt=0)
    undo_s: float = Field(Terms().undo_s, gt=0)
    order_s: float = Field(Terms().order_s, ge=1, le=86_400)
    in_flight: int = Field(Terms().in_flight, ge=1, le=64)
    repropose_s: float = Field(Terms().repropose_s, ge=0)


def read_terms(path: Path, *, owners: frozenset[str], assets: frozenset[str]) -> Terms:
    """Read a terms file and check its names against the twin.

    Raises:
        TermsError: it cannot be read, says what is not known, or names an owner or asset that is not there.
    """
    content = _content(path)
    try:
        file = _TermsFile.model_validate(content)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"]) or "top"
        raise TermsError(f"{path}: {place}: {fault['msg']}; mend it there") from None
    for owner in (*file.budgets, *file.openc2):
        if owner not in owners:
            raise TermsError(f"{path}: unknown owner {owner!r}; the chain has {', '.join(sorted(owners))}")
    for asset in file.never_touch:
        if asset not in assets:
            raise TermsError(f"{path}: never_touch: {asset!r} is no asset of the chain; mend the id")
    values = file.model_dump(exclude={"budgets", "openc2", "never_touch"})
    return Terms(
        budgets={owner: Budget(**entry.model_dump()) for owner, entry in file.budgets.items()},
        openc2={owner: Address(**entry.model_dump()) for owner, entry in file.openc2.items()},
        never_touch=frozenset(file.never_touch),
        **values,
    )


def _content(path: Path) -> Any:
    import yaml

    try:
        if path.stat().st_size > MAX_FILE:
            raise TermsError(f"{path}: larger than {MAX_FILE} bytes; it is no terms file")
        text = path.read_text("utf-8")
        if "&" in text and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise TermsError(f"{path}: uses YAML aliases; write the values out")
        return yaml.safe_load(text) or {}
    except OSError as error:
        raise TermsError(f"{path}: {error.strerror or error}; name a terms file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark else "top"
        raise TermsError(f"{path}: {place}: not YAML; mend it there") from None
    except RecursionError:
        raise TermsError(f"{path}: nested too deeply; it is no terms file") from None
