"""What the linter says: one finding, its place and its rule.

Flows in: parts of a message. Flows out: `Finding` values; `str(finding)` is the line that people read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from .cacao_reading import one_line
from .lint_rules import RULES

Place = tuple[str | int, ...]  # keys and indices from the top of the document


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong (error) or unwise (warning) in a playbook."""

    rule: str  # a key of RULES
    severity: Literal["error", "warning"]
    section: str  # of CACAO v2.0, Committee Specification 01
    path: str  # JSONPath (RFC 9535)
    message: str
    mend: str

    def __str__(self) -> str:
        where = f"CACAO v2.0, {self.section}; rule {self.rule}"
        return f"{self.severity} {self.path}: {self.message}; {self.mend} ({where})"


def found(rule: str, place: Place, message: str, mend: str, *, section: str | None = None) -> Finding:
    """A finding by its rule, which gives the severity, and the section unless a nearer one is given."""
    known = RULES[rule]
    told = one_line(message), one_line(mend)
    return Finding(rule, known.severity, section or known.section, path_to(*place), *told)


def path_to(*parts: str | int) -> str:
    """JSONPath of a place in the document: plain names with a dot, all else in brackets."""
    return "$" + "".join(
        f".{part}" if isinstance(part, str) and part.isidentifier() and part.isascii() else f"[{json.dumps(part)}]"
        for part in parts
    )


def shown(value: object, length: int = 60) -> str:
    """A value of a stranger, short and quoted, for a message."""
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 3]}..."
