"""Draws that were played are kept, so that a long run may be stopped and goes on later.

Flows in: a file of JSON lines, the first of which says what is played. Flows out: means by number of the draw. A last
line that was cut off is played again; a file of another run is refused, nothing is overwritten.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from .evaluate import EvaluationError
from .robust import DEFAULT, Means


def read_kept(path: Path, header: Mapping[str, Any], names: Set[str]) -> dict[int, Means]:
    """Draws of a file, which is begun if it is not there, and mended if its last line was cut off.

    Args:
        path: the file.
        header: what is played.
        names: of the policies that are played.

    Raises:
        EvaluationError: it is of another run, no such file, or a line is no draw of these policies; names the line.
    """
    try:
        lines, found, kept = _read(path, header, names)
        if not lines:
            path.write_text(json.dumps(header) + "\n", "utf-8")
        elif len(found) < len(lines):
            path.write_text("".join(line + "\n" for line in lines[: len(found)]), "utf-8")
    except OSError as error:
        raise EvaluationError(f"--keep {path}: {error.strerror or error}; name a file that can be written") from None
    return kept


def check_kept(path: Path, header: Mapping[str, Any], names: Set[str]) -> None:
    """Refuse a file that `read_kept` would refuse, before anything is played; it stays as it is.

    Args:
        path: the file, which need not be there.
        header: what is known of it before anything is played; only that is compared.
        names: as of `read_kept`.

    Raises:
        EvaluationError: as `read_kept`.
    """
    try:
        _read(path, header, names, partly=True)
    except OSError as error:
        raise EvaluationError(f"--keep {path}: {error.strerror or error}; name a file that can be read") from None


def _read(
    path: Path, header: Mapping[str, Any], names: Set[str], *, partly: bool = False
) -> tuple[list[str], list[Any], dict[int, Means]]:
    """All lines, those that are whole, and the draws that they tell; nothing of a file that is not there."""
    try:
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
    except UnicodeDecodeError:
        raise EvaluationError(f"--keep {path}: is no text; name another file") from None
    found, expected = _parsed(path, lines), json.loads(json.dumps(header))
    first = found[0] if found else expected
    if partly and isinstance(first, dict):
        first = {name: value for name, value in first.items() if name in expected}
    if first != expected:
        raise EvaluationError(f"--keep {path}: is of another run ({_told(found[0])}); name another file")
    return lines, found, dict(_draw(path, number, one, names) for number, one in enumerate(found[1:], 2))


def add(path: Path, number: int, means: Means) -> None:
    """Keep one more draw."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"draw": number, "means": dict(means)}) + "\n")


def weights_digest(weights: Mapping[str, Any]) -> str:
    """SHA-256 of a policy's weights, by which a run's header names it."""
    told = hashlib.sha256()
    for name in sorted(weights):
        told.update(name.encode() + weights[name].tobytes())
    return told.hexdigest()


def _draw(path: Path, line: int, one: Any, names: Set[str]) -> tuple[int, Means]:
    """Number and means of a draw."""
    number = one.get("draw") if isinstance(one, dict) else None
    means = one.get("means") if isinstance(one, dict) else None
    if (
        type(number) is not int
        or number < DEFAULT
        or not isinstance(means, dict)
        or set(means) != names
        or not all(type(value) in (int, float) and math.isfinite(value) for value in means.values())
    ):
        raise EvaluationError(f"--keep {path}: line {line} is no draw of these policies; name another file")
    return number, means


def _parsed(path: Path, lines: list[str]) -> list[Any]:
    found = []
    for number, line in enumerate(lines):
        try:
            found.append(json.loads(line))
        except ValueError:
            if number and number == len(lines) - 1:
                break
            raise EvaluationError(f"--keep {path}: line {number + 1} is no JSON; name another file") from None
    return found


def _told(header: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in header.items()) if isinstance(header, dict) else "no header"
