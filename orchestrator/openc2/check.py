"""Judge whether a file holds an OpenC2 command or response that the standard takes.

Flows in: bytes and a place. Flows out: a `Verdict`. It judges by the language and the profiles given.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from .language import Language, read_command, read_response
from .message import unpack
from .reading import OpenC2Error, read_json

FOLDERS = {"commands": "command", "responses": "response"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether content is accepted, and why not."""

    kind: str  # "command", "response" or "" where it is neither
    place: str = ""  # dotted path of the first fault
    reason: str = ""  # empty: accepted

    @property
    def accepted(self) -> bool:
        """Whether it is good OpenC2."""
        return not self.reason


def check(data: bytes, language: Language, kind: str = "") -> Verdict:
    """Judge the bytes of one command, response or message.

    Args:
        data: untrusted.
        language: the profiles that count.
        kind: "command" or "response" where it must be that; empty: what its properties say.
    """
    try:
        content = read_json(data)
        if isinstance(content, dict) and "body" in content:
            found = unpack(content)
            kind, content = ("command" if found.kind == "request" else "response"), found.content
        kind = kind or kind_of(content)
        (read_command if kind == "command" else read_response)(content, language)
    except OpenC2Error as error:
        return Verdict(kind, error.place, error.reason)
    return Verdict(kind)


def kind_of(content: Any) -> str:
    """Tell a command from a response by its properties.

    Raises:
        OpenC2Error: it is neither.
    """
    if isinstance(content, dict) and ("action" in content or "target" in content):
        return "command"
    if isinstance(content, dict) and "status" in content:
        return "response"
    raise OpenC2Error("", "neither a command (action, target) nor a response (status)")


def kind_of_path(path: PurePath) -> str:
    """What the folder says: OASIS's cases stand below `commands` and `responses`; empty where it says nothing."""
    return next((FOLDERS[part] for part in reversed(path.parts[:-1]) if part in FOLDERS), "")
