"""Hostile bytes in, plain JSON values out, or one line that says what is wrong.

Flows in: bytes of unknown origin. Flows out: values of the JSON kinds. It knows nothing of CACAO. Size, depth, doubled
keys, NaN, numbers and strings without a canonical form (RFC 8785) are refused here, so that nothing after it need care.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import rfc8785

MAX_BYTES = 4_000_000
MAX_DEPTH = 64
BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)  # possessive: linear on hostile quotes


LONGEST_LINE = 1_000  # characters of a message, which may repeat words of a hostile file


class PlaybookError(ValueError):
    """A file that is no CACAO v2.0 playbook; the message names file, place and mend, in one printable line."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def one_line(text: str) -> str:
    """Text with words of a stranger in it, so that it forges no line of ours and steers no terminal.

    Signs that do not print are escaped; of a long text the middle is left out, as its mend stands at the end.
    """
    if len(text) > LONGEST_LINE:
        text = f"{text[: LONGEST_LINE - 300]} ... {text[-200:]}"
    return printable(text)


def printable(text: str) -> str:
    """Text, whole, with signs that do not print escaped."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def read_json(data: bytes, place: str) -> Any:
    """Parse JSON strictly: bounded size and depth, no duplicate keys, no NaN.

    Raises:
        PlaybookError: naming file, place and mend.
    """
    if len(data) > MAX_BYTES:
        raise PlaybookError(f"{place}: {len(data)} bytes; a playbook has at most {MAX_BYTES}, split it")
    if _depth(data) > MAX_DEPTH:
        raise PlaybookError(f"{place}: nested deeper than {MAX_DEPTH}; flatten it")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
    except (UnicodeDecodeError, RecursionError) as error:
        raise PlaybookError(f"{place}: not plain UTF-8 JSON ({type(error).__name__}); save it as such") from None
    except json.JSONDecodeError as error:
        raise PlaybookError(f"{place}:{error.lineno}:{error.colno}: {error.msg}; mend the JSON there") from None
    except _Refused as error:
        raise PlaybookError(f"{place}: {error}") from None
    except ValueError as error:  # an integer of thousands of digits
        raise PlaybookError(f"{place}: {error}; write such numbers as strings") from None


def read_canonical(data: bytes, place: str) -> Any:
    """`read_json` that also refuses what has no canonical form: integers beyond 2^53, lone surrogates.

    Raises:
        PlaybookError: naming file, place and mend.
    """
    content = read_json(data, place)
    try:
        rfc8785.dumps(content)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        told = str(error).encode("ascii", "replace").decode()[:200]
        raise PlaybookError(
            f"{place}: has no canonical form: {told}; write such numbers as strings, such text as UTF-8"
        ) from None
    return content


def canonical(content: Mapping[str, Any], *, without_signatures: bool = True) -> bytes:
    """The canonical form (RFC 8785) of a playbook object, its signatures left out unless asked for."""
    kept = {key: value for key, value in content.items() if not (without_signatures and key == "signatures")}
    form: bytes = rfc8785.dumps(kept)
    return form


class _Refused(ValueError):  # noqa: N818
    pass


def _depth(data: bytes) -> int:
    """Deepest nesting of brackets outside strings, told before anything is built; broken JSON counts as it comes."""
    depth = deepest = 0
    for token in BRACKETS.finditer(data):
        sign = token[0]
        if sign in (b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH:
                return depth
            deepest = max(deepest, depth)
        elif sign in (b"]", b"}"):
            depth -= 1
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Refused(f"key {twice[:80]!r} stands twice in one object; remove one")
    return content


def _refuse(constant: str) -> Any:
    raise _Refused(f"{constant[:40]} is no JSON number; write a finite one")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)
