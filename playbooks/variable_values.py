"""Values of CACAO variables by type (CACAO v2.0, 10.18): which text or object a type may hold.

Flows in: a type and a value as written. Flows out: None, or what is wrong. Interpreter and linter both ask here.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

LONG = 2**63
HEX = re.compile(r"(0[xX])?([0-9a-fA-F]{2})*")
MAC = re.compile(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}")
INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
FLOAT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
WITHOUT_SHELL_SIGNS = frozenset({
    "bool", "float", "hexstring", "integer", "ipv4-addr", "ipv6-addr", "long", "mac-addr", "hash", "md5-hash",
    "sha256-hash", "uuid",
})  # types whose values hold no sign that a shell acts on  # fmt: skip


def fault_of_value(kind: str, value: str | dict[str, Any], *, literally: bool = False) -> str | None:
    """What is wrong with a value of a type; None where it fits.

    Args:
        kind: a type of CACAO; nothing is wrong with values of another.
        value: as it is written.
        literally: a variable in it is text like any other; else such a value passes, as it is judged at run time.
    """
    if isinstance(value, dict):
        return None if kind == "dictionary" else f"an object is no {kind}"
    check = CHECKS.get(kind)
    if check is None or (":value" in value and not literally) or (value == "" and kind in ("hexstring", "string")):
        return None
    try:
        fits = check(value)
    except (ValueError, OverflowError, RecursionError):
        fits = False
    return None if fits else f"{value[:40]!r} is no {kind}"


def _is_json_object(text: str) -> bool:
    return isinstance(json.loads(text), dict)


def _is_uri(text: str) -> bool:
    parts = urlsplit(text)
    return bool(parts.scheme) and bool(parts.netloc or parts.path) and not re.search(r"\s", text)


def _is_address(family: Callable[[str], object]) -> Callable[[str], bool]:
    return lambda text: "%" not in text and family(text) is not None


CHECKS: dict[str, Callable[[str], bool]] = {
    "bool": lambda text: text in ("true", "false"),
    "dictionary": _is_json_object,
    "float": lambda text: FLOAT.fullmatch(text) is not None and math.isfinite(float(text)),
    "hexstring": lambda text: HEX.fullmatch(text) is not None,
    "integer": lambda text: INTEGER.fullmatch(text) is not None and -LONG <= int(text) < LONG,
    "long": lambda text: INTEGER.fullmatch(text) is not None and -LONG <= int(text) < LONG,
    "ipv4-addr": _is_address(ipaddress.IPv4Interface),
    "ipv6-addr": _is_address(ipaddress.IPv6Interface),
    "mac-addr": lambda text: MAC.fullmatch(text) is not None,
    "hash": lambda text: len(text) >= 8 and HEX.fullmatch(text) is not None,
    "md5-hash": lambda text: len(text) == 32 and HEX.fullmatch(text) is not None,
    "sha256-hash": lambda text: len(text) == 64 and HEX.fullmatch(text) is not None,
    "uri": _is_uri,
    "uuid": lambda text: len(text) == 36 and str(uuid.UUID(text)) == text.lower(),
}
