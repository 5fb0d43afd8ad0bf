"""Who acts in a world: the Mesa model.

`PUBLIC` names the modules that other rooms may use; the names in `EXPORTS` load on first use (PEP 562), so that
importing the room costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

PUBLIC = (
    "model",
    "attacker",
    "defender",
    "owner",
    "recording",
    "drawing",
)
EXPORTS = {
    "ChainModel": "model",
    "AttackerAgent": "attacker",
    "DefenderAgent": "defender",
    "OwnerAgent": "owner",
    "Recording": "recording",
    "record": "recording",
    "replay": "recording",
}


def __getattr__(name: str) -> Any:
    """Load an exported name on first use."""
    if name not in EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{EXPORTS[name]}"), name)
