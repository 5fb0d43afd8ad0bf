"""Sources: one file a format, bytes in, facts out. Flows in: manifests and chain files. Flows out: facts and notes.

Names are loaded on use. Nothing here merges facts but `load_example`; nothing writes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .folder import knows_network as knows_network
    from .folder import load_example as load_example
    from .folder import read_chain as read_chain
    from .folder import read_paths as read_paths
    from .reading import Note as Note
    from .reading import Reading as Reading

EXPORTS = {
    "Note": "reading",
    "Reading": "reading",
    "knows_network": "folder",
    "load_example": "folder",
    "read_chain": "folder",
    "read_paths": "folder",
}
__all__ = sorted(EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it exports {', '.join(__all__)}")
    return getattr(import_module(f".{EXPORTS[name]}", __name__), name)
