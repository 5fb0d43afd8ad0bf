"""Twins and facts as JSON and back, for the store and the wire.

Flows in: the dataclasses of `graph` and `facts`. Flows out: plain dicts of JSON values, enumerations as words, and the
same dataclasses again: `fact_from(fact_to(fact)) == fact`. It does no I/O and checks no references; `Twin.build` does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from .facts import Fact, Provenance, Subject
from .graph import Asset, ConsentRule, Link, Owner, Sharing, Twin, TwinError, Weakness
from .vocabulary import Access, AssetKind, ConsentClass, ConsentMode, LinkKind, Proposer, SensorClass, Word

SUBJECTS: Mapping[str, type[Subject]] = {
    "owner": Owner,
    "asset": Asset,
    "link": Link,
    "weakness": Weakness,
    "sharing": Sharing,
    "consent": ConsentRule,
}
NAMES = {kind: name for name, kind in SUBJECTS.items()}
PARTS = ("owners", "assets", "links", "weaknesses", "sharing", "consent")  # of a twin, one per subject
Value = TypeVar("Value")


def _words(kind: type[Word]) -> Callable[[Any], Any]:
    return kind.parse


def _sensors(words: Any) -> tuple[Word, ...]:
    return tuple(SensorClass.parse(word) for word in words)


# How fields that JSON cannot hold as they are come back, by subject and field.
_READERS: Mapping[tuple[str, str], Callable[[Any], Any]] = {
    ("asset", "kind"): _words(AssetKind),
    ("asset", "sensors"): _sensors,
    ("asset", "attributes"): dict,
    ("link", "kind"): _words(LinkKind),
    ("link", "access"): _words(Access),
    ("weakness", "access"): _words(Access),
    ("sharing", "what"): tuple,
    ("consent", "consent_class"): _words(ConsentClass),
    ("consent", "proposer"): _words(Proposer),
    ("consent", "mode"): _words(ConsentMode),
    ("consent", "hours"): tuple,
}


def canonical(value: Any) -> str:
    """JSON text that is equal for equal values: keys sorted, no spaces, no NaN.

    Raises:
        TwinError: a number is not finite.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise TwinError(f"the twin cannot be written as JSON: {error}; use finite numbers") from None


def twin_to(twin: Twin) -> dict[str, Any]:
    """A twin as JSON values."""
    return {part: [fields_to(item) for item in getattr(twin, part)] for part in PARTS}


def twin_from(record: Mapping[str, Any]) -> Twin:
    """A twin from JSON values, its references checked.

    Raises:
        TwinError: it is no record of a twin.
    """
    return Twin.build(
        **{part: [subject_from(name, one) for one in record[part]] for part, name in zip(PARTS, SUBJECTS, strict=True)}
    )


def fact_to(fact: Fact) -> dict[str, Any]:
    """A fact as JSON values."""
    subject: Any = fact.subject
    if not isinstance(subject, str):
        subject = {NAMES[type(subject)]: fields_to(subject)}
    values = {name: _value_to(value) for name, value in fact.values.items()}
    return {"subject": subject, "provenance": fields_to(fact.provenance), "values": values}


def fact_from(record: Mapping[str, Any]) -> Fact:
    """A fact from JSON values.

    Raises:
        TwinError: it is no record of a fact.
    """
    told = record["subject"]
    if isinstance(told, str):
        subject: Subject | str = told
    else:
        [(name, values)] = told.items()
        subject = subject_from(name, values)
    overlay = {name: _value_from("asset", name, value) for name, value in record["values"].items()}
    return Fact(subject, Provenance(**record["provenance"]), overlay)


def subject_from(name: str, values: Mapping[str, Any]) -> Any:
    """A subject from JSON values; types of plain fields are taken as they are.

    Raises:
        TwinError: a field is unknown or missing, or a word is.
    """
    kind = SUBJECTS[name]
    try:
        return kind(**{key: _value_from(name, key, value) for key, value in values.items()})
    except (TypeError, ValueError) as error:
        raise TwinError(f"record of {name} {dict(values)!r}: {error}; write it again") from None


def fields_to(value: Any) -> dict[str, Any]:
    """The fields of a subject or a provenance as JSON values."""
    return {one.name: _value_to(getattr(value, one.name)) for one in fields(value)}


def _value_to(value: Any) -> Any:
    if isinstance(value, Word):
        return value.word
    if isinstance(value, Mapping):
        return dict(value)
    return [_value_to(one) for one in value] if isinstance(value, tuple | list) else value


def _value_from(name: str, key: str, value: Any) -> Any:
    reader = _READERS.get((name, key))
    return value if reader is None else reader(value)
