"""Actuator profiles: what a name such as `slpf` adds to the language, and the profiles known here.

Flows in: names. Flows out: `Profile` values. A profile adds target types, arguments, specifiers of actuators and
results under its namespace id (Language Specification v1.0, 3.1.4), and may say which pairs of action and target exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import TypeAdapter

# Field names as in the schemas of OASIS's plugfest (JADN, $FieldName): lower case, at most 32 characters.
NSID: Final = re.compile(r"(?=.{1,32}\Z)(?:x-[a-z0-9][a-z0-9_-]*|[a-z][a-z0-9_]*)")
TARGET_NAME: Final = re.compile(r"(?=.{3,65}\Z)(x-[a-z0-9][a-z0-9_-]*|[a-z][a-z0-9_]*):([a-z0-9][a-z0-9_-]*)")
ANYTHING: Final[TypeAdapter[Any]] = TypeAdapter(dict[str, Any])


@dataclass(frozen=True, slots=True)
class Profile:
    """One actuator profile."""

    nsid: str
    targets: Mapping[str, TypeAdapter[Any]] = field(default_factory=dict)  # by full name, "slpf:rule_number"
    args: TypeAdapter[Any] | None = None
    specifiers: TypeAdapter[Any] | None = None
    results: TypeAdapter[Any] | None = None
    pairs: Mapping[str, frozenset[str]] = field(default_factory=dict)  # action -> targets; empty: it does not say
    arguments: Mapping[str, frozenset[str]] = field(default_factory=dict)  # action -> argument names that it may have


def open_profile(nsid: str) -> Profile:
    """Give a stand-in for a profile that nobody defined here: its content may be any object."""
    return Profile(nsid, args=ANYTHING, specifiers=ANYTHING, results=ANYTHING)


def known_profiles(*, samples: bool = False) -> dict[str, Profile]:
    """Give the profiles known here by namespace id.

    Args:
        samples: also the hypothetical profiles of OASIS's plugfest cases (`x-acme` and others).
    """
    from .packet_filter import SLPF
    from .sample_profiles import SAMPLES
    from .tocsin_profile import TOCSIN

    return {profile.nsid: profile for profile in (SLPF, TOCSIN, *(SAMPLES if samples else ()))}
