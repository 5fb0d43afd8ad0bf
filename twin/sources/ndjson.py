"""A twin as NDJSON: one owner, asset, link, weakness, sharing or consent rule a line, so that large ones stream.

Flows in: a twin, or a file of lines `{"asset": {...}}` (untrusted). Flows out: lines, or a `Reading`. What a line
refers to stands above it, as `ndjson_lines` writes it, so every fault is one of a line. Fields are those of `graph`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import UnionType
from typing import Any, BinaryIO, Union, get_args, get_origin, get_type_hints

from ..facts import Fact, Provenance, Subject, key_of
from ..graph import Asset, ConsentRule, Link, Owner, Sharing, Twin, TwinError, Weakness
from ..records import NAMES, PARTS, SUBJECTS, canonical, fields_to, subject_from
from ..vocabulary import ConsentClass, ConsentMode
from .reading import OWNER_NAME, Reading, asset_id

SUFFIX = ".ndjson"
LINE_BYTES = 65_536
FILE_BYTES = 4 * 1024**3
MOST_LINES = 20_000_000
_HINTS = {kind: get_type_hints(kind) for kind in SUBJECTS.values()}
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "value_per_hour": (0, 1e12),
    "criticality": (0, 1e12),
    "harm_per_hour": (0, 1e12),
    "port": (1, 65_535),
    "need": (0, 1_000_000),
    "epss": (0, 1),
    "success": (0, 1),
    "latency_s": (0, 2_678_400),
    "refusal": (0, 1),
    "hours": (0, 24),
    "quorum": (1, 100),
}


def is_ndjson(path: Path) -> bool:
    """Whether a path is a file of this format, by its name."""
    return path.suffix.lower() == SUFFIX and not path.is_dir()


def ndjson_lines(twin: Twin) -> Iterator[str]:
    """The lines of a twin, each with its end."""
    for part in PARTS:
        for subject in getattr(twin, part):
            yield canonical({NAMES[type(subject)]: fields_to(subject)}) + "\n"


def read_ndjson(path: Path) -> Reading:
    """Read a file of this format, a line at a time.

    Raises:
        TwinError: it cannot be read, or a line is no part of a twin; names file, line and mend.
    """
    try:
        time = datetime.fromtimestamp(int(path.stat().st_mtime), UTC).isoformat()
        with path.open("rb") as stream:
            facts = tuple(_facts(stream, str(path), time))
    except OSError as error:
        raise TwinError(f"{path}: {error.strerror or error}; make it readable") from None
    return Reading(facts, documents={"ndjson": 1}, files=(str(path),))


def _facts(stream: BinaryIO, file: str, time: str) -> Iterator[Fact]:
    known: set[str] = set()
    size = 0
    for number, line in enumerate(iter(lambda: stream.readline(LINE_BYTES + 1), b""), 1):
        place, size = f"{file}:{number}", size + len(line)
        if len(line) > LINE_BYTES:
            raise TwinError(f"{place}: over {LINE_BYTES} bytes; write one subject a line")
        if size > FILE_BYTES or number > MOST_LINES:
            raise TwinError(f"{place}: over {FILE_BYTES} bytes or {MOST_LINES} lines; split the chain")
        if not line.strip():
            continue
        subject = _subject(line, place)
        _check(subject, place)
        _place_among(subject, known, place)
        owner = subject.owner if isinstance(subject, Asset | Sharing | ConsentRule) else ""
        yield Fact(subject, Provenance("ndjson", place, owner, time))


def _subject(line: bytes, place: str) -> Subject:
    try:
        record = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise TwinError(f"{place}: no JSON: {error}; write one object") from None
    if not isinstance(record, dict) or len(record) != 1 or next(iter(record)) not in SUBJECTS:
        raise TwinError(f"{place}: says none of {', '.join(SUBJECTS)}; write one of them, as {{'asset': {{...}}}}")
    [(name, values)] = record.items()
    if not isinstance(values, dict):
        raise TwinError(f"{place}: {name} holds no fields; write {{{name!r}: {{...}}}}")
    try:
        subject: Subject = subject_from(name, values)
    except (TwinError, TypeError, ValueError, AttributeError) as error:
        raise TwinError(f"{place}: {' '.join(str(error).split())[:300]}") from None
    for field, kind in _HINTS[type(subject)].items():
        value = getattr(subject, field)
        if not _fits(value, kind) or not _is_within(field, value):
            raise TwinError(f"{place}: {name}.{field}: {str(value)[:60]!r} is not of its type or out of range; mend it")
    return subject


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value is of an annotated type; an integer is a float, a truth is no number."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in parts)
    if origin is tuple:
        same = parts[-1] is Ellipsis
        return isinstance(value, tuple) and (
            all(_fits(one, parts[0]) for one in value)
            if same
            else len(value) == len(parts) and all(map(_fits, value, parts))
        )
    if origin is not None:  # a mapping
        return isinstance(value, Mapping) and all(_fits(k, parts[0]) and _fits(v, parts[1]) for k, v in value.items())
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, int | float if kind is float else kind)


def _is_within(field: str, value: Any) -> bool:
    least, most = _BOUNDS.get(field, (-math.inf, math.inf))
    numbers = value if isinstance(value, tuple) else (value,)
    return all(least <= one <= most for one in numbers if isinstance(one, int | float))


def _check(subject: Subject, place: str) -> None:
    """Refuse what fits its types and is no part of a chain all the same."""
    match subject:
        case Owner() if not OWNER_NAME.fullmatch(subject.id):
            raise TwinError(f"{place}: {subject.id!r} is no id of an owner; use a-z, 0-9 and '-'")
        case Asset() if subject.id != asset_id(subject.owner, subject.kind, subject.name, place):
            raise TwinError(f"{place}: {subject.id!r} is not owner/kind/name of its fields; mend the id")
        case Link() if subject.protocol not in ("tcp", "udp", "sctp"):
            raise TwinError(f"{place}: protocol {subject.protocol!r} is unknown; take tcp, udp or sctp")
        case Sharing() if not set(subject.what) <= {"findings", "assets"}:
            raise TwinError(f"{place}: shares {subject.what}; take findings, assets or both")
        case ConsentRule(consent_class=ConsentClass.SAFETY, mode=ConsentMode.AT_ONCE | ConsentMode.VETO_WINDOW):
            raise TwinError(f"{place}: consent to safety is never automatic; use mode ask or never")


def _place_among(subject: Subject, known: set[str], place: str) -> None:
    """Note a subject, once what it refers to is there and it itself is not."""
    match subject:
        case Link():
            needed = [subject.source, subject.target]
        case Weakness():
            needed = [subject.asset]
        case Sharing():
            needed = [subject.owner, *([] if subject.peer == "*" else [subject.peer])]
        case Asset() | ConsentRule():
            needed = [subject.owner]
        case _:
            needed = []
    for one in needed:
        if one not in known:
            raise TwinError(f"{place}: refers to {one!r}, which no line above declares; declare it first")
    key = key_of(subject)
    if key in known:
        raise TwinError(f"{place}: {key!r} is there already; leave one out")
    known.add(key)
