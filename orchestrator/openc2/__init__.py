"""OpenC2 natively: the language, profiles, messages, a checker, a consumer. Loads nothing by itself (PEP 562)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

EXPORTS = {
    "Command": "language",
    "Response": "language",
    "OpenC2Error": "reading",
    "read_command": "language",
    "read_response": "language",
    "PROFILES": "profiles",
    "check": "check",
    "create_consumer": "consumer",
}


def __getattr__(name: str) -> Any:
    if name not in EXPORTS:
        raise AttributeError(f"module {__name__} has no {name!r}; it exports {', '.join(EXPORTS)}")
    return getattr(import_module(f".{EXPORTS[name]}", __name__), name)
