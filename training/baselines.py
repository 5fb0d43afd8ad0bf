"""What policies are measured against, by the names that this room uses; the rules live in `envs.scripted`.

Flows in: nothing. Flows out: names. It adds no rule of its own.
"""

from __future__ import annotations

from ..envs.learned import Learned
from ..envs.scripted import (
    BLOCK,
    BOOK,
    ISOLATE,
    MONITOR,
    RELEASE,
    RESTORE,
    REVOKE,
    ByTheBook,
    Clairvoyant,
    IsolateOnFinding,
    Threshold,
    at_random,
    is_blind,
    nothing,
)
from ..envs.scripted import Defender as BatchPolicy

__all__ = [
    "BLOCK",
    "BOOK",
    "ISOLATE",
    "MONITOR",
    "RELEASE",
    "RESTORE",
    "REVOKE",
    "BatchPolicy",
    "ByTheBook",
    "Clairvoyant",
    "IsolateOnFinding",
    "Learned",
    "Threshold",
    "at_random",
    "is_blind",
    "nothing",
]
