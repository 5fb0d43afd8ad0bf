"""What of another side's words may be written down: an outcome's text goes to the audit log, which keeps no secrets.

Flows in: output of programs, bodies of answers. Flows out: a short part of it, or nothing. What a program says when all
is well is never told. Why it failed is, but not where the step asks for values (they may be secrets), and without the
values that it was given.
"""

from __future__ import annotations

import re
from typing import Final

from .base import Order

RETURNED: Final = re.compile(r"^__[a-zA-Z_][a-zA-Z0-9_-]{0,199}__=.*$", re.MULTILINE)  # a value that is given back
MAX_SAID: Final = 300  # characters
MIN_HIDDEN: Final = 3  # characters; a shorter value would blot out half the words


def why_it_failed(said: str, order: Order, *, first: bool = False) -> str:
    """Give `: ` and the end (or the beginning) of what was said about a failure; nothing where values are asked for."""
    if order.returns:
        return ""
    kept = RETURNED.sub("", said)
    for name, value in sorted(order.arguments.items(), key=lambda pair: -len(pair[1])):
        if len(value) >= MIN_HIDDEN:
            kept = kept.replace(value, name)
    kept = kept.strip()
    kept = kept[:MAX_SAID] if first else kept[-MAX_SAID:]
    return f": {kept}" if kept else ""
