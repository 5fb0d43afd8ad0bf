"""What a response that was carried out still holds, and which later one takes its hold away or over.

Flows in: responses, and what finds the playbook that each began with (`pinned.Pinned.of`): a later version on the shelf
changes nothing of what was done. Flows out: whether one holds, and whether another ended its hold. Pure; `verifying.py`
writes that they ended.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from .clock import iso
from .lifecycle import State
from .records import Response
from .shelf import Shelved

PinnedOf = Callable[[Response], Shelved | None]
MAY_HOLD = (State.VERIFYING, State.SUCCEEDED, State.FAILED)  # what was sent may stand although nobody reported it


def is_in_force(response: Response, pinned: PinnedOf, now: datetime) -> bool:
    """Whether one that was started makes the same again needless: it is under way, or holds what can be undone.

    What evicts (a ceiling on access) is never needless for long: whoever came back since is there again.
    """
    if response.state is not State.SUCCEEDED:
        return True
    shelved = pinned(response)
    if shelved is None or not shelved.effect.undoable or shelved.effect.ceiling is not None:
        return False
    return holds(response, pinned, now)


def holds(response: Response, pinned: PinnedOf, now: datetime) -> bool:
    """Whether the time that a response holds is not over; one without an end holds until it is undone."""
    if response.holds_until:  # written when it was carried out
        return response.holds_until > iso(now)
    shelved = pinned(response)
    return shelved is not None and shelved.effect.hold_s == 0


def ends(done: Response, other: Response, pinned: PinnedOf) -> bool:
    """Whether one that succeeded takes away or over what an earlier one holds, on the targets of both.

    It released them of the mode that the other holds, or evicts anew what the other did.
    """
    by, held = pinned(done), pinned(other)
    if by is None or held is None or other.id == done.id or not set(other.targets) & set(done.targets):
        return False
    if by.effect.clear_mode is not None and by.effect.clear_mode is held.effect.mode:
        return held.effect.undoable
    return by.effect.ceiling is not None and by.id == held.id
