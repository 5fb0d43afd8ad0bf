"""Whose command is next: producers in turn, each with one at a time, so that nobody keeps another waiting for long.

Flows in: names of producers. Flows out: turns. Locks of asyncio are first come, first served; as each producer stands
in the common queue once at most, it waits for one command of every other, however many those send.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from .reading import OpenC2Error

MOST_WAITING: Final = 32  # commands of one producer at a time, 64 kB each; assumed


@dataclass(slots=True)
class Lanes:
    """Turns at one consumer; lives as long as it, used by one event loop."""

    _own: dict[str, asyncio.Lock] = field(default_factory=dict)  # by producer, of those that wait
    _waiting: Counter[str] = field(default_factory=Counter)
    _common: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def turn(self, producer: str) -> AsyncIterator[None]:
        """Wait until it is the producer's turn, and keep it for the block.

        Raises:
            OpenC2Error: 503, too many of its commands wait already.
        """
        if self._waiting[producer] >= MOST_WAITING:
            raise OpenC2Error("", f"{MOST_WAITING} commands of this producer wait already; try again later", 503)
        self._waiting[producer] += 1
        lane = self._own.setdefault(producer, asyncio.Lock())
        try:
            async with lane, self._common:
                yield
        finally:
            self._waiting[producer] -= 1
            if not self._waiting[producer]:
                del self._waiting[producer], self._own[producer]
