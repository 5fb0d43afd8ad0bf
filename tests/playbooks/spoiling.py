"""Playbooks spoilt at random: by bytes, or as JSON whose parts are exchanged for those of other playbooks.

Flows in: a playbook's bytes and a source of chance. Flows out: bytes that may be anything. Seeds are the playbooks that
the repository ships, those of tests, and under `TOCSIN_TEST_DATA` those of OASIS and of a peer.
"""

from __future__ import annotations

import copy
import json
import os
import random
from functools import cache
from pathlib import Path
from typing import Any, get_args

from tocsin.playbooks.cacao_words import CommandType, PartyType, StepType, VariableType
from tocsin.tests.playbooks.full import b64, full, uid

DATA = Path(os.environ.get("TOCSIN_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "cacao-v2"
LIBRARY = Path(__file__).resolve().parents[2] / "playbooks" / "library"
LARGEST = 6_000  # bytes of a spoilt input, for the sake of numbers: large ones have tests of their own
Spot = tuple[Any, Any]  # a container and a key or index of it
WORDS = [b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b"null", b"1e999", b"-0", b"9" * 30, b"\\ud800", b"\xff",
         b"\x00", b"NaN", b'"type"', b"--", b"__x__:value", b"true"]  # fmt: skip
TYPES = [
    *(word for kinds in (StepType, CommandType, PartyType, VariableType) for word in get_args(kinds)),
    "jss", "marking-tlp", "marking-iep", "marking-statement", "http-basic", "oauth2", "user-auth",
]  # fmt: skip
CONDITIONS = (
    "__count__:value > 0", "NOT NOT __a__:value = 'x' OR (EXISTS __b__:value)", "__a__:value MATCHES '('", "(",
    "__a__:value IN ('1', 2, true)", "__a__:value LIKE '%_\\\\'", "t'2026' = __a__:value",
)  # fmt: skip
TEXTS = (
    "", " ", "\u0000", "\n", "\u2028", "\U0001f514", "a" * 300, "__a__:value", "__target__:value", "${x}", "$(id)",
    "2026-02-30T00:00:00.000Z", "2026-12-31T23:59:60.000Z", "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:60Z",
    "999.0.0.1/33", "fe80::1%eth0", "http://[::1", "http://a:99999/", "https://u:p@h.example", "AA==", "AA=", "=", "*",
    b64({"action": "deny", "target": {"x": "__a__:value"}}), b64("{"), b64([[]]), "GET / HTTP/1.1", "POST x HTTP/9",
    "-----BEGIN PRIVATE KEY-----", "1e400", "0x", "12345678901234567890", "nan", "true", "default", *CONDITIONS,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 101, 604_800_001, 2**53 - 1, 1.5, 5e-324, [], {}, [[]], [{}], {"": None}, [None] * 3,
    {"type": None}, {"type": "x"}, ["a", "a"],
)  # fmt: skip


@cache
def seeds() -> tuple[bytes, ...]:
    """Playbooks to begin with, the same on every machine that has the same data."""
    return tuple(one for one in _all_seeds() if len(one) <= LARGEST)


@cache
def _all_seeds() -> tuple[bytes, ...]:
    told = [json.dumps(full()).encode()]
    told += [path.read_bytes() for path in sorted(LIBRARY.glob("*.json")) if path.name != "library.lock.json"]
    told += [path.read_bytes() for path in sorted(DATA.rglob("*.json")) if "json-schemas" not in path.parts]
    return tuple(_shortened(one) for one in told)


def _shortened(seed: bytes) -> bytes:
    """Without the pages of prose, which take most of the time and none of the paths; broken seeds stay as they are."""

    def short(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: short(part) for key, part in value.items()}
        if isinstance(value, list):
            return [short(part) for part in value]
        return value[:64] if isinstance(value, str) and " " in value else value

    try:
        return json.dumps(short(json.loads(seed))).encode()
    except (ValueError, TypeError, KeyError):
        return seed


@cache
def small_seeds() -> tuple[bytes, ...]:
    """Each step of the seeds in a playbook of its own, with what it names: as many paths, in a fifth of the time."""
    told: dict[bytes, None] = {}
    for seed in _all_seeds():
        try:
            content = json.loads(seed)
            for name, step in content["workflow"].items():
                if step["type"] not in ("start", "end"):
                    told[json.dumps(_around(content, name)).encode()] = None
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    return tuple(told)


def _around(content: dict[str, Any], name: str) -> dict[str, Any]:
    """A playbook of one step between its start and end; what else it leads to is left dangling."""
    first, last = f"start--{uid(201)}", f"end--{uid(202)}"
    step = dict(content["workflow"][name])
    step |= {"on_completion": last} if "on_completion" in step else {}
    used = json.dumps(step)
    small = {
        key: {inner: part for inner, part in value.items() if inner in used or key == "playbook_extensions"}
        if isinstance(value, dict) and key != "playbook_processing_summary" else value
        for key, value in content.items()
        if key not in ("description", "data_marking_definitions", "markings", "signatures", "extension_definitions")
    }  # fmt: skip
    steps = {first: {"type": "start", "on_completion": name}, name: step, last: {"type": "end"}}
    return {**small, "workflow_start": first, "workflow": steps}


def spoilt(data: bytes, chance: random.Random) -> bytes:
    """One input out of another: twice in three as JSON, else by its bytes."""
    if chance.random() < 0.67:
        try:
            content = json.loads(data)
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict | list) and content:
            return spoilt_json(content, chance)[:LARGEST]
    return spoilt_bytes(data, chance)[:LARGEST]


def spoilt_bytes(data: bytes, chance: random.Random) -> bytes:
    """Some bytes cut out, doubled, exchanged or put in."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        length = chance.choice((0, 1, 2, 8, 40))
        put = chance.choice((b"", chance.choice(WORDS), bytes([chance.randrange(256)]), data[at : at + 2 * length]))
        data = data[:at] + put + data[at + length :]
    return data


def spoilt_json(content: Any, chance: random.Random) -> bytes:
    """Some parts left out, exchanged, moved, named otherwise or taken from another playbook."""
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 6))):
        places = _places(content)
        if places:
            _spoil(*chance.choice(places), places, chance)
    try:
        return json.dumps(content, ensure_ascii=chance.random() < 0.9).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):  # put into itself
        return b"[]"


def _spoil(holder: Any, key: Any, places: list[Spot], chance: random.Random) -> None:
    what = chance.randrange(9)
    if what == 0:
        del holder[key]
    elif what == 1:
        holder[key] = chance.choice(TEXTS)
    elif what == 2:
        holder[key] = copy.deepcopy(chance.choice(VALUES))
    elif what == 3:
        holder[key] = _like(holder[key], chance)
    elif what == 4:  # a name for another, e.g. of a step
        other, name = chance.choice(places)
        holder[key] = name if isinstance(name, str) else copy.deepcopy(other[name])
    elif what == 5:
        other, name = chance.choice(places)
        holder[key] = copy.deepcopy(other[name])
    elif what == 6 and isinstance(holder, dict):
        holder[chance.choice((*_names(), key + "s", "", "__a__"))] = holder.pop(key)
    elif what == 7:
        name, part = chance.choice(_pool())
        holder[name if isinstance(holder, dict) else key] = copy.deepcopy(part)
    elif isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    else:
        holder[f"{str(key).partition('--')[0]}--{uid(chance.randrange(64))}"] = copy.deepcopy(holder[key])


def _like(value: Any, chance: random.Random) -> Any:
    """Another value of the same sort."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return chance.choice((-value, value + 1, value * 1000, float(value)))
    if isinstance(value, list):
        return value[::-1] + value[:1]
    if isinstance(value, dict):
        return {"type": chance.choice(TYPES), **{key: part for key, part in value.items() if key != "type"}}
    if isinstance(value, str):
        at = chance.randrange(len(value) + 1)
        return chance.choice((chance.choice(TYPES), value[:at], value + value[at:], value.swapcase(), value[::-1]))
    return ""


def _places(content: Any) -> list[Spot]:
    """Every container of a document with each of its keys; a document has few levels."""
    found: list[Spot] = []
    waiting = [content]
    while waiting and len(found) < 5_000:
        holder = waiting.pop()
        for key, item in holder.items() if isinstance(holder, dict) else enumerate(holder):
            found.append((holder, key))
            if isinstance(item, dict | list):
                waiting.append(item)
    return found


@cache
def _pool() -> tuple[tuple[str, Any], ...]:
    """Named parts of all seeds, each once."""
    parts: dict[str, tuple[str, Any]] = {}
    for seed in _all_seeds():
        for holder, key in _places(json.loads(seed)):
            if isinstance(key, str):
                parts.setdefault(json.dumps([key, holder[key]], sort_keys=True)[:4_000], (key, holder[key]))
    return tuple(parts.values())


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted({name for name, _ in _pool()}))
