"""What environments check of what they are asked for, before any world changes.

Flows in: seeds, worlds and render modes as callers give them. Flows out: the same, or one line that says what to give.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

INTEGERS = (int, np.integer)
REALS = (int, float, np.integer, np.floating)
MOST_WORLDS = 1_000_000  # side by side in one environment
LAST_WORLD = 2**63 - 1  # worlds are numbered by 64 bits


class EnvError(ValueError):
    """An environment was asked for what is not there; the message names it and the mend."""


def checked_mode(mode: str | None, known: list[str]) -> str | None:
    """Give the render mode back.

    Raises:
        EnvError: there is none of this name.
    """
    if mode is not None and mode not in known:
        raise EnvError(f"render mode {mode!r} is unknown; take one of {', '.join([*known, 'None'])}")
    return mode


def checked_world(number: int) -> int:
    """Give the number of a world back.

    Raises:
        EnvError: it is none.
    """
    if isinstance(number, bool) or not isinstance(number, INTEGERS) or not 0 <= number <= LAST_WORLD:
        raise EnvError(f"world {number!r}: give an integer within 0..{LAST_WORLD}; a seed is the number of a world")
    return int(number)


def checked_count(number: int) -> int:
    """Give a number of worlds back.

    Raises:
        EnvError: it is none.
    """
    if isinstance(number, bool) or not isinstance(number, INTEGERS) or not 1 <= number <= MOST_WORLDS:
        raise EnvError(f"num_envs {number!r}: give an integer within 1..{MOST_WORLDS}; so many worlds are made")
    return int(number)


def checked_share(name: str, share: float) -> float:
    """Give a share back.

    Raises:
        EnvError: it is no number within 0..1; says what it is called.
    """
    if isinstance(share, bool) or not isinstance(share, REALS) or not 0.0 <= share <= 1.0:
        raise EnvError(f"{name} {share!r}: give a number within 0..1")
    return float(share)


def checked_worlds(seed: int | Sequence[int], count: int) -> list[int]:
    """The numbers of `count` worlds that a seed, or one seed each, names.

    Raises:
        EnvError: not one seed per world, or a seed that is no number of a world.
    """
    ids = [seed + number for number in range(count)] if isinstance(seed, INTEGERS) else list(seed)
    if len(ids) != count:
        raise EnvError(f"{len(ids)} seeds for {count} worlds; give one each, or a single one to count from")
    return [checked_world(number) for number in ids]
