"""What may be done: CACAO playbooks, their effects, vetting, and the library as an action space.

`PUBLIC` names the modules that other rooms may use; the names in `EXPORTS` load on first use (PEP 562), so that
importing the room costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

PUBLIC = (
    "actions",
    "cacao",
    "cacao_reading",
    "effects",
    "execute",
    "given_file",
    "signatures",
    "targets",
    "trust",
    "variable_values",
    "vetting",
)
EXPORTS = {
    "Library": "actions",
    "load_library": "actions",
    "Playbook": "cacao",
    "read_playbook": "cacao",
    "effect_of": "effects",
}


def __getattr__(name: str) -> Any:
    """Load an exported name on first use."""
    if name not in EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{EXPORTS[name]}"), name)
