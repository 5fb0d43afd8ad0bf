"""What a condition says of variables: true, false, or a fault that makes its step fail.

Flows in: a tree of `conditions`, a scope. Flows out: a truth. Compared is by the type of the variables, not as text:
numbers exactly (`Decimal`), addresses as addresses, hashes and UUIDs whatever their case. Where types do not fit there
is a fault, never a guess. A comparison with a variable that has no value is false, negated or not, as in STIX.

LIKE and MATCHES run in RE2 (linear in the text, whatever the pattern), as a pattern may come from a variable; it has no
look-around and no back references. MATCHES searches, as in STIX; LIKE covers the whole text, % any signs and _ one.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import re2

from ..cacao import PlaybookError, read_json
from ..conditions import And, Comparison, Condition, Constant, Exists, Not, Or, Reference
from ..variable_values import fault_of_value
from .values import Scope, StepFault, as_text

MAX_PATTERN = 1_024  # characters of a regular expression; assumed
MAX_MEMORY = 8_000_000  # bytes that one compiled expression may take
NUMBERS = frozenset({"integer", "long", "float"})
ADDRESSES = frozenset({"ipv4-addr", "ipv6-addr"})
HEXES = frozenset({"hexstring", "hash", "md5-hash", "sha256-hash"})
KINDS = {"integer": "integer", "float": "float", "boolean": "bool", "h": "hexstring"}  # of literals
ORDERED = NUMBERS | {"string", "uri", "time"}  # types whose values have an order

Typed = tuple[str, str]  # type, text


def is_true(condition: Condition, scope: Scope) -> bool:
    """Whether a condition holds.

    Raises:
        StepFault: an undeclared variable, types that do not go together, or a pattern that is none.
    """
    match condition:
        case Comparison():
            return _compared(condition, scope)
        case Exists(name):
            return scope.find(name) is not None
        case Not(inner):
            return not is_true(inner, scope)
        case And(parts):
            return all(is_true(part, scope) for part in parts)
        case Or(parts):
            return any(is_true(part, scope) for part in parts)


def _compared(one: Comparison, scope: Scope) -> bool:
    left = _typed(one.left, scope)
    rights = [_typed(right, scope) for right in (one.right if isinstance(one.right, tuple) else (one.right,))]
    if left is None or any(right is None for right in rights):
        return False
    holds = any(RULES[one.operator](left, right) for right in rights if right is not None)
    return holds is not one.negated


def _typed(operand: Reference | Constant, scope: Scope) -> Typed | None:
    if isinstance(operand, Constant):
        return KINDS.get(operand.kind, operand.kind), operand.text
    value = scope.find(operand.name)
    declared = scope.declared(operand.name)
    return None if value is None or declared is None else (declared.type, as_text(value))


def _pair(left: Typed, right: Typed) -> tuple[str, Any, Any]:
    """Both values as those of one type: that of the variable, where the other is text."""
    kinds = {left[0], right[0]}
    if len(kinds) == 1:
        kind = left[0]
    elif kinds <= NUMBERS:
        kind = "float"
    elif kinds <= HEXES:
        kind = "hexstring"
    elif "string" in kinds:
        kind = (kinds - {"string"}).pop()
    else:
        raise StepFault(f"{left[1][:40]!r} of type {left[0]} does not compare with {right[0]}; compare equal types")
    return kind, _read(kind, left[1]), _read(kind, right[1])


def _read(kind: str, text: str) -> Any:
    """A text as a value that compares as its type does."""
    fault = None if text == "" else fault_of_value(kind, text, literally=True)
    if fault is not None:
        raise StepFault(f"condition: {fault}; compare it with a value of that type")
    try:
        if kind in READERS and text != "":
            return READERS[kind](text)
    except (ValueError, ArithmeticError, binascii.Error, PlaybookError):
        raise StepFault(f"condition: {text[:40]!r} is no {kind}; compare it with a value of that type") from None
    return text


READERS: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(NUMBERS, Decimal),
    **dict.fromkeys(ADDRESSES, ipaddress.ip_interface),
    **dict.fromkeys(HEXES, lambda text: text.lower().removeprefix("0x")),
    "uuid": lambda text: uuid.UUID(text),
    "mac-addr": lambda text: text.lower().replace("-", ":"),
    "dictionary": lambda text: json.dumps(read_json(text.encode(), "condition"), sort_keys=True),
    "t": lambda text: datetime.fromisoformat(text),
    "b": lambda text: base64.b64decode(text, validate=True),
}


def _equal(left: Typed, right: Typed) -> bool:
    _, one, other = _pair(left, right)
    return bool(one == other)


def _before(left: Typed, right: Typed) -> bool:
    kind, one, other = _pair(left, right)
    if kind not in ORDERED and kind != "t":
        raise StepFault(f"condition: values of type {kind} have no order; compare by = or !=")
    if type(one) is not type(other):
        raise StepFault("condition: an empty text has no place in an order; ask for = '' first")
    try:
        return bool(one < other)
    except TypeError:
        raise StepFault("condition: a time without a zone does not compare; write it in UTC, ending in Z") from None


def _like(left: Typed, right: Typed) -> bool:
    parts = (".*" if sign == "%" else "." if sign == "_" else re.escape(sign) for sign in right[1])
    return pattern("".join(parts)).fullmatch(left[1]) is not None


def _matches(left: Typed, right: Typed) -> bool:
    return pattern(right[1]).search(left[1]) is not None


@lru_cache(maxsize=256)
def pattern(text: str) -> Any:
    """A compiled expression of RE2.

    Raises:
        StepFault: it is none, or too large.
    """
    options = re2.Options()
    options.log_errors, options.dot_nl, options.max_mem = False, True, MAX_MEMORY
    if len(text) > MAX_PATTERN:
        raise StepFault(f"condition: a pattern of {len(text)} signs; at most {MAX_PATTERN}, shorten it")
    try:
        return re2.compile(text, options)
    except (re2.error, UnicodeEncodeError) as error:
        told = error.args[0] if error.args else ""
        said = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
        raise StepFault(f"condition: {text[:40]!r} is no expression of RE2: {said}; mend it") from None


def _within(left: Typed, right: Typed) -> bool:
    """Whether one network lies in the other."""
    try:
        inner, outer = (ipaddress.ip_network(text, strict=False) for _, text in (left, right))
    except ValueError:
        raise StepFault(
            f"condition: {left[1][:40]!r}, {right[1][:40]!r}: subsets are of addresses; give such"
        ) from None
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


RULES: Mapping[str, Callable[[Typed, Typed], bool]] = {
    "=": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _before,
    "<=": lambda left, right: not _before(right, left),
    ">": lambda left, right: _before(right, left),
    ">=": lambda left, right: not _before(left, right),
    "IN": _equal,
    "LIKE": _like,
    "MATCHES": _matches,
    "ISSUBSET": _within,
    "ISSUPERSET": lambda left, right: _within(right, left),
}
