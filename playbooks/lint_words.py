"""What the linter says: one finding and its path.

Flows in: parts of a message. Flows out: `Finding` values; `str(finding)` is the line that people read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong (error) or unwise (warning) in a playbook."""

    severity: Literal["error", "warning"]
    section: str  # of CACAO v2.0, Committee Specification 01
    path: str  # JSONPath (RFC 9535)
    message: str
    mend: str

    def __str__(self) -> str:
        return f"{self.severity} {self.path}: {self.message}; {self.mend} (CACAO v2.0, {self.section})"


def error(section: str, path: str, message: str, mend: str) -> Finding:
    """A finding that keeps a playbook out of a library."""
    return Finding("error", section, path, message, mend)


def warning(section: str, path: str, message: str, mend: str) -> Finding:
    """A finding that a reviewer should look at."""
    return Finding("warning", section, path, message, mend)


def path_to(*parts: str | int) -> str:
    """JSONPath of a place in the document: plain names with a dot, all else in brackets."""
    return "$" + "".join(
        f".{part}" if isinstance(part, str) and part.isidentifier() else f"[{json.dumps(part)}]" for part in parts
    )
