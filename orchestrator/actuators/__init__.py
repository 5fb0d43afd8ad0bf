"""Actuators: what carries an order to a real system. Loads nothing by itself (PEP 562)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

EXPORTS = {
    "Actuator": "base",
    "ActuatorError": "base",
    "Malformed": "base",
    "Order": "base",
    "Outcome": "base",
    "Pending": "base",
    "Refused": "base",
    "Unavailable": "base",
    "OpenC2Http": "openc2_http",
    "Router": "router",
    "Setup": "setup",
}


def __getattr__(name: str) -> Any:
    if name not in EXPORTS:
        raise AttributeError(f"module {__name__} has no {name!r}; it exports {', '.join(EXPORTS)}")
    return getattr(import_module(f".{EXPORTS[name]}", __name__), name)
